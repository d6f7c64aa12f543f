// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property test of views by guest virtual address: guests that change their page
 * tables and flush, KVM that takes memory away and forgets roots, grants and
 * revokes, in random order, on CPUs whose TLBs keep all that the architecture lets
 * them keep: translations and table entries by PCID until they are flushed, walks
 * that start at any table entry that is remembered.
 *
 * What stock KVM would let a vCPU do is what its leaves were at some time since the
 * vCPU flushed: each translation that a TLB holds here is checked against that
 * (same page, no more rights, the same U/S), and against the ACL.
 *
 * The calls are made as shadow.c makes them; all of a vCPU's happen on its own
 * thread, hence in one step, but that other vCPUs act between reading a leaf and
 * installing what was derived from it.
 */
#include <stdlib.h>
#include <string.h>
#include <sanitizer/asan_interface.h>

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/mm.h>

#include "ktap.h"
#include "roots.h"

#define VCPUS		2
#define SPACES		7	/* of the guest, each with a PCID; KVM holds on to PREV + 1 roots */
#define PREV		3
#define PAGES		6	/* virtual pages in each space */
#define GFNS		8
#define DOMAINS		3
#define HISTORY		64
#define U		8u	/* beside CHARIOT_R, W, X */

#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_PS		BIT_ULL(7)
#define SPTE		BIT_ULL(11)
#define PTE_NX		BIT_ULL(63)
#define ADDR		0x000ffffffffff000ull

/* Neighbours in a table, far ones, and the first and last of all */
static const u64 index_of[PAGES] = { 0, 1, 511, 512, 0x3fffffull, 0xfffffffffull };

struct translation {
	unsigned int page;	/* or, of table entries: the level below */
	u64 pa;
	unsigned int rights;
	u64 gfn;
};

struct guest_pte {
	bool present;
	unsigned int rights;	/* W, X, U */
	unsigned int gfn;
};

struct root {
	u64 addr;
	bool live;
	struct chariot_leaf leaf[PAGES];
};

struct vcpu {
	/* the guest's */
	unsigned int space, domain;
	/* KVM's: roots by space, most recent first; -1: none */
	int held[PREV + 1];
	/* ours */
	struct chariot_roots roots;
	struct chariot_view_cache cache;
	struct chariot_view *loaded;	/* NULL: the empty table */
	bool kvm_flush;			/* requested by KVM, served before the next entry */
	/* the CPU's */
	struct tlb_page { unsigned int space, page; u64 pa; unsigned int rights; } tlb[256];
	unsigned int nr_tlb;
	struct tlb_table { unsigned int space; u64 *table; u64 first; int level; } tables[256];
	unsigned int nr_tables;
	/* what stock KVM would allow: its leaves since the last flush */
	struct translation history[SPACES][PAGES][HISTORY];
	unsigned int nr_history[SPACES][PAGES];
};

static struct world {
	struct chariot_views views;
	struct guest_pte guest[SPACES][PAGES];
	struct root root[SPACES];
	u64 next_root, freed_root;
	u64 pa[GFNS], next_pa;
	bool granted[DOMAINS][GFNS];
	struct vcpu vcpu[VCPUS];
	u64 checks, fills, revalidated, evictions, flushes;
} w;

static bool chance(unsigned int percent)
{
	return ktap_below(100) < percent;
}

/* ---- the oracle ---- */

static unsigned int leaf_rights(u64 entry)
{
	if (!(entry & SPTE))
		return 0;
	return CHARIOT_R | (entry & PTE_W ? CHARIOT_W : 0) | (entry & PTE_NX ? 0 : CHARIOT_X) |
	       (entry & PTE_U ? U : 0);
}

