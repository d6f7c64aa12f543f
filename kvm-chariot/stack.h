/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stacks that a domain may write: the running task's, and the CPU's IRQ
 * stack. Found from the kernel's own record of the running task's stack top
 * (CHARIOT_REC_CPU), never from a stack pointer that the driver could have
 * spoilt; where the guest has not told where that record is, from RSP.
 */
#ifndef CHARIOT_STACK_H
#define CHARIOT_STACK_H

#include "vm.h"

/*
 * The vCPU enters a domain: if another task runs than last time, or its stack
 * lies elsewhere, the old stack's pages lose write permission. Needs vm->lock.
 */
void chariot_stack_enter(struct chariot_vm *vm, struct chariot_vcpu *cv);
/*
 * Is @gpa in a stack of the vCPU? If so its page is taken to be mapped writable
 * from now on. Needs vm->lock.
 */
bool chariot_stack_holds(struct chariot_vm *vm, struct chariot_vcpu *cv, u64 gpa);
/* The views were thrown away: nothing is mapped. */
void chariot_stack_forget(struct chariot_vcpu *cv);
/*
 * The gfn of the stack page at @va, taken to be mapped from now on; ~0 if @va is
 * in no stack. Needs vm->lock.
 */
u64 chariot_stack_gfn(struct chariot_vm *vm, struct chariot_vcpu *cv, u64 va);

#endif
