// SPDX-License-Identifier: GPL-2.0-only
/* Wrappers of imports that allocate memory, and of those that free it. */
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "catalogue.h"
#include "heap.h"
#include "ring.h"
#include "track.h"

/* Slab */

void *chariot_wrap___kmalloc_noprof(size_t size, gfp_t flags, CHARIOT_PAD2, u32 dom)
{
	return chariot_heap_alloc(dom, size, flags, NUMA_NO_NODE);
}

void *chariot_wrap___kmalloc_node_noprof(size_t size, void *bucket, gfp_t flags, int node,
					 CHARIOT_PAD4, u32 dom)
{
	return chariot_heap_alloc(dom, size, flags, node);
}

void *chariot_wrap___kmalloc_cache_noprof(struct kmem_cache *cache, gfp_t flags, size_t size,
					  CHARIOT_PAD3, u32 dom)
{
	return chariot_heap_alloc(dom, size, flags, NUMA_NO_NODE);
}

void *chariot_wrap___kmalloc_cache_node_noprof(struct kmem_cache *cache, gfp_t flags, int node,
					       size_t size, CHARIOT_PAD4, u32 dom)
{
	return chariot_heap_alloc(dom, size, flags, node);
}

void *chariot_wrap___kmalloc_large_noprof(size_t size, gfp_t flags, CHARIOT_PAD2, u32 dom)
{
	return chariot_heap_alloc(dom, size, flags, NUMA_NO_NODE);
}

void *chariot_wrap___kmalloc_large_node_noprof(size_t size, gfp_t flags, int node, CHARIOT_PAD3,
					       u32 dom)
{
	return chariot_heap_alloc(dom, size, flags, node);
}

void *chariot_wrap___kmalloc_node_track_caller_noprof(size_t size, void *bucket, gfp_t flags,
						      int node, unsigned long caller, u32 dom)
{
	return chariot_heap_alloc(dom, size, flags, node);
}

void *chariot_wrap___kmalloc_node(size_t size, gfp_t flags, int node, CHARIOT_PAD3, u32 dom)
{
	return chariot_heap_alloc(dom, size, flags, node);
}

void *chariot_wrap___kmalloc_node_track_caller(size_t size, gfp_t flags, int node,
					       unsigned long caller, CHARIOT_PAD4, u32 dom)
{
	return chariot_heap_alloc(dom, size, flags, node);
}

void *chariot_wrap_krealloc_noprof(const void *p, size_t size, gfp_t flags, CHARIOT_PAD3, u32 dom)
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
	new = chariot_heap_alloc(dom, size, flags, NUMA_NO_NODE);
	if (new && old) {
		memcpy(new, p, old);
		kfree(p);
	}
	return new;
}

void *chariot_wrap_kmemdup_noprof(const void *src, size_t len, gfp_t flags, CHARIOT_PAD3, u32 dom)
{
	void *p = chariot_heap_alloc(dom, len, flags, NUMA_NO_NODE);

	if (!ZERO_OR_NULL_PTR(p))
		memcpy(p, src, len);
	return p;
}

char *chariot_wrap_kstrdup(const char *s, gfp_t flags, CHARIOT_PAD2, u32 dom)
{
	size_t len;
	char *p;

	if (!s)
		return NULL;
	len = strlen(s) + 1;
	p = chariot_heap_alloc(dom, len, flags, NUMA_NO_NODE);
	if (p)
		memcpy(p, s, len);
	return p;
}

void *chariot_wrap_kmem_cache_alloc_noprof(struct kmem_cache *cache, gfp_t flags, CHARIOT_PAD2,
					   u32 dom)
{
	void *obj = kmem_cache_alloc(cache, flags);

	if (obj)
		chariot_grant(dom, obj, kmem_cache_size(cache), CHARIOT_KIND_SLAB);
	return obj;
}

void *chariot_wrap_kmem_cache_alloc_node_noprof(struct kmem_cache *cache, gfp_t flags, int node,
						CHARIOT_PAD3, u32 dom)
{
	void *obj = kmem_cache_alloc_node(cache, flags, node);

	if (obj)
		chariot_grant(dom, obj, kmem_cache_size(cache), CHARIOT_KIND_SLAB);
	return obj;
}

/* Pages. Freed through mm_page_free, by whoever drops the last reference. */

struct page *chariot_wrap_alloc_pages_noprof(gfp_t flags, unsigned int order, CHARIOT_PAD2, u32 dom)
{
	struct page *page = alloc_pages(flags, order);

	if (page)
		chariot_grant_pages(dom, page, order, CHARIOT_KIND_PAGES);
	return page;
}

static unsigned long get_free_pages(gfp_t flags, unsigned int order, u32 dom)
{
	unsigned long va = __get_free_pages(flags, order);

	if (va)
		chariot_grant_pages(dom, virt_to_page((void *)va), order, CHARIOT_KIND_PAGES);
	return va;
}

unsigned long chariot_wrap_get_free_pages_noprof(gfp_t flags, unsigned int order, CHARIOT_PAD2,
						 u32 dom)
{
	return get_free_pages(flags, order, dom);
}

unsigned long chariot_wrap_get_zeroed_page_noprof(gfp_t flags, CHARIOT_PAD1, u32 dom)
{
	return get_free_pages(flags | __GFP_ZERO, 0, dom);
}

void *chariot_wrap_alloc_pages_exact_noprof(size_t size, gfp_t flags, CHARIOT_PAD2, u32 dom)
{
	void *va = alloc_pages_exact(size, flags);
	size_t i;

	/* They are freed one by one. */
	for (i = 0; va && i < size; i += PAGE_SIZE)
		chariot_grant_pages(dom, virt_to_page(va + i), 0, CHARIOT_KIND_PAGES);
	return va;
}

