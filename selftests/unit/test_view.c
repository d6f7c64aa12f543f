// SPDX-License-Identifier: GPL-2.0-only
/* Views and nested entries, case by case. test_view_tlb.c has them in motion. */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/limits.h>
#include <linux/mm.h>

#include "ktap.h"
#include "view.h"
#include "view_audit.h"

#define P	BIT_ULL(0)
#define RW	BIT_ULL(1)
#define US	BIT_ULL(2)
#define PWT	BIT_ULL(3)
#define PCD	BIT_ULL(4)
#define A	BIT_ULL(5)
#define D	BIT_ULL(6)
#define PS	BIT_ULL(7)
#define PAT	BIT_ULL(12)
#define NX	BIT_ULL(63)
#define KVM	(BIT_ULL(11) | BIT_ULL(10) | BIT_ULL(9))

/* KVM's entry for memory that a write was made to. */
#define RAM	(P | RW | US | A | D | KVM)
#define RWX	(CHARIOT_R | CHARIOT_W | CHARIOT_X)

static const struct chariot_entry_ops *npt = &chariot_entry_npt;

/* ---- entries ---- */

TEST(entries_that_are_none)
{
	static const u64 none[] = { 0, NX, P | RW | US, P | BIT_ULL(51), NX | 0x5a0, 0x5a0,
				    RAM & ~P, RAM & ~BIT_ULL(11) };

	for (unsigned int i = 0; i < 8; i++) {
		CHECK(!npt->present(none[i]));
		CHECK_EQ(npt->rights(none[i]), 0);
		/* what is empty, and what KVM must be asked about */
		CHECK_EQ(npt->special(none[i]), i >= 2 && i != 6);
	}
	CHECK(npt->present(RAM) && !npt->special(RAM));
}

/* KVM's entry for a table: shared by all of them, whatever its guest does. */
TEST(tables_have_no_other_bits_of_kvms)
{
	const u64 table = P | RW | US | A | BIT_ULL(11) | 0x12345000;

	CHECK(npt->kvm_table(table));
	/* where the CPU has GMET */
	CHECK(npt->kvm_table(table & ~US));
	for (unsigned int bit = 8; bit < 63; bit = bit == 11 ? 52 : bit + 1)
		CHECK(!npt->kvm_table(table ^ BIT_ULL(bit)));
}

TEST(rights_by_entry)
{
	CHECK_EQ(npt->rights(RAM), RWX);
	CHECK_EQ(npt->rights(RAM & ~RW), CHARIOT_R | CHARIOT_X);
	CHECK_EQ(npt->rights(RAM | NX), CHARIOT_R | CHARIOT_W);
	CHECK_EQ(npt->rights(RAM & ~D), CHARIOT_R | CHARIOT_X);
	CHECK_EQ(npt->rights((RAM & ~D) | BIT_ULL(52)), RWX);
	CHECK_EQ(npt->rights((RAM & ~D) | BIT_ULL(53)), CHARIOT_R | CHARIOT_X);
	CHECK_EQ(npt->rights(RAM & ~A), 0);
	CHECK_EQ(npt->rights((RAM & ~A) | BIT_ULL(52)), RWX);
	/* KVM clears it where the CPU has GMET. */
	CHECK_EQ(npt->rights(RAM & ~US), RWX);
}

TEST(walks_set_accessed_and_dirty)
{
	const u64 clean = RAM & ~(A | D), by_software = BIT_ULL(52);

	CHECK_EQ(npt->walked(clean, false), clean | A);
	CHECK_EQ(npt->walked(clean, true), RAM);
	CHECK_EQ(npt->walked(clean & ~RW, true), (clean & ~RW) | A);
	CHECK_EQ(npt->walked(RAM, false), RAM);
	/* where KVM tracks them without the CPU's help, and where there is no page */
	CHECK_EQ(npt->walked(clean | by_software, true), clean | by_software);
	CHECK_EQ(npt->walked(clean & ~BIT_ULL(11), true), clean & ~BIT_ULL(11));
	CHECK_EQ(npt->walked(clean & ~P, true), clean & ~P);
	CHECK_EQ(npt->walked(0, true), 0);
}

