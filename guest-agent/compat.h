/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernel series, and nothing else: no other file
 * looks at LINUX_VERSION_CODE. The series are Debian's 6.1 and 6.12; what lies
 * between them nobody has run.
 */
#ifndef CHARIOT_COMPAT_H
#define CHARIOT_COMPAT_H

#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <asm/current.h>
#include <asm/preempt.h>

#include "kmem.h"
#include "ksyms.h"

/*
 * Per-CPU words that inlined primitives touch, and where stacks are (x86).
 * 6.2 gathered them in one struct. Before it they are variables of their own,
 * of which drivers need, and the kernel exports, the first only. The symbol of
 * a per-CPU variable is its offset. Process context.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)

static inline int *chariot_preempt_count_word(int cpu)
{
	return &per_cpu(pcpu_hot, cpu).preempt_count;
}

static inline unsigned long *chariot_stack_top_word(int cpu)
{
	return &per_cpu(pcpu_hot, cpu).top_of_stack;
}

static inline unsigned long chariot_irq_stack_word(int cpu)
{
	return (unsigned long)per_cpu(pcpu_hot, cpu).hardirq_stack_ptr;
}

#else

static inline int *chariot_preempt_count_word(int cpu)
{
	return &per_cpu(__preempt_count, cpu);
}

static inline unsigned long *chariot_percpu_ksym(const char *name, int cpu)
{
	unsigned long offset = chariot_ksym(name);

	return offset ? per_cpu_ptr((unsigned long __force __percpu *)offset, cpu) : NULL;
}

/* NULL: this kernel hides it */
static inline unsigned long *chariot_stack_top_word(int cpu)
{
	return chariot_percpu_ksym("cpu_current_top_of_stack", cpu);
}

static inline unsigned long chariot_irq_stack_word(int cpu)
{
	unsigned long *word = chariot_percpu_ksym("hardirq_stack_ptr", cpu);

	return word ? *word : 0;
}

#endif

/* 0 if the CPU never was up: its stack is not allocated yet. */
static inline unsigned long chariot_irq_stack_top(int cpu)
{
	unsigned long sp = chariot_irq_stack_word(cpu);

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

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)

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

#else

/*
 * Two blocks, one of which goes after init. In each: text, read-only data, data
 * that is read-only after init, data. The fields are where a part ends, at a
 * page's end; nothing of a block is read-only after init if it goes then.
 */
static inline void *chariot_modmem(const struct module *mod, enum chariot_modmem type,
				   size_t *size)
{
	const struct module_layout *l = &mod->core_layout;
	unsigned int start, end;

	if (type == CHARIOT_MODMEM_INIT_TEXT || type == CHARIOT_MODMEM_INIT_DATA)
		l = &mod->init_layout;
	switch (type) {
	case CHARIOT_MODMEM_TEXT:
	case CHARIOT_MODMEM_INIT_TEXT:
		start = 0;
		end = l->text_size;
		break;
	case CHARIOT_MODMEM_RO_AFTER_INIT:
		start = l->ro_size;
		end = l->ro_after_init_size;
		break;
	default:
		start = l->ro_after_init_size;
		end = l->size;
		break;
	}
	*size = PAGE_ALIGN(end) - start;
	return l->base + start;
}

#endif

/* Slab */

/*
 * Keeps a cache's pages its own. 6.1 has no flag for that and nothing else; it
 * does not merge what kmemleak is not to see (SLAB_NEVER_MERGE in its
 * mm/slab_common.c), which matters to nobody where there is no kmemleak.
 */
#ifndef SLAB_NO_MERGE
#define SLAB_NO_MERGE	SLAB_NOLEAKTRACE
#endif

/* Allocators of 6.12 may have an argument more: which bucket. */
#define CHARIOT_BEHIND_BUCKET(without, with)	\
	(IS_ENABLED(CONFIG_SLAB_BUCKETS) ? (with) : (without))

/* A device and its private part, which lies behind it in the same piece of memory. */

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)

static inline size_t chariot_netdev_size(const struct net_device *dev)
{
	return sizeof(*dev) + dev->priv_len;
}

#else

/* Where nobody noted the length: up to the end of what was allocated. */
static inline size_t chariot_netdev_size(const struct net_device *dev)
{
	if (is_vmalloc_addr(dev))
		return chariot_vmalloc_room(dev);
	return ksize((const void *)dev - dev->padded) - dev->padded;
}

#endif

/* A device's per-CPU statistics, where the core allocates them: 6.1 leaves that to drivers. */

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)

static inline void __percpu *chariot_netdev_core_stats(const struct net_device *dev, size_t *size)
{
	switch (dev->pcpu_stat_type) {
	case NETDEV_PCPU_STAT_LSTATS:
		*size = sizeof(*dev->lstats);
		return dev->lstats;
	case NETDEV_PCPU_STAT_TSTATS:
		*size = sizeof(*dev->tstats);
		return dev->tstats;
	case NETDEV_PCPU_STAT_DSTATS:
		*size = sizeof(*dev->dstats);
		return dev->dstats;
	default:
		return NULL;
	}
}

#else

static inline void __percpu *chariot_netdev_core_stats(const struct net_device *dev, size_t *size)
{
	return NULL;
}

#endif

/*
 * The limits of a disk's queue, if drivers write there what 6.1 has no functions
 * for: newer kernels are given them when the disk is made.
 */

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)

static inline struct queue_limits *chariot_open_limits(struct gendisk *disk)
{
	return NULL;
}

#else

static inline struct queue_limits *chariot_open_limits(struct gendisk *disk)
{
	return &disk->queue->limits;
}

#endif

/* Whether a driver's queue_rqs() notes in its queue's tags which request has one. */
#define CHARIOT_TAGS_NOTED	(LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0))

/* Where a filesystem notes whose its block device is: 6.1 only. NULL: no such thing. */

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)

static inline void *chariot_bdev_super(const struct super_block *sb)
{
	return NULL;
}

#else

static inline void *chariot_bdev_super(const struct super_block *sb)
{
	return sb->s_bdev ? &sb->s_bdev->bd_super : NULL;
}

#endif

#endif /* CHARIOT_COMPAT_H */