static void remember(struct vcpu *v, unsigned int space, unsigned int page)
{
	const struct chariot_leaf *leaf = &w.root[space].leaf[page];
	unsigned int *nr = &v->nr_history[space][page];
	struct translation *t;

	if (!w.root[space].live || !(leaf->entry & SPTE))
		return;
	CHECK(*nr < HISTORY);
	t = &v->history[space][page][(*nr)++];
	t->pa = leaf->entry & ADDR;
	t->rights = leaf_rights(leaf->entry);
	t->gfn = leaf->gfn;
}

/* The vCPU's TLB has lost the page: what KVM holds now is all that can come. */
static void forget_history(struct vcpu *v, unsigned int space, unsigned int page)
{
	v->nr_history[space][page] = 0;
	remember(v, space, page);
}

static void set_leaf(unsigned int space, unsigned int page, const struct chariot_leaf *leaf)
{
	w.root[space].leaf[page] = *leaf;
	for (unsigned int i = 0; i < VCPUS; i++) {
		if (w.vcpu[i].nr_history[space][page] == HISTORY) {
			/* So much without a flush: let there be one. */
			w.vcpu[i].kvm_flush = true;
			w.vcpu[i].nr_history[space][page]--;
		}
		remember(&w.vcpu[i], space, page);
	}
}

static void check_translation(struct vcpu *v, const struct tlb_page *t)
{
	const struct translation *h = v->history[t->space][t->page];
	unsigned int i;

	w.checks++;
	for (i = 0; i < v->nr_history[t->space][t->page]; i++) {
		if (h[i].pa != t->pa || (t->rights & ~h[i].rights) || ((t->rights ^ h[i].rights) & U))
			continue;
		if (v->domain && (t->rights & CHARIOT_W) && !w.granted[v->domain][h[i].gfn])
			ktap_fail(__FILE__, __LINE__, "domain %u writes gfn %llu: not granted", v->domain,
				  (unsigned long long)h[i].gfn);
		return;
	}
	ktap_fail(__FILE__, __LINE__, "vcpu %d space %u page %u: pa 0x%llx, rights %u are not KVM's",
		  (int)(v - w.vcpu), t->space, t->page, (unsigned long long)t->pa, t->rights);
}

/* ---- the CPU ---- */

static void hw_flush(struct vcpu *v)
{
	v->nr_tlb = 0;
	v->nr_tables = 0;
}

/* INVLPG: the page and all table entries of this PCID, and no more. */
static void hw_flush_page(struct vcpu *v, unsigned int page)
{
	unsigned int i, n;

	for (i = n = 0; i < v->nr_tlb; i++)
		if (v->tlb[i].space != v->space || v->tlb[i].page != page)
			v->tlb[n++] = v->tlb[i];
	v->nr_tlb = n;
	for (i = n = 0; i < v->nr_tables; i++)
		if (v->tables[i].space != v->space)
			v->tables[n++] = v->tables[i];
	v->nr_tables = n;
}

/* A walk, from the root or any table that is remembered. False: not present. */
static bool hw_walk(struct vcpu *v, unsigned int page, struct tlb_page *out)
{
	u64 index = index_of[page], *table, entry;
	unsigned int i, seen = 1;
	int level = 4;

	if (!v->loaded)
		return false;
	table = v->loaded->root;
	for (i = 0; i < v->nr_tables; i++) {
		const struct tlb_table *t = &v->tables[i];

		if (t->space == v->space && index >> (9 * t->level) == t->first && !ktap_below(++seen)) {
			table = t->table;
			level = t->level;
		}
	}
	for (;; level--) {
		u64 *slot = &table[(index >> (9 * (level - 1))) & 511];

		if (__asan_address_is_poisoned(slot))
			ktap_fail(__FILE__, __LINE__, "the CPU walks a freed table");
		entry = *slot;
		if (!(entry & PTE_P))
			return false;
		CHECK(entry & PTE_A);
		if (level == 1)
			break;
		CHECK((entry & (PTE_W | PTE_U)) == (PTE_W | PTE_U) && !(entry & (PTE_NX | PTE_PS)));
		table = __va(entry & ADDR);
		if (v->nr_tables < 256)
			v->tables[v->nr_tables++] = (struct tlb_table){
				v->space, table, index >> (9 * (level - 1)), level - 1 };
	}
	CHECK(!(entry & PTE_W) == !(entry & PTE_D));
	*out = (struct tlb_page){ v->space, page, entry & ADDR, leaf_rights(entry | SPTE) };
	check_translation(v, out);
	if (v->nr_tlb < 256)
		v->tlb[v->nr_tlb++] = *out;
	return true;
}

