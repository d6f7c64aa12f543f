// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live grants, and the probes that see them freed.
 *
 * Every free in the guest passes here, so a free of anything else must cost
 * next to nothing: a bitmap with one bit per page frame says whether a grant
 * starts in the page, without a lock. A set bit leads to a hash table by page
 * frame, whose bucket lock also orders what is posted for the page: a grant is
 * posted before its bit is set, a revoke before the entry is gone.
 *
 * Entries come from a fixed pool, so that no probe ever allocates.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>
#include <trace/events/kmem.h>

#include "kmem.h"
#include "ksyms.h"
#include "live.h"
#include "memory.h"
#include "ring.h"
#include "track.h"

#define TRACK_BITS	12
#define TRACK_RULES	2

/* A field of struct page that a driver writes as long as it has the page */
struct rule {
	void *field;
	size_t len;
};

struct track {
	struct hlist_node node;
	u64 phys;
	u64 len;		/* 0: nothing but the rules */
	u64 rule_phys[TRACK_RULES];	/* rules that end with it; 0: none */
	u32 refs;
	u16 domain;
	u8 kind;
};

static struct track_bucket {
	raw_spinlock_t lock;
	struct hlist_head head;
} buckets[1 << TRACK_BITS];

static unsigned long *filter;		/* by pfn */
static unsigned long filter_pfns;

static struct hlist_head pool;
static unsigned int pool_left;
static unsigned int pool_reserve;	/* not for what a filesystem caches */
static DEFINE_RAW_SPINLOCK(pool_lock);	/* inside a bucket's lock */

struct chariot_track_stats chariot_track_stats;

static struct track *pool_get(bool cached)
{
	struct track *t = NULL;

	raw_spin_lock(&pool_lock);
	if (pool.first && (!cached || pool_left > pool_reserve)) {
		pool_left--;
		t = hlist_entry(pool.first, struct track, node);
		hlist_del(&t->node);
	}
	raw_spin_unlock(&pool_lock);
	return t;
}

static void pool_put(struct track *t)
{
	raw_spin_lock(&pool_lock);
	pool_left++;
	hlist_add_head(&t->node, &pool);
	raw_spin_unlock(&pool_lock);
}

static struct track_bucket *bucket_of(phys_addr_t phys)
{
	return &buckets[hash_64(PHYS_PFN(phys), TRACK_BITS)];
}

/* Beyond RAM (MMIO) there are no frees to see, hence no bits. */
static void filter_set(phys_addr_t phys)
{
	if (PHYS_PFN(phys) < filter_pfns)
		set_bit(PHYS_PFN(phys), filter);
}

bool chariot_tracked(phys_addr_t phys)
{
	return PHYS_PFN(phys) < filter_pfns && test_bit(PHYS_PFN(phys), filter);
}

/* The bucket's lock must be held. */
static struct track *bucket_find(struct track_bucket *b, u16 domain, phys_addr_t phys)
{
	struct track *t;

	hlist_for_each_entry(t, &b->head, node)
		if (t->phys == phys && t->domain == domain)
			return t;
	return NULL;
}

/* The bucket's lock must be held. */
static void filter_update(struct track_bucket *b, phys_addr_t phys)
{
	struct track *t;

	hlist_for_each_entry(t, &b->head, node)
		if (PHYS_PFN(t->phys) == PHYS_PFN(phys))
			return;
	if (PHYS_PFN(phys) < filter_pfns)
		clear_bit(PHYS_PFN(phys), filter);
}

/* Whether [phys, phys + len) contains a page that the host may have made writable. */
static bool has_whole_page(phys_addr_t phys, size_t len)
{
	return round_up(phys, PAGE_SIZE) + PAGE_SIZE <= phys + len;
}

/* Ends a grant. The bucket's lock must be held; true: sync before reuse. */
static bool track_end(struct track_bucket *b, struct track *t)
{
	phys_addr_t phys = t->phys;
	bool whole = has_whole_page(phys, t->len);
	unsigned int i;

	if (t->len)
		chariot_post(CHARIOT_REC_REVOKE, 0, t->domain, phys, 0, 0);
	for (i = 0; i < TRACK_RULES && t->rule_phys[i]; i++)
		chariot_post(CHARIOT_REC_REVOKE, 0, t->domain, t->rule_phys[i], 0, 0);
	hlist_del(&t->node);
	filter_update(b, phys);
	pool_put(t);
	atomic_dec(&chariot_track_stats.live);
	atomic64_inc(&chariot_track_stats.revokes);
	return whole;
}

