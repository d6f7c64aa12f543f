// SPDX-License-Identifier: GPL-2.0-only
/* What the catalogue says of memory and cannot say by itself. */
#include <linux/cpumask.h>
#include <linux/io.h>
#include <linux/kfifo.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/percpu.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "cache.h"
#include "heap.h"
#include "kmem.h"
#include "memory.h"
#include "ring.h"
#include "track.h"

/*
 * How much of an object the driver may write: of one that does not lie in the
 * domain's heap what was asked for, which is less than it has room for.
 */
static size_t object_room(u16 domain, const void *p)
{
	size_t room = ksize(p), granted;

	if (chariot_held(domain, virt_to_phys((void *)p), &granted))
		return min(room, granted);
	return room;
}

/* What is not asked for any more is zeroed, if the next that grows again may count on that. */
static void *shrunk(const void *p, size_t size, size_t room, gfp_t flags)
{
	if (want_init_on_alloc(flags))
		memset((void *)p + size, 0, room - size);
	return (void *)p;
}

void *chariot_krealloc(u16 domain, const void *p, size_t size, gfp_t flags)
{
	size_t room;
	void *new;

	if (!size) {
		kfree(p);
		return ZERO_SIZE_PTR;
	}
	if (ZERO_OR_NULL_PTR(p))
		return chariot_heap_alloc(domain, size, flags, NUMA_NO_NODE);
	room = object_room(domain, p);
	if (room >= size)
		return shrunk(p, size, room, flags);
	/* In core it would come from the kernel's caches. */
	new = chariot_heap_alloc(domain, size, flags, NUMA_NO_NODE);
	if (new) {
		memcpy(new, p, min(ksize(p), size));
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

char *chariot_kmemdup_nul(u16 domain, const char *s, size_t len, gfp_t flags)
{
	char *p;

	if (!s)
		return NULL;
	p = chariot_heap_alloc(domain, len + 1, flags, NUMA_NO_NODE);
	if (!p)
		return NULL;
	memcpy(p, s, len);
	p[len] = 0;
	return p;
}

char *chariot_kstrndup(u16 domain, const char *s, size_t max, gfp_t flags)
{
	return s ? chariot_kmemdup_nul(domain, s, strnlen(s, max), flags) : NULL;
}

char *chariot_kstrdup(u16 domain, const char *s, gfp_t flags)
{
	return s ? chariot_kmemdup_nul(domain, s, strlen(s), flags) : NULL;
}

void *chariot_kvmemdup(u16 domain, const void *src, size_t len, gfp_t flags)
{
	void *p = chariot_kvmalloc(domain, len, flags, NUMA_NO_NODE);

	if (!ZERO_OR_NULL_PTR(p))
		memcpy(p, src, len);
	return p;
}

/* @p is memory for it, or NULL. */
static void *from_user(void *p, const void __user *src, size_t len)
{
	if (!p)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(p, src, len)) {
		kvfree(p);
		return ERR_PTR(-EFAULT);
	}
	return p;
}

void *chariot_memdup_user(u16 domain, const void __user *src, size_t len)
{
	return from_user(chariot_heap_alloc(domain, len, GFP_USER | __GFP_NOWARN, NUMA_NO_NODE),
			 src, len);
}

void *chariot_vmemdup_user(u16 domain, const void __user *src, size_t len)
{
	return from_user(chariot_kvmalloc(domain, len, GFP_USER, NUMA_NO_NODE), src, len);
}

void *chariot_memdup_user_nul(u16 domain, const void __user *src, size_t len)
{
	char *p = chariot_heap_alloc(domain, len + 1, GFP_KERNEL, NUMA_NO_NODE);

	p = from_user(p, src, len);
	if (!IS_ERR(p))
		p[len] = 0;
	return p;
}

char *chariot_strndup_user(u16 domain, const char __user *src, long max)
{
	long len = strnlen_user(src, max);
	char *p;

	if (!len)
		return ERR_PTR(-EFAULT);
	if (len > max)
		return ERR_PTR(-EINVAL);
	p = chariot_memdup_user(domain, src, len);
	/* Another thread may have changed it since. */
	if (!IS_ERR(p))
		p[len - 1] = 0;
	return p;
}

char *chariot_text_move(u16 domain, char *text, gfp_t flags)
{
	char *p;

	if (!text)
		return NULL;
	/* It may be longer than up to its first NUL. */
	p = chariot_kmemdup(domain, text, ksize(text), flags);
	kfree(text);
	return p;
}

bool chariot_alloc_cpumask(u16 domain, cpumask_var_t *mask, gfp_t flags, int node)
{
	*mask = chariot_heap_alloc(domain, cpumask_size(), flags, node);
	return *mask;
}

void chariot_bulk_grant(u16 domain, struct kmem_cache *cache, int n, void **objects)
{
	for (; n > 0; n--, objects++)
		chariot_cache_give(domain, cache, *objects);
}

void chariot_bulk_release(u16 domain, size_t n, void **objects)
{
	bool whole = false;

	for (; n; n--, objects++)
		whole |= chariot_release(domain, *objects, 1);
	if (whole)
		chariot_ring_sync();
}

static void *percpu_of(unsigned long p, int cpu)
{
	return per_cpu_ptr((void __percpu *)p, cpu);
}

/* Its size is not known when it is freed. */
struct percpu {
	struct list_head node;
	unsigned long p;
	size_t size;
	u16 domain;
};

static DEFINE_SPINLOCK(percpu_lock);
static LIST_HEAD(percpu_list);
static bool percpu_lost;	/* not all of it is in the list */

void chariot_percpu_grant(u16 domain, unsigned long p, size_t size)
{
	struct percpu *e = kmalloc(sizeof(*e), GFP_ATOMIC);
	unsigned long flags;
	int cpu;

	/* Then the driver will be reported for writing there. */
	if (!e) {
		WRITE_ONCE(percpu_lost, true);
		return;
	}
	e->p = p;
	e->size = size;
	e->domain = domain;
	spin_lock_irqsave(&percpu_lock, flags);
	list_add(&e->node, &percpu_list);
	spin_unlock_irqrestore(&percpu_lock, flags);
	for_each_possible_cpu(cpu)
		chariot_grant(domain, percpu_of(p, cpu), size, CHARIOT_KIND_PERCPU);
}

/* The lock must be held. */
static struct percpu *percpu_find(unsigned long p)
{
	struct percpu *e;

	list_for_each_entry(e, &percpu_list, node)
		if (e->p == p)
			return e;
	return NULL;
}

bool chariot_percpu_known(unsigned long p)
{
	unsigned long flags;
	bool known;

	spin_lock_irqsave(&percpu_lock, flags);
	known = percpu_find(p);
	spin_unlock_irqrestore(&percpu_lock, flags);
	return known || READ_ONCE(percpu_lost);
}

static struct percpu *percpu_take(unsigned long p)
{
	struct percpu *found;
	unsigned long flags;

	spin_lock_irqsave(&percpu_lock, flags);
	found = percpu_find(p);
	if (found)
		list_del(&found->node);
	spin_unlock_irqrestore(&percpu_lock, flags);
	return found;
}

void chariot_percpu_release(unsigned long p)
{
	bool whole = false;
	struct percpu *e;
	int cpu;

	/* What is added now is not what is freed now. */
	if (list_empty(&percpu_list))
		return;
	e = percpu_take(p);
	if (!e)
		return;
	for_each_possible_cpu(cpu)
		whole |= chariot_release(e->domain, percpu_of(p, cpu), e->size);
	if (whole)
		chariot_ring_sync();
	kfree(e);
}

void *chariot_kvmalloc(u16 domain, size_t size, gfp_t flags, int node)
{
	void *va;

	/* Where kvmalloc() would not fall back to vmalloc(). */
	if (size <= PAGE_SIZE)
		return chariot_heap_alloc(domain, size, flags, node);
	va = kvmalloc_node(size, flags, node);
	/* From a huge page's size on the area is larger than what is asked for. */
	if (is_vmalloc_addr(va))
		chariot_grant(domain, va, chariot_vmalloc_room(va), CHARIOT_KIND_VMALLOC);
	else
		chariot_heap_grant_foreign(domain, va, size);
	return va;
}

/* The driver's own call would tell of the end by one doorbell, not one a page. */
static void kv_free(u16 domain, const void *p)
{
	chariot_vfree_release(domain, p);
	kvfree(p);
}

void *chariot_kv_grow(u16 domain, const void *p, size_t old, size_t size, gfp_t flags)
{
	void *new = chariot_kvmalloc(domain, size, flags, NUMA_NO_NODE);

	if (new) {
		memcpy(new, p, old);
		kv_free(domain, p);
	}
	return new;
}

void *chariot_kvrealloc(u16 domain, const void *p, size_t size, gfp_t flags)
{
	size_t room;

	if (ZERO_OR_NULL_PTR(p))
		return chariot_kvmalloc(domain, size, flags, NUMA_NO_NODE);
	if (!is_vmalloc_addr(p)) {
		if (size <= PAGE_SIZE)
			return chariot_krealloc(domain, p, size, flags);
		/* It need not be contiguous. */
		room = object_room(domain, p);
		return room >= size ? shrunk(p, size, room, flags) :
				      chariot_kv_grow(domain, p, ksize(p), size, flags);
	}
	if (!size) {
		kv_free(domain, p);
		return NULL;
	}
	room = chariot_vmalloc_room(p);
	return room >= size ? shrunk(p, size, room, flags) :
			      chariot_kv_grow(domain, p, room, size, flags);
}

/* What the kernel allocated as an object of that size, in the domain's heap if there is room. */
static void *moved(u16 domain, void *p, size_t size, gfp_t flags)
{
	void *new = chariot_kmemdup(domain, p, size, flags | __GFP_NOWARN);

	if (!new) {
		chariot_heap_grant_foreign(domain, p, size);
		return p;
	}
	kfree(p);
	return new;
}

void chariot_fifo_move(u16 domain, struct __kfifo *fifo, size_t entry, gfp_t flags)
{
	fifo->data = moved(domain, fifo->data, (fifo->mask + 1) * entry, flags);
}

void chariot_sg_move(u16 domain, struct sg_table *table, gfp_t flags)
{
	struct scatterlist *list = table->sgl, *last = NULL;
	unsigned int left = table->orig_nents;

	/* A piece that is full is a page; its last entry leads to the next if there is one. */
	for (; left >= SG_MAX_SINGLE_ALLOC; left -= SG_MAX_SINGLE_ALLOC - 1) {
		/* It is freed by a call of its own, never as an object. */
		chariot_grant(domain, list, PAGE_SIZE, CHARIOT_KIND_RULE);
		if (left == SG_MAX_SINGLE_ALLOC)
			return;
		last = &list[SG_MAX_SINGLE_ALLOC - 1];
		list = sg_chain_ptr(last);
	}
	list = moved(domain, list, left * sizeof(*list), flags);
	if (last)
		sg_chain(last, 1, list);
	else
		table->sgl = list;
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
	if (is_vmalloc_addr(va) && chariot_release(domain, va, chariot_vmalloc_room(va)))
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

void chariot_pcim_regions_grant(u16 domain, struct pci_dev *pdev, u32 bars)
{
	void __iomem * const *table = pcim_iomap_table(pdev);
	unsigned int bar;

	for (bar = 0; table && bar < PCI_STD_NUM_BARS; bar++)
		if (bars & BIT(bar) && table[bar])
			chariot_pci_iomap_grant(domain, pdev, bar, 0,
						(unsigned long __force)table[bar]);
}