/* ---- KVM and the module, on a vCPU's thread ---- */

static void find(void *ctx, u64 index, struct chariot_leaf *leaf)
{
	u64 base = *(u64 *)ctx;

	for (unsigned int s = 0; s < SPACES; s++) {
		if (w.root[s].addr != base)
			continue;
		CHECK(w.root[s].live);
		for (unsigned int p = 0; p < PAGES; p++) {
			if (index_of[p] == index) {
				*leaf = w.root[s].leaf[p];
				return;
			}
		}
		ktap_fail(__FILE__, __LINE__, "asks for index 0x%llx", (unsigned long long)index);
	}
	ktap_fail(__FILE__, __LINE__, "reads a root that KVM has freed");
}

static void revalidate(struct chariot_view *view)
{
	u64 base = view->base;

	chariot_view_revalidate(view, find, &base);
	w.revalidated++;
}

/* The hook on the flush of everything, and the flush. */
static void kvm_flush(struct vcpu *v)
{
	u64 bases[PREV + 1], gen = chariot_views_gen(&w.views);
	unsigned int nr = 0, i, p;

	w.flushes++;
	for (i = 0; i <= PREV; i++)
		if (v->held[i] >= 0)
			bases[nr++] = w.root[v->held[i]].addr;
	chariot_roots_flush(&v->roots, bases, nr);
	if (v->roots.cur && v->roots.cur->view[v->domain])
		revalidate(v->roots.cur->view[v->domain]);
	chariot_views_flushed(&w.views, v - w.vcpu, gen);
	hw_flush(v);
	for (i = 0; i < SPACES; i++)
		for (p = 0; p < PAGES; p++)
			forget_history(v, i, p);
}

/* Ours: the hook does not see it. */
static void own_flush(struct vcpu *v)
{
	hw_flush(v);
}

/* The load hook. */
static void load_root(struct vcpu *v)
{
	bool given_up;
	struct chariot_view *view;

	view = chariot_roots_load(&v->roots, w.root[v->space].addr, &given_up)->view[v->domain];
	if (given_up) {
		w.evictions++;
		v->kvm_flush = true;
	}
	if (view && view->stale)
		revalidate(view);
	v->loaded = view;
}

/* The guest's tables into KVM's, as far as KVM looks. */
static void sync_leaf(unsigned int space, unsigned int page)
{
	const struct guest_pte *pte = &w.guest[space][page];
	struct chariot_leaf leaf = w.root[space].leaf[page];

	if (!w.root[space].live || !(leaf.entry & SPTE))
		return;
	/* KVM drops what maps another page, and changes rights in place. */
	if (!pte->present || leaf.gfn != pte->gfn) {
		leaf.entry = 0;
	} else {
		leaf.entry &= ~(PTE_W | PTE_D | PTE_U | PTE_NX);
		leaf.entry |= (pte->rights & CHARIOT_W ? PTE_W | PTE_D : 0) |
			      (pte->rights & U ? PTE_U : 0) | (pte->rights & CHARIOT_X ? 0 : PTE_NX);
	}
	if (leaf.entry != w.root[space].leaf[page].entry)
		set_leaf(space, page, &leaf);
}

