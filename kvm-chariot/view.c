// SPDX-License-Identifier: GPL-2.0-only
/*
 * Views: the software TLB (view.h has the model and the law).
 *
 * What keeps this correct is short. All stores to entries happen under
 * views->lock. Whatever takes something away raises views->gen in the same
 * critical section, and an install under an older generation is refused. So an
 * entry in the tables was derived from what KVM's tree and the ACL held after
 * the last removal that could concern it; everything else that a CPU may know
 * is in its TLB, and is the business of the hardware flush that follows.
 *
 * The page tables are read without the lock by the CPUs' page walkers, and by
 * no code of ours. A walker reads an entry once and follows it, so
 * each store must leave a tree that may be walked: entries are stored whole
 * (WRITE_ONCE()), a table is linked only after it is complete, and a table that
 * has been linked stays where it is until it is freed after a flush.
 */
#include <asm/barrier.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
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
	u64 *gfns;			/* by_gva: the guest's page that each leaf maps */
	u64 first;			/* what its first entry maps; set when it is linked, */
	int level;			/* of its entries, too */
	unsigned int leaves;		/* present leaves in this table */
};

/* Pages that an entry at @level maps, or the table below it. */
static u64 level_pages(int level)
{
	return 1ull << (ENTRY_BITS * (level - 1));
}

static unsigned int level_index(u64 gfn, int level)
{
	return (gfn >> (ENTRY_BITS * (level - 1))) & (ENTRIES - 1);
}

static u64 view_gfns(const struct chariot_view *view)
{
	return level_pages(view->level + 1);
}

static bool is_leaf(const struct chariot_entry_ops *ops, u64 entry, int level)
{
	if (!ops->own_present(entry))
		return false;
	return level == CHARIOT_LEVEL_4K || (level <= CHARIOT_LEVEL_1G && ops->large(entry));
}

static struct chariot_view_table *table_of(u64 *entries)
{
	return (struct chariot_view_table *)page_private(virt_to_page(entries));
}

/* @entries is not linked yet. */
static void fill_empty(const struct chariot_entry_ops *ops, u64 *entries)
{
	unsigned int i;

	for (i = 0; ops->empty && i < ENTRIES; i++)
		entries[i] = ops->empty;
}

/* Pages that a table takes. */
static unsigned int table_pages(const struct chariot_views *views)
{
	return views->by_gva ? 2 : 1;
}

static struct chariot_view_table *table_alloc(bool by_gva)
{
	struct chariot_view_table *table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);

	if (!table)
		return NULL;
	table->entries = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!table->entries)
		goto free_table;
	if (by_gva) {
		table->gfns = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!table->gfns)
			goto free_entries;
	}
	INIT_LIST_HEAD(&table->link);
	set_page_private(virt_to_page(table->entries), (unsigned long)table);
	return table;

free_entries:
	free_page((unsigned long)table->entries);
free_table:
	kfree(table);
	return NULL;
}

static void table_free(struct chariot_view_table *table)
{
	set_page_private(virt_to_page(table->entries), 0);
	free_page((unsigned long)table->entries);
	if (table->gfns)
		free_page((unsigned long)table->gfns);
	kfree(table);
}

/* @views->lock must be held: whatever was read before this is stale now. */
static void raise_gen(struct chariot_views *views)
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
static void drop_leaf(struct chariot_view *view, u64 *slot)
{
	struct chariot_view_table *table = table_of((u64 *)((unsigned long)slot & PAGE_MASK));

	lockdep_assert_held(&view->views->lock);

	WRITE_ONCE(*slot, view->views->ops->empty);
	view->dropped = view->views->gen;
	view->filled--;
	if (!--table->leaves)
		list_move(&table->link, &view->empty);
}

/* @view->views->lock must be held, and gen raised. */
static void drop_all(struct chariot_view *view)
{
	const struct chariot_entry_ops *ops = view->views->ops;
	struct chariot_view_table *table, *next;
	unsigned int i;

	lockdep_assert_held(&view->views->lock);

	list_for_each_entry_safe(table, next, &view->live, link) {
		for (i = 0; i < ENTRIES && table->leaves; i++) {
			if (is_leaf(ops, table->entries[i], table->level))
				drop_leaf(view, &table->entries[i]);
		}
	}
}