TEST(derived_leaves_bit_by_bit)
{
	const u64 software = KVM | GENMASK_ULL(62, 52);

	CHECK_EQ(npt->derive(RAM | software, 0x12345000, 1, RWX), 0x12345000 | P | RW | US | A | D);
	CHECK_EQ(npt->derive(RAM, 0x1000, 1, CHARIOT_R), 0x1000 | P | US | A | NX);
	CHECK_EQ(npt->derive(RAM & ~US, 0x1000, 1, CHARIOT_R), 0x1000 | P | A | NX);
	CHECK_EQ(npt->derive(RAM, 0x1000, 1, CHARIOT_R | CHARIOT_X), 0x1000 | P | US | A);
	CHECK_EQ(npt->derive(RAM | PWT, 0x1000, 1, RWX), 0x1000 | P | RW | US | A | D | PWT);
	CHECK_EQ(npt->derive(RAM | PCD | PS, 0x200000, 2, RWX),
		 0x200000 | P | RW | US | A | D | PCD | PS);
	/* a page of a large page: no PS, and PAT at its other place */
	CHECK_EQ(npt->derive(RAM | PS, 0x201000, 1, RWX), 0x201000 | P | RW | US | A | D);
	CHECK_EQ(npt->derive(RAM | PS | PAT, 0x203000, 1, CHARIOT_R),
		 0x203000 | P | US | A | NX | PS);
	CHECK_EQ(npt->derive(RAM | PS | PAT, 0x200000, 2, CHARIOT_R),
		 0x200000 | P | US | A | NX | PS | PAT);
	CHECK_EQ(npt->addr(RAM | PS | PAT | 0x200000), 0x200000);
	CHECK_EQ(npt->addr(RAM | NX | GENMASK_ULL(51, 12)), GENMASK_ULL(51, 12));
	CHECK(npt->large(RAM | PS) && !npt->large(RAM));
	CHECK_EQ(npt->table(0x7000), 0x7000 | P | RW | US | A);
	for (unsigned int rights = CHARIOT_R; rights <= RWX; rights += 2)
		CHECK_EQ(npt->own_rights(npt->derive(RAM, 0, 1, rights)), rights);
	CHECK(!npt->own_present(0) && !npt->own_rights(0));
}

/* ---- views ---- */

static struct chariot_views views;
static struct chariot_view_cache cache;

static struct chariot_view *start(u64 pages_max, u32 domain, s32 vcpu, int level)
{
	struct chariot_view *view;

	chariot_views_init(&views, npt, pages_max);
	CHECK(!chariot_views_set_base(&views, CHARIOT_BASE_NONE));
	CHECK(chariot_views_set_base(&views, 0x1000));
	CHECK(!chariot_views_set_base(&views, 0x1000));
	view = chariot_view_create(&views, domain, vcpu, level);
	CHECK(!IS_ERR(view));
	CHECK_EQ(chariot_view_topup(&cache), 0);
	return view;
}

static void stop(void)
{
	struct chariot_view *view, *next;

	CHECK_EQ(view_audit(&views), views.pages);
	list_for_each_entry_safe(view, next, &views.list, link)
		chariot_view_destroy(view);
	CHECK_EQ(views.pages, 0);
	chariot_view_cache_free(&cache);
}

/* Installs at the present generation. */
static enum chariot_install put(struct chariot_view *view, u64 gfn, int level, u64 entry,
				int kvm_level, unsigned int rights)
{
	CHECK_EQ(chariot_view_topup(&cache), 0);
	return chariot_view_install(view, &cache, chariot_views_gen(&views), views.base, gfn,
				    level, entry, kvm_level, rights);
}

static void expect(struct chariot_view *view, u64 gfn, u64 entry, int level)
{
	int found;

	CHECK_EQ(chariot_view_lookup(view, gfn, &found), entry);
	if (entry)
		CHECK_EQ(found, level);
}

