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

/* One past the last page frame of RAM. */
unsigned long chariot_max_pfn(void);

/* The slab object that @p lies in, and its size; NULL: this kernel does not tell. Any context. */
const void *chariot_slab_object(const void *p, size_t *size);

/* The vmalloc area that @p lies in, and its size; NULL: there is none. Task context, IRQs on. */
const void *chariot_vm_area(const void *p, size_t *size);

/* Whether a module is loaded, or loading. */
bool chariot_module_present(const char *name);

#endif /* CHARIOT_KSYMS_H */
