/* SPDX-License-Identifier: GPL-2.0-only */
/* Without retpolines */
.macro CALL_NOSPEC reg
	call	*%\reg
.endm
.macro JMP_NOSPEC reg
	jmp	*%\reg
.endm