/* A leaf of ours with these rights, for page 0. */
static u64 leaf(unsigned int rights)
{
	return P | US | A | (rights & CHARIOT_W ? RW | D : 0) | (rights & CHARIOT_X ? 0 : NX);
}

TEST(leaves_of_every_size_inside_larger_ones)
{
	for (int kvm_level = 1; kvm_level <= 3; kvm_level++) {
		u64 frame = 0x4000000000ull, size = 1ull << (9 * (kvm_level - 1));
		u64 gfn = 0x155c0ffeeull, entry = RAM | frame | (kvm_level > 1 ? PS : 0);

		for (int level = 1; level <= 3; level++) {
			struct chariot_view *view = start(10, 0, -1, 4 + (level & 1));
			int at = level < kvm_level ? level : kvm_level;
			u64 in = (gfn & (size - 1)) & ~((1ull << (9 * (at - 1))) - 1);

			CHECK_EQ(put(view, gfn, level, entry, kvm_level, RWX),
				 CHARIOT_INSTALL_DONE);
			expect(view, gfn, leaf(RWX) | (frame + (in << 12)) | (at > 1 ? PS : 0), at);
			CHECK_EQ(views.pages, 1u + view->level - at);
			CHECK_EQ(view->filled, 1);
			chariot_views_flush(&views);
			CHECK_EQ(view->filled, 0);
			expect(view, gfn, 0, 0);
			stop();
		}
	}
}

TEST(addresses_beyond_the_view)
{
	for (int level = 4; level <= 5; level++) {
		struct chariot_view *view = start(100, 1, 0, level);
		u64 end = 1ull << (9 * level);
		unsigned long dirty = 0;

		CHECK_EQ(put(view, 0, 1, RAM, 1, RWX), CHARIOT_INSTALL_DONE);
		CHECK_EQ(put(view, end - 1, 1, RAM, 1, RWX), CHARIOT_INSTALL_DONE);
		CHECK_EQ(put(view, end, 1, RAM, 1, RWX), CHARIOT_INSTALL_REFUSED);
		CHECK_EQ(put(view, U64_MAX, 1, RAM, 1, RWX), CHARIOT_INSTALL_REFUSED);
		expect(view, end, 0, 0);
		expect(view, U64_MAX, 0, 0);
		chariot_views_flush_range(&views, end, U64_MAX);
		chariot_views_flush_range(&views, end, 1);
		chariot_views_flush_range(&views, U64_MAX, U64_MAX);
		chariot_views_flush_range(&views, 0, 0);
		CHECK(!chariot_views_weaken(&views, 1, -1, end, U64_MAX, CHARIOT_W, &dirty, 1));
		CHECK_EQ(view->filled, 2);
		chariot_views_flush_range(&views, end - 1, U64_MAX);
		CHECK_EQ(view->filled, 1);
		chariot_views_flush_range(&views, 0, U64_MAX);
		CHECK_EQ(view->filled, 0);
		stop();
	}
}

TEST(ranges_are_exact)
{
	struct chariot_view *view = start(100, 0, -1, 4);
	u64 gfn;

	for (gfn = 510; gfn < 515; gfn++)
		CHECK_EQ(put(view, gfn, 1, RAM | gfn << 12, 1, RWX), CHARIOT_INSTALL_DONE);
	CHECK_EQ(put(view, 1024, 2, RAM | PS, 2, RWX), CHARIOT_INSTALL_DONE);
	CHECK_EQ(put(view, 1536, 2, RAM | PS, 2, RWX), CHARIOT_INSTALL_DONE);
	chariot_views_flush_range(&views, 511, 3);
	for (gfn = 510; gfn < 515; gfn++)
		expect(view, gfn, gfn == 510 || gfn == 514 ? leaf(RWX) | gfn << 12 : 0, 1);
	chariot_views_flush_range(&views, 515, 509);
	CHECK_EQ(view->filled, 4);
	chariot_views_flush_range(&views, 1535, 1);
	CHECK_EQ(view->filled, 3);
	expect(view, 1024, 0, 0);
	expect(view, 1536, leaf(RWX) | PS, 2);
	chariot_views_flush_range(&views, 0, 1537);
	CHECK_EQ(view->filled, 0);
	stop();
}

