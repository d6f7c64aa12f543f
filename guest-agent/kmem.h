/* SPDX-License-Identifier: GPL-2.0-only */
/* What lies at an address: objects in slabs, vmalloc areas. */
#ifndef CHARIOT_KMEM_H
#define CHARIOT_KMEM_H

#include <linux/types.h>

/* Finds what it needs of the kernel; what this one does not have is "unknown" below. */
void chariot_kmem_init(void);

/*
 * The place of an object that @p lies in, which is in a slab, and an object's size;
 * NULL: unknown. Any context but NMI.
 */
const void *chariot_slab_object(const void *p, size_t *size);

/* The size of the slab object at @p, which must be live; 0: no slab, or not told. Any context. */
size_t chariot_slab_size(const void *p);

/* How many bytes are mapped from @p on, in a vmalloc area: up to its end, where a page is not. */
size_t chariot_vmalloc_room(const void *p);

/*
 * The vmalloc area that @p lies in, and its size; NULL: there is none. False: unknown.
 * Task context, IRQs on.
 */
bool chariot_vm_area(const void *p, const void **begin, size_t *size);

#endif /* CHARIOT_KMEM_H */
