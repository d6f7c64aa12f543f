/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entry stubs of interposed imports: for each import one per domain, which
 * loads the domain's id and jumps to the import's wrapper (catalogue.h).
 */
#include <linux/linkage.h>
#include <asm/ibt.h>

#include "agent.h"
#include "stubs.h"

.macro CHARIOT_STUB sym dom
	.balign	CHARIOT_STUB_SIZE
SYM_FUNC_START_LOCAL_NOALIGN(chariot_stub_\sym\()_\dom)
	ENDBR
	movl	$\dom, %r9d
	jmp	chariot_wrap_\sym
SYM_FUNC_END(chariot_stub_\sym\()_\dom)
.endm

.macro CHARIOT_STUBS sym
	.balign	CHARIOT_STUB_SIZE, 0xcc
	.globl	chariot_stubs_\sym
chariot_stubs_\sym:
	.irp	dom, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
	CHARIOT_STUB \sym \dom
	.endr
.endm

	.text
#define IMPORT(sym)	CHARIOT_STUBS sym
#include "imports.h"
#undef IMPORT

	.globl	chariot_stubs_end
chariot_stubs_end:

	.if	CHARIOT_DOMAINS != 16
	.error	"as many stubs as domains"
	.endif