TEST(changes_of_a_present_leaf)
{
	struct chariot_view *view = start(100, 1, 0, 4);
	unsigned long dirty = 0;
	u64 gen;

	CHECK_EQ(put(view, 7, 1, RAM, 1, CHARIOT_R), CHARIOT_INSTALL_DONE);
	CHECK_EQ(put(view, 7, 1, RAM, 1, CHARIOT_R), CHARIOT_INSTALL_DONE);
	CHECK_EQ(put(view, 7, 1, RAM, 1, CHARIOT_R | CHARIOT_X), CHARIOT_INSTALL_DONE);
	CHECK_EQ(put(view, 7, 1, RAM, 1, RWX), CHARIOT_INSTALL_DONE);
	expect(view, 7, leaf(RWX), 1);
	CHECK_EQ(view->filled, 1);
	/* nothing was dropped so far: no vCPU can know of more */
	CHECK(!chariot_views_weaken(&views, 1, -1, 8, 1, CHARIOT_W, &dirty, 1));

	gen = chariot_views_gen(&views);
	CHECK_EQ(put(view, 7, 1, RAM, 1, CHARIOT_R | CHARIOT_W), CHARIOT_INSTALL_FLUSH);
	expect(view, 7, leaf(CHARIOT_R | CHARIOT_W), 1);
	/* now one was, after @gen */
	chariot_views_flushed(&views, 0, gen);
	CHECK(chariot_views_weaken(&views, 1, -1, 8, 1, CHARIOT_W, &dirty, 1));
	CHECK_EQ(dirty, 1);

	/* a flush counts for what was dropped before it, and for its own vCPU */
	chariot_views_flushed(&views, 1, chariot_views_gen(&views));
	CHECK(chariot_views_weaken(&views, 1, -1, 8, 1, CHARIOT_W, &dirty, 1));
	chariot_views_flushed(&views, 0, chariot_views_gen(&views));
	CHECK(!chariot_views_weaken(&views, 1, -1, 8, 1, CHARIOT_W, &dirty, 1));

	CHECK_EQ(put(view, 7, 1, RAM, 1, CHARIOT_R | CHARIOT_X), CHARIOT_INSTALL_FLUSH);
	CHECK_EQ(put(view, 7, 1, RAM | 0x5000, 1, RWX), CHARIOT_INSTALL_FLUSH);
	CHECK_EQ(put(view, 7, 1, RAM | 0x5000 | PCD, 1, RWX), CHARIOT_INSTALL_FLUSH);
	expect(view, 7, leaf(RWX) | 0x5000 | PCD, 1);
	CHECK_EQ(view->filled, 1);
	stop();
}

TEST(sizes_meet)
{
	struct chariot_view *view = start(100, 0, -1, 4);

	CHECK_EQ(put(view, 0, 3, RAM | PS, 3, RWX), CHARIOT_INSTALL_DONE);
	CHECK_EQ(views.pages, 2);
	/* a smaller leaf splits a larger one: the rest faults again */
	CHECK_EQ(put(view, 513, 2, RAM | PS, 3, RWX), CHARIOT_INSTALL_FLUSH);
	expect(view, 0, 0, 0);
	expect(view, 600, leaf(RWX) | PS | 0x200000, 2);
	CHECK_EQ(put(view, 513, 1, RAM | PS, 3, CHARIOT_R), CHARIOT_INSTALL_FLUSH);
	expect(view, 512, 0, 0);
	expect(view, 513, leaf(CHARIOT_R) | 0x201000, 1);
	/* a larger one does not remove tables */
	CHECK_EQ(put(view, 514, 3, RAM | PS, 3, RWX), CHARIOT_INSTALL_DONE);
	expect(view, 514, leaf(RWX) | 0x202000, 1);
	CHECK_EQ(put(view, 5, 3, RAM | PS, 3, RWX), CHARIOT_INSTALL_DONE);
	expect(view, 5, leaf(RWX) | PS, 2);
	expect(view, 513, leaf(CHARIOT_R) | 0x201000, 1);
	CHECK_EQ(views.pages, 4);
	CHECK_EQ(view->filled, 3);
	stop();
}