/*
 * @view->views->lock must be held, and gen raised. drop_range() for a view by
 * gva: [gfn, gfn + nr) are the guest's pages, which any leaf may map.
 */
static void drop_gfns(struct chariot_view *view, u64 gfn, u64 nr, unsigned int rights)
{
	const struct chariot_entry_ops *ops = view->views->ops;
	struct chariot_view_table *table, *next;
	unsigned int i, left;
	u64 pages, entry;

	lockdep_assert_held(&view->views->lock);

	list_for_each_entry_safe(table, next, &view->live, link) {
		pages = level_pages(table->level);
		for (i = 0, left = table->leaves; left; i++) {
			entry = table->entries[i];
			if (!is_leaf(ops, entry, table->level))
				continue;
			left--;
			if (table->gfns[i] < gfn + nr && table->gfns[i] + pages > gfn &&
			    (ops->own_rights(entry) & rights))
				drop_leaf(view, &table->entries[i]);
		}
	}
}

/*
 * @view->views->lock must be held. The deepest entry for @gfn, which must be
 * inside the view: a leaf or an empty entry. Its level goes to @level.
 */
static u64 *find_slot(struct chariot_view *view, u64 gfn, int *level)
{
	const struct chariot_entry_ops *ops = view->views->ops;
	u64 *entries = view->root;
	int l = view->level;

	lockdep_assert_held(&view->views->lock);

	for (;;) {
		u64 *slot = &entries[level_index(gfn, l)];

		if (!ops->own_present(*slot) || is_leaf(ops, *slot, l)) {
			*level = l;
			return slot;
		}
		entries = __va(ops->addr(*slot));
		l--;
	}
}

/*
 * @view->views->lock must be held, and gen raised. Drops the leaves that meet
 * [gfn, gfn + nr) and have any of @rights. Returns true if there was one.
 */
static bool drop_range(struct chariot_view *view, u64 gfn, u64 nr, unsigned int rights)
{
	const struct chariot_entry_ops *ops = view->views->ops;
	u64 gfns = view_gfns(view);
	bool dropped = false;
	u64 end;

	lockdep_assert_held(&view->views->lock);

	if (gfn >= gfns)
		return false;
	end = gfn + min(nr, gfns - gfn);

	while (gfn < end && view->filled) {
		int level;
		u64 *slot = find_slot(view, gfn, &level);

		if (is_leaf(ops, *slot, level) && (ops->own_rights(*slot) & rights)) {
			drop_leaf(view, slot);
			dropped = true;
		}
		/* On to what the next entry of this table maps. */
		gfn = (gfn | (level_pages(level) - 1)) + 1;
	}
	return dropped;
}

/* @view->views->lock must be held, and gen raised. The same for the guest's pages, in any view. */
static void drop_pages(struct chariot_view *view, u64 gfn, u64 nr, unsigned int rights)
{
	if (view->views->by_gva)
		drop_gfns(view, gfn, nr, rights);
	else
		drop_range(view, gfn, nr, rights);
}

/**
 * chariot_views_init() - prepare the (empty) set of views of one VM
 * @views:	the set
 * @ops:	the format of KVM's entries, and of the views'
 * @pages_max:	how many pages of page tables the views may have
 */
void chariot_views_init(struct chariot_views *views, const struct chariot_entry_ops *ops,
			u64 pages_max)
{
	spin_lock_init(&views->lock);
	views->ops = ops;
	views->by_gva = false;
	views->gen = 1;
	views->base = CHARIOT_BASE_NONE;
	INIT_LIST_HEAD(&views->list);
	views->pages = 0;
	views->pages_peak = 0;
	views->pages_max = pages_max;
}

/* @views->lock must be held. */
static bool pages_charge(struct chariot_views *views, unsigned int nr)
{
	lockdep_assert_held(&views->lock);

	if (views->pages + nr > views->pages_max)
		return false;
	views->pages += nr;
	views->pages_peak = max(views->pages_peak, views->pages);
	return true;
}