static void free_root(unsigned int space)
{
	for (unsigned int i = 0; i < VCPUS; i++)
		for (unsigned int h = 0; h <= PREV; h++)
			if (w.vcpu[i].held[h] == (int)space)
				return;
	if (!w.root[space].live)
		return;
	w.root[space].live = false;
	w.freed_root = w.root[space].addr;
	w.root[space].addr = 0;
	memset(w.root[space].leaf, 0, sizeof(w.root[space].leaf));
	/* KVM flushes all when it zaps a root's pages. */
	for (unsigned int i = 0; i < VCPUS; i++)
		w.vcpu[i].kvm_flush = true;
}

/* The guest loads CR3, with or without a flush. */
static void load_cr3(struct vcpu *v, unsigned int space, bool flush)
{
	unsigned int i, p;
	int gone;

	v->space = space;
	for (i = 0; i <= PREV && v->held[i] != (int)space; i++)
		;
	if (i <= PREV) {
		for (; i; i--)
			v->held[i] = v->held[i - 1];
		v->held[0] = space;
		load_root(v);
	} else {
		gone = v->held[PREV];
		for (i = PREV; i; i--)
			v->held[i] = v->held[i - 1];
		v->held[0] = space;
		if (gone >= 0 && chance(50))
			free_root(gone);
		if (!w.root[space].live) {
			/* Often the page of the root that was freed last */
			w.root[space].addr = w.freed_root && chance(70) ? w.freed_root : w.next_root++ << 12;
			w.freed_root = w.root[space].addr == w.freed_root ? 0 : w.freed_root;
			w.root[space].live = true;
		}
		/* kvm_mmu_load(): sync, load, flush */
		for (p = 0; p < PAGES; p++)
			sync_leaf(space, p);
		load_root(v);
		kvm_flush(v);
	}
	if (flush) {
		for (p = 0; p < PAGES; p++)
			sync_leaf(space, p);
		kvm_flush(v);
	}
}

static void invlpg(struct vcpu *v, unsigned int page)
{
	/* The hook comes before KVM changes anything. */
	chariot_views_flush_gva(&w.views, v - w.vcpu, index_of[page]);
	hw_flush_page(v, page);
	sync_leaf(v->space, page);
	forget_history(v, v->space, page);
}

static void cross(struct vcpu *v)
{
	v->domain = ktap_below(DOMAINS);
	own_flush(v);
	load_root(v);
}

static void access_page(struct vcpu *v, unsigned int page);

static void fault(struct vcpu *v, unsigned int page, unsigned int need)
{
	const struct guest_pte *pte = &w.guest[v->space][page];
	struct chariot_leaf leaf;
	unsigned int rights;
	u64 gen, base;

	if (!v->loaded) {
		struct chariot_view *view = chariot_view_create(&w.views, v->domain, v - w.vcpu, 4);

		CHECK(!IS_ERR(view));
		CHECK(v->roots.cur->base == w.root[v->space].addr);
		chariot_roots_add(v->roots.cur, view);
		load_root(v);
		return;
	}
	gen = chariot_views_gen(&w.views);
	base = w.root[v->space].addr;
	leaf = w.root[v->space].leaf[page];
	if (!(leaf_rights(leaf.entry) & need)) {
		/* KVM looks at the guest's tables. */
		if (!pte->present || ((pte->rights | CHARIOT_R) & need) != need)
			return;
		leaf.gfn = pte->gfn;
		leaf.level = 1;
		leaf.entry = w.pa[pte->gfn] | PTE_P | SPTE | PTE_A |
			     (pte->rights & CHARIOT_W ? PTE_W | PTE_D : 0) |
			     (pte->rights & U ? PTE_U : 0) | (pte->rights & CHARIOT_X ? 0 : PTE_NX);
		set_leaf(v->space, page, &leaf);
	}
	rights = CHARIOT_R | CHARIOT_X;
	if (!v->domain || w.granted[v->domain][leaf.gfn])
		rights |= CHARIOT_W;
	CHECK(!chariot_view_topup(&v->cache));
	/* Meanwhile, on another vCPU */
	if (chance(20))
		access_page(&w.vcpu[(v - w.vcpu + 1) % VCPUS], ktap_below(PAGES));
	switch (chariot_view_install_gva(v->loaded, &v->cache, gen, base, index_of[page], 1, &leaf,
					 rights)) {
	case CHARIOT_INSTALL_FLUSH:
		own_flush(v);
		fallthrough;
	case CHARIOT_INSTALL_DONE:
		w.fills++;
		break;
	default:
		break;
	}
}

