// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free checks; see frees.h. Who owns what is told by, in this order:
 *	- the private heaps, whose objects are known one by one (live.c)
 *	- the domain's grants (track.c)
 *	- the allocator's own data, as far as it tells that there is nothing to free
 */
#include <linux/kernel.h>
#include <linux/kfence.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "call.h"
#include "frees.h"
#include "kmem.h"
#include "live.h"
#include "memory.h"
#include "ring.h"
#include "track.h"

/* What only functions of its own free, or nobody but the kernel. */
#define KINDS_NOT_OBJECTS	(BIT(CHARIOT_KIND_PERCPU) | BIT(CHARIOT_KIND_DMA) |	\
				 BIT(CHARIOT_KIND_NETDEV) | BIT(CHARIOT_KIND_SKB) |	\
				 BIT(CHARIOT_KIND_ARGUMENT) | BIT(CHARIOT_KIND_RULE))

/* Where the mark of a buffer is that was freed: made anew with the buffer, of no use in between. */
#define MARK	0x6672656564736b62ull

static bool (*domain_refuses)(u16 domain);

struct chariot_frees_stats chariot_frees_stats;

void chariot_frees_init(bool (*refuse)(u16 domain))
{
	domain_refuses = refuse;
}

/* Where the driver called. */
static unsigned long caller_of(const struct chariot_call *c)
{
	return chariot_call_more(c)[-1];
}

/* Reports a bad free. @kind: what the function frees; @object: where @p lies, may be NULL. */
static bool bad(struct chariot_call *c, u8 kind, u64 why, const void *p,
		const struct chariot_object *object)
{
	bool refuse = domain_refuses(c->domain);
	u64 len = why << 56;

	if (object && object->size) {
		len |= object->size & U32_MAX;
		len |= min_t(u64, p - object->va, 0xffffff) << 32;
	}
	if (refuse)
		len |= CHARIOT_FREE_REFUSED;
	chariot_post(CHARIOT_REC_BAD_FREE, kind, c->domain, (unsigned long)p, caller_of(c), len);
	/* Rare, and to be known before what it may lead to. */
	chariot_ring_sync();
	atomic64_inc(&chariot_frees_stats.bad);
	if (refuse)
		atomic64_inc(&chariot_frees_stats.refused);
	return !refuse;
}

static bool unknown(void)
{
	atomic64_inc(&chariot_frees_stats.unknown);
	return true;
}

static bool is_checked(void)
{
	if (!domain_refuses)
		return false;
	atomic64_inc(&chariot_frees_stats.checked);
	return true;
}

/* The physical address of kernel memory; false: there is none. */
static bool phys_of(const void *p, phys_addr_t *phys)
{
	struct page *page;

	if (virt_addr_valid(p)) {
		*phys = virt_to_phys((void *)p);
		return true;
	}
	page = is_vmalloc_addr(p) ? vmalloc_to_page(p) : NULL;
	if (!page)
		return false;
	*phys = page_to_phys(page) + offset_in_page(p);
	return true;
}

/* An object of an ordinary cache: whether one begins at @p. */
static bool free_shared(struct chariot_call *c, const void *p)
{
	struct chariot_object object = {};

	object.va = chariot_slab_object(p, &object.size);
	if (object.va && object.va != p)
		return bad(c, CHARIOT_KIND_SLAB, CHARIOT_FREE_INSIDE, p, &object);
	return unknown();
}

/* A large object: it has pages of its own. */
static bool free_large(struct chariot_call *c, const void *p, struct folio *folio)
{
	struct chariot_object object = { .va = folio_address(folio), .size = folio_size(folio) };

	if (!folio_ref_count(folio))
		return bad(c, CHARIOT_KIND_SLAB, CHARIOT_FREE_TWICE, p, NULL);
	if (!folio_test_large(folio) || folio_test_reserved(folio))
		return bad(c, CHARIOT_KIND_SLAB, CHARIOT_FREE_INVALID, p, NULL);
	if (object.va != p)
		return bad(c, CHARIOT_KIND_SLAB, CHARIOT_FREE_INSIDE, p, &object);
	return unknown();
}

