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

/* Whether a module is loaded, or loading. */
bool chariot_module_present(const char *name);

#endif /* CHARIOT_KSYMS_H */
