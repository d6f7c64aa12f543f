/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest code that the tests share. It writes no memory but what its
 * comments say; calls push onto the current stack, of course.
 */
#define __ASSEMBLY__
#include "guest.h"

	.section .note.GNU-stack, "", @progbits

.macro fn name
	.balign	16
	.globl	\name
\name:
.endm

.macro at name
	.globl	\name
\name:
.endm

	.section .guest.core, "ax"

/* Where vcpu_call() starts: calls R11, then leaves all registers and flags as they are for the host to look at. */
fn g_enter
	call	*%r11
	out	%al, $PORT_DONE
	ud2

/* One entry of 16 bytes per vector, for exceptions that no test asked for. */
	.balign	16
	.globl	g_traps
g_traps:
	.set	vector, 0
	.rept	256
	.balign	16
	push	%rax
	mov	$vector, %eax
	out	%al, $PORT_TRAP
	hlt
	.set	vector, vector + 1
	.endr

/* An interrupt handler: counts in the core kernel's data, notes the RIP that was interrupted, ends the interrupt. */
fn g_irq
	push	%rax
	push	%rcx
	push	%rdx
	movabs	$(GUEST_DM + GUEST_CORE_DATA), %rcx
	mov	24(%rsp), %rax
	mov	%rax, CORE_IRQ_RIP(%rcx)
	lock incq CORE_IRQS(%rcx)
	movabs	$(GUEST_DM + GUEST_APIC), %rcx
	testb	$1, g_irq_eoi(%rip)
	jz	1f
	movl	$0, 0xb0(%rcx)
1:	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq
	.globl	g_irq_eoi
g_irq_eoi:
	.byte	0

/* An exception handler that writes nothing. */
fn g_iret
	iretq

fn g_core_ret
	mov	$0x1234, %eax
	ret

/* *rdi = rsi */
fn g_core_store
at g_core_store_at
	mov	%rsi, (%rdi)
	mov	%rsi, %rax
	ret

fn g_core_store4
	mov	%esi, (%rdi)
	ret

/* rax = *rdi */
fn g_core_load
	mov	(%rdi), %rax
	ret

/* g_<part>_call_n: calls rdi rsi times with (rdx, rcx). Nothing outside the stack is written. */
.macro call_n part
fn g_\part\()_call_n
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	mov	%rdi, %rbx
	mov	%rsi, %r12
	mov	%rdx, %r13
	mov	%rcx, %r14
1:	mov	%r13, %rdi
	mov	%r14, %rsi
	call	*%rbx
	dec	%r12
	jnz	1b
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	ret
.endm

	call_n core

/* The same, and adds 1 to *r8 after each call. */
fn g_core_call_n_store
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, %rbx
	mov	%rsi, %r12
	mov	%rdx, %r13
	mov	%rcx, %r14
	mov	%r8, %r15
1:	mov	%r13, %rdi
	mov	%r14, %rsi
	call	*%rbx
	incq	(%r15)
	dec	%r12
	jnz	1b
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	ret

/* Writes rdx to rsi words, rcx bytes apart, from rdi. */
fn g_core_pages
1:	mov	%rdx, (%rdi)
	add	%rcx, %rdi
	dec	%rsi
	jnz	1b
	ret

/* Counts up in *rdi until *rsi is not 0; rax: the last count. */
fn g_core_until
	xor	%eax, %eax
1:	inc	%rax
	mov	%rax, (%rdi)
	cmpq	$0, (%rsi)
	je	1b
	ret

/*
 * g_<part>_sweep: in rounds, until *rcx is not 0, writes the round's number to rsi words, rdx bytes apart, from rdi;
 * rax: the last round. g_<part>_count adds 1 to each word instead.
 */
.macro rounds name, write:vararg
fn \name
	xor	%eax, %eax
1:	inc	%rax
	mov	%rdi, %r8
	mov	%rsi, %r9
2:	\write
	add	%rdx, %r8
	dec	%r9
	jnz	2b
	cmpq	$0, (%rcx)
	je	1b
	ret
.endm

.macro sweeps part
	rounds	g_\part\()_sweep, mov %rax, (%r8)
	rounds	g_\part\()_count, incq (%r8)
.endm

	sweeps core

/* Rings the doorbell at rdi, then reads *rsi, waits rdx turns, reads it again: rax, rdx. */
fn g_core_doorbell
	movl	$1, (%rdi)
	mov	(%rsi), %rax
1:	pause
	dec	%rdx
	jnz	1b
	mov	(%rsi), %rdx
	ret

/* wrmsr: edi = esi */
fn g_core_msr
	mov	%edi, %ecx
	mov	%esi, %eax
	xor	%edx, %edx
	wrmsr
	ret

	.section .guest.lib, "ax"

/* *rdi = rsi, for its caller */
fn g_lib_store
at g_lib_store_at
	mov	%rsi, (%rdi)
	mov	%rdi, %rax
	ret
at g_lib_store_end

/* memcpy(rdi, rsi, rdx) */
fn g_lib_copy
	mov	%rdi, %rax
	mov	%rdx, %rcx
at g_lib_copy_at
	rep movsb
	ret
at g_lib_copy_end

.macro domain d
	.section .guest.\d, "ax"

fn g_\d\()_ret
	mov	%edi, %eax
	ret

/* *rdi = rsi */
fn g_\d\()_store
at g_\d\()_store_at
	mov	%rsi, (%rdi)
	mov	%rsi, %rax
	ret

fn g_\d\()_store4
at g_\d\()_store4_at
	mov	%esi, (%rdi)
	mov	%rsi, %rax
	ret

/* rax = *rdi */
fn g_\d\()_load
	mov	(%rdi), %rax
	ret

/* rdi(rsi, rdx) */
fn g_\d\()_call
	push	%rbx
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	call	*%rax
	pop	%rbx
	ret

	call_n \d

/* Counts up in *rdi until *rsi is not 0; rax: the last count. */
fn g_\d\()_until
	xor	%eax, %eax
1:	inc	%rax
at g_\d\()_until_at
	mov	%rax, (%rdi)
	cmpq	$0, (%rsi)
	je	1b
	ret

/* Waits until *rsi is not 0, writing nothing. */
fn g_\d\()_spin
1:	pause
	cmpq	$0, (%rsi)
	je	1b
	ret

/* Writes rdx to rsi words, rcx bytes apart, from rdi. */
fn g_\d\()_pages
1:
at g_\d\()_pages_at
	mov	%rdx, (%rdi)
	add	%rcx, %rdi
	dec	%rsi
	jnz	1b
	ret

	sweeps \d

/* memcpy(rdi, rsi, rdx) by the domain itself */
fn g_\d\()_copy
	mov	%rdx, %rcx
at g_\d\()_copy_at
	rep movsb
	ret

fn g_\d\()_lib_store
	call	g_lib_store
at g_\d\()_lib_store_ret
	ret

fn g_\d\()_lib_copy
	call	g_lib_copy
at g_\d\()_lib_copy_ret
	ret
.endm

	domain dom1
	domain dom2