/* Virtually contiguous memory: whole pages, and a whole number of them. */

static void *vmalloc_grant(void *va, size_t size, u32 dom)
{
	if (va)
		chariot_grant(dom, va, PAGE_ALIGN(size), CHARIOT_KIND_VMALLOC);
	return va;
}

void *chariot_wrap_vmalloc_noprof(unsigned long size, CHARIOT_PAD1, u32 dom)
{
	return vmalloc_grant(vmalloc(size), size, dom);
}

void *chariot_wrap_vzalloc_noprof(unsigned long size, CHARIOT_PAD1, u32 dom)
{
	return vmalloc_grant(vzalloc(size), size, dom);
}

void *chariot_wrap_vmalloc_node_noprof(unsigned long size, int node, CHARIOT_PAD2, u32 dom)
{
	return vmalloc_grant(vmalloc_node(size, node), size, dom);
}

void *chariot_wrap_vzalloc_node_noprof(unsigned long size, int node, CHARIOT_PAD2, u32 dom)
{
	return vmalloc_grant(vzalloc_node(size, node), size, dom);
}

void *chariot_wrap_kvmalloc_node(size_t size, gfp_t flags, int node, CHARIOT_PAD3, u32 dom)
{
	void *va;

	/* Where kvmalloc() would not fall back to vmalloc(). */
	if (size <= PAGE_SIZE)
		return chariot_heap_alloc(dom, size, flags, node);
	va = kvmalloc_node(size, flags, node);
	if (is_vmalloc_addr(va))
		return vmalloc_grant(va, size, dom);
	chariot_heap_grant_foreign(dom, va, size);
	return va;
}

void *chariot_wrap___kvmalloc_node_noprof(size_t size, void *bucket, gfp_t flags, int node,
					  CHARIOT_PAD4, u32 dom)
{
	return chariot_wrap_kvmalloc_node(size, flags, node, 0, 0, dom);
}

/*
 * Would be seen page by page through mm_page_free; revoking it here costs one
 * doorbell instead of one a page.
 */
void chariot_wrap_vfree(const void *va, CHARIOT_PAD1, u32 dom)
{
	const void *p;
	bool whole = false;

	if (is_vmalloc_addr(va)) {
		/* Up to the guard page, which is not mapped. */
		for (p = va; vmalloc_to_page(p); p += PAGE_SIZE)
			whole |= chariot_release(dom, p, PAGE_SIZE);
		if (whole)
			chariot_ring_sync();
	}
	vfree(va);
}

/* Memory that the device writes too. The allocator hands out whole pages. */

void *chariot_wrap_dma_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma, gfp_t flags,
				   unsigned long attrs, u32 dom)
{
	void *va = dma_alloc_attrs(dev, size, dma, flags, attrs);

	if (va && !(attrs & DMA_ATTR_NO_KERNEL_MAPPING))
		chariot_grant(dom, va, PAGE_ALIGN(size), CHARIOT_KIND_DMA);
	return va;
}

void chariot_wrap_dma_free_attrs(struct device *dev, size_t size, void *va, dma_addr_t dma,
				 unsigned long attrs, u32 dom)
{
	if (va && !(attrs & DMA_ATTR_NO_KERNEL_MAPPING) &&
	    chariot_release(dom, va, PAGE_ALIGN(size)))
		chariot_ring_sync();
	dma_free_attrs(dev, size, va, dma, attrs);
}

/* The device's registers */

static void __iomem *mmio_grant(void __iomem *va, phys_addr_t phys, size_t size, u32 dom)
{
	if (va)
		chariot_grant_phys(dom, phys, (unsigned long __force)va, size, CHARIOT_KIND_MMIO);
	return va;
}

static void mmio_release(void __iomem *va, u32 dom)
{
	if (is_vmalloc_addr((void __force *)va) &&
	    chariot_release_phys(dom, slow_virt_to_phys((void __force *)va)))
		chariot_ring_sync();
}

void __iomem *chariot_wrap_ioremap(resource_size_t phys, unsigned long size, CHARIOT_PAD2, u32 dom)
{
	return mmio_grant(ioremap(phys, size), phys, size, dom);
}

void chariot_wrap_iounmap(void __iomem *va, CHARIOT_PAD1, u32 dom)
{
	mmio_release(va, dom);
	iounmap(va);
}

void __iomem *chariot_wrap_pci_ioremap_bar(struct pci_dev *pdev, int bar, CHARIOT_PAD2, u32 dom)
{
	return mmio_grant(pci_ioremap_bar(pdev, bar), pci_resource_start(pdev, bar),
			  pci_resource_len(pdev, bar), dom);
}

void __iomem *chariot_wrap_pci_iomap(struct pci_dev *pdev, int bar, unsigned long max, CHARIOT_PAD3,
				     u32 dom)
{
	void __iomem *va = pci_iomap(pdev, bar, max);
	size_t len = pci_resource_len(pdev, bar);

	/* An I/O port BAR has no memory behind it. */
	if (!(pci_resource_flags(pdev, bar) & IORESOURCE_MEM))
		return va;
	return mmio_grant(va, pci_resource_start(pdev, bar), max ? min(len, max) : len, dom);
}

void chariot_wrap_pci_iounmap(struct pci_dev *pdev, void __iomem *va, CHARIOT_PAD2, u32 dom)
{
	mmio_release(va, dom);
	pci_iounmap(pdev, va);
}