/**
 * chariot_view_create() - add an empty view
 * @views:	the VM's views
 * @domain:	whose it is; 0: the kernel view
 * @vcpu:	index of the vCPU that uses it, or -1: any may
 * @level:	of KVM's root, 4 or 5
 *
 * Context: may sleep.
 * Return: the view, or ERR_PTR() of -EINVAL, -ENOMEM, -ENOSPC.
 */
struct chariot_view *chariot_view_create(struct chariot_views *views, u32 domain, s32 vcpu,
					 int level)
{
	struct chariot_view *view;
	bool charged;

	if (level != 4 && level != 5)
		return ERR_PTR(-EINVAL);

	view = kzalloc(sizeof(*view), GFP_KERNEL_ACCOUNT);
	if (!view)
		return ERR_PTR(-ENOMEM);
	view->root = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!view->root) {
		kfree(view);
		return ERR_PTR(-ENOMEM);
	}
	fill_empty(views->ops, view->root);
	view->root_pa = __pa(view->root);
	view->views = views;
	view->domain = domain;
	view->vcpu = vcpu;
	view->level = level;
	view->base = CHARIOT_BASE_NONE;
	INIT_LIST_HEAD(&view->live);
	INIT_LIST_HEAD(&view->empty);

	spin_lock(&views->lock);
	charged = pages_charge(views, 1);
	if (charged)
		list_add_tail(&view->link, &views->list);
	spin_unlock(&views->lock);

	if (!charged) {
		free_page((unsigned long)view->root);
		kfree(view);
		return ERR_PTR(-ENOSPC);
	}
	return view;
}

/**
 * chariot_view_unlink() - take all tables out of a view
 * @view:	the view; it stays usable, and empty
 * @tables:	list that the tables are added to
 *
 * CPUs may go on walking the tables, and using what they cached from them,
 * until they are flushed.
 */
void chariot_view_unlink(struct chariot_view *view, struct list_head *tables)
{
	struct chariot_views *views = view->views;
	unsigned int i;

	spin_lock(&views->lock);
	raise_gen(views);
	/* A walker that is below the root already must not find leaves either. */
	drop_all(view);
	for (i = 0; i < ENTRIES; i++)
		WRITE_ONCE(view->root[i], views->ops->empty);
	/* Even without a leaf: paging-structure caches may lead to the old tables. */
	view->dropped = views->gen;
	list_splice_tail_init(&view->empty, tables);
	spin_unlock(&views->lock);
}

/**
 * chariot_view_free_tables() - free what chariot_view_unlink() took out
 * @views:	the VM's views
 * @tables:	the tables; no TLB may know of them any more
 */
void chariot_view_free_tables(struct chariot_views *views, struct list_head *tables)
{
	struct chariot_view_table *table, *next;
	u64 nr = 0;

	list_for_each_entry_safe(table, next, tables, link) {
		list_del(&table->link);
		table_free(table);
		nr++;
	}
	spin_lock(&views->lock);
	views->pages -= nr * table_pages(views);
	spin_unlock(&views->lock);
}

/**
 * chariot_view_destroy() - free a view
 * @view:	the view; no vCPU uses it, and no TLB knows of it, any more
 */
void chariot_view_destroy(struct chariot_view *view)
{
	struct chariot_views *views = view->views;
	LIST_HEAD(tables);

	spin_lock(&views->lock);
	list_del(&view->link);
	list_splice_tail_init(&view->live, &tables);
	list_splice_tail_init(&view->empty, &tables);
	views->pages--;
	spin_unlock(&views->lock);

	chariot_view_free_tables(views, &tables);
	free_page((unsigned long)view->root);
	kfree(view);
}

/**
 * chariot_view_topup() - fill a cache so that one install finds what it needs
 * @cache:	the caller's; all zero at first
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM (what was allocated stays in the cache).
 */
int chariot_view_topup(struct chariot_view_cache *cache)
{
	while (cache->nr < ARRAY_SIZE(cache->tables)) {
		struct chariot_view_table *table = table_alloc(cache->by_gva);

		if (!table)
			return -ENOMEM;
		cache->tables[cache->nr++] = table;
	}
	return 0;
}

