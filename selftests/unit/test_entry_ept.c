// SPDX-License-Identifier: GPL-2.0-only
/* Intel's entries, case by case; test_view.c has AMD's, test_view_tlb.c both in motion. */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/mm.h>

#include "ktap.h"
#include "view.h"
#include "view_audit.h"

#define R	BIT_ULL(0)
#define W	BIT_ULL(1)
#define X	BIT_ULL(2)
#define WB	(6ull << 3)
#define UC	(0ull << 3)
#define IPAT	BIT_ULL(6)
#define PS	BIT_ULL(7)
#define A	BIT_ULL(8)
#define D	BIT_ULL(9)
#define XU	BIT_ULL(10)
#define MMU	BIT_ULL(11)
#define VE	BIT_ULL(63)	/* suppress #VE */
#define KVM	(MMU | BIT_ULL(57) | BIT_ULL(58))
#define KVM_7	(MMU | BIT_ULL(53) | BIT_ULL(55))
/* How KVM says that it does not use A and D: up to 6.x, in 7.x */
#define NO_AD	BIT_ULL(52)
#define NO_AD_7	BIT_ULL(60)

/* KVM's entry for memory that a write was made to. */
#define RAM	(R | W | X | WB | IPAT | A | D | KVM)
#define RWX	(CHARIOT_R | CHARIOT_W | CHARIOT_X)

static const struct chariot_entry_ops *ept = &chariot_entry_ept;

TEST(entries_that_are_none)
{
	static const struct {
		u64 entry;
		bool special;
	} none[] = {
		{ 0, false }, { VE, false },
		/* frozen: up to 6.9, up to 6.x, 7.x */
		{ 0x5a0, true }, { VE | 0x5a0, true }, { VE | 0x1a0, true },
		/* MMIO, with a generation and a gfn */
		{ W | X, true }, { W | X | 0xfed00000 | 0x28, true },
		{ VE | W | X | 0xfee00000 | BIT_ULL(52), true },
		/* rights were taken away to see its age */
		{ (RAM & ~(R | W | X | A | D)) | NO_AD | BIT_ULL(54), false },
		{ (RAM & ~(R | W | X | A | D)) | NO_AD_7 | BIT_ULL(52) | BIT_ULL(62), false },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(none); i++) {
		CHECK(!ept->present(none[i].entry));
		CHECK_EQ(ept->rights(none[i].entry), 0);
		CHECK_EQ(ept->special(none[i].entry), none[i].special);
		CHECK_EQ(ept->walked(none[i].entry, true), none[i].entry);
	}
	CHECK(ept->present(RAM) && !ept->special(RAM));
	CHECK(ept->present(RAM | VE) && !ept->special(RAM | VE));
	/* by the hardware's bits it is there, but KVM did not make it */
	CHECK(!ept->present(RAM & ~MMU) && ept->special(RAM & ~MMU));
	CHECK_EQ(ept->rights(RAM & ~MMU), 0);
}

/* KVM's entry for a table: of 6.1, of 6.12, of 7.x; without A and D where they are not used */
TEST(tables_have_no_other_bits_of_kvms)
{
	static const u64 tables[] = {
		R | W | X | A | MMU,
		R | W | X | A | MMU | VE,
		R | W | X | A | MMU | VE | XU,
		R | W | X | MMU | VE | NO_AD,
		R | W | X | MMU | VE | XU | NO_AD_7,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(tables); i++) {
		CHECK(ept->kvm_table(tables[i] | 0x12345000));
		for (unsigned int bit = 9; bit < 63; bit = bit == 11 ? 52 : bit + 1) {
			if (bit != 10 && !(BIT_ULL(bit) & (NO_AD | NO_AD_7)))
				CHECK(!ept->kvm_table(tables[i] ^ BIT_ULL(bit)));
		}
	}
}

TEST(rights_by_entry)
{
	CHECK_EQ(ept->rights(RAM), RWX);
	CHECK_EQ(ept->rights((RAM & ~KVM) | KVM_7 | XU | VE), RWX);
	CHECK_EQ(ept->rights(RAM & ~W), CHARIOT_R | CHARIOT_X);
	CHECK_EQ(ept->rights(RAM & ~X), CHARIOT_R | CHARIOT_W);
	CHECK_EQ(ept->rights(RAM & ~D), CHARIOT_R | CHARIOT_X);
	CHECK_EQ(ept->rights(RAM & ~A), 0);
	/* nothing can be read there */
	CHECK_EQ(ept->rights(RAM & ~R), 0);
	CHECK_EQ(ept->rights(RAM & ~(R | W)), 0);
	/* KVM write-protects, though the bits are in use */
	CHECK_EQ(ept->rights((RAM & ~D) | BIT_ULL(53)), CHARIOT_R | CHARIOT_X);
	for (unsigned int i = 0; i < 2; i++) {
		u64 untracked = (RAM & ~(A | D)) | (i ? NO_AD_7 : NO_AD);

		CHECK_EQ(ept->rights(untracked), RWX);
		CHECK_EQ(ept->rights(untracked & ~W), CHARIOT_R | CHARIOT_X);
		CHECK_EQ(ept->walked(untracked, true), untracked);
	}
}

