// SPDX-License-Identifier: GPL-2.0-only
/*
 * Views by guest virtual address, as shadow paging has them (view.h says what is
 * different): each leaf remembers the guest's page that it maps, and each is compared
 * with KVM's tree when the guest flushes. view.c has the rest.
 */
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/spinlock.h>

#include "view.h"
#include "view_private.h"

/*
 * @view->views->lock must be held, and gen raised. [gfn, gfn + nr) are the guest's
 * pages, which any leaf may map. In the kernel's direct map, where nearly all that a
 * driver writes lies, neighbours map neighbours: most tables have nothing that is near.
 */
void chariot_view_drop_gfns(struct chariot_view *view, u64 gfn, u64 nr, unsigned int rights)
{
	const struct chariot_entry_ops *ops = view->views->ops;
	struct chariot_view_table *table, *next;
	unsigned int i, left;
	u64 pages, entry;

	lockdep_assert_held(&view->views->lock);

	list_for_each_entry_safe(table, next, &view->live, link) {
		if (table->gfns_first >= gfn + nr || table->gfns_end <= gfn)
			continue;
		pages = level_pages(table->level);
		for (i = 0, left = table->leaves; left; i++) {
			entry = table->entries[i];
			if (entry == ops->empty || !is_leaf(ops, entry, table->level))
				continue;
			left--;
			if (table->gfns[i] < gfn + nr && table->gfns[i] + pages > gfn &&
			    (ops->own_rights(entry) & rights))
				drop_leaf(view, &table->entries[i]);
		}
	}
}

/**
 * chariot_view_install_gva() - derive a leaf from KVM's, for a virtual address
 * @view:	where to put it
 * @cache:	topped up
 * @gen:	chariot_views_gen() from before anything that the leaf depends on was read
 * @base:	KVM's root under which @leaf was found
 * @index:	a virtual page that the leaf is to map
 * @level:	its size, at most
 * @leaf:	KVM's leaf for @index
 * @rights:	that every page of the leaf may have
 *
 * Context: never sleeps; takes @views->lock.
 * Return: see enum chariot_install.
 */
enum chariot_install chariot_view_install_gva(struct chariot_view *view,
					      struct chariot_view_cache *cache,
					      u64 gen, u64 base, u64 index, int level,
					      const struct chariot_leaf *leaf,
					      unsigned int rights)
{
	return chariot_view_install_checked(view, cache, gen, base, index, leaf->gfn, level,
					    leaf->entry, leaf->level, rights);
}

/* Would @leaf, at @level for the virtual page @index and the guest's @gfn, be derived now? */
static bool still_right(const struct chariot_entry_ops *ops, u64 index, int level, u64 gfn,
			u64 leaf, const struct chariot_leaf *kvm)
{
	unsigned int rights = ops->own_rights(leaf);
	u64 pages = level_pages(level);

	if (!ops->present(kvm->entry) || kvm->level < level || kvm->level > CHARIOT_LEVEL_1G ||
	    (kvm->gfn & ~(pages - 1)) != gfn)
		return false;
	return !(rights & ~ops->rights(kvm->entry)) &&
	       derive_leaf(ops, index, level, kvm->entry, kvm->level, rights) == leaf;
}

/**
 * chariot_view_revalidate() - compare a view by gva with KVM's tree
 * @view:	the view, of the calling vCPU
 * @find:	tells what KVM's tree holds now
 * @ctx:	for @find
 *
 * Context: never sleeps; takes the views' lock. The caller holds what @find needs.
 */
void chariot_view_revalidate(struct chariot_view *view, chariot_find_leaf find, void *ctx)
{
	struct chariot_views *views = view->views;
	const struct chariot_entry_ops *ops = views->ops;
	struct chariot_view_table *table, *next;
	struct chariot_leaf kvm;
	unsigned int i, left;
	u64 entry, index;

	spin_lock(&views->lock);
	list_for_each_entry_safe(table, next, &view->live, link) {
		for (i = 0, left = table->leaves; left; i++) {
			entry = table->entries[i];
			if (!is_leaf(ops, entry, table->level))
				continue;
			left--;
			index = table->first + i * level_pages(table->level);
			find(ctx, index, &kvm);
			if (!still_right(ops, index, table->level, table->gfns[i], entry, &kvm))
				drop_leaf(view, &table->entries[i]);
		}
	}
	spin_unlock(&views->lock);
	view->stale = false;
}

/**
 * chariot_views_flush_gva() - a vCPU is about to lose one page from its TLB
 * @views:	the VM's views, by gva
 * @vcpu:	the vCPU's index
 * @index:	the virtual page
 */
void chariot_views_flush_gva(struct chariot_views *views, s32 vcpu, u64 index)
{
	struct chariot_view *view;

	spin_lock(&views->lock);
	list_for_each_entry(view, &views->list, link) {
		if (view->vcpu == vcpu)
			chariot_view_drop_range(view, index, 1, CHARIOT_R);
	}
	spin_unlock(&views->lock);
}

/**
 * chariot_view_set_base() - give a view by gva to another of KVM's roots
 * @view:	the view, of the calling vCPU
 * @base:	physical address of the root, or CHARIOT_BASE_NONE
 */
void chariot_view_set_base(struct chariot_view *view, u64 base)
{
	struct chariot_views *views = view->views;

	spin_lock(&views->lock);
	if (view->base != base) {
		raise_gen(views);
		chariot_view_drop_all(view);
		view->base = base;
	}
	spin_unlock(&views->lock);
	view->stale = false;
}
