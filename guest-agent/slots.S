/* SPDX-License-Identifier: GPL-2.0-only */
/* The slots of operations (ops.h), and the call that they lead to. */
#include "entry.h"
#include "ops.h"

	.altmacro
.macro CHARIOT_SLOT number
SYM_FUNC_START_LOCAL_NOALIGN(chariot_slot_\number)
	movl	$\number, %r11d
	jmp	chariot_slot
SYM_FUNC_END(chariot_slot_\number)
	.org	chariot_slot_\number + CHARIOT_SLOT_SIZE, 0xcc	/* fails if it is larger */
	CHARIOT_KEEP_ENDBR chariot_slot_\number
.endm

	.text
	.balign	CHARIOT_SLOT_SIZE, 0xcc
	.globl	chariot_slot_stubs
chariot_slot_stubs:
	.set	number, 0
	.rept	CHARIOT_SLOTS
	CHARIOT_SLOT %number
	.set	number, number + 1
	.endr
	.noaltmacro

SYM_FUNC_START_LOCAL(chariot_slot)
	CHARIOT_CALL_ENTER CHARIOT_SLOT_STACK
	movl	%r11d, CHARIOT_CALL_SLOT-CHARIOT_CALL_SIZE(%rbp)
	CHARIOT_CALL_C chariot_slot_before
	movq	%rax, %r11
	CHARIOT_CALL_ARGUMENTS
	CHARIOT_CALL_STACK 0 CHARIOT_SLOT_STACK
	CALL_NOSPEC r11
	CHARIOT_CALL_RETURN chariot_slot_after
SYM_FUNC_END(chariot_slot)
