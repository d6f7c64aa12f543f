/* SPDX-License-Identifier: GPL-2.0-only */
/* Of the kernel's macros for assembly, those that the agent's sources use. */
#ifndef SHIM_LINUX_LINKAGE_H
#define SHIM_LINUX_LINKAGE_H

#ifdef __ASSEMBLY__
#define SYM_FUNC_START_LOCAL(name)		name: endbr64
#define SYM_FUNC_START_LOCAL_NOALIGN(name)	name: endbr64
#define SYM_FUNC_END(name)			.size name, . - name
#define SYM_DATA_START(name)			.globl name; name:
#define SYM_DATA_END_LABEL(name, how, label)	.globl label; label: .size name, . - name
#define RET					ret
#else
#define asmlinkage
#endif

#endif
