// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private heaps.
 *
 * A heap stands in for the ordinary kmalloc caches only. Memory for DMA zones,
 * reclaimable and accounted memory keep the kernel's caches, whose zone and
 * bookkeeping matter; such an object is granted alone, byte by byte. So is what
 * exceeds the largest class: it has pages of its own anyway.
 *
 * Caches stay when the driver goes: it may come back, and objects that it
 * leaked are still in them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kfence.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "agent.h"
#include "compat.h"
#include "heap.h"
#include "live.h"
#include "ring.h"
#include "track.h"

static bool heaps = true;
module_param(heaps, bool, 0444);
MODULE_PARM_DESC(heaps, "slab caches of a domain's own; without, its objects are granted one by one");

/* Size classes as the kernel has them: powers of two, and 96 (1), 192 (2). */
static unsigned int class_of(size_t size)
{
	if (size > 64 && size <= 96)
		return 1;
	if (size > 128 && size <= 192)
		return 2;
	return max(ilog2(roundup_pow_of_two(size)), 3);
}

static size_t class_size(unsigned int class)
{
	return class == 1 ? 96 : class == 2 ? 192 : 1UL << class;
}

void chariot_heap_init(struct chariot_domain *d)
{
	unsigned int i;

	if (!heaps)
		return;
	for (i = 1; i <= KMALLOC_SHIFT_HIGH; i++) {
		size_t size = class_size(i);
		char *name;

		name = kasprintf(GFP_KERNEL, "chariot-%s-%zu", d->name, size);
		if (!name)
			continue;
		/*
		 * kmalloc() promises alignment to the largest power of two that
		 * divides the size, and lets all of an object go to user space.
		 */
		d->heap[i] = kmem_cache_create_usercopy(name, size, size & -size,
							SLAB_NO_MERGE, 0, size, NULL);
		if (!d->heap[i])
			pr_warn("%s: no private heap for %zu bytes\n", d->name, size);
		kfree(name);
	}
}

void chariot_heap_grant_foreign(u16 domain, const void *obj, size_t size)
{
	if (ZERO_OR_NULL_PTR(obj))
		return;
	if (size > KMALLOC_MAX_CACHE_SIZE)
		chariot_grant(domain, obj, folio_size(virt_to_folio(obj)), CHARIOT_KIND_PAGES);
	else if (size > PAGE_SIZE / 2)
		/* The class is whole pages, aligned: nobody else is in there. */
		chariot_grant(domain, obj, roundup_pow_of_two(size), CHARIOT_KIND_SLAB);
	else
		chariot_grant(domain, obj, size, CHARIOT_KIND_SLAB);
}

bool chariot_heap_slab(u16 domain, const void *obj)
{
	struct folio *folio;
	phys_addr_t phys;

	/* KFENCE's pages are never freed, and the next object in one is somebody else's. */
	if (!heaps || is_kfence_address(obj))
		return false;
	folio = virt_to_folio(obj);
	phys = PFN_PHYS(folio_pfn(folio));
	/*
	 * The folio holds nothing but this cache's objects, so a mark can only
	 * be its grant; it cannot be freed while it holds @obj. Two CPUs that
	 * both find no mark would leave two references: harmless, since the end
	 * of a folio ends the grant whatever its count.
	 */
	if (!chariot_tracked(phys))
		chariot_grant_phys(domain, phys, (unsigned long)folio_address(folio),
				   folio_size(folio), CHARIOT_KIND_HEAP);
	return true;
}

void chariot_heap_give(u16 domain, const void *obj, size_t size, gfp_t flags)
{
	if (chariot_heap_slab(domain, obj))
		chariot_live_begin(domain, obj, size, flags);
	else
		chariot_grant(domain, obj, size, CHARIOT_KIND_SLAB);
}

void *chariot_heap_alloc(u16 domain, size_t size, gfp_t flags, int node)
{
	struct kmem_cache *cache = NULL;
	void *obj;

	if (!size)
		return ZERO_SIZE_PTR;
	if (size <= KMALLOC_MAX_CACHE_SIZE &&
	    !(flags & (__GFP_DMA | __GFP_DMA32 | __GFP_RECLAIMABLE | __GFP_ACCOUNT)))
		cache = chariot_domains[domain].heap[class_of(size)];
	if (!cache) {
		obj = kmalloc_node(size, flags, node);
		chariot_heap_grant_foreign(domain, obj, size);
		return obj;
	}
	obj = kmem_cache_alloc_node(cache, flags, node);
	if (!obj)
		return NULL;
	chariot_heap_give(domain, obj, class_size(class_of(size)), flags);
	return obj;
}
