// SPDX-License-Identifier: GPL-2.0-only
/*
 * The entry format of AMD nested page tables, and the software bits that KVM
 * (6.1 to 7.3) keeps in its own entries. KVM's side is arch/x86/kvm/mmu/spte.h,
 * which no header package carries: the few bits that matter are repeated here.
 *
 * Entries of ours have the accessed bit set, and dirty where they are writable:
 * the CPU has nothing left to write into them, so the lock holder's plain
 * stores cannot lose a bit of the hardware's. KVM's own bookkeeping does not
 * miss it, for ->rights() derives nothing from an entry that lacks those bits.
 */
#include <linux/bits.h>
#include <linux/types.h>

#include "compat_spte.h"
#include "view.h"

#define NPT_P			BIT_ULL(0)
#define NPT_W			BIT_ULL(1)
#define NPT_U			BIT_ULL(2)	/* as KVM has it: see npt_derive() */
#define NPT_PWT			BIT_ULL(3)
#define NPT_PCD			BIT_ULL(4)
#define NPT_A			BIT_ULL(5)
#define NPT_D			BIT_ULL(6)
#define NPT_PS			BIT_ULL(7)	/* above 4K; in a 4K leaf this is PAT */
#define NPT_PAT_4K		BIT_ULL(7)
#define NPT_PAT_LARGE		BIT_ULL(12)
#define NPT_ADDR		GENMASK_ULL(51, 12)
#define NPT_NX			BIT_ULL(63)

/* KVM's: the entry is one that the MMU made, neither MMIO nor frozen. */
#define SPTE_MMU_PRESENT	BIT_ULL(11)

static bool npt_present(u64 entry)
{
	return (entry & (SPTE_MMU_PRESENT | NPT_P)) == (SPTE_MMU_PRESENT | NPT_P);
}

/*
 * SHADOW_NONPRESENT_VALUE, what KVM writes into an empty slot, is bit 63
 * alone since 6.10, and 0 before.
 */
static bool npt_special(u64 entry)
{
	return (entry & ~NPT_NX) && !(entry & SPTE_MMU_PRESENT);
}

/* KVM never uses PAT in a nested entry, so that bit 7 is PS at every level. */
static bool npt_large(u64 entry)
{
	return entry & NPT_PS;
}

static u64 npt_addr(u64 entry)
{
	u64 addr = entry & NPT_ADDR;

	return entry & NPT_PS ? addr & ~NPT_PAT_LARGE : addr;
}

static unsigned int npt_rights(u64 entry)
{
	bool tracked = (entry & SPTE_AD_TYPE) != SPTE_AD_DISABLED;
	unsigned int rights = CHARIOT_R;

	if (!npt_present(entry))
		return 0;
	if (tracked && !(entry & NPT_A))
		return 0;
	if ((entry & NPT_W) && (!tracked || (entry & NPT_D)))
		rights |= CHARIOT_W;
	if (!(entry & NPT_NX))
		rights |= CHARIOT_X;
	return rights;
}

static u64 npt_walked(u64 entry, bool write)
{
	if (!npt_present(entry) || (entry & SPTE_AD_TYPE) == SPTE_AD_DISABLED)
		return entry;
	entry |= NPT_A;
	if (write && (entry & NPT_W))
		entry |= NPT_D;
	return entry;
}

static u64 npt_derive(u64 kvm_entry, u64 pa, int level, unsigned int rights)
{
	u64 entry = pa & NPT_ADDR;
	bool pat = (kvm_entry & NPT_PS) && (kvm_entry & NPT_PAT_LARGE);

	entry |= NPT_P | NPT_A;
	/*
	 * Guest accesses count as user accesses, so that KVM sets U; but where it
	 * uses GMET (7.3 and later) it clears U, for the guest's kernel may not
	 * execute what is U then.
	 */
	entry |= kvm_entry & (NPT_U | NPT_PWT | NPT_PCD);
	if (level > CHARIOT_LEVEL_4K)
		entry |= NPT_PS | (pat ? NPT_PAT_LARGE : 0);
	else if (pat)
		entry |= NPT_PAT_4K;
	if (rights & CHARIOT_W)
		entry |= NPT_W | NPT_D;
	if (!(rights & CHARIOT_X))
		entry |= NPT_NX;
	return entry;
}

/* All rights: the leaf decides. */
static u64 npt_table(u64 pa)
{
	return (pa & NPT_ADDR) | NPT_P | NPT_W | NPT_U | NPT_A;
}

static bool npt_own_present(u64 entry)
{
	return entry & NPT_P;
}

static unsigned int npt_own_rights(u64 entry)
{
	unsigned int rights = CHARIOT_R;

	if (!(entry & NPT_P))
		return 0;
	if (entry & NPT_W)
		rights |= CHARIOT_W;
	if (!(entry & NPT_NX))
		rights |= CHARIOT_X;
	return rights;
}

const struct chariot_entry_ops chariot_entry_npt = {
	.name		= "npt",
	.present	= npt_present,
	.special	= npt_special,
	.large		= npt_large,
	.addr		= npt_addr,
	.rights		= npt_rights,
	.walked		= npt_walked,
	.derive		= npt_derive,
	.table		= npt_table,
	.own_present	= npt_own_present,
	.own_rights	= npt_own_rights,
};