/*
 * Whether the domain holds all of the pages around @phys already: an object in
 * its private heap, or in pages that it allocated. A grant of the object would
 * overlap. Never true for what starts a folio itself.
 */
static bool grant_covered(u16 domain, phys_addr_t phys)
{
	phys_addr_t start;
	struct track_bucket *b;
	unsigned long flags;
	struct track *t;

	if (PHYS_PFN(phys) >= filter_pfns || !pfn_valid(PHYS_PFN(phys)))
		return false;
	start = PFN_PHYS(folio_pfn(page_folio(pfn_to_page(PHYS_PFN(phys)))));
	if (!chariot_tracked(start))
		return false;
	b = bucket_of(start);
	raw_spin_lock_irqsave(&b->lock, flags);
	t = bucket_find(b, domain, start);
	if (t && (t->kind == CHARIOT_KIND_HEAP || t->kind == CHARIOT_KIND_PAGES))
		t = phys - start < t->len ? t : NULL;
	else
		t = NULL;
	raw_spin_unlock_irqrestore(&b->lock, flags);
	return t;
}

static bool grant(u16 domain, phys_addr_t phys, u64 va, size_t len, u8 kind,
		  const struct rule *rules, unsigned int nr_rules, bool cached)
{
	struct track_bucket *b = bucket_of(phys);
	unsigned long flags;
	unsigned int i;
	struct track *t;

	if (!len && !nr_rules)
		return true;
	if (len && kind != CHARIOT_KIND_HEAP && kind != CHARIOT_KIND_PAGES &&
	    grant_covered(domain, phys))
		return true;
	raw_spin_lock_irqsave(&b->lock, flags);
	t = bucket_find(b, domain, phys);
	if (t) {
		t->refs++;
		goto out;
	}
	t = pool_get(cached);
	if (!t) {
		atomic64_inc(&chariot_track_stats.exhausted);
		goto out;
	}
	t->phys = phys;
	t->len = len;
	t->refs = 1;
	t->domain = domain;
	t->kind = kind;
	hlist_add_head(&t->node, &b->head);
	if (len)
		chariot_post(CHARIOT_REC_GRANT, kind, domain, phys, va, len);
	for (i = 0; i < TRACK_RULES; i++) {
		t->rule_phys[i] = i < nr_rules ? slow_virt_to_phys(rules[i].field) : 0;
		if (i < nr_rules)
			chariot_post(CHARIOT_REC_GRANT, CHARIOT_KIND_RULE, domain, t->rule_phys[i],
				     (unsigned long)rules[i].field, rules[i].len);
	}
	filter_set(phys);
	atomic_inc(&chariot_track_stats.live);
	atomic64_inc(&chariot_track_stats.grants);
out:
	raw_spin_unlock_irqrestore(&b->lock, flags);
	if (!t)
		pr_warn_once("more is granted than max_grants allows: drivers will be reported for writing to their own memory\n");
	return t;
}

bool chariot_grant_phys(u16 domain, phys_addr_t phys, u64 va, size_t len, u8 kind)
{
	return grant(domain, phys, va, len, kind, NULL, 0, false);
}

/*
 * Memory that is not physically contiguous is granted page by page: that is also
 * how it is freed.
 */
void chariot_grant(u16 domain, const void *va, size_t len, u8 kind)
{
	const void *end = va + len;

	if (virt_addr_valid(va)) {
		grant(domain, virt_to_phys((void *)va), (unsigned long)va, len, kind, NULL, 0,
		      false);
		return;
	}
	while (va < end) {
		size_t n = min_t(size_t, end - va, PAGE_SIZE - offset_in_page(va));

		grant(domain, slow_virt_to_phys((void *)va), (unsigned long)va, n, kind, NULL, 0,
		      false);
		va += n;
	}
}

void chariot_grant_pages(u16 domain, struct page *page, unsigned int order, u8 kind)
{
	const struct rule rule = { &page->_refcount, sizeof(page->_refcount) };

	grant(domain, page_to_phys(page), (unsigned long)page_address(page), PAGE_SIZE << order,
	      kind, &rule, 1, false);
}

void chariot_grant_folio(u16 domain, struct folio *folio)
{
	const struct rule rules[] = {
		{ &folio->flags, sizeof(folio->flags) },
		{ &folio->_refcount, sizeof(folio->_refcount) },
	};

	grant(domain, PFN_PHYS(folio_pfn(folio)), (unsigned long)folio_address(folio),
	      folio_size(folio), CHARIOT_KIND_PAGES, rules, ARRAY_SIZE(rules), true);
}

