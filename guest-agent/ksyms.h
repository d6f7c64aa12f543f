/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses of core-kernel symbols that are not exported. Process context. */
#ifndef CHARIOT_KSYMS_H
#define CHARIOT_KSYMS_H

#include <linux/types.h>

int chariot_ksyms_init(void);

/* 0 if this kernel has no such symbol */
unsigned long chariot_ksym(const char *name);

/* Bytes from @addr to the end of the symbol that it lies in; 0 if unknown. */
unsigned long chariot_ksym_size(unsigned long addr);

/* How many symbols of the core kernel have this name; 0 if that cannot be found out. */
unsigned int chariot_ksym_count(const char *name);

/* One past the last page frame of RAM. */
unsigned long chariot_max_pfn(void);

/*
 * The place of an object that @p lies in, which is in a slab, and an object's size;
 * NULL: unknown. Any context but NMI.
 */
const void *chariot_slab_object(const void *p, size_t *size);

/*
 * The vmalloc area that @p lies in, and its size; NULL: there is none. False: unknown.
 * Task context, IRQs on.
 */
bool chariot_vm_area(const void *p, const void **begin, size_t *size);

/* The size of the slab object at @p, which must be live; 0: no slab, or not told. Any context. */
size_t chariot_slab_size(const void *p);

/* Whether a module is loaded, or loading. */
bool chariot_module_present(const char *name);

#endif /* CHARIOT_KSYMS_H */