static bool free_object(struct chariot_call *c, const void *p)
{
	struct chariot_object object = {};
	struct folio *folio = virt_to_folio(p);
	u32 held;

	switch (chariot_live_end(c->domain, p, &object)) {
	case CHARIOT_LIVE_BEGIN:
		return object.domain == c->domain ||
		       bad(c, CHARIOT_KIND_SLAB, CHARIOT_FREE_FOREIGN, p, &object);
	case CHARIOT_LIVE_INSIDE:
		return bad(c, CHARIOT_KIND_SLAB, CHARIOT_FREE_INSIDE, p, &object);
	case CHARIOT_LIVE_DEAD:
		return bad(c, CHARIOT_KIND_SLAB, CHARIOT_FREE_TWICE, p, NULL);
	case CHARIOT_LIVE_NOTHING:
		return bad(c, CHARIOT_KIND_SLAB, CHARIOT_FREE_INVALID, p, NULL);
	case CHARIOT_LIVE_UNKNOWN:
		break;
	}
	object.va = p;
	held = chariot_held(c->domain, virt_to_phys((void *)p), &object.size);
	if (held & KINDS_NOT_OBJECTS)
		return bad(c, CHARIOT_KIND_SLAB, CHARIOT_FREE_FOREIGN, p, &object);
	if (held)
		return true;
	/* KFENCE knows its objects, and reports what is wrong by itself. */
	if (is_kfence_address(p))
		return unknown();
	return folio_test_slab(folio) ? free_shared(c, p) : free_large(c, p, folio);
}

bool chariot_free_object(struct chariot_call *c, const void *p)
{
	if (ZERO_OR_NULL_PTR(p) || !is_checked())
		return true;
	if (!virt_addr_valid(p))
		return bad(c, CHARIOT_KIND_SLAB, CHARIOT_FREE_INVALID, p, NULL);
	return free_object(c, p);
}

bool chariot_free_vmalloc(struct chariot_call *c, const void *p)
{
	struct chariot_object object = {};
	phys_addr_t phys;

	if (!p || !is_checked())
		return true;
	if (!is_vmalloc_addr(p) || !phys_of(p, &phys))
		return bad(c, CHARIOT_KIND_VMALLOC, CHARIOT_FREE_INVALID, p, NULL);
	/* Areas are found under a lock that interrupts must not take. */
	if (in_interrupt() || irqs_disabled())
		return chariot_held(c->domain, phys, &object.size) ? true : unknown();
	if (!chariot_vm_area(p, &object.va, &object.size))
		return unknown();
	if (!object.va)
		return bad(c, CHARIOT_KIND_VMALLOC, CHARIOT_FREE_INVALID, p, NULL);
	if (object.va != p)
		return bad(c, CHARIOT_KIND_VMALLOC, CHARIOT_FREE_INSIDE, p, &object);
	return chariot_held(c->domain, phys, &object.size) ? true : unknown();
}

bool chariot_free_any(struct chariot_call *c, const void *p)
{
	return is_vmalloc_addr(p) ? chariot_free_vmalloc(c, p) : chariot_free_object(c, p);
}

static bool free_pages_at(struct chariot_call *c, struct page *page, const void *p)
{
	struct folio *folio = page_folio(page);
	size_t size;

	if (!folio_ref_count(folio))
		return bad(c, CHARIOT_KIND_PAGES, CHARIOT_FREE_TWICE, p, NULL);
	/* Slabs are the slab allocator's; reserved pages, the kernel's image for one, nobody's. */
	if (folio_test_slab(folio) || folio_test_reserved(folio))
		return bad(c, CHARIOT_KIND_PAGES, CHARIOT_FREE_FOREIGN, p, NULL);
	return chariot_held(c->domain, page_to_phys(page), &size) ? true : unknown();
}