void chariot_grant_cached(u16 domain, const void *va, size_t len)
{
	grant(domain, virt_to_phys((void *)va), (unsigned long)va, len, CHARIOT_KIND_OBJECT,
	      NULL, 0, true);
}

void chariot_grant_listed_page(u16 domain, struct page *page)
{
	const struct rule rules[] = {
		{ &page->_refcount, sizeof(page->_refcount) },
		{ &page->lru, sizeof(page->lru) },
	};

	grant(domain, page_to_phys(page), 0, 0, CHARIOT_KIND_RULE, rules, ARRAY_SIZE(rules),
	      false);
}

/* A copy of what is known of a grant; false: there is none. */
static bool grant_look(u16 domain, phys_addr_t phys, struct track *copy)
{
	struct track_bucket *b = bucket_of(phys);
	unsigned long flags;
	struct track *t;

	raw_spin_lock_irqsave(&b->lock, flags);
	t = bucket_find(b, domain, phys);
	if (t)
		*copy = *t;
	raw_spin_unlock_irqrestore(&b->lock, flags);
	return t;
}

u32 chariot_held(u16 domain, phys_addr_t phys, size_t *size)
{
	struct track t;

	if (!grant_look(domain, phys, &t))
		return 0;
	*size = t.len;
	return BIT(t.kind);
}

unsigned int chariot_refs(u16 domain, phys_addr_t phys)
{
	struct track t;

	return grant_look(domain, phys, &t) ? t.refs : 0;
}

bool chariot_release_phys(u16 domain, phys_addr_t phys)
{
	struct track_bucket *b = bucket_of(phys);
	unsigned long flags;
	struct track *t;
	bool whole = false;

	raw_spin_lock_irqsave(&b->lock, flags);
	t = bucket_find(b, domain, phys);
	/*
	 * Pages end with the pages only, a heap's and others: what is released
	 * here is just the first object in them, such as a buffer that was built
	 * around a page and goes its way while the driver keeps a reference.
	 */
	if (t && t->kind != CHARIOT_KIND_HEAP && t->kind != CHARIOT_KIND_PAGES && !--t->refs)
		whole = track_end(b, t);
	raw_spin_unlock_irqrestore(&b->lock, flags);
	return whole;
}

bool chariot_release(u16 domain, const void *va, size_t len)
{
	const void *end = va + len;
	bool whole = false;

	if (virt_addr_valid(va))
		return chariot_release_phys(domain, virt_to_phys((void *)va));
	for (; va < end; va = PTR_ALIGN_DOWN(va, PAGE_SIZE) + PAGE_SIZE)
		whole |= chariot_release_phys(domain, slow_virt_to_phys((void *)va));
	return whole;
}

/* Ends what starts at @phys or behind it, before @end, all of it in one page. */
static bool release_in_page(phys_addr_t phys, phys_addr_t end, bool heaps)
{
	struct track_bucket *b = bucket_of(phys);
	struct hlist_node *next;
	unsigned long flags;
	struct track *t;
	bool whole = false;

	raw_spin_lock_irqsave(&b->lock, flags);
	hlist_for_each_entry_safe(t, next, &b->head, node) {
		if (t->phys < phys || t->phys >= end || (t->kind == CHARIOT_KIND_HEAP && !heaps))
			continue;
		atomic64_inc(&chariot_track_stats.frees_seen);
		whole |= track_end(b, t);
	}
	raw_spin_unlock_irqrestore(&b->lock, flags);
	return whole;
}

bool chariot_release_all(phys_addr_t phys)
{
	return release_in_page(phys, phys + 1, false);
}

/*
 * Ends what lies in an object that is freed: the core often allocates more than
 * it hands to a driver.
 */
static bool release_object(phys_addr_t phys, size_t size)
{
	phys_addr_t end = phys + max_t(size_t, size, 1);
	bool whole = false;

	while (phys < end) {
		phys_addr_t next = min(end, ALIGN_DOWN(phys, PAGE_SIZE) + PAGE_SIZE);

		if (chariot_tracked(phys))
			whole |= release_in_page(phys, next, false);
		phys = next;
	}
	return whole;
}

void chariot_track_show(struct seq_file *m)
{
	struct track_bucket *b;

	for (b = buckets; b < buckets + ARRAY_SIZE(buckets); b++) {
		struct track *t;

		raw_spin_lock_irq(&b->lock);
		hlist_for_each_entry(t, &b->head, node)
			seq_printf(m, "%u %u 0x%llx %llu %u\n", t->domain, t->kind, t->phys, t->len,
				   t->refs);
		raw_spin_unlock_irq(&b->lock);
	}
}

