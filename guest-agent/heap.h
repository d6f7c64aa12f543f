/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A domain's private heap: slab caches whose pages hold nothing of anybody
 * else's, so that the host can let the driver write to them without exits.
 */
#ifndef CHARIOT_HEAP_H
#define CHARIOT_HEAP_H

#include <linux/types.h>

struct chariot_domain;

/* Creates a domain's caches. Process context; what fails is served by the kernel's. */
void chariot_heap_init(struct chariot_domain *d);

/* What kmalloc_node() does, with the result granted. kfree() takes it back. */
void *chariot_heap_alloc(u16 domain, size_t size, gfp_t flags, int node);

/*
 * @obj lies in a slab of a cache that is the domain's alone: grants the whole slab.
 * False if it is not to be: there are no private heaps, or KFENCE has the object.
 */
bool chariot_heap_slab(u16 domain, const void *obj);

/* The same, and @obj was allocated; grants no more than that if the slab is not to be granted. */
void chariot_heap_give(u16 domain, const void *obj, size_t size, gfp_t flags);

/* Grants what one of the kernel's allocators returned. */
void chariot_heap_grant_foreign(u16 domain, const void *obj, size_t size);

#endif /* CHARIOT_HEAP_H */