bool chariot_free_page(struct chariot_call *c, struct page *page)
{
	if (!page || !is_checked())
		return true;
	if (!pfn_valid(page_to_pfn(page)))
		return bad(c, CHARIOT_KIND_PAGES, CHARIOT_FREE_INVALID, page, NULL);
	return free_pages_at(c, page, page_address(page));
}

bool chariot_free_pages(struct chariot_call *c, const void *p)
{
	if (!p || !is_checked())
		return true;
	if (!virt_addr_valid(p))
		return bad(c, CHARIOT_KIND_PAGES, CHARIOT_FREE_INVALID, p, NULL);
	return free_pages_at(c, virt_to_page(p), p);
}

/*
 * What the domain does not hold may come from a module that is not isolated. It
 * is whole pages in any case, in use, and never of a slab.
 */
bool chariot_free_dma(struct chariot_call *c, const void *p)
{
	phys_addr_t phys;
	size_t size;

	if (!p || !is_checked())
		return true;
	if (!phys_of(p, &phys))
		return bad(c, CHARIOT_KIND_DMA, CHARIOT_FREE_INVALID, p, NULL);
	if (chariot_held(c->domain, phys, &size))
		return true;
	if (virt_addr_valid(p) && !folio_ref_count(virt_to_folio(p)))
		return bad(c, CHARIOT_KIND_DMA, CHARIOT_FREE_TWICE, p, NULL);
	if (!PAGE_ALIGNED(p) || (virt_addr_valid(p) && folio_test_slab(virt_to_folio(p))))
		return bad(c, CHARIOT_KIND_DMA, CHARIOT_FREE_INVALID, p, NULL);
	return unknown();
}

/* The same: others may have allocated it. But it is there for each processor. */
bool chariot_free_percpu(struct chariot_call *c, const void *p)
{
	phys_addr_t phys;

	if (!p || !is_checked() || chariot_percpu_known((unsigned long)p))
		return true;
	if (!phys_of(per_cpu_ptr((const void __force __percpu *)p, raw_smp_processor_id()), &phys))
		return bad(c, CHARIOT_KIND_PERCPU, CHARIOT_FREE_INVALID, p, NULL);
	return unknown();
}

static u64 mark_of(const struct sk_buff *skb)
{
	return MARK ^ (unsigned long)skb;
}

/*
 * A buffer that the driver frees gets a mark, where the kernel zeroes it when it
 * makes the next buffer of this memory. So with the mark it is still the one that
 * was freed. What its owner is told of when it goes may be read there by him: a
 * packet socket takes the time of sending from it. Such a buffer gets none.
 */
static bool may_mark(struct sk_buff *skb)
{
	return refcount_read(&skb->users) == 1 && !skb->destructor && skb->head && !skb_zcopy(skb);
}

bool chariot_free_skb(struct chariot_call *c, struct sk_buff *skb)
{
	struct chariot_object object = {};
	size_t size;

	if (!skb || !is_checked())
		return true;
	if (!virt_addr_valid(skb))
		return bad(c, CHARIOT_KIND_SKB, CHARIOT_FREE_INVALID, skb, NULL);
	if (chariot_held(c->domain, virt_to_phys(skb), &size) & BIT(CHARIOT_KIND_SKB)) {
		if (may_mark(skb))
			skb->tstamp = mark_of(skb);
		return true;
	}
	if (is_kfence_address(skb))
		return unknown();
	if (!folio_test_slab(virt_to_folio(skb)))
		return bad(c, CHARIOT_KIND_SKB, CHARIOT_FREE_INVALID, skb, NULL);
	if (IS_ALIGNED((unsigned long)skb, sizeof(u64)) && skb->tstamp == mark_of(skb))
		return bad(c, CHARIOT_KIND_SKB, CHARIOT_FREE_TWICE, skb, NULL);
	object.va = chariot_slab_object(skb, &object.size);
	/* The second of a pair, for a clone, lies in one object with the first. */
	if (object.va && object.va != skb && object.va != skb - 1)
		return bad(c, CHARIOT_KIND_SKB, CHARIOT_FREE_INSIDE, skb, &object);
	return unknown();
}
