// SPDX-License-Identifier: GPL-2.0-only
/* Slab caches that a driver creates. */
#include <linux/slab.h>
#include <linux/xarray.h>
#include <uapi/chariot_ring.h>

#include "cache.h"
#include "compat.h"
#include "heap.h"
#include "track.h"

/* Domains, by the cache's address. */
static DEFINE_XARRAY(caches);

void chariot_cache_own(unsigned long *flags)
{
	*flags |= (unsigned long __force)SLAB_NO_MERGE;
}

void chariot_cache_add(u16 domain, unsigned long cache)
{
	/* Without memory its objects are granted one by one. */
	xa_store(&caches, cache, xa_mk_value(domain), GFP_KERNEL);
}

void chariot_cache_del(unsigned long cache)
{
	xa_erase(&caches, cache);
}

void chariot_cache_give(u16 domain, struct kmem_cache *cache, const void *obj)
{
	size_t size = kmem_cache_size(cache);

	/* What notes that it is live takes memory, and whether that may sleep is not known here. */
	if (xa_load(&caches, (unsigned long)cache) == xa_mk_value(domain))
		chariot_heap_give(domain, obj, size, GFP_NOWAIT);
	else
		chariot_grant(domain, obj, size, CHARIOT_KIND_SLAB);
}
