/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocators with a count of what is live, so that a test can fail on a leak,
 * and a way to make one allocation fail. Allocating with a flag that may sleep
 * while a spinlock is held fails the test, as lockdep would complain.
 */
#ifndef SHIM_LINUX_SLAB_H
#define SHIM_LINUX_SLAB_H

#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/types.h>

#include "../shim.h"

#define SLAB_HWCACHE_ALIGN	0x1u
#define SLAB_ACCOUNT		0x2u
#define SLAB_PANIC		0x4u

struct kmem_cache {
	size_t size;
	u64 live;
};

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,
				     unsigned int flags, void (*ctor)(void *));
void kmem_cache_destroy(struct kmem_cache *cache);
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t flags);
void kmem_cache_free(struct kmem_cache *cache, void *object);

#define kmem_cache_zalloc(cache, flags)	kmem_cache_alloc(cache, (flags) | __GFP_ZERO)
#define KMEM_CACHE(type, flags)	\
	kmem_cache_create(#type, sizeof(struct type), __alignof__(struct type), flags, NULL)

#define kmalloc(size, flags)		shim_alloc(size, flags)
#define kzalloc(size, flags)		shim_alloc(size, (flags) | __GFP_ZERO)
#define kmalloc_array(n, size, flags)	shim_alloc(array_size(n, size), flags)
#define kcalloc(n, size, flags)		shim_alloc(array_size(n, size), (flags) | __GFP_ZERO)
#define kvmalloc(size, flags)		shim_alloc(size, flags)
#define kvzalloc(size, flags)		shim_alloc(size, (flags) | __GFP_ZERO)
#define kvmalloc_array(n, size, flags)	shim_alloc(array_size(n, size), flags)
#define kvcalloc(n, size, flags)	shim_alloc(array_size(n, size), (flags) | __GFP_ZERO)
#define kfree(p)			shim_free(p)
#define kvfree(p)			shim_free(p)

#endif
