/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the catalogue says of memory and cannot say by itself. May be called
 * where the functions may be called that these stand in for, or precede.
 */
#ifndef CHARIOT_MEMORY_H
#define CHARIOT_MEMORY_H

#include <linux/cpumask.h>
#include <linux/types.h>

struct __kfifo;
struct kmem_cache;
struct pci_dev;
struct sg_table;

/* From the domain's heap, as far as it goes. */
void *chariot_krealloc(u16 domain, const void *p, size_t size, gfp_t flags);
void *chariot_kmemdup(u16 domain, const void *src, size_t len, gfp_t flags);
char *chariot_kstrdup(u16 domain, const char *s, gfp_t flags);
char *chariot_kstrndup(u16 domain, const char *s, size_t max, gfp_t flags);
char *chariot_kmemdup_nul(u16 domain, const char *s, size_t len, gfp_t flags);
void *chariot_memdup_user(u16 domain, const void __user *src, size_t len);
void *chariot_memdup_user_nul(u16 domain, const void __user *src, size_t len);
char *chariot_strndup_user(u16 domain, const char __user *src, long max);
bool chariot_alloc_cpumask(u16 domain, cpumask_var_t *mask, gfp_t flags, int node);
void *chariot_kvmalloc(u16 domain, size_t size, gfp_t flags, int node);
void *chariot_kvmemdup(u16 domain, const void *src, size_t len, gfp_t flags);
void *chariot_vmemdup_user(u16 domain, const void __user *src, size_t len);
void *chariot_kvrealloc(u16 domain, const void *p, size_t size, gfp_t flags);

/* The same, for which @old, the bytes that @p has, are too few. */
void *chariot_kv_grow(u16 domain, const void *p, size_t old, size_t size, gfp_t flags);

/*
 * A copy of @text in the domain's heap; @text, which the kernel allocated, is
 * freed. NULL: there was no text, or no memory.
 */
char *chariot_text_move(u16 domain, char *text, gfp_t flags);

void chariot_bulk_grant(u16 domain, struct kmem_cache *cache, int n, void **objects);
void chariot_bulk_release(u16 domain, size_t n, void **objects);

/* @p is a per-CPU pointer. Ends also when somebody else frees it. */
void chariot_percpu_grant(u16 domain, unsigned long p, size_t size);
void chariot_percpu_release(unsigned long p);

/* Whether it was granted to some domain, or may have been. */
bool chariot_percpu_known(unsigned long p);

/*
 * The same for the memory of a queue of entries of @entry bytes, and for the
 * pieces of a list that was just allocated but those that are a page. What
 * cannot be moved is granted where it is.
 */
void chariot_fifo_move(u16 domain, struct __kfifo *fifo, size_t entry, gfp_t flags);
void chariot_sg_move(u16 domain, struct sg_table *table, gfp_t flags);

void chariot_grant_pages_exact(u16 domain, const void *va, size_t size);
void chariot_vfree_release(u16 domain, const void *va);

void chariot_mmio_release(u16 domain, void *va);
void chariot_pci_iomap_grant(u16 domain, struct pci_dev *pdev, int bar, size_t max, u64 va);

/* What pcim_iomap_regions() has mapped: a bit of @bars for each BAR. */
void chariot_pcim_regions_grant(u16 domain, struct pci_dev *pdev, u32 bars);

#endif /* CHARIOT_MEMORY_H */