/* What is served before every entry, then an access. */
static void access_page(struct vcpu *v, unsigned int page)
{
	unsigned int need = 1u << ktap_below(3), i;
	struct tlb_page t;

	if (v->kvm_flush) {
		v->kvm_flush = false;
		kvm_flush(v);
	}
	for (i = 0; i < v->nr_tlb; i++) {
		/* Of other spaces too: nothing but a CR3 load lies between them and their use. */
		check_translation(v, &v->tlb[i]);
	}
	if (!hw_walk(v, page, &t) || !(t.rights & need))
		fault(v, page, need);
}

/* ---- what goes on around ---- */

static void change_guest(void)
{
	struct guest_pte *pte = &w.guest[ktap_below(SPACES)][ktap_below(PAGES)];

	pte->present = chance(85);
	pte->rights = ktap_below(16) & (CHARIOT_W | CHARIOT_X | U);
	pte->gfn = ktap_below(GFNS);
}

/* The host moves a page: KVM zaps what maps it, and flushes the VM. */
static void move_page(void)
{
	unsigned int gfn = ktap_below(GFNS), s, p;
	struct chariot_leaf none = { .level = 1 };

	w.pa[gfn] = w.next_pa;
	w.next_pa += 0x1000;
	for (s = 0; s < SPACES; s++)
		for (p = 0; p < PAGES; p++)
			if ((w.root[s].leaf[p].entry & SPTE) && w.root[s].leaf[p].gfn == gfn)
				set_leaf(s, p, &none);
	for (s = 0; s < VCPUS; s++)
		w.vcpu[s].kvm_flush = true;
}

static void change_acl(void)
{
	unsigned int domain = 1 + ktap_below(DOMAINS - 1), gfn = ktap_below(GFNS), i;
	unsigned long dirty = 0;

	w.granted[domain][gfn] = !w.granted[domain][gfn];
	if (w.granted[domain][gfn])
		return;
	chariot_views_weaken(&w.views, domain, -1, gfn, 1, CHARIOT_W, &dirty, VCPUS);
	for (i = 0; i < VCPUS; i++) {
		if (!(dirty & BIT(i)))
			continue;
		if (chance(50))
			own_flush(&w.vcpu[i]);		/* the caller's own */
		else
			w.vcpu[i].kvm_flush = true;
	}
}

/*
 * A nested guest runs meanwhile. KVM flushes it, which says nothing about what this
 * guest's entries are in the TLB, and takes a page away.
 */
static void nest(struct vcpu *v)
{
	chariot_roots_flush(&v->roots, NULL, 0);
	if (chance(50))
		move_page();
	chariot_roots_flush(&v->roots, NULL, 0);
	load_root(v);
}