/**
 * chariot_view_cache_free() - free what is left in a cache
 * @cache:	the caller's; may be filled again
 */
void chariot_view_cache_free(struct chariot_view_cache *cache)
{
	while (cache->nr)
		table_free(cache->tables[--cache->nr]);
}

u64 chariot_views_gen(struct chariot_views *views)
{
	/* Pairs with smp_store_release() in raise_gen(). */
	return smp_load_acquire(&views->gen);
}

/*
 * @view->views->lock must be held, pages charged, and @cache holds enough.
 * Returns the empty slot for @gfn at @level, under new tables that hang
 * together but are not linked anywhere: the entry for the topmost of them,
 * which belongs into a slot of level @from, goes to @link.
 */
static struct chariot_view_table *build_tables(struct chariot_view *view,
					       struct chariot_view_cache *cache, u64 gfn,
					       int from, int level, u64 *link)
{
	const struct chariot_entry_ops *ops = view->views->ops;
	struct chariot_view_table *table = NULL;
	u64 *slot = link;
	int l;

	lockdep_assert_held(&view->views->lock);

	for (l = from - 1; l >= level; l--) {
		table = cache->tables[--cache->nr];
		table->level = l;
		fill_empty(ops, table->entries);
		table->first = gfn & ~(level_pages(l + 1) - 1);
		list_add_tail(&table->link, &view->empty);
		*slot = ops->table(__pa(table->entries));
		slot = &table->entries[level_index(gfn, l)];
	}
	return table;
}

/* The leaf of @rights at @level for page @gfn, which @kvm_entry maps as part of a larger one. */
static u64 derive_leaf(const struct chariot_entry_ops *ops, u64 gfn, int level, u64 kvm_entry,
		       int kvm_level, unsigned int rights)
{
	u64 pa = ops->addr(kvm_entry) & ~((level_pages(kvm_level) << PAGE_SHIFT) - 1);

	pa += (gfn & (level_pages(kvm_level) - 1) & ~(level_pages(level) - 1)) << PAGE_SHIFT;
	return ops->derive(kvm_entry, pa, level, rights);
}

/* @view->views->lock must be held. The leaf at @slot maps the guest's page @target (by_gva). */
static void note_target(struct chariot_view *view, u64 *slot, u64 target)
{
	struct chariot_view_table *table;

	lockdep_assert_held(&view->views->lock);

	if (!view->views->by_gva)
		return;
	table = table_of((u64 *)((unsigned long)slot & PAGE_MASK));
	table->gfns[slot - table->entries] = target & ~(level_pages(table->level) - 1);
}

/* @view->views->lock must be held, gen and base compared. */
static enum chariot_install install(struct chariot_view *view, struct chariot_view_cache *cache,
				    u64 gfn, u64 target, int level, u64 kvm_entry, int kvm_level,
				    unsigned int rights)
{
	struct chariot_views *views = view->views;
	const struct chariot_entry_ops *ops = views->ops;
	struct chariot_view_table *table;
	bool flush = false;
	u64 leaf, old;
	int at;
	u64 *slot;

	lockdep_assert_held(&views->lock);

	slot = find_slot(view, gfn, &at);
	old = *slot;
	/* Tables are never unlinked here: a smaller leaf it is. */
	level = min(level, at);

	leaf = derive_leaf(ops, gfn, level, kvm_entry, kvm_level, rights);

	if (level < at) {
		unsigned int nr = at - level;
		u64 link;

		if (cache->nr < nr || !pages_charge(views, nr * table_pages(views)))
			return CHARIOT_INSTALL_FULL;
		if (is_leaf(ops, old, at)) {
			/* Who walks before the table is in its place faults once more. */
			raise_gen(views);
			drop_leaf(view, slot);
			flush = true;
		}
		table = build_tables(view, cache, gfn, at, level, &link);
		table->entries[level_index(gfn, level)] = leaf;
		note_target(view, &table->entries[level_index(gfn, level)], target);
		/*
		 * The tables' contents before the entry that leads to them.
		 * Pairs with the page walker's dependent loads.
		 */
		smp_store_release(slot, link);
	} else {
		table = table_of((u64 *)((unsigned long)slot & PAGE_MASK));
		note_target(view, slot, target);
		if (old == leaf)
			return CHARIOT_INSTALL_DONE;
		if (ops->own_present(old)) {
			unsigned int had = ops->own_rights(old);

			/* Is more right to the same page all that changes? */
			if ((had & ~rights) ||
			    derive_leaf(ops, gfn, level, kvm_entry, kvm_level, had) != old) {
				raise_gen(views);
				drop_leaf(view, slot);
				flush = true;
			} else {
				view->filled--;
				table->leaves--;
			}
		}
		WRITE_ONCE(*slot, leaf);
	}
	view->filled++;
	if (!table->leaves++)
		list_move(&table->link, &view->live);
	return flush ? CHARIOT_INSTALL_FLUSH : CHARIOT_INSTALL_DONE;
}

