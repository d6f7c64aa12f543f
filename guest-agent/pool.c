// SPDX-License-Identifier: GPL-2.0-only
/* Pools that hand out objects of one size. */
#include <linux/io.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/xarray.h>
#include <uapi/chariot_ring.h>

#include "cache.h"
#include "call.h"
#include "pool.h"
#include "track.h"

/* Sizes, by the pool's address. */
static DEFINE_XARRAY(pools);

/* Of a pool with functions of the driver's own, the driver allocates what is in it. */
static size_t mempool_object(const mempool_t *pool)
{
	if (pool->alloc == mempool_kmalloc)
		return (size_t)pool->pool_data;
	if (pool->alloc == mempool_alloc_slab)
		return kmem_cache_size(pool->pool_data);
	return 0;
}

void chariot_mempool_grant(u16 domain, const mempool_t *pool, const void *object)
{
	if (object && pool->alloc == mempool_alloc_pages)
		chariot_grant_pages(domain, (struct page *)object, (long)pool->pool_data,
				    CHARIOT_KIND_PAGES);
	else if (object && pool->alloc == mempool_alloc_slab)
		chariot_cache_give(domain, pool->pool_data, object);
	else
		chariot_call_grant(domain, object, mempool_object(pool), CHARIOT_KIND_SLAB);
}

void chariot_mempool_release(u16 domain, const mempool_t *pool, const void *object)
{
	/* Pages may stay in the pool, which is the driver's. */
	if (pool->alloc != mempool_alloc_pages)
		chariot_call_release(domain, object, mempool_object(pool));
}

void chariot_dma_pool_add(unsigned long pool, size_t size)
{
	/* Without memory the driver will be reported for writing to the pool's objects. */
	xa_store(&pools, pool, xa_mk_value(size), GFP_KERNEL);
}

void chariot_dma_pool_del(unsigned long pool)
{
	xa_erase(&pools, pool);
}

void chariot_dma_pool_grant(u16 domain, unsigned long pool, const void *object)
{
	void *size = xa_load(&pools, pool);
	const void *start = PTR_ALIGN_DOWN(object, PAGE_SIZE);

	if (!object || !size || chariot_tracked(slow_virt_to_phys((void *)start)))
		return;
	chariot_grant(domain, start, PAGE_ALIGN(offset_in_page(object) + xa_to_value(size)),
		      CHARIOT_KIND_DMA);
}
