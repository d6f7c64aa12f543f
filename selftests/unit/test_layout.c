// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's page tables, made here as KVM makes them, and then in ways that this module
 * does not expect: each must be refused before anything is derived. That KVM does
 * make them so is for selftests/kvm to show.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include <stdlib.h>

#include "ktap.h"
#include "layout.h"

#define MMU	BIT_ULL(11)
/* AMD's and x86's: present, writable, user, accessed, dirty; EPT's: RWX, accessed, dirty */
#define X86_TABLE	(BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2) | BIT_ULL(5) | MMU)
#define X86_LEAF	(X86_TABLE | BIT_ULL(6) | BIT_ULL(9) | BIT_ULL(10))
#define X86_MMIO	(BIT_ULL(0) | BIT_ULL(51) | BIT_ULL(1) | 0xfee00000)
#define EPT_VE		BIT_ULL(63)
#define EPT_NO_AD	(GENMASK_ULL(2, 0) | MMU | EPT_VE | BIT_ULL(52))
#define EPT_TABLE	(GENMASK_ULL(2, 0) | BIT_ULL(8) | MMU | EPT_VE)
#define EPT_SOFTWARE	(BIT_ULL(57) | BIT_ULL(58))
#define EPT_LEAF	(EPT_TABLE | BIT_ULL(9) | (6ull << 3) | EPT_SOFTWARE)
#define EPT_MMIO	(BIT_ULL(1) | BIT_ULL(2) | EPT_VE | 0xfee00000)
#define PS		BIT_ULL(7)
#define ADDR		GENMASK_ULL(51, 12)

#define PAGES		16
#define SLOTS		512
#define MEMORY		0x10000		/* gfns of the guest's */
#define CR3_GFN		0x77

static const struct format {
	const char *name;
	const struct chariot_entry_ops *ops;
	u64 empty, table, leaf, mmio;
	bool by_gva;
} formats[] = {
	{ "npt", &chariot_entry_npt, BIT_ULL(63), X86_TABLE, X86_LEAF, X86_MMIO, false },
	{ "npt, 6.1", &chariot_entry_npt, 0, X86_TABLE, X86_LEAF, X86_MMIO, false },
	{ "shadow", &chariot_entry_shadow, BIT_ULL(63), X86_TABLE, X86_LEAF, X86_MMIO, true },
	{ "ept", &chariot_entry_ept, EPT_VE, EPT_TABLE, EPT_LEAF, EPT_MMIO, false },
	{ "ept-noad", &chariot_entry_ept, EPT_VE, EPT_NO_AD, EPT_NO_AD | EPT_SOFTWARE, EPT_MMIO,
	  false },
};

static struct world {
	const struct format *format;
	struct chariot_mode mode;
	struct kvm kvm;
	struct kvm_vcpu vcpu;
	struct chariot_kvm_mmu_page sp[PAGES];	/* [0]: the root's */
	u64 translation[PAGES][SLOTS];
	unsigned int pages;
	bool usable;
} w;

static bool usable(struct kvm_vcpu *vcpu)
{
	return w.usable;
}

static struct chariot_kvm_mmu_page *new_table(int level, gfn_t gfn)
{
	struct chariot_kvm_mmu_page *sp = &w.sp[w.pages];
	unsigned int i;

	CHECK(w.pages < PAGES);
	*sp = (struct chariot_kvm_mmu_page) { .gfn = gfn };
	sp->role.level = level;
	sp->role.direct = !w.format->by_gva;
	sp->spt = (u64 *)get_zeroed_page(GFP_KERNEL);
	if (w.format->by_gva)
		sp->shadowed_translation = w.translation[w.pages];
	set_page_private(virt_to_page(sp->spt), (unsigned long)sp);
	for (i = 0; i < SLOTS; i++)
		sp->spt[i] = w.format->empty;
	w.pages++;
	return sp;
}

static struct chariot_kvm_mmu_page *sp_of(u64 entry)
{
	return (void *)page_private(pfn_to_page((entry & ADDR) >> PAGE_SHIFT));
}

