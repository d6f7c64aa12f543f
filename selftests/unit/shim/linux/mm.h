/* SPDX-License-Identifier: GPL-2.0-only */
/* The direct map is the identity: a page's physical address is its address. */
#ifndef SHIM_LINUX_MM_H
#define SHIM_LINUX_MM_H

#include <linux/align.h>
#include <linux/const.h>
#include <linux/gfp.h>
#include <linux/types.h>

#define PAGE_SHIFT	12
#define PAGE_SIZE	(1ul << PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define PAGE_ALIGN(addr)	ALIGN(addr, PAGE_SIZE)
#define PAGE_ALIGN_DOWN(addr)	ALIGN_DOWN(addr, PAGE_SIZE)
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)

#define __va(pa)		((void *)(unsigned long)(pa))
#define __pa(va)		((unsigned long)(va))

/* Behind each page that the shim allocates, after a gap that nothing may touch. */
struct page {
	unsigned long private;
};

#define SHIM_PAGE_GAP		64ul

static inline struct page *virt_to_page(const volatile void *va)
{
	return (struct page *)(((unsigned long)va & PAGE_MASK) + PAGE_SIZE + SHIM_PAGE_GAP);
}

#define pfn_to_page(pfn)		virt_to_page(__va((u64)(pfn) << PAGE_SHIFT))
#define page_to_phys(page)		((unsigned long)(page) - PAGE_SIZE - SHIM_PAGE_GAP)

/* Is there memory for it to be a page of the shim's? */
bool pfn_valid(unsigned long pfn);

extern char shim_zero_page[];
#define ZERO_PAGE(vaddr)		virt_to_page(shim_zero_page)

#define page_private(page)		((page)->private)
#define set_page_private(page, value)	((page)->private = (value))

static inline phys_addr_t virt_to_phys(const volatile void *va)
{
	return (unsigned long)va;
}

static inline void *phys_to_virt(phys_addr_t pa)
{
	return __va(pa);
}

#endif
