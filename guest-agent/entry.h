/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How calls come in (call.h): imports from a driver, and operations from the
 * kernel.
 *
 * Each import has a stub for each domain. It loads the domain's id and jumps:
 * a return address would not tell the domain, for a driver may tail-call an
 * import. A stub begins with an ENDBR that stays: a driver may hand an import
 * out as a callback.
 *
 * What an import leads to is called where the kernel's loader said that it is,
 * so imports may be exported by modules that come and go. The call is an
 * indirect one: exported functions keep their ENDBR.
 */
#ifndef CHARIOT_ENTRY_H
#define CHARIOT_ENTRY_H

#define CHARIOT_STUB_SIZE	16

#ifndef __ASSEMBLY__
#include <linux/linkage.h>
#include <linux/types.h>

struct chariot_call;

struct chariot_import {
	const char *name;
	const u8 *stubs;	/* CHARIOT_DOMAINS of them, the first is domain 1's */
	unsigned long origin;	/* what was interposed; set before a stub can be called */
};

extern struct chariot_import chariot_imports[], chariot_imports_end[];
extern const u8 chariot_slot_stubs[];

asmlinkage void *chariot_slot_before(struct chariot_call *c);
asmlinkage void chariot_slot_after(struct chariot_call *c);

#else /* __ASSEMBLY__ */

#include <linux/linkage.h>
#include <asm/nospec-branch.h>

#include "agent.h"
#include "call.h"

/* objtool is not to replace the ENDBR of \func, though nothing here points to it. */
.macro CHARIOT_KEEP_ENDBR func
	.pushsection .discard.ibt_endbr_noseal
	.quad	\func
	.popsection
.endm

.macro CHARIOT_STUB sym dom target reg
SYM_FUNC_START_LOCAL_NOALIGN(chariot_stub_\sym\()_\dom)
	movl	$\dom, %\reg
	jmp	\target
SYM_FUNC_END(chariot_stub_\sym\()_\dom)
	.org	chariot_stub_\sym\()_\dom + CHARIOT_STUB_SIZE, 0xcc	/* fails if it is larger */
	CHARIOT_KEEP_ENDBR chariot_stub_\sym\()_\dom
.endm

/* The stubs, and the import's struct chariot_import. */
.macro CHARIOT_STUBS sym target reg
	.balign	CHARIOT_STUB_SIZE, 0xcc
.Lstubs_\sym:
	.irp	dom, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
	CHARIOT_STUB \sym \dom \target \reg
	.endr

	.pushsection .rodata.str1.1, "aMS", @progbits, 1
.Lname_\sym:
	.asciz	"\sym"
	.popsection
	.pushsection .data
.Limport_\sym:
	.quad	.Lname_\sym, .Lstubs_\sym
.Lorigin_\sym:
	.quad	0
	.popsection
.endm

/* Lays out a struct chariot_call, and \stack words below it for arguments. */
.macro CHARIOT_CALL_ENTER stack
	pushq	%rbp
	movq	%rsp, %rbp
	subq	$(CHARIOT_CALL_SIZE + \stack * 8), %rsp
	movq	%rdi, CHARIOT_CALL_ARG+0-CHARIOT_CALL_SIZE(%rbp)
	movq	%rsi, CHARIOT_CALL_ARG+8-CHARIOT_CALL_SIZE(%rbp)
	movq	%rdx, CHARIOT_CALL_ARG+16-CHARIOT_CALL_SIZE(%rbp)
	movq	%rcx, CHARIOT_CALL_ARG+24-CHARIOT_CALL_SIZE(%rbp)
	movq	%r8, CHARIOT_CALL_ARG+32-CHARIOT_CALL_SIZE(%rbp)
	movq	%r9, CHARIOT_CALL_ARG+40-CHARIOT_CALL_SIZE(%rbp)
	movq	%rax, CHARIOT_CALL_RAX-CHARIOT_CALL_SIZE(%rbp)
.endm