/* KVM resolves a fault at page @index: the slot of the leaf, @entry, at @level. */
static u64 *map(u64 index, int level, u64 entry)
{
	struct chariot_kvm_mmu_page *sp = &w.sp[0];
	u64 *slot;

	for (int l = sp->role.level; ; l--) {
		slot = &sp->spt[index >> (9 * (l - 1)) & (SLOTS - 1)];
		if (l == level)
			break;
		if (*slot == w.format->empty)
			*slot = __pa(new_table(l - 1, index)->spt) | w.format->table;
		sp = sp_of(*slot);
	}
	if (sp->shadowed_translation)
		sp->shadowed_translation[slot - sp->spt] = 0x123ull << PAGE_SHIFT | 7;
	*slot = entry;
	return slot;
}

static bool begins(const struct format *format)
{
	ktap_note("%s", format->name);
	return true;
}

static void begin(const struct format *format, int level)
{
	struct kvm_mmu *mmu = &w.vcpu.arch.root_mmu;

	memset(&w, 0, sizeof(w));
	w.format = format;
	w.mode = (struct chariot_mode) {
		.entry = format->ops,
		.by_gva = format->by_gva,
		.usable = usable,
	};
	w.usable = true;
	spin_lock_init(&w.kvm.mmu_lock);
	w.kvm.shim_memory = MEMORY;
	w.vcpu.kvm = &w.kvm;
	mmu->root.hpa = __pa(new_table(level, format->by_gva ? CR3_GFN : 0)->spt);
	mmu->root.pgd = CR3_GFN << PAGE_SHIFT | 5;	/* a PCID is no part of the address */
	mmu->root_role = w.sp[0].role;
}

static void end(void)
{
	while (w.pages)
		free_page((unsigned long)w.sp[--w.pages].spt);
}

static int check(u64 addr)
{
	return chariot_layout_check(&w.mode, &w.vcpu, addr);
}

/* Refused, and the message names the field. */
static void refused(const char *field)
{
	shim_expect(field);
	CHECK_EQ(check(0), -ENXIO);
	CHECK_EQ(shim_expected(), 1);
	shim_expect(NULL);
}

#define for_each_format(f) \
	for ((f) = formats; (f) < formats + ARRAY_SIZE(formats) && begins(f); (f)++)

/* With a page mapped, by 4K and 2M, and something that is no page beside it */
static u64 *populate(const struct format *f, int level)
{
	begin(f, level);
	map(0x201, 1, f->mmio);
	map(0x400, 2, 0x40000000 | f->leaf | PS);
	return map(0x200, 1, 0x1234000 | f->leaf);
}

TEST(as_kvm_makes_them)
{
	const struct format *f;

	for_each_format(f) {
		for (int level = 4; level <= 5; level++) {
			populate(f, level);
			CHECK_EQ(check(0), 1);
			CHECK_EQ(check(0x200ull << PAGE_SHIFT), 1);
			/* where there is nothing */
			CHECK_EQ(check(~0ull << PAGE_SHIFT), 1);
			end();
		}
	}
}

TEST(without_a_leaf_nothing_is_known)
{
	const struct format *f;

	for_each_format(f) {
		begin(f, 4);
		CHECK_EQ(check(0), 0);
		map(0, 1, f->empty);
		CHECK_EQ(check(0), 0);
		map(1, 1, f->mmio);
		CHECK_EQ(check(0), 0);
		/* the way to what is accessed is looked at, not only the first */
		map(0x12345678, 1, 0x1234000 | f->leaf);
		CHECK_EQ(check(0), 0);
		CHECK_EQ(check(0x12345678ull << PAGE_SHIFT), 1);

		w.usable = false;
		CHECK_EQ(check(0x12345678ull << PAGE_SHIFT), 0);
		w.usable = true;
		w.vcpu.arch.root_mmu.root.hpa = INVALID_PAGE;
		CHECK_EQ(check(0), 0);
		w.vcpu.arch.root_mmu.root.hpa = page_to_phys(ZERO_PAGE(0));
		CHECK_EQ(check(0), 0);
		end();
	}
}

/* KVM's bit is another one: in every entry, whatever it says to the CPU. */
TEST(another_present_bit)
{
	const struct format *f;

	for_each_format(f) {
		for (unsigned int bit = 0; bit < 64; bit++) {
			u64 *leaf = populate(f, 4);

			if (bit == 11) {
				end();
				continue;
			}
			*leaf = (*leaf & ~MMU) | BIT_ULL(bit);
			for (unsigned int i = 0; i < w.pages; i++) {
				for (unsigned int j = 0; j < SLOTS; j++) {
					u64 *slot = &w.sp[i].spt[j];

					if (*slot & MMU)
						*slot = (*slot & ~MMU) | BIT_ULL(bit);
				}
			}
			refused("says present");
			end();
		}
	}
}

