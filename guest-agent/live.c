// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live objects of private heaps: for each page of a heap a bitmap, one bit for
 * each place where an object can begin. One more tells where one ever began.
 *
 * A page is noted when the first object begins in it, and forgotten when it is
 * freed. Every free in the guest asks whether its page is noted: another bitmap
 * with one bit per page frame says so, without a lock. Notes are kept for the
 * next page when they are no longer needed, so that no free frees anything here.
 */
#include <linux/bitmap.h>
#include <linux/hash.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "ksyms.h"
#include "live.h"

#define LIVE_BITS	8
#define LIVE_GRAIN	8	/* the smallest class, which divides all others */
#define LIVE_PLACES	(PAGE_SIZE / LIVE_GRAIN)

struct live {
	struct hlist_node node;
	unsigned long pfn;
	size_t size;		/* of an object: a cache has one size */
	u16 domain;
	DECLARE_BITMAP(begins, LIVE_PLACES);
	DECLARE_BITMAP(began, LIVE_PLACES);	/* live or not */
};

static struct live_bucket {
	raw_spinlock_t lock;
	struct hlist_head head;
} buckets[1 << LIVE_BITS];

/* A page that is marked and has no note: nothing is known of it. */
unsigned long *chariot_live_pages, chariot_live_pfns;

static struct hlist_head spare;
static DEFINE_RAW_SPINLOCK(spare_lock);	/* inside a bucket's lock */

static struct live_bucket *bucket_of(unsigned long pfn)
{
	return &buckets[hash_long(pfn, LIVE_BITS)];
}

/* The bucket's lock must be held. */
static struct live *bucket_find(struct live_bucket *b, unsigned long pfn)
{
	struct live *l;

	hlist_for_each_entry(l, &b->head, node)
		if (l->pfn == pfn)
			return l;
	return NULL;
}

static struct live *spare_get(void)
{
	struct live *l = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&spare_lock, flags);
	if (spare.first) {
		l = hlist_entry(spare.first, struct live, node);
		hlist_del(&l->node);
	}
	raw_spin_unlock_irqrestore(&spare_lock, flags);
	return l;
}

static void spare_put(struct live *l)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&spare_lock, flags);
	hlist_add_head(&l->node, &spare);
	raw_spin_unlock_irqrestore(&spare_lock, flags);
}

static unsigned int place_of(const void *va)
{
	return offset_in_page(va) / LIVE_GRAIN;
}

static unsigned long pfn_of(const void *va)
{
	return PHYS_PFN(virt_to_phys((void *)va));
}

void chariot_live_begin(u16 domain, const void *obj, size_t size, gfp_t flags)
{
	unsigned long pfn = pfn_of(obj), irq;
	struct live_bucket *b = bucket_of(pfn);
	struct live *l, *new = NULL;

	if (pfn >= chariot_live_pfns)
		return;
	if (!chariot_live_noted(pfn)) {
		new = spare_get();
		if (!new)
			new = kmalloc(sizeof(*new), (flags & (GFP_KERNEL | GFP_ATOMIC)) |
				      __GFP_NOWARN);
	}
	raw_spin_lock_irqsave(&b->lock, irq);
	l = bucket_find(b, pfn);
	if (!l && !chariot_live_noted(pfn)) {
		if (new) {
			bitmap_zero(new->begins, LIVE_PLACES);
			bitmap_zero(new->began, LIVE_PLACES);
			new->pfn = pfn;
			new->size = size;
			new->domain = domain;
			hlist_add_head(&new->node, &b->head);
			l = new;
			new = NULL;
		}
		set_bit(pfn, chariot_live_pages);
	}
	if (l) {
		__set_bit(place_of(obj), l->begins);
		__set_bit(place_of(obj), l->began);
	}
	raw_spin_unlock_irqrestore(&b->lock, irq);
	if (new)
		spare_put(new);
}

/* The begin of the last live object before @va in its page, or in the page before; NULL: none. */
static const void *begin_before(const void *va)
{
	const void *end = va, *begin = NULL;
	unsigned int turn;

	for (turn = 0; turn < 2 && !begin; turn++) {
		const void *page = PTR_ALIGN_DOWN(end - 1, PAGE_SIZE);
		unsigned int place, n = DIV_ROUND_UP(end - page, LIVE_GRAIN);
		struct live_bucket *b = bucket_of(pfn_of(page));
		unsigned long flags;
		struct live *l;

		raw_spin_lock_irqsave(&b->lock, flags);
		l = bucket_find(b, pfn_of(page));
		place = l ? find_last_bit(l->begins, n) : n;
		if (place < n && page + place * LIVE_GRAIN + l->size > va)
			begin = page + place * LIVE_GRAIN;
		raw_spin_unlock_irqrestore(&b->lock, flags);
		end = page;
	}
	return begin;
}

enum chariot_live chariot_live_end(u16 domain, const void *va, struct chariot_object *found)
{
	unsigned long pfn = pfn_of(va), flags;
	struct live_bucket *b = bucket_of(pfn);
	const void *begin = NULL;
	bool live = false, was = false;
	struct live *l;

	if (!chariot_live_noted(pfn))
		return CHARIOT_LIVE_UNKNOWN;
	raw_spin_lock_irqsave(&b->lock, flags);
	l = bucket_find(b, pfn);
	if (l) {
		found->domain = l->domain;
		found->size = l->size;
		was = IS_ALIGNED((unsigned long)va, LIVE_GRAIN) &&
		      test_bit(place_of(va), l->began);
		live = was && test_bit(place_of(va), l->begins);
		if (live && l->domain == domain)
			__clear_bit(place_of(va), l->begins);
	}
	raw_spin_unlock_irqrestore(&b->lock, flags);
	if (!l)
		return CHARIOT_LIVE_UNKNOWN;
	if (live) {
		found->va = va;
		return CHARIOT_LIVE_BEGIN;
	}
	begin = begin_before(va);
	if (begin) {
		found->va = begin;
		return CHARIOT_LIVE_INSIDE;
	}
	if (!was) {
		found->size = 0;
		return CHARIOT_LIVE_NOTHING;
	}
	found->va = va;
	return CHARIOT_LIVE_DEAD;
}

void chariot_live_freed(const void *va)
{
	unsigned long pfn = pfn_of(va), flags;
	struct live_bucket *b = bucket_of(pfn);
	struct live *l;

	raw_spin_lock_irqsave(&b->lock, flags);
	l = bucket_find(b, pfn);
	if (l)
		__clear_bit(place_of(va), l->begins);
	raw_spin_unlock_irqrestore(&b->lock, flags);
}

void chariot_live_page_freed(unsigned long pfn)
{
	struct live_bucket *b = bucket_of(pfn);
	unsigned long flags;
	struct live *l;

	raw_spin_lock_irqsave(&b->lock, flags);
	l = bucket_find(b, pfn);
	if (l)
		hlist_del(&l->node);
	clear_bit(pfn, chariot_live_pages);
	raw_spin_unlock_irqrestore(&b->lock, flags);
	if (l)
		spare_put(l);
}

int chariot_live_init(void)
{
	unsigned long pfns = chariot_max_pfn();
	unsigned int i;

	chariot_live_pages = vzalloc(BITS_TO_LONGS(pfns) * sizeof(long));
	if (!chariot_live_pages)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(buckets); i++)
		raw_spin_lock_init(&buckets[i].lock);
	chariot_live_pfns = pfns;
	return 0;
}
