/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernel series, and nothing else: no other file
 * looks at LINUX_VERSION_CODE.
 */
#ifndef CHARIOT_COMPAT_H
#define CHARIOT_COMPAT_H

#include <linux/version.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <asm/current.h>

/* Per-CPU words that inlined primitives touch, and where stacks are (x86). */

static inline int *chariot_preempt_count_word(int cpu)
{
	return &per_cpu(pcpu_hot, cpu).preempt_count;
}

static inline unsigned long *chariot_stack_top_word(int cpu)
{
	return &per_cpu(pcpu_hot, cpu).top_of_stack;
}

/* 0 if the CPU never was up: its stack is not allocated yet. */
static inline unsigned long chariot_irq_stack_top(int cpu)
{
	unsigned long sp = (unsigned long)per_cpu(pcpu_hot, cpu).hardirq_stack_ptr;

	return sp ? sp + sizeof(long) : 0;
}

/* The memory of a module, by what may be done to it. */

enum chariot_modmem {
	CHARIOT_MODMEM_TEXT,
	CHARIOT_MODMEM_INIT_TEXT,
	CHARIOT_MODMEM_DATA,
	CHARIOT_MODMEM_RO_AFTER_INIT,
	CHARIOT_MODMEM_INIT_DATA,
	CHARIOT_MODMEM_TYPES,
};

static inline void *chariot_modmem(const struct module *mod, enum chariot_modmem type,
				   size_t *size)
{
	static const enum mod_mem_type map[] = {
		[CHARIOT_MODMEM_TEXT] = MOD_TEXT,
		[CHARIOT_MODMEM_INIT_TEXT] = MOD_INIT_TEXT,
		[CHARIOT_MODMEM_DATA] = MOD_DATA,
		[CHARIOT_MODMEM_RO_AFTER_INIT] = MOD_RO_AFTER_INIT,
		[CHARIOT_MODMEM_INIT_DATA] = MOD_INIT_DATA,
	};

	*size = PAGE_ALIGN(mod->mem[map[type]].size);
	return mod->mem[map[type]].base;
}

#endif /* CHARIOT_COMPAT_H */
