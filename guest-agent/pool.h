/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pools that hand out objects of one size. May be called where the functions
 * may be called that the catalogue names.
 */
#ifndef CHARIOT_POOL_H
#define CHARIOT_POOL_H

#include <linux/types.h>

struct mempool_s;

/* An object that the pool's functions, which are the kernel's own or others, have given. */
void chariot_mempool_grant(u16 domain, const struct mempool_s *pool, const void *object);
void chariot_mempool_release(u16 domain, const struct mempool_s *pool, const void *object);

/*
 * A pool of DMA memory does not tell how large its objects are: that is known
 * here while it exists. The pages that it takes for them are the driver's, like
 * those of a private heap: they are granted with the first object, until the pool
 * gives them back.
 */
void chariot_dma_pool_add(unsigned long pool, size_t size);
void chariot_dma_pool_del(unsigned long pool);
void chariot_dma_pool_grant(u16 domain, unsigned long pool, const void *object);

#endif /* CHARIOT_POOL_H */