void chariot_track_forget(u16 domain)
{
	struct track_bucket *b;
	unsigned long flags;

	for (b = buckets; b < buckets + ARRAY_SIZE(buckets); b++) {
		struct hlist_node *next;
		struct track *t;

		raw_spin_lock_irqsave(&b->lock, flags);
		hlist_for_each_entry_safe(t, next, &b->head, node) {
			phys_addr_t phys = t->phys;

			if (t->domain != domain)
				continue;
			hlist_del(&t->node);
			filter_update(b, phys);
			pool_put(t);
			atomic_dec(&chariot_track_stats.live);
		}
		raw_spin_unlock_irqrestore(&b->lock, flags);
	}
}

/* The probes. None of the events is traced with the memory already reusable. */

/*
 * Objects lie in the direct map. What does not, NULL and its like among it, is
 * beyond the last page frame by this reckoning: no need of virt_addr_valid(),
 * which takes as long as all the rest. The size is looked up only where there are
 * grants in the page that the object begins in; a large object's pages are freed
 * next, and seen then.
 */
static void object_freed(const void *ptr, const struct kmem_cache *s)
{
	phys_addr_t phys = (unsigned long)ptr - PAGE_OFFSET;

	if (chariot_live_noted(PHYS_PFN(phys)))
		chariot_live_freed(ptr);
	if (chariot_tracked(phys) &&
	    release_object(phys, s ? kmem_cache_size((void *)s) : chariot_slab_size(ptr)))
		chariot_ring_sync();
}

static void probe_kfree(void *data, unsigned long call_site, const void *ptr)
{
	object_freed(ptr, NULL);
}

static void probe_kmem_cache_free(void *data, unsigned long call_site, const void *ptr,
				  const struct kmem_cache *s)
{
	object_freed(ptr, s);
}

static void probe_mm_page_free(void *data, struct page *page, unsigned int order)
{
	unsigned long pfn = page_to_pfn(page);
	unsigned long end = min(pfn + (1UL << order), filter_pfns);
	bool whole = false;

	for (; pfn < end; pfn++) {
		if (chariot_live_noted(pfn))
			chariot_live_page_freed(pfn);
		if (test_bit(pfn, filter))
			whole |= release_in_page(PFN_PHYS(pfn), PFN_PHYS(pfn + 1), true);
	}
	if (whole)
		chariot_ring_sync();
}

static void probe_percpu_free(void *data, void *base_addr, int off, void __percpu *ptr)
{
	chariot_percpu_release((unsigned long __force)ptr);
}

static const struct {
	const char *name;
	void *probe;
} probes[] = {
	{ "kfree", probe_kfree },
	{ "kmem_cache_free", probe_kmem_cache_free },
	{ "mm_page_free", probe_mm_page_free },
	{ "percpu_free_percpu", probe_percpu_free },
};

static void probe_register(struct tracepoint *tp, void *data)
{
	unsigned int *found = data;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(tp->name, probes[i].name) &&
		    !tracepoint_probe_register(tp, probes[i].probe, NULL))
			(*found)++;
}

int chariot_track_init(unsigned int max_grants)
{
	unsigned int i, found = 0;
	struct track *entries;

	/* RAM plugged in later has no bits: the driver's own calls still end its grants. */
	filter_pfns = chariot_max_pfn();
	if (!filter_pfns || chariot_live_init())
		return -ENOENT;
	filter = vzalloc(BITS_TO_LONGS(filter_pfns) * sizeof(long));
	entries = vzalloc(array_size(max_grants, sizeof(*entries)));
	if (!filter || !entries)
		goto err;
	for (i = 0; i < ARRAY_SIZE(buckets); i++)
		raw_spin_lock_init(&buckets[i].lock);
	for (i = 0; i < max_grants; i++)
		hlist_add_head(&entries[i].node, &pool);
	pool_left = max_grants;
	pool_reserve = max_grants / 8;
	for_each_kernel_tracepoint(probe_register, &found);
	if (found == ARRAY_SIZE(probes))
		return 0;
	/* Some may be attached: what they read must stay. */
	pr_err("%u of %zu tracepoints found\n", found, ARRAY_SIZE(probes));
	return -ENOENT;
err:
	vfree(filter);
	vfree(entries);
	return -ENOMEM;
}