TEST(entries_that_are_refused)
{
	struct chariot_view *view = start(100, 0, -1, 4);

	CHECK_EQ(put(view, 1, 1, 0, 1, RWX), CHARIOT_INSTALL_REFUSED);
	CHECK_EQ(put(view, 1, 1, NX | 0x5a0, 1, RWX), CHARIOT_INSTALL_REFUSED);
	CHECK_EQ(put(view, 1, 1, RAM & ~BIT_ULL(11), 1, RWX), CHARIOT_INSTALL_REFUSED);
	CHECK_EQ(put(view, 1, 1, RAM & ~A, 1, RWX), CHARIOT_INSTALL_REFUSED);
	CHECK_EQ(put(view, 1, 1, RAM, 1, CHARIOT_W | CHARIOT_X), CHARIOT_INSTALL_REFUSED);
	CHECK_EQ(put(view, 1, 1, RAM, 1, 0), CHARIOT_INSTALL_REFUSED);
	CHECK_EQ(put(view, 1, 1, RAM, 2, RWX), CHARIOT_INSTALL_REFUSED);
	CHECK_EQ(put(view, 1, 1, RAM, 0, RWX), CHARIOT_INSTALL_REFUSED);
	CHECK_EQ(put(view, 1, 1, RAM | PS, 4, RWX), CHARIOT_INSTALL_REFUSED);
	CHECK_EQ(views.pages, 1);
	/* no more than KVM's */
	CHECK_EQ(put(view, 1, 1, (RAM & ~RW) | NX, 1, RWX), CHARIOT_INSTALL_DONE);
	expect(view, 1, leaf(CHARIOT_R), 1);
	CHECK_EQ(put(view, 2, -5, RAM | PS, 2, RWX), CHARIOT_INSTALL_DONE);
	expect(view, 2, leaf(RWX) | 0x2000, 1);
	stop();
}

TEST(stale_reads)
{
	struct chariot_view *view = start(100, 1, 0, 4);
	unsigned long dirty = 0;
	u64 gen = chariot_views_gen(&views);
	LIST_HEAD(tables);
	unsigned int i;

	for (i = 0; i < 5; i++) {
		gen = chariot_views_gen(&views);
		CHECK_EQ(chariot_view_install(view, &cache, gen, 0x2000, 1, 1, RAM, 1, RWX),
			 CHARIOT_INSTALL_STALE);
		switch (i) {
		case 0:
			chariot_views_flush(&views);
			break;
		case 1:
			chariot_views_flush_range(&views, 1000, 1);
			break;
		case 2:
			chariot_views_weaken(&views, 1, 0, 1000, 1, CHARIOT_W, &dirty, 1);
			break;
		case 3:
			chariot_view_unlink(view, &tables);
			chariot_view_free_tables(&views, &tables);
			break;
		case 4:
			chariot_views_set_base(&views, CHARIOT_BASE_NONE);
			CHECK_EQ(put(view, 1, 1, RAM, 1, RWX), CHARIOT_INSTALL_STALE);
			CHECK(chariot_views_set_base(&views, 0x1000));
			break;
		}
		CHECK_EQ(chariot_view_install(view, &cache, gen, 0x1000, 1, 1, RAM, 1, RWX),
			 CHARIOT_INSTALL_STALE);
	}
	CHECK_EQ(view->filled, 0);
	CHECK_EQ(put(view, 1, 1, RAM, 1, RWX), CHARIOT_INSTALL_DONE);
	CHECK(chariot_views_set_base(&views, 0x2000));
	CHECK_EQ(view->filled, 0);
	stop();
}

