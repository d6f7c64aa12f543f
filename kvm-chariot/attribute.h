/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose write is it? */
#ifndef CHARIOT_ATTRIBUTE_H
#define CHARIOT_ATTRIBUTE_H

#include "vm.h"

struct chariot_culprit {
	u32 domain;	/* 0: the core kernel, another module or user mode */
	bool library;	/* a library function, called by the domain from ... */
	u64 caller;	/* ... the instruction before this address */
};

/* The domain whose text holds @rip, 0 if none. Needs vm->lock. */
u32 chariot_domain_of(struct chariot_vm *vm, u64 rip);

/*
 * Attributes what the instruction at @rip does while the vCPU is in the view
 * of domain @cur. Needs vm->lock; reads guest memory.
 */
struct chariot_culprit chariot_attribute(struct chariot_vm *vm, struct kvm_vcpu *vcpu, u32 cur,
					 u64 rip);

/*
 * Notes the call by which the vCPU entered @domain at the current RIP, unless
 * it is a return into the domain. Needs vm->lock.
 */
void chariot_note_call(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain);

#endif
