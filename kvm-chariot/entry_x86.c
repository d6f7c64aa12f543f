// SPDX-License-Identifier: GPL-2.0-only
/*
 * The entry format of x86's long mode, which AMD's nested page tables and the
 * shadow page tables of both vendors have, and the software bits that KVM (6.1 to
 * 7.3) keeps in its own entries. KVM's side is arch/x86/kvm/mmu/spte.h, which no
 * header package carries: the few bits that matter are repeated here.
 *
 * Entries of ours have the accessed bit set, and dirty where they are writable:
 * the CPU has nothing left to write into them, so the lock holder's plain
 * stores cannot lose a bit of the hardware's. KVM's own bookkeeping does not
 * miss it, for ->rights() derives nothing from an entry that lacks those bits.
 * (With shadow paging, those that the guest sees are in its own tables.)
 *
 * Shadow paging: KVM computes a leaf's rights from all levels of the guest's tables,
 * so that its own upper levels, and ours, allow everything. U/S is a property of the
 * page that a view keeps. KVM sets no global bit, and none is ever derived: what a
 * flush of one address space leaves behind is KVM's to judge.
 */
#include <linux/bits.h>
#include <linux/types.h>

#include "compat_spte.h"
#include "view.h"

#define PTE_P			BIT_ULL(0)
#define PTE_W			BIT_ULL(1)
#define PTE_U			BIT_ULL(2)	/* as KVM has it: see x86_derive() */
#define PTE_PWT			BIT_ULL(3)
#define PTE_PCD			BIT_ULL(4)
#define PTE_A			BIT_ULL(5)
#define PTE_D			BIT_ULL(6)
#define PTE_PS			BIT_ULL(7)	/* above 4K; in a 4K leaf this is PAT */
#define PTE_PAT_4K		BIT_ULL(7)
#define PTE_PAT_LARGE		BIT_ULL(12)
#define PTE_ADDR		GENMASK_ULL(51, 12)
#define PTE_NX			BIT_ULL(63)
#define PTE_TABLE_IGNORED	(GENMASK_ULL(62, 52) | GENMASK_ULL(11, 8))

/* KVM's: the entry is one that the MMU made, neither MMIO nor frozen. */
#define SPTE_MMU_PRESENT	BIT_ULL(11)

static bool x86_present(u64 entry)
{
	return (entry & (SPTE_MMU_PRESENT | PTE_P)) == (SPTE_MMU_PRESENT | PTE_P);
}

/*
 * SHADOW_NONPRESENT_VALUE, what KVM writes into an empty slot, is bit 63
 * alone since 6.10, and 0 before.
 */
static bool x86_special(u64 entry)
{
	return (entry & ~PTE_NX) && !(entry & SPTE_MMU_PRESENT);
}

/* Accessed and dirty are tracked by the hardware's bits, for which SPTE_AD_TYPE is 0. */
static bool x86_kvm_table(u64 entry)
{
	return (entry & PTE_TABLE_IGNORED) == SPTE_MMU_PRESENT;
}

/* KVM never uses PAT in its entries, so that bit 7 is PS at every level. */
static bool x86_large(u64 entry)
{
	return entry & PTE_PS;
}

static u64 x86_addr(u64 entry)
{
	u64 addr = entry & PTE_ADDR;

	return entry & PTE_PS ? addr & ~PTE_PAT_LARGE : addr;
}

static unsigned int x86_rights(u64 entry)
{
	bool tracked = (entry & SPTE_AD_TYPE) != SPTE_AD_DISABLED;
	unsigned int rights = CHARIOT_R;

	if (!x86_present(entry))
		return 0;
	if (tracked && !(entry & PTE_A))
		return 0;
	if ((entry & PTE_W) && (!tracked || (entry & PTE_D)))
		rights |= CHARIOT_W;
	if (!(entry & PTE_NX))
		rights |= CHARIOT_X;
	return rights;
}

static u64 x86_walked(u64 entry, bool write)
{
	if (!x86_present(entry) || (entry & SPTE_AD_TYPE) == SPTE_AD_DISABLED)
		return entry;
	entry |= PTE_A;
	if (write && (entry & PTE_W))
		entry |= PTE_D;
	return entry;
}

static u64 x86_derive(u64 kvm_entry, u64 pa, int level, unsigned int rights)
{
	u64 entry = pa & PTE_ADDR;
	bool pat = (kvm_entry & PTE_PS) && (kvm_entry & PTE_PAT_LARGE);

	entry |= PTE_P | PTE_A;
	/*
	 * NPT: guest accesses count as user accesses, so that KVM sets U; but where
	 * it uses GMET (7.3 and later) it clears U, for the guest's kernel may not
	 * execute what is U then.
	 */
	entry |= kvm_entry & (PTE_U | PTE_PWT | PTE_PCD);
	if (level > CHARIOT_LEVEL_4K)
		entry |= PTE_PS | (pat ? PTE_PAT_LARGE : 0);
	else if (pat)
		entry |= PTE_PAT_4K;
	if (rights & CHARIOT_W)
		entry |= PTE_W | PTE_D;
	if (!(rights & CHARIOT_X))
		entry |= PTE_NX;
	return entry;
}

/* All rights: the leaf decides. */
static u64 x86_table(u64 pa)
{
	return (pa & PTE_ADDR) | PTE_P | PTE_W | PTE_U | PTE_A;
}

static bool x86_own_present(u64 entry)
{
	return entry & PTE_P;
}

static unsigned int x86_own_rights(u64 entry)
{
	unsigned int rights = CHARIOT_R;

	if (!(entry & PTE_P))
		return 0;
	if (entry & PTE_W)
		rights |= CHARIOT_W;
	if (!(entry & PTE_NX))
		rights |= CHARIOT_X;
	return rights;
}

static bool x86_user(u64 entry)
{
	return entry & PTE_U;
}

/* What both have: the format is one */
#define X86_ENTRY				\
	.present	= x86_present,		\
	.special	= x86_special,		\
	.kvm_table	= x86_kvm_table,	\
	.large		= x86_large,		\
	.addr		= x86_addr,		\
	.rights		= x86_rights,		\
	.walked		= x86_walked,		\
	.derive		= x86_derive,		\
	.table		= x86_table,		\
	.own_present	= x86_own_present,	\
	.own_rights	= x86_own_rights

const struct chariot_entry_ops chariot_entry_npt = {
	.name		= "npt",
	X86_ENTRY,
};

const struct chariot_entry_ops chariot_entry_shadow = {
	.name		= "shadow",
	X86_ENTRY,
	.user		= x86_user,
};