static enum chariot_install checked_install(struct chariot_view *view,
					    struct chariot_view_cache *cache,
					    u64 gen, u64 base, u64 gfn, u64 target, int level,
					    u64 kvm_entry, int kvm_level, unsigned int rights)
{
	struct chariot_views *views = view->views;
	const struct chariot_entry_ops *ops = views->ops;
	enum chariot_install ret;

	if (gfn >= view_gfns(view) || kvm_level < CHARIOT_LEVEL_4K ||
	    kvm_level > CHARIOT_LEVEL_1G ||
	    (kvm_level > CHARIOT_LEVEL_4K && !ops->large(kvm_entry)))
		return CHARIOT_INSTALL_REFUSED;
	/* None if it is not present, or not to be derived from. */
	rights &= ops->rights(kvm_entry);
	if (!(rights & CHARIOT_R))
		return CHARIOT_INSTALL_REFUSED;
	level = clamp(level, CHARIOT_LEVEL_4K, kvm_level);

	spin_lock(&views->lock);
	if (views->gen != gen || base == CHARIOT_BASE_NONE ||
	    base != (views->by_gva ? view->base : views->base))
		ret = CHARIOT_INSTALL_STALE;
	else
		ret = install(view, cache, gfn, target, level, kvm_entry, kvm_level, rights);
	spin_unlock(&views->lock);
	return ret;
}

/**
 * chariot_view_install() - derive a leaf from KVM's
 * @view:	where to put it
 * @cache:	topped up
 * @gen:	chariot_views_gen() from before anything that the leaf depends on was read
 * @base:	KVM's root under which @kvm_entry was found
 * @gfn:	a page that the leaf is to map
 * @level:	its size, at most
 * @kvm_entry:	KVM's leaf for @gfn
 * @kvm_level:	and its size
 * @rights:	that every page of the leaf may have
 *
 * Context: never sleeps; takes @views->lock.
 * Return: see enum chariot_install.
 */
enum chariot_install chariot_view_install(struct chariot_view *view,
					  struct chariot_view_cache *cache,
					  u64 gen, u64 base, u64 gfn, int level,
					  u64 kvm_entry, int kvm_level, unsigned int rights)
{
	return checked_install(view, cache, gen, base, gfn, gfn, level, kvm_entry, kvm_level,
			       rights);
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
	return checked_install(view, cache, gen, base, index, leaf->gfn, level, leaf->entry,
			       leaf->level, rights);
}

u64 chariot_view_lookup(struct chariot_view *view, u64 gfn, int *level)
{
	struct chariot_views *views = view->views;
	u64 entry = 0;

	*level = view->level;
	if (gfn >= view_gfns(view))
		return 0;
	spin_lock(&views->lock);
	entry = *find_slot(view, gfn, level);
	spin_unlock(&views->lock);
	return views->ops->own_present(entry) ? entry : 0;
}

/**
 * chariot_views_flush() - KVM is about to flush all TLBs of the VM
 * @views:	the VM's views
 *
 * Context: never sleeps; may be called with mmu_lock held.
 */
void chariot_views_flush(struct chariot_views *views)
{
	struct chariot_view *view;

	spin_lock(&views->lock);
	raise_gen(views);
	list_for_each_entry(view, &views->list, link)
		drop_all(view);
	spin_unlock(&views->lock);
}