/* All argument registers, as they were or as they were changed. */
.macro CHARIOT_CALL_ARGUMENTS
	movq	CHARIOT_CALL_ARG+0-CHARIOT_CALL_SIZE(%rbp), %rdi
	movq	CHARIOT_CALL_ARG+8-CHARIOT_CALL_SIZE(%rbp), %rsi
	movq	CHARIOT_CALL_ARG+16-CHARIOT_CALL_SIZE(%rbp), %rdx
	movq	CHARIOT_CALL_ARG+24-CHARIOT_CALL_SIZE(%rbp), %rcx
	movq	CHARIOT_CALL_ARG+32-CHARIOT_CALL_SIZE(%rbp), %r8
	movq	CHARIOT_CALL_ARG+40-CHARIOT_CALL_SIZE(%rbp), %r9
	movq	CHARIOT_CALL_RAX-CHARIOT_CALL_SIZE(%rbp), %rax
.endm

.macro CHARIOT_CALL_C func
	leaq	-CHARIOT_CALL_SIZE(%rbp), %rdi
	call	\func
.endm

/* Calls \func with what was returned, and returns it. */
.macro CHARIOT_CALL_RETURN func
	movq	%rax, CHARIOT_CALL_RAX-CHARIOT_CALL_SIZE(%rbp)
	movq	%rdx, CHARIOT_CALL_RDX-CHARIOT_CALL_SIZE(%rbp)
	CHARIOT_CALL_C \func
	movq	CHARIOT_CALL_RAX-CHARIOT_CALL_SIZE(%rbp), %rax
	movq	CHARIOT_CALL_RDX-CHARIOT_CALL_SIZE(%rbp), %rdx
	leave
	RET
.endm

/* Arguments \from on, below the frame, as they are above it. */
.macro CHARIOT_CALL_STACK from stack
	.if	\from < \stack
	movq	(16 + \from * 8)(%rbp), %r10
	movq	%r10, (\from * 8)(%rsp)
	CHARIOT_CALL_STACK "(\from + 1)" \stack
	.endif
.endm

/* An import that a function of the agent's own serves, with the domain in its sixth register. */
.macro CHARIOT_SERVED sym id
	CHARIOT_STUBS \sym chariot_instead_\id r9d
.endm

/*
 * An import that is called, with \stack arguments beyond six and something before or after it.
 * \free: what comes before may refuse; then the call is not made, and returns nothing.
 */
.macro CHARIOT_CALLED sym id stack before after free
	CHARIOT_STUBS \sym chariot_import_\sym r11d
SYM_FUNC_START_LOCAL(chariot_import_\sym)
	CHARIOT_CALL_ENTER "(\stack + (\stack & 1))"
	movl	%r11d, CHARIOT_CALL_DOMAIN-CHARIOT_CALL_SIZE(%rbp)
	.if	\free
	movl	$0, CHARIOT_CALL_REFUSED-CHARIOT_CALL_SIZE(%rbp)
	.endif
	.if	\before
	CHARIOT_CALL_C chariot_before_\id
	CHARIOT_CALL_ARGUMENTS
	.endif
	.if	\free
	cmpl	$0, CHARIOT_CALL_REFUSED-CHARIOT_CALL_SIZE(%rbp)
	jne	.Lrefused_\sym
	.endif
	.if	\after
	CHARIOT_CALL_STACK 0 \stack
	movq	.Lorigin_\sym(%rip), %r11
	CALL_NOSPEC r11
	CHARIOT_CALL_RETURN chariot_after_\id
	.else
	movq	.Lorigin_\sym(%rip), %r11
	leave
	JMP_NOSPEC r11
	.endif
	.if	\free
.Lrefused_\sym:
	leave
	RET
	.endif
SYM_FUNC_END(chariot_import_\sym)
.endm

.macro CHARIOT_IMPORTS_BEGIN
	.data
	.balign	8
	.globl	chariot_imports
chariot_imports:
	.text
.endm

.macro CHARIOT_IMPORTS_END
	.data
	.globl	chariot_imports_end
chariot_imports_end:
	.text
	.if	CHARIOT_DOMAINS != 16
	.error	"as many stubs as domains"
	.endif
.endm

#endif /* __ASSEMBLY__ */
#endif /* CHARIOT_ENTRY_H */
