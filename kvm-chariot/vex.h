/* SPDX-License-Identifier: GPL-2.0-only */
/* Vector stores with a VEX prefix (AVX), which KVM's emulator does not know. */
#ifndef CHARIOT_VEX_H
#define CHARIOT_VEX_H

#include "vm.h"

/* Does the instruction begin (after legacy prefixes) with a VEX or EVEX prefix? */
bool chariot_is_vex(const u8 *code);

/*
 * Decodes and runs the store in @code (15 bytes), judging its bytes as
 * @domain's. 1: done; -EOPNOTSUPP: not a store that is known here. vm->lock
 * must not be held.
 */
int chariot_emulate_vex(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain,
			const u8 *code, u64 gpa);

#endif