/* KVM has a bit more, the one that this module should look at perhaps. */
TEST(another_bit_in_a_tables_entry)
{
	const struct format *f;

	for_each_format(f) {
		for (unsigned int bit = 53; bit < 60; bit++) {
			for (unsigned int table = 0; table < 3; table++) {
				populate(f, 4);
				w.sp[table].spt[table == 2] |= BIT_ULL(bit);
				refused("in an entry for a table");
				end();
			}
		}
	}
}

/* Without A/D bits KVM takes the CPU's rights away from a page, to see whether it is used. */
TEST(a_page_whose_age_is_looked_at)
{
	const struct format *f = &formats[ARRAY_SIZE(formats) - 1];
	u64 *leaf;

	begin(f, 4);
	leaf = map(0x400, 2, (0x40000000 | f->leaf | PS | BIT_ULL(54)) & ~GENMASK_ULL(2, 0));
	CHECK_EQ(check(0), 0);
	*leaf |= GENMASK_ULL(2, 0);
	CHECK_EQ(check(0), 1);
	end();
}

static void change_address(struct chariot_kvm_mmu_page *sp)
{
	w.sp[0].spt[0] |= BIT_ULL(50);
}

static void change_private(struct chariot_kvm_mmu_page *sp)
{
	set_page_private(virt_to_page(sp->spt), 0x10);
}

static void change_spt(struct chariot_kvm_mmu_page *sp)
{
	sp->spt++;
}

static void change_level(struct chariot_kvm_mmu_page *sp)
{
	sp->role.level++;
}

static void change_root_direct(struct chariot_kvm_mmu_page *sp)
{
	w.sp[0].role.direct ^= 1;
}

static void change_root_gfn(struct chariot_kvm_mmu_page *sp)
{
	w.sp[0].gfn++;
}

TEST(other_descriptors)
{
	static const struct {
		void (*change)(struct chariot_kvm_mmu_page *sp);
		const char *field;
	} changes[] = {
		{ change_address, "the address" },
		{ change_private, "what leads to" },
		{ change_spt, "spt" },
		{ change_level, "role" },
		{ change_root_direct, "role" },
		{ change_root_gfn, "gfn" },
	};
	const struct format *f;

	for_each_format(f) {
		for (unsigned int i = 0; i < ARRAY_SIZE(changes); i++) {
			/* the root's, and one further down */
			for (unsigned int table = 0; table < 3; table += 2) {
				u64 *spt;

				populate(f, 4);
				spt = w.sp[table].spt;
				changes[i].change(&w.sp[table]);
				refused(changes[i].field);
				w.sp[table].spt = spt;
				end();
			}
		}
	}
}

TEST(other_translations)
{
	const struct format *f = &formats[2];

	populate(f, 4);
	memset(w.translation, 0xff, sizeof(w.translation));
	refused("shadowed_translation");
	/* a page of theirs may have no such array, and says so */
	for (unsigned int i = 0; i < w.pages; i++)
		w.sp[i].role.passthrough = 1;
	CHECK_EQ(check(0), 1);
	end();
}

TEST(known_for_good)
{
	struct chariot_vm *vm = calloc(1, sizeof(*vm));
	const struct format *f;

	for_each_format(f) {
		vm->mode = &w.mode;
		vm->layout_known = false;
		begin(f, 4);
		CHECK_EQ(chariot_layout_know(vm, &w.vcpu, 0), 0);
		map(0, 1, f->leaf & ~MMU);
		w.sp[0].spt[0] &= ~MMU;
		shim_expect("says present");
		CHECK_EQ(chariot_layout_know(vm, &w.vcpu, 0), -ENXIO);
		CHECK_EQ(chariot_layout_know(vm, &w.vcpu, 0), -ENXIO);
		w.sp[0].spt[0] |= MMU;
		*map(0, 1, 0) = f->leaf;
		CHECK_EQ(chariot_layout_know(vm, &w.vcpu, 0), 1);
		w.sp[0].spt[0] &= ~MMU;
		CHECK_EQ(chariot_layout_know(vm, &w.vcpu, 0), 1);
		end();
	}
	free(vm);
}
