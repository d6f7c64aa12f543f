/* SPDX-License-Identifier: GPL-2.0-only */
/* Vector stores (SSE, AVX), most of which KVM's emulator does not know. */
#ifndef CHARIOT_VECTOR_H
#define CHARIOT_VECTOR_H

#include "vm.h"

/* Is the instruction in @code (15 bytes) a store that chariot_emulate_vector() runs? */
bool chariot_is_vector_store(const u8 *code);

/*
 * Runs the store in @code, judging its bytes as @domain's. 1: done; -EOPNOTSUPP:
 * an address form or a fault that is not handled here. vm->lock must not be held.
 */
int chariot_emulate_vector(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain,
			   const u8 *code, u64 gpa);

#endif
