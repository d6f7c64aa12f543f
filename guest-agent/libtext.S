/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Library functions as a domain's own text: for each domain a page with copies
 * of the functions, which the driver's imports lead to.
 *
 * The kernel's own memcpy() may be executed in any view. Interrupted while it
 * works for a driver, it would go on in the kernel view when the interrupt
 * returns, and its writes would be judged no more. These pages belong to the
 * domain: whatever returns here returns to the domain's view.
 *
 * They copy eight bytes at a time, because each piece may have to be emulated.
 */
#include <linux/linkage.h>
#include <asm/errno.h>

#include "agent.h"
#include "library.h"

.macro LIB_START name dom
SYM_FUNC_START_LOCAL_NOALIGN(chariot_lib_\name\()_\dom)
.endm

.macro LIB_END name dom
SYM_FUNC_END(chariot_lib_\name\()_\dom)
.if \dom == 1
	.pushsection .rodata.str1.1, "aMS", @progbits, 1
.Lname_\name:
	.asciz	"\name"
	.popsection
	.pushsection .rodata
	/* a struct chariot_library */
	.quad	.Lname_\name, chariot_lib_\name\()_1, .Lend_\name - chariot_lib_\name\()_1
	.popsection
.Lend_\name:
.endif
	.balign	16, 0xcc
.endm

.macro FORWARD
	movq	%rdx, %rcx
	shrq	$3, %rcx
	rep movsq
	movl	%edx, %ecx
	andl	$7, %ecx
	rep movsb
.endm

	.section .rodata
	.balign	8
SYM_DATA_START(chariot_library)

	.text
	.balign	CHARIOT_LIBRARY_SIZE, 0xcc
	.globl	chariot_library_pages
chariot_library_pages:
	.irp	dom, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16

	/* void *memcpy(void *to, const void *from, size_t n) */
	LIB_START memcpy \dom
	movq	%rdi, %rax
	FORWARD
	RET
	LIB_END memcpy \dom

	/* void *memmove(void *to, const void *from, size_t n) */
	LIB_START memmove \dom
	movq	%rdi, %rax
	movq	%rdi, %rcx
	subq	%rsi, %rcx
	cmpq	%rdx, %rcx
	jb	2f
	/* to is below from, or behind its end */
	FORWARD
	RET
	/* From the end: eight bytes while there are as many, then one by one. */
1:	movq	-8(%rsi,%rdx), %rcx
	movq	%rcx, -8(%rdi,%rdx)
	subq	$8, %rdx
2:	cmpq	$8, %rdx
	jae	1b
	jmp	4f
3:	movb	-1(%rsi,%rdx), %cl
	movb	%cl, -1(%rdi,%rdx)
	decq	%rdx
4:	testq	%rdx, %rdx
	jnz	3b
	RET
	LIB_END memmove \dom

	/* void *memset(void *to, int c, size_t n) */
	LIB_START memset \dom
	movq	%rdi, %r8
	movzbl	%sil, %esi
	movabsq	$0x0101010101010101, %rax
	imulq	%rsi, %rax
	movq	%rdx, %rcx
	shrq	$3, %rcx
	rep stosq
	movl	%edx, %ecx
	andl	$7, %ecx
	rep stosb
	movq	%r8, %rax
	RET
	LIB_END memset \dom

	/* ssize_t sized_strscpy(char *to, const char *from, size_t n) */
	LIB_START sized_strscpy \dom
	xorl	%eax, %eax
	testq	%rdx, %rdx
	jz	3f
1:	movb	(%rsi,%rax), %cl
	movb	%cl, (%rdi,%rax)
	testb	%cl, %cl
	jz	2f
	incq	%rax
	cmpq	%rdx, %rax
	jb	1b
	movb	$0, -1(%rdi,%rdx)
3:	movq	$-E2BIG, %rax
2:	RET
	LIB_END sized_strscpy \dom

	/* char *strcpy(char *to, const char *from) */
	LIB_START strcpy \dom
	xorl	%edx, %edx
1:	movb	(%rsi,%rdx), %cl
	movb	%cl, (%rdi,%rdx)
	incq	%rdx
	testb	%cl, %cl
	jnz	1b
	movq	%rdi, %rax
	RET
	LIB_END strcpy \dom

	/* char *strncpy(char *to, const char *from, size_t n): fills up with zeroes */
	LIB_START strncpy \dom
	xorl	%eax, %eax
	jmp	2f
1:	movb	(%rsi), %cl
	movb	%cl, (%rdi,%rax)
	cmpb	$1, %cl
	sbbq	$-1, %rsi		/* stay at the terminating zero */
	incq	%rax
2:	cmpq	%rdx, %rax
	jb	1b
	movq	%rdi, %rax
	RET
	LIB_END strncpy \dom

	.balign	CHARIOT_LIBRARY_SIZE, 0xcc
	.endr

	.section .rodata
SYM_DATA_END_LABEL(chariot_library, SYM_L_GLOBAL, chariot_library_end)
