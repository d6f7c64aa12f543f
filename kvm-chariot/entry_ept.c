// SPDX-License-Identifier: GPL-2.0-only
/*
 * The entry format of Intel EPT (SDM volume 3, 29.3.2), and the software bits
 * that KVM (6.1 and later) keeps in its own entries, see mmu/spte.h there.
 *
 * Views run with the EPT's own accessed and dirty bits switched off
 * (mode_ept.c), so that the CPU writes into no entry of ours. They are set all
 * the same, as in KVM's entries for pages in use.
 *
 * Execute-only entries exist in this format, but reads are never restricted:
 * what KVM lets a guest read may be read in every view.
 */
#include <linux/bits.h>
#include <linux/types.h>

#include "view.h"

#define EPT_R			BIT_ULL(0)
#define EPT_W			BIT_ULL(1)
#define EPT_X			BIT_ULL(2)	/* supervisor mode only, if EPT_XU is in use */
#define EPT_RWX			(EPT_R | EPT_W | EPT_X)
#define EPT_MEMTYPE		(GENMASK_ULL(5, 3) | BIT_ULL(6))	/* type, ignore PAT */
#define EPT_PS			BIT_ULL(7)
#define EPT_A			BIT_ULL(8)
#define EPT_D			BIT_ULL(9)
#define EPT_XU			BIT_ULL(10)	/* user mode; mode-based execute control */
#define EPT_ADDR		GENMASK_ULL(51, 12)
#define EPT_TABLE_IGNORED	(GENMASK_ULL(62, 52) | BIT_ULL(11) | BIT_ULL(9))
/*
 * In an entry without it, and where that is enabled, a violation becomes an
 * exception of the guest's. KVM sets it everywhere since 6.10.
 */
#define EPT_SUPPRESS_VE		BIT_ULL(63)

/* KVM's: the entry is one that the MMU made, neither MMIO nor frozen. */
#define SPTE_MMU_PRESENT	BIT_ULL(11)
/*
 * KVM's: accessed and dirty are not tracked by the entry's bits (eptad=0). It is
 * bit 52 up to 6.x and bit 60 in 7.x; where one means it, a present entry never
 * has the other.
 */
#define SPTE_AD_DISABLED	(BIT_ULL(52) | BIT_ULL(60))

/*
 * Without accessed bits KVM takes all rights away from a page to see whether it
 * is used, and sets the software bit alone: not present. Its MMIO entries are
 * made to look like a misconfiguration (W and X without R).
 */
static bool ept_present(u64 entry)
{
	return (entry & SPTE_MMU_PRESENT) && (entry & EPT_RWX);
}

/*
 * SHADOW_NONPRESENT_VALUE, what KVM writes into an empty slot, is bit 63
 * alone since 6.10, and 0 before.
 */
static bool ept_special(u64 entry)
{
	return (entry & ~EPT_SUPPRESS_VE) && !(entry & SPTE_MMU_PRESENT);
}

static bool ept_kvm_table(u64 entry)
{
	return (entry & EPT_TABLE_IGNORED & ~SPTE_AD_DISABLED) == SPTE_MMU_PRESENT;
}

static bool ept_large(u64 entry)
{
	return entry & EPT_PS;
}

static u64 ept_addr(u64 entry)
{
	return entry & EPT_ADDR;
}

static bool ept_tracked(u64 entry)
{
	return !(entry & SPTE_AD_DISABLED);
}

static unsigned int ept_rights(u64 entry)
{
	bool tracked = ept_tracked(entry);
	unsigned int rights = CHARIOT_R;

	if (!ept_present(entry) || !(entry & EPT_R))
		return 0;
	if (tracked && !(entry & EPT_A))
		return 0;
	if ((entry & EPT_W) && (!tracked || (entry & EPT_D)))
		rights |= CHARIOT_W;
	if (entry & EPT_X)
		rights |= CHARIOT_X;
	return rights;
}

static u64 ept_walked(u64 entry, bool write)
{
	if (!ept_present(entry) || !ept_tracked(entry))
		return entry;
	entry |= EPT_A;
	if (write && (entry & EPT_W))
		entry |= EPT_D;
	return entry;
}

static u64 ept_derive(u64 kvm_entry, u64 pa, int level, unsigned int rights)
{
	u64 entry = pa & EPT_ADDR;

	entry |= EPT_R | EPT_A | EPT_SUPPRESS_VE;
	entry |= kvm_entry & EPT_MEMTYPE;
	if (level > CHARIOT_LEVEL_4K)
		entry |= EPT_PS;
	if (rights & CHARIOT_W)
		entry |= EPT_W | EPT_D;
	if (rights & CHARIOT_X)
		entry |= EPT_X | (kvm_entry & EPT_XU);
	return entry;
}

/* All rights: the leaf decides. Memory type and PS are reserved here. */
static u64 ept_table(u64 pa)
{
	return (pa & EPT_ADDR) | EPT_RWX | EPT_A | EPT_XU | EPT_SUPPRESS_VE;
}

static bool ept_own_present(u64 entry)
{
	return entry & EPT_RWX;
}

static unsigned int ept_own_rights(u64 entry)
{
	unsigned int rights = 0;

	if (entry & EPT_R)
		rights |= CHARIOT_R;
	if (entry & EPT_W)
		rights |= CHARIOT_W;
	if (entry & EPT_X)
		rights |= CHARIOT_X;
	return rights;
}

const struct chariot_entry_ops chariot_entry_ept = {
	.name		= "ept",
	.empty		= EPT_SUPPRESS_VE,
	.present	= ept_present,
	.special	= ept_special,
	.kvm_table	= ept_kvm_table,
	.large		= ept_large,
	.addr		= ept_addr,
	.rights		= ept_rights,
	.walked		= ept_walked,
	.derive		= ept_derive,
	.table		= ept_table,
	.own_present	= ept_own_present,
	.own_rights	= ept_own_rights,
};