TEST(walks_set_accessed_and_dirty)
{
	const u64 clean = RAM & ~(A | D);

	CHECK_EQ(ept->walked(clean, false), clean | A);
	CHECK_EQ(ept->walked(clean, true), RAM);
	CHECK_EQ(ept->walked(clean & ~W, true), (clean & ~W) | A);
	CHECK_EQ(ept->walked(RAM, false), RAM);
	CHECK_EQ(ept->walked(clean & ~MMU, true), clean & ~MMU);
}

TEST(derived_leaves_bit_by_bit)
{
	const u64 software = KVM | GENMASK_ULL(62, 52);

	CHECK_EQ(ept->derive(RAM | software, 0x12345000, 1, RWX),
		 0x12345000 | R | W | X | WB | IPAT | A | D | VE);
	CHECK_EQ(ept->derive(RAM, 0x1000, 1, CHARIOT_R), 0x1000 | R | WB | IPAT | A | VE);
	CHECK_EQ(ept->derive(RAM, 0x1000, 1, CHARIOT_R | CHARIOT_X),
		 0x1000 | R | X | WB | IPAT | A | VE);
	/* the memory type is KVM's: a device's registers, memory as the guest says */
	CHECK_EQ(ept->derive(RAM & ~(WB | IPAT), 0x1000, 1, CHARIOT_R), 0x1000 | R | UC | A | VE);
	CHECK_EQ(ept->derive(RAM & ~IPAT, 0x1000, 1, CHARIOT_R), 0x1000 | R | WB | A | VE);
	/* large, and a page inside of it */
	CHECK_EQ(ept->derive(RAM | PS, 0x200000, 2, RWX),
		 0x200000 | R | W | X | WB | IPAT | PS | A | D | VE);
	CHECK_EQ(ept->derive(RAM | PS, 0x40000000, 3, CHARIOT_R),
		 0x40000000 | R | WB | IPAT | PS | A | VE);
	CHECK_EQ(ept->derive(RAM | PS, 0x201000, 1, CHARIOT_R), 0x201000 | R | WB | IPAT | A | VE);
	/* user mode executes by a bit of its own if KVM's entry says so */
	CHECK_EQ(ept->derive(RAM | XU, 0x1000, 1, RWX),
		 0x1000 | R | W | X | XU | WB | IPAT | A | D | VE);
	CHECK_EQ(ept->derive(RAM | XU, 0x1000, 1, CHARIOT_R), 0x1000 | R | WB | IPAT | A | VE);

	CHECK_EQ(ept->addr(RAM | PS | VE | GENMASK_ULL(51, 12)), GENMASK_ULL(51, 12));
	CHECK(ept->large(RAM | PS) && !ept->large(RAM));
	/* no memory type, no size: these bits are reserved in a table's entry */
	CHECK_EQ(ept->table(0x7000), 0x7000 | R | W | X | A | XU | VE);
	for (unsigned int rights = CHARIOT_R; rights <= RWX; rights += 2)
		CHECK_EQ(ept->own_rights(ept->derive(RAM, 0, 1, rights)), rights);
	CHECK(!ept->own_present(0) && !ept->own_rights(0));
	CHECK_EQ(ept->empty, VE);
	CHECK(!ept->own_present(ept->empty) && !ept->own_rights(ept->empty));
}

/* Every slot that is empty suppresses #VE: at first, after a drop, in new tables, after unlink. */
TEST(empty_slots)
{
	struct chariot_view_cache cache = { 0 };
	struct chariot_views views;
	struct chariot_view *view;
	LIST_HEAD(tables);
	int level;

	chariot_views_init(&views, ept, 100);
	chariot_views_set_base(&views, 0x1000);
	view = chariot_view_create(&views, 1, 0, 4);
	CHECK(!IS_ERR(view));
	view_audit(&views);
	CHECK_EQ(chariot_view_topup(&cache), 0);
	CHECK_EQ(chariot_view_install(view, &cache, chariot_views_gen(&views), 0x1000, 5, 1,
				      RAM | 0x5000, 1, RWX), CHARIOT_INSTALL_DONE);
	view_audit(&views);
	CHECK_EQ(chariot_view_lookup(view, 5, &level),
		 0x5000 | R | W | X | WB | IPAT | A | D | VE);
	CHECK_EQ(chariot_view_lookup(view, 6, &level), 0);
	chariot_views_flush(&views);
	view_audit(&views);
	CHECK_EQ(view->filled, 0);
	chariot_view_unlink(view, &tables);
	view_audit(&views);
	chariot_view_free_tables(&views, &tables);
	chariot_view_destroy(view);
	chariot_view_cache_free(&cache);
	CHECK_EQ(views.pages, 0);
}
