// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an allocation and its free cost the rest of a guest: instructions a pair.
 *
 * For an emulator whose time stamp counter ticks once per instruction (QEMU's
 * -icount shift=0). Measures while it is loaded, prints "free_cost: pair <what>
 * <instructions>" and refuses to stay, so that it can be loaded again.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <asm/msr.h>

#define PAIRS	1000
#define TRIES	5

/* For objects that are not kmalloc()ed. */
static struct kmem_cache *cache;

static noinline void pair_nothing(void)
{
	barrier();
}

static noinline void pair_kmalloc_64(void)
{
	kfree(kmalloc(64, GFP_ATOMIC));
}

static noinline void pair_kmalloc_1k(void)
{
	kfree(kmalloc(1024, GFP_ATOMIC));
}

static noinline void pair_cache(void)
{
	kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_ATOMIC));
}

static noinline void pair_page(void)
{
	free_page(__get_free_page(GFP_ATOMIC));
}

static const struct {
	const char *what;
	void (*pair)(void);
} pairs[] = {
	{ "kmalloc-64", pair_kmalloc_64 },
	{ "kmalloc-1k", pair_kmalloc_1k },
	{ "kmem_cache", pair_cache },
	{ "page", pair_page },
};

/* The least of some tries: a slab may be refilled in one of them. */
static u64 ticks(void (*pair)(void))
{
	u64 begin, best = U64_MAX;
	unsigned long flags;
	int i, n;

	for (i = 0; i < TRIES; i++) {
		local_irq_save(flags);
		begin = rdtsc_ordered();
		for (n = 0; n < PAIRS; n++)
			pair();
		best = min(best, rdtsc_ordered() - begin);
		local_irq_restore(flags);
	}
	return best;
}

static int __init free_cost_init(void)
{
	u64 nothing = ticks(pair_nothing);
	int i;

	cache = kmem_cache_create("free_cost", 200, 0, 0, NULL);
	if (!cache)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(pairs); i++)
		pr_info("pair %s %llu\n", pairs[i].what,
			div_u64(ticks(pairs[i].pair) - nothing, PAIRS));
	kmem_cache_destroy(cache);
	return -EAGAIN;
}
module_init(free_cost_init);

MODULE_DESCRIPTION("Counts the instructions of an allocation and its free");
MODULE_LICENSE("GPL");