static void simulate(unsigned int steps, unsigned int noflush)
{
	unsigned int i, d;

	memset(&w, 0, sizeof(w));
	chariot_views_init(&w.views, &chariot_entry_shadow, 1u << 20);
	w.views.by_gva = true;
	w.next_root = 0x100;
	w.next_pa = 0x10000000;
	for (i = 0; i < GFNS; i++, w.next_pa += 0x1000)
		w.pa[i] = w.next_pa;
	for (i = 0; i < 200; i++)
		change_guest();
	for (i = 0; i < VCPUS; i++) {
		struct vcpu *v = &w.vcpu[i];

		memset(v->held, -1, sizeof(v->held));
		chariot_roots_init(&v->roots);
		v->cache.by_gva = true;
		load_cr3(v, i, true);
	}
	while (steps--) {
		struct vcpu *v = &w.vcpu[ktap_below(VCPUS)];
		unsigned int what = ktap_below(100);

		if (what < 60)
			access_page(v, ktap_below(PAGES));
		else if (what < 72)
			change_guest();
		else if (what < 77)
			invlpg(v, ktap_below(PAGES));
		else if (what < 85)
			load_cr3(v, ktap_below(SPACES), !chance(noflush));
		else if (what < 86)
			kvm_flush(v);
		else if (what < 92)
			cross(v);
		else if (what < 94)
			move_page();
		else if (what < 98)
			change_acl();
		else if (what < 99)
			free_root(ktap_below(SPACES));
		else
			nest(v);
	}
	ktap_note("%llu checks, %llu fills, %llu views compared at %llu flushes, %llu roots given up",
		  (unsigned long long)w.checks, (unsigned long long)w.fills,
		  (unsigned long long)w.revalidated, (unsigned long long)w.flushes,
		  (unsigned long long)w.evictions);
	for (i = 0; i < VCPUS; i++) {
		for (d = 0; d < CHARIOT_ROOTS * (CHARIOT_DOMAINS_MAX + 1); d++) {
			struct chariot_view *view = w.vcpu[i].roots.root[d / (CHARIOT_DOMAINS_MAX + 1)]
							    .view[d % (CHARIOT_DOMAINS_MAX + 1)];

			if (view)
				chariot_view_destroy(view);
		}
		chariot_view_cache_free(&w.vcpu[i].cache);
	}
	CHECK_EQ(w.views.pages, 0);
}

/* More roots than there is room for: the one used longest ago goes, and the TLB with it. */
TEST(more_roots_than_slots)
{
	struct chariot_roots roots = { .clock = 0 };
	struct chariot_view_cache cache = { .by_gva = true };
	struct chariot_leaf leaf = { 0x5000 | PTE_P | SPTE | PTE_A | PTE_U, 1, 5 };
	struct chariot_root *first;
	struct chariot_view *view;
	int level, i;
	bool flush;

	chariot_views_init(&w.views, &chariot_entry_shadow, 1000);
	w.views.by_gva = true;
	chariot_roots_init(&roots);
	first = chariot_roots_load(&roots, 0x1000, &flush);
	CHECK(!flush && roots.cur == first);
	view = chariot_view_create(&w.views, 2, 0, 4);
	CHECK(!IS_ERR(view));
	chariot_roots_add(first, view);
	CHECK(first->view[2] == view && view->base == 0x1000);
	CHECK(!chariot_view_topup(&cache));
	CHECK_EQ(chariot_view_install_gva(view, &cache, chariot_views_gen(&w.views), 0x2000, 7, 1, &leaf,
					  CHARIOT_R), CHARIOT_INSTALL_STALE);
	CHECK_EQ(chariot_view_install_gva(view, &cache, chariot_views_gen(&w.views), 0x1000, 7, 1, &leaf,
					  CHARIOT_R), CHARIOT_INSTALL_DONE);
	for (i = 2; i <= CHARIOT_ROOTS; i++) {
		CHECK(chariot_roots_load(&roots, i * 0x1000, &flush) != first);
		CHECK(!flush);
	}
	CHECK(chariot_view_lookup(view, 7, &level));
	CHECK(chariot_roots_load(&roots, 0x100000, &flush) == first);
	CHECK(flush);
	CHECK(!chariot_view_lookup(view, 7, &level) && view->base == 0x100000);
	chariot_view_destroy(view);
	chariot_view_cache_free(&cache);
	CHECK_EQ(w.views.pages, 0);
}

TEST(flushing_guests)
{
	simulate(150000, 10);
}

TEST(guests_with_pcid)
{
	simulate(150000, 80);
}
