/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What view.c and view_gva.c share: the tables of a view and what is done to a
 * single leaf. No other file includes this.
 */
#ifndef CHARIOT_VIEW_PRIVATE_H
#define CHARIOT_VIEW_PRIVATE_H

#include <asm/barrier.h>
#include <linux/bits.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/spinlock.h>

#include "view.h"

#define ENTRY_BITS	9
#define ENTRIES		BIT(ENTRY_BITS)

/*
 * One page of entries below the root. page_private() of that page leads back
 * here.
 */
struct chariot_view_table {
	struct list_head link;		/* chariot_view.live or .empty, or the caller's list */
	u64 *entries;
	/* by_gva: the guest's page that each leaf maps; and which no leaf reaches beyond */
	u64 *gfns;
	u64 gfns_first, gfns_end;
	u64 first;			/* what its first entry maps; set when it is linked, */
	int level;			/* of its entries, too */
	unsigned int leaves;		/* present leaves in this table */
};

/* Pages that an entry at @level maps, or the table below it. */
static inline u64 level_pages(int level)
{
	return 1ull << (ENTRY_BITS * (level - 1));
}

static inline unsigned int level_index(u64 gfn, int level)
{
	return (gfn >> (ENTRY_BITS * (level - 1))) & (ENTRIES - 1);
}

static inline u64 view_gfns(const struct chariot_view *view)
{
	return level_pages(view->level + 1);
}

static inline bool is_leaf(const struct chariot_entry_ops *ops, u64 entry, int level)
{
	if (!ops->own_present(entry))
		return false;
	return level == CHARIOT_LEVEL_4K || (level <= CHARIOT_LEVEL_1G && ops->large(entry));
}

static inline struct chariot_view_table *table_of(u64 *entries)
{
	return (struct chariot_view_table *)page_private(virt_to_page(entries));
}

/* @views->lock must be held: whatever was read before this is stale now. */
static inline void raise_gen(struct chariot_views *views)
{
	lockdep_assert_held(&views->lock);

	/*
	 * Pairs with smp_load_acquire() in chariot_views_gen(): who sees this
	 * generation also sees KVM's entries, or the ACL, as they were changed
	 * before it was raised.
	 */
	smp_store_release(&views->gen, views->gen + 1);
}

/*
 * @view->views->lock must be held, and gen raised. The leaf goes, in place; no
 * xchg, because the CPU writes no bit of an entry of ours (see entry_x86.c).
 */
static inline void drop_leaf(struct chariot_view *view, u64 *slot)
{
	struct chariot_view_table *table = table_of((u64 *)((unsigned long)slot & PAGE_MASK));

	lockdep_assert_held(&view->views->lock);

	WRITE_ONCE(*slot, view->views->ops->empty);
	view->dropped = view->views->gen;
	view->filled--;
	if (!--table->leaves)
		list_move(&table->link, &view->empty);
}

/* The leaf of @rights at @level for page @gfn, which @kvm_entry maps as part of a larger one. */
static inline u64 derive_leaf(const struct chariot_entry_ops *ops, u64 gfn, int level,
			      u64 kvm_entry, int kvm_level, unsigned int rights)
{
	u64 pa = ops->addr(kvm_entry) & ~((level_pages(kvm_level) << PAGE_SHIFT) - 1);

	pa += (gfn & (level_pages(kvm_level) - 1) & ~(level_pages(level) - 1)) << PAGE_SHIFT;
	return ops->derive(kvm_entry, pa, level, rights);
}

/*
 * @view->views->lock must be held. The leaf at @slot, not counted yet if it is new, maps
 * the guest's page @target (by_gva).
 */
static inline void note_target(struct chariot_view *view, u64 *slot, u64 target)
{
	struct chariot_view_table *table;
	u64 pages;

	lockdep_assert_held(&view->views->lock);

	if (!view->views->by_gva)
		return;
	table = table_of((u64 *)((unsigned long)slot & PAGE_MASK));
	pages = level_pages(table->level);
	target &= ~(pages - 1);
	table->gfns[slot - table->entries] = target;
	if (!table->leaves || target < table->gfns_first)
		table->gfns_first = target;
	if (!table->leaves || target + pages > table->gfns_end)
		table->gfns_end = target + pages;
}

/* view.c. All need views->lock, and gen raised, but the last, which takes the lock. */
void chariot_view_drop_all(struct chariot_view *view);
/*
 * Drops the leaves that meet [gfn, gfn + nr), of the view's own addresses, and have
 * any of @rights. Returns true if there was one.
 */
bool chariot_view_drop_range(struct chariot_view *view, u64 gfn, u64 nr, unsigned int rights);
/* Installs a leaf for @gfn of the view's own addresses, which maps the guest's @target. */
enum chariot_install chariot_view_install_checked(struct chariot_view *view,
						  struct chariot_view_cache *cache,
						  u64 gen, u64 base, u64 gfn, u64 target,
						  int level, u64 kvm_entry, int kvm_level,
						  unsigned int rights);

/* view_gva.c. The same as chariot_view_drop_range() for the guest's pages. */
void chariot_view_drop_gfns(struct chariot_view *view, u64 gfn, u64 nr, unsigned int rights);

#endif
