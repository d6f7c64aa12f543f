/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the catalogue says of memory and cannot say by itself. May be called
 * where the functions may be called that these stand in for, or precede.
 */
#ifndef CHARIOT_MEMORY_H
#define CHARIOT_MEMORY_H

#include <linux/types.h>

struct pci_dev;

/* From the domain's heap, as far as it goes. */
void *chariot_krealloc(u16 domain, const void *p, size_t size, gfp_t flags);
void *chariot_kmemdup(u16 domain, const void *src, size_t len, gfp_t flags);
char *chariot_kstrdup(u16 domain, const char *s, gfp_t flags);
void *chariot_kvmalloc(u16 domain, size_t size, gfp_t flags, int node);

void chariot_grant_pages_exact(u16 domain, const void *va, size_t size);
void chariot_vfree_release(u16 domain, const void *va);

void chariot_mmio_release(u16 domain, void *va);
void chariot_pci_iomap_grant(u16 domain, struct pci_dev *pdev, int bar, size_t max, u64 va);

#endif /* CHARIOT_MEMORY_H */
