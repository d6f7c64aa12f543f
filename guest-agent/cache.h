/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Slab caches that a driver creates. Where nothing of others' is in one, whole slabs are
 * granted, as those of a private heap are. Any context but NMI, unless it says otherwise.
 */
#ifndef CHARIOT_CACHE_H
#define CHARIOT_CACHE_H

#include <linux/types.h>

struct kmem_cache;

/* Changes the flags of a cache that is to be created, so that it is merged with no other. */
void chariot_cache_own(unsigned long *flags);

/* A cache that is the domain's alone exists, or will be gone. Process context. */
void chariot_cache_add(u16 domain, unsigned long cache);
void chariot_cache_del(unsigned long cache);

/* An object was allocated from a cache, of the domain's or not. */
void chariot_cache_give(u16 domain, struct kmem_cache *cache, const void *obj);

#endif /* CHARIOT_CACHE_H */
