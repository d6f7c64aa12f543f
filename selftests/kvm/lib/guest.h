/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test guest: where things lie in its memory and what its code is called.
 *
 * A guest has 16 MiB of memory at guest physical address 0 (more where a test
 * adds slots), seen three times:
 *   low       0x0 + gpa                 user half, accessible to user mode
 *   GUEST_DM  0xffff888000000000 + gpa  4 GiB "direct map", 2 MiB pages
 *   GUEST_TX  0xffffffff80000000 + gpa  "kernel text", 2 MiB pages
 * and GUEST_VM, 2 MiB of address space whose 4 KiB pages a test maps as it
 * likes. Code runs at GUEST_TX, data and stacks are used at GUEST_DM.
 *
 * This header is included by the assembler, too.
 */
#ifndef GUEST_H
#define GUEST_H

#include <linux/const.h>

#define GUEST_DM		_AC(0xffff888000000000, UL)
#define GUEST_TX		_AC(0xffffffff80000000, UL)
#define GUEST_VM		_AC(0xffffc90000000000, UL)

#define GUEST_MEMORY		_AC(0x01000000, UL)

/* Guest physical addresses */
#define GUEST_PT		_AC(0x00001000, UL)	/* page tables */
#define GUEST_PT_END		_AC(0x00040000, UL)
#define GUEST_CPU		_AC(0x00040000, UL)	/* one block per vCPU */
#define GUEST_CPU_SIZE		_AC(0x00010000, UL)
#define GUEST_CPU_MAX		8
#define GUEST_IDT		_AC(0x000c0000, UL)
#define GUEST_TEXT		_AC(0x00100000, UL)	/* the block of guest.lds */
#define GUEST_TEXT_END		_AC(0x00200000, UL)
#define GUEST_CORE_DATA		_AC(0x00200000, UL)	/* the core kernel's, 1 MiB */
#define GUEST_DOM1_DATA		_AC(0x00300000, UL)	/* 512 KiB each */
#define GUEST_DOM2_DATA		_AC(0x00380000, UL)
#define GUEST_RING		_AC(0x00400000, UL)	/* up to order 16 */
#define GUEST_FREE		_AC(0x00700000, UL)	/* up to GUEST_MEMORY: the test's */

/* Inside a vCPU's block */
#define CPU_STACK_TOP		_AC(0x0000, UL)	/* the word that REC_CPU names */
#define CPU_GDT			_AC(0x1000, UL)
#define CPU_TSS			_AC(0x2000, UL)
#define CPU_IST			_AC(0x3000, UL)	/* a page: IST 1, top at its end */
#define CPU_IRQ_STACK		_AC(0x4000, UL)	/* 16 KiB */
#define CPU_THREAD		_AC(0x8000, UL)	/* THREAD_SIZE */
#define CPU_USER_STACK		_AC(0xc000, UL)	/* 16 KiB */

#define GUEST_THREAD_SIZE	_AC(0x4000, UL)
#define GUEST_IRQ_STACK_SIZE	_AC(0x4000, UL)

#define SEL_CODE		0x08
#define SEL_DATA		0x10
#define SEL_USER_DATA		0x1b
#define SEL_USER_CODE		0x23
#define SEL_TSS			0x28

/* Ports that end a run */
#define PORT_DONE		0xe0	/* the called function has returned */
#define PORT_SYNC		0xe1	/* the guest reports progress */
#define PORT_TRAP		0xe2	/* an exception nobody expected; AL: vector */

#define GUEST_APIC		_AC(0xfee00000, UL)
#define GUEST_IOAPIC		_AC(0xfec00000, UL)
#define GUEST_NOWHERE		_AC(0xd0000000, UL)	/* no memory, no device */
#define GUEST_DOORBELL		_AC(0xd0100000, UL)

/* What g_irq counts, in GUEST_CORE_DATA: interrupts taken, and the RIP of the last */
#define CORE_IRQS		_AC(0x8, UL)
#define CORE_IRQ_RIP		_AC(0x10, UL)

#ifndef __ASSEMBLY__

extern char guest_start[], guest_end[];
extern char guest_core[], guest_core_end[], guest_lib[], guest_lib_end[];
extern char guest_dom1[], guest_dom1_end[], guest_dom2[], guest_dom2_end[];

/*
 * GUEST_CODE(part, name, body): a guest function of a test, in assembler; part
 * is core, lib, dom1 or dom2. Arguments come in RDI, RSI, RDX, RCX, R8, R9.
 * The label name_at marks an instruction: GUEST_WRITE puts it before @insn.
 */
#define GUEST_CODE(part, name, body)					\
	extern char name[];						\
	asm(".pushsection .guest." #part ",\"ax\"\n"			\
	    "	.balign 16\n"						\
	    "	.globl " #name "\n"					\
	    #name ":\n"							\
	    body "\n"							\
	    "	.popsection\n")

#define GUEST_WRITE(part, name, before, insn, after)			\
	extern char name##_at[];					\
	GUEST_CODE(part, name, before "\n"				\
		   "	.globl " #name "_at\n"				\
		   #name "_at:\n" insn "\n" after "\n ret")

/* lib/guest.S */
extern char g_enter[], g_traps[], g_irq[], g_iret[];
extern char g_core_ret[], g_core_store[], g_core_store4[], g_core_load[], g_core_call_n[], g_core_call_n_store[];
extern char g_core_pages[], g_core_until[], g_core_sweep[], g_core_count[], g_core_doorbell[], g_core_msr[];
extern char g_core_store_at[];
extern char g_lib_store[], g_lib_store_at[], g_lib_store_end[];
extern char g_lib_copy[], g_lib_copy_at[], g_lib_copy_end[];

#define GUEST_DOMAIN_FUNCTIONS(d)					\
	extern char g_##d##_ret[], g_##d##_store[], g_##d##_store_at[];	\
	extern char g_##d##_store4[], g_##d##_store4_at[];		\
	extern char g_##d##_load[], g_##d##_call[], g_##d##_call_n[];	\
	extern char g_##d##_until[], g_##d##_until_at[];		\
	extern char g_##d##_pages[], g_##d##_pages_at[];		\
	extern char g_##d##_lib_store[], g_##d##_lib_store_ret[];	\
	extern char g_##d##_lib_copy[], g_##d##_lib_copy_ret[];	\
	extern char g_##d##_sweep[], g_##d##_count[];			\
	extern char g_##d##_copy[], g_##d##_copy_at[];			\
	extern char g_##d##_spin[]

GUEST_DOMAIN_FUNCTIONS(dom1);
GUEST_DOMAIN_FUNCTIONS(dom2);

#endif /* __ASSEMBLY__ */
#endif /* GUEST_H */
