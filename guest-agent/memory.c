// SPDX-License-Identifier: GPL-2.0-only
/* What the catalogue says of memory and cannot say by itself. */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "heap.h"
#include "memory.h"
#include "ring.h"
#include "track.h"

void *chariot_krealloc(u16 domain, const void *p, size_t size, gfp_t flags)
{
	size_t old = ZERO_OR_NULL_PTR(p) ? 0 : ksize(p);
	void *new;

	if (!size) {
		kfree(p);
		return ZERO_SIZE_PTR;
	}
	if (old >= size)
		return (void *)p;
	/* In core it would come from the kernel's caches. */
	new = chariot_heap_alloc(domain, size, flags, NUMA_NO_NODE);
	if (new && old) {
		memcpy(new, p, old);
		kfree(p);
	}
	return new;
}

void *chariot_kmemdup(u16 domain, const void *src, size_t len, gfp_t flags)
{
	void *p = chariot_heap_alloc(domain, len, flags, NUMA_NO_NODE);

	if (!ZERO_OR_NULL_PTR(p))
		memcpy(p, src, len);
	return p;
}

char *chariot_kstrdup(u16 domain, const char *s, gfp_t flags)
{
	size_t len;
	char *p;

	if (!s)
		return NULL;
	len = strlen(s) + 1;
	p = chariot_heap_alloc(domain, len, flags, NUMA_NO_NODE);
	if (p)
		memcpy(p, s, len);
	return p;
}

void *chariot_kvmalloc(u16 domain, size_t size, gfp_t flags, int node)
{
	void *va;

	/* Where kvmalloc() would not fall back to vmalloc(). */
	if (size <= PAGE_SIZE)
		return chariot_heap_alloc(domain, size, flags, node);
	va = kvmalloc_node(size, flags, node);
	if (is_vmalloc_addr(va))
		chariot_grant(domain, va, PAGE_ALIGN(size), CHARIOT_KIND_VMALLOC);
	else
		chariot_heap_grant_foreign(domain, va, size);
	return va;
}

void chariot_grant_pages_exact(u16 domain, const void *va, size_t size)
{
	size_t i;

	/* They are freed one by one. */
	for (i = 0; i < size; i += PAGE_SIZE)
		chariot_grant_pages(domain, virt_to_page(va + i), 0, CHARIOT_KIND_PAGES);
}

/*
 * Would be seen page by page through mm_page_free; revoking it here costs one
 * doorbell instead of one a page.
 */
void chariot_vfree_release(u16 domain, const void *va)
{
	bool whole = false;

	if (!is_vmalloc_addr(va))
		return;
	/* Up to the guard page, which is not mapped. */
	for (; vmalloc_to_page(va); va += PAGE_SIZE)
		whole |= chariot_release(domain, va, PAGE_SIZE);
	if (whole)
		chariot_ring_sync();
}

void chariot_mmio_release(u16 domain, void *va)
{
	if (is_vmalloc_addr(va) && chariot_release_phys(domain, slow_virt_to_phys(va)))
		chariot_ring_sync();
}

void chariot_pci_iomap_grant(u16 domain, struct pci_dev *pdev, int bar, size_t max, u64 va)
{
	size_t len = pci_resource_len(pdev, bar);

	/* An I/O port BAR has no memory behind it. */
	if (va && pci_resource_flags(pdev, bar) & IORESOURCE_MEM)
		chariot_grant_phys(domain, pci_resource_start(pdev, bar), va,
				   max ? min(len, max) : len, CHARIOT_KIND_MMIO);
}
