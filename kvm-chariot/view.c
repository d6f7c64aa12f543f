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
#include "view_private.h"

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

/* @view->views->lock must be held, and gen raised. */
void chariot_view_drop_all(struct chariot_view *view)
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
bool chariot_view_drop_range(struct chariot_view *view, u64 gfn, u64 nr, unsigned int rights)
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
		chariot_view_drop_gfns(view, gfn, nr, rights);
	else
		chariot_view_drop_range(view, gfn, nr, rights);
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
	chariot_view_drop_all(view);
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

enum chariot_install chariot_view_install_checked(struct chariot_view *view,
						  struct chariot_view_cache *cache,
						  u64 gen, u64 base, u64 gfn, u64 target,
						  int level, u64 kvm_entry, int kvm_level,
						  unsigned int rights)
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
	return chariot_view_install_checked(view, cache, gen, base, gfn, gfn, level, kvm_entry,
					    kvm_level, rights);
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
		chariot_view_drop_all(view);
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
			chariot_view_drop_all(view);
	}
	spin_unlock(&views->lock);
	return changed;
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

/**
 * chariot_views_flush_own() - flush what a vCPU's own views dropped, and no more
 * @views:	the VM's views
 * @vcpu:	the vCPU's index
 * @flush:	flushes one view from the TLB of the CPU that it is called on
 * @ctx:	for @flush
 *
 * Context: by the vCPU's thread; never sleeps.
 */
void chariot_views_flush_own(struct chariot_views *views, s32 vcpu, chariot_flush_view flush,
			     void *ctx)
{
	struct chariot_view *view;

	/* Under the lock nothing is dropped between the flush and its being noted. */
	spin_lock(&views->lock);
	list_for_each_entry(view, &views->list, link) {
		if (view->vcpu != vcpu || !view->dropped)
			continue;
		flush(ctx, view);
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