TEST(pages_are_bounded_and_counted)
{
	struct chariot_view *view = start(5, 0, -1, 4), *other;
	const u64 far = 1ull << 27;
	LIST_HEAD(tables);
	u64 gen;

	CHECK_EQ(PTR_ERR(chariot_view_create(&views, 1, 0, 3)), -EINVAL);
	CHECK_EQ(PTR_ERR(chariot_view_create(&views, 1, 0, 6)), -EINVAL);
	for (int i = 0; i < 2; i++) {
		shim_fail_alloc(i, false);
		CHECK_EQ(PTR_ERR(chariot_view_create(&views, 1, 0, 4)), -ENOMEM);
	}
	other = chariot_view_create(&views, 1, 0, 4);
	CHECK(!IS_ERR(other));
	CHECK_EQ(views.pages, 2);
	CHECK_EQ(put(view, 0, 1, RAM, 1, RWX), CHARIOT_INSTALL_DONE);
	CHECK_EQ(views.pages, 5);
	CHECK_EQ(put(view, 512, 1, RAM, 1, RWX), CHARIOT_INSTALL_FULL);
	CHECK_EQ(put(other, 0, 3, RAM | PS, 3, RWX), CHARIOT_INSTALL_FULL);
	CHECK_EQ(PTR_ERR(chariot_view_create(&views, 2, 0, 4)), -ENOSPC);
	CHECK_EQ(put(view, 1, 1, RAM, 1, RWX), CHARIOT_INSTALL_DONE);
	CHECK_EQ(cache.nr, CHARIOT_VIEW_CACHE);

	chariot_view_unlink(view, &tables);
	CHECK_EQ(view->filled, 0);
	CHECK_EQ(views.pages, 5);
	CHECK_EQ(put(other, 0, 3, RAM | PS, 3, RWX), CHARIOT_INSTALL_FULL);
	chariot_view_free_tables(&views, &tables);
	CHECK_EQ(views.pages, 2);
	CHECK_EQ(put(view, 512, 1, RAM, 1, RWX), CHARIOT_INSTALL_DONE);
	chariot_view_destroy(other);
	CHECK_EQ(views.pages, 4);
	CHECK_EQ(views.pages_peak, 5);

	/* without memory: what is there may suffice, else nothing changes */
	views.pages_max = 50;
	chariot_view_cache_free(&cache);
	shim_fail_alloc(3, true);
	CHECK_EQ(chariot_view_topup(&cache), -ENOMEM);
	CHECK_EQ(cache.nr, 1);
	gen = chariot_views_gen(&views);
	CHECK_EQ(chariot_view_install(view, &cache, gen, views.base, far, 2, RAM | PS, 2, RWX),
		 CHARIOT_INSTALL_FULL);
	CHECK_EQ(cache.nr, 1);
	CHECK_EQ(views.pages, 4);
	CHECK_EQ(chariot_view_install(view, &cache, gen, views.base, far, 3, RAM | PS, 3, RWX),
		 CHARIOT_INSTALL_DONE);
	chariot_views_flush(&views);
	gen = chariot_views_gen(&views);
	CHECK_EQ(chariot_view_install(view, &cache, gen, views.base, 0, 1, RAM, 1, RWX),
		 CHARIOT_INSTALL_FULL);
	shim_fail_alloc(~0ul, false);
	stop();
}