/**
 * chariot_views_flush_range() - KVM is about to flush a range from all TLBs
 * @views:	the VM's views
 * @gfn:	first page
 * @nr:		number of pages
 *
 * Context: never sleeps; may be called with mmu_lock held.
 */
void chariot_views_flush_range(struct chariot_views *views, u64 gfn, u64 nr)
{
	struct chariot_view *view;

	spin_lock(&views->lock);
	raise_gen(views);
	list_for_each_entry(view, &views->list, link)
		drop_pages(view, gfn, nr, CHARIOT_R);
	spin_unlock(&views->lock);
}

/**
 * chariot_views_set_base() - KVM loads a root for a vCPU
 * @views:	the VM's views
 * @base:	physical address of the root
 *
 * Return: true if it is another one than before: every leaf was dropped.
 */
bool chariot_views_set_base(struct chariot_views *views, u64 base)
{
	struct chariot_view *view;
	bool changed;

	spin_lock(&views->lock);
	changed = views->base != base;
	if (changed) {
		raise_gen(views);
		views->base = base;
		list_for_each_entry(view, &views->list, link)
			drop_all(view);
	}
	spin_unlock(&views->lock);
	return changed;
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
			drop_range(view, index, 1, CHARIOT_R);
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
		drop_all(view);
		view->base = base;
	}
	spin_unlock(&views->lock);
	view->stale = false;
}

/**
 * chariot_views_flushed() - a vCPU's TLB has been, or is certain to be, flushed
 * @views:	the VM's views
 * @vcpu:	the vCPU's index
 * @gen:	chariot_views_gen() from before the flush
 */
void chariot_views_flushed(struct chariot_views *views, s32 vcpu, u64 gen)
{
	struct chariot_view *view;

	spin_lock(&views->lock);
	list_for_each_entry(view, &views->list, link) {
		/* A shared view's drops are in other TLBs, too. */
		if (view->vcpu == vcpu && view->dropped <= gen)
			view->dropped = 0;
	}
	spin_unlock(&views->lock);
}

/* Sets the bits of all vCPUs that may have used @view. */
static void report(const struct chariot_view *view, unsigned long *dirty, unsigned int bits)
{
	unsigned int i;

	if (view->vcpu >= 0) {
		if (!WARN_ON_ONCE((unsigned int)view->vcpu >= bits))
			__set_bit(view->vcpu, dirty);
		return;
	}
	for (i = 0; i < bits; i++)
		__set_bit(i, dirty);
}

/**
 * chariot_views_weaken() - take rights to a range away
 * @views:	the VM's views
 * @domain:	whose views, or CHARIOT_DOMAIN_ANY
 * @vcpu:	which vCPU's views, or -1: every vCPU's
 * @gfn:	first page
 * @nr:		number of pages
 * @rights:	CHARIOT_W, CHARIOT_X or both
 * @dirty:	bits of vCPUs to flush are set here, none is cleared
 * @bits:	its size
 *
 * The leaves are dropped: the next fault derives what is left.
 *
 * Context: never sleeps.
 * Return: true if any vCPU has to be flushed.
 */
bool chariot_views_weaken(struct chariot_views *views, u32 domain, s32 vcpu, u64 gfn, u64 nr,
			  unsigned int rights, unsigned long *dirty, unsigned int bits)
{
	struct chariot_view *view;
	bool any = false;

	spin_lock(&views->lock);
	raise_gen(views);
	list_for_each_entry(view, &views->list, link) {
		if (domain != CHARIOT_DOMAIN_ANY && view->domain != domain)
			continue;
		if (vcpu >= 0 && view->vcpu >= 0 && view->vcpu != vcpu)
			continue;
		drop_pages(view, gfn, nr, rights);
		/*
		 * Also if it was somebody else who dropped the leaf: their
		 * flush may not have reached the vCPU yet.
		 */
		if (!view->dropped)
			continue;
		report(view, dirty, bits);
		any = true;
	}
	spin_unlock(&views->lock);
	return any;
}