TEST(weaken_reports_who_must_flush)
{
	struct chariot_view *kernel = start(100, 0, -1, 4), *v[2][2];
	unsigned long dirty = 0;

	for (unsigned int i = 0; i < 4; i++) {
		v[i / 2][i % 2] = chariot_view_create(&views, 1 + i / 2, i % 2, 4);
		CHECK(!IS_ERR(v[i / 2][i % 2]));
		CHECK_EQ(put(v[i / 2][i % 2], 3, 1, RAM, 1, RWX), CHARIOT_INSTALL_DONE);
	}
	CHECK_EQ(put(v[0][1], 4, 1, RAM, 1, CHARIOT_R | CHARIOT_X), CHARIOT_INSTALL_DONE);
	CHECK_EQ(put(kernel, 3, 2, RAM | PS, 2, RWX), CHARIOT_INSTALL_DONE);

	/* no leaf there has the right */
	CHECK(!chariot_views_weaken(&views, 1, -1, 4, 1, CHARIOT_W, &dirty, 8));
	CHECK(!chariot_views_weaken(&views, 1, 0, 4, 1, CHARIOT_X, &dirty, 8));
	CHECK_EQ(dirty, 0);
	/* one vCPU's view of one domain */
	CHECK(chariot_views_weaken(&views, 1, 1, 3, 1, CHARIOT_W, &dirty, 8));
	CHECK_EQ(dirty, 2);
	expect(v[0][1], 3, 0, 0);
	expect(v[0][0], 3, leaf(RWX), 1);
	expect(v[1][1], 3, leaf(RWX), 1);
	/* the other vCPU has it still, and the first has not flushed, for all we know */
	dirty = 0;
	CHECK(chariot_views_weaken(&views, 1, -1, 3, 1, CHARIOT_W, &dirty, 8));
	CHECK_EQ(dirty, 3);
	/* bits are added, a shared view is everybody's */
	dirty = 1ul << 20;
	CHECK(chariot_views_weaken(&views, 0, -1, 511, 1, CHARIOT_X, &dirty, 8));
	CHECK_EQ(dirty, 1ul << 20 | 0xff);
	expect(kernel, 3, 0, 0);
	expect(v[1][0], 3, leaf(RWX), 1);
	dirty = 0;
	CHECK(chariot_views_weaken(&views, CHARIOT_DOMAIN_ANY, 0, 0, 512, CHARIOT_X | CHARIOT_W,
				   &dirty, 8));
	expect(v[1][0], 3, 0, 0);
	expect(v[1][1], 3, leaf(RWX), 1);
	expect(v[0][1], 4, leaf(CHARIOT_R | CHARIOT_X), 1);
	/* @kernel is shared, so that it is in @vcpu's views, too */
	CHECK_EQ(dirty, 0xff);
	stop();
}

static unsigned int flushed;	/* views, a bit for each of v[] below */

static void note_flush(void *ctx, const struct chariot_view *view)
{
	struct chariot_view **v = ctx;

	for (unsigned int i = 0; i < 3; i++)
		if (v[i] == view)
			flushed |= 1u << i;
}

TEST(a_flush_of_its_own_is_of_what_the_vcpu_dropped)
{
	struct chariot_view *kernel = start(100, 0, -1, 4), *v[3];
	unsigned long dirty = 0;

	/* two of vCPU 0, one of vCPU 1; one of the first two drops nothing */
	for (unsigned int i = 0; i < 3; i++) {
		v[i] = chariot_view_create(&views, 1 + i % 2, i / 2, 4);
		CHECK(!IS_ERR(v[i]));
		CHECK_EQ(put(v[i], i == 1 ? 600 : 3, 1, RAM, 1, RWX), CHARIOT_INSTALL_DONE);
	}
	CHECK_EQ(put(kernel, 3, 1, RAM, 1, RWX), CHARIOT_INSTALL_DONE);
	chariot_views_flush_range(&views, 3, 1);
	flushed = 0;
	chariot_views_flush_own(&views, 0, note_flush, v);
	CHECK_EQ(flushed, 1);
	/* It is over for that view, and for no other: not for what all share. */
	CHECK(!chariot_views_weaken(&views, 1, 0, 3, 1, CHARIOT_W, &dirty, 8));
	CHECK(chariot_views_weaken(&views, 1, 1, 3, 1, CHARIOT_W, &dirty, 8));
	CHECK_EQ(dirty, 2);
	CHECK(chariot_views_weaken(&views, 0, -1, 3, 1, CHARIOT_X, &dirty, 8));
	CHECK_EQ(dirty, 0xff);
	flushed = 0;
	chariot_views_flush_own(&views, 0, note_flush, v);
	CHECK_EQ(flushed, 0);
	stop();
}
