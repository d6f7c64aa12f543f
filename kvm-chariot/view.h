/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Views: second-level page tables derived from KVM's own, with permissions
 * taken away. A software TLB: KVM's tree is the truth, an entry here is a
 * cached, weaker copy of one of KVM's leaves.
 *
 * The law: what flushes a TLB flushes the views. chariot_views_flush() and
 * _flush_range() are called *before* the hardware flush, by the hook on KVM's
 * flush, after KVM has changed its entries. Each raises @gen under @lock, and
 * an entry is installed only if @gen is still what it was before KVM's entry
 * was read: an entry derived from a stale read is never installed. Revokes
 * raise @gen in the same way, so that one rule covers both.
 *
 * Page-table pages are not unlinked by a flush, only their leaf entries are
 * cleared in place: other CPUs may walk them until the hardware flush is
 * done. They are unlinked by chariot_view_unlink() and freed by
 * chariot_view_free_tables() or chariot_view_destroy() alone, which the caller
 * may call only after every vCPU that can walk them has flushed.
 *
 * A leaf that is gone from the tables may live on in a TLB. Each view
 * remembers (@dropped) that it dropped something since the last flush that
 * chariot_views_flushed() told it about: a revoke that finds no leaf to weaken,
 * because a flush of KVM's that is still under way took it first, reports the
 * vCPU all the same.
 *
 * Contexts: flush functions may be called with KVM's mmu_lock held and never
 * sleep; lock order is kvm->mmu_lock, then chariot_views.lock. Nothing is
 * allocated under @lock: chariot_view_topup() fills the caller's cache first.
 *
 * With shadow paging KVM's tree translates guest virtual addresses, and so do the
 * views (@by_gva): what is called gfn below is then the number of a *virtual*
 * page, the index, and each leaf remembers the guest's page that it maps. A view
 * belongs to one of KVM's roots (@base) and is used by one vCPU. The guest's own
 * flushes count, and they find KVM's entries changed in any way: the vCPU compares
 * its leaves (chariot_view_revalidate()) before it enters again, which also takes
 * the place of dropping them when KVM flushes the whole VM.
 *
 * The same source is compiled into the unit tests and checked there against
 * a model TLB.
 */
#ifndef CHARIOT_VIEW_H
#define CHARIOT_VIEW_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define CHARIOT_LEVEL_4K	1
#define CHARIOT_LEVEL_2M	2
#define CHARIOT_LEVEL_1G	3

/* What an entry allows. */
#define CHARIOT_R	1u
#define CHARIOT_W	2u
#define CHARIOT_X	4u

/*
 * Format of the entries of KVM's tree and of ours: one instance per format
 * (entry_*.c). Pure functions.
 */
struct chariot_entry_ops {
	const char *name;
	u64 empty;				/* what our own tables hold where nothing is */
	/* A leaf or table: software bit *and* hardware bits; not MMIO, not frozen */
	bool (*present)(u64 kvm_entry);
	/* Non-zero and not present: an MMIO (or frozen) entry */
	bool (*special)(u64 kvm_entry);
	/*
	 * Of a present entry that leads to a table: are the bits that CPUs ignore there
	 * just those that KVM sets? No other bit of an entry is so sure to be one of KVM's.
	 */
	bool (*kvm_table)(u64 kvm_entry);
	/* A present entry at @level (> 1) is a leaf */
	bool (*large)(u64 entry);
	u64 (*addr)(u64 entry);			/* physical address of table or page */
	/*
	 * Rights that a *derived* leaf may have. W only where KVM made it
	 * writable for a write (dirty set). 0 if not present, or where KVM's
	 * accessed bit is clear: let KVM's fault handler set it first.
	 */
	unsigned int (*rights)(u64 kvm_entry);
	/*
	 * KVM's leaf as the CPU's page walker leaves it behind after an access:
	 * accessed set, and dirty if it is a @write that the leaf allows
	 */
	u64 (*walked)(u64 kvm_entry, bool write);
	/*
	 * A derived leaf of @rights (subset of ->rights(kvm_entry)) at @level
	 * for the page at @pa inside KVM's leaf
	 */
	u64 (*derive)(u64 kvm_entry, u64 pa, int level, unsigned int rights);
	u64 (*table)(u64 pa);			/* a non-leaf entry of ours */
	/* The same questions for entries of ours (->large() and ->addr() serve both) */
	bool (*own_present)(u64 entry);
	unsigned int (*own_rights)(u64 entry);
	/* May user mode use it? Of both kinds of entries. NULL: the format does not tell. */
	bool (*user)(u64 entry);
};

extern const struct chariot_entry_ops chariot_entry_npt;
extern const struct chariot_entry_ops chariot_entry_ept;
extern const struct chariot_entry_ops chariot_entry_shadow;

/* Tables for one install: a 4K leaf under a 5-level root needs four. */
#define CHARIOT_VIEW_CACHE	4

struct chariot_view_table;		/* private, see view_private.h */

struct chariot_view_cache {
	struct chariot_view_table *tables[CHARIOT_VIEW_CACHE];
	unsigned int nr;
	bool by_gva;			/* set once, before the first topup, as in chariot_views */
};

/* All views of one VM. */
struct chariot_views {
	spinlock_t lock;		/* everything below, and in every view, but @ops */
	const struct chariot_entry_ops *ops;
	bool by_gva;			/* set before the first view is made, or never */
	u64 gen;			/* raised under lock, read by chariot_views_gen() */
	u64 base;			/* KVM's root that everything is derived from */
	struct list_head list;		/* chariot_view.link */
	/* accounting, under lock; READ_ONCE() for statistics */
	u64 pages;			/* 4096-byte pages of page tables, roots too, now */
	u64 pages_peak;
	u64 pages_max;
};

#define CHARIOT_BASE_NONE	(~0ull)	/* no root known: nothing is installed */

struct chariot_view {
	struct list_head link;
	struct chariot_views *views;
	u32 domain;			/* 0: the kernel view */
	s32 vcpu;			/* index of the vCPU it belongs to; -1: shared */
	u64 *root;			/* virtual address of the top table */
	u64 root_pa;
	int level;			/* of the top table: 4 or 5 */
	u64 base;			/* by_gva: KVM's root that it is derived from */
	bool stale;			/* by_gva, of the vCPU's thread: to be revalidated */
	/* every table page but the root, under lock: */
	struct list_head live;		/* with a present leaf: all that a flush looks at */
	struct list_head empty;		/* without */
	u64 filled;			/* present leaves, exactly */
	u64 dropped;			/* gen of the last drop that a TLB may outlive; 0: none */
};

void chariot_views_init(struct chariot_views *views, const struct chariot_entry_ops *ops,
			u64 pages_max);

/* ERR_PTR of -EINVAL (level), -ENOMEM, -ENOSPC (pages_max). May sleep. */
struct chariot_view *chariot_view_create(struct chariot_views *views, u32 domain, s32 vcpu,
					 int level);
/* Only when no CPU can walk it any more, nor has its root in a TLB tag. May sleep. */
void chariot_view_destroy(struct chariot_view *view);

/*
 * The way out when pages_max is reached: takes all tables out of @view and puts
 * them on @tables. Raises gen. They stay counted until they are given to
 * chariot_view_free_tables(), which the caller may do only after the TLB of
 * every vCPU that uses the view has been flushed.
 */
void chariot_view_unlink(struct chariot_view *view, struct list_head *tables);
void chariot_view_free_tables(struct chariot_views *views, struct list_head *tables);

/* -ENOMEM or 0; may sleep. A cache starts zeroed and belongs to one caller at a time. */
int chariot_view_topup(struct chariot_view_cache *cache);
void chariot_view_cache_free(struct chariot_view_cache *cache);

/*
 * To be read before what a leaf depends on: KVM's entry, the ACL. Acquire: what
 * is read after it is at least as new as this generation.
 */
u64 chariot_views_gen(struct chariot_views *views);

enum chariot_install {
	CHARIOT_INSTALL_DONE,	/* nothing to flush */
	/* a present leaf lost rights, changed its page or size: flush this view's TLB */
	CHARIOT_INSTALL_FLUSH,
	CHARIOT_INSTALL_STALE,	/* @gen or @base moved on: read again; nothing changed */
	CHARIOT_INSTALL_FULL,	/* pages_max reached or cache empty: nothing changed */
	/*
	 * @kvm_entry cannot be derived from (not a present leaf, not accessed)
	 * or @gfn is beyond the view: KVM's fault handler first; nothing changed
	 */
	CHARIOT_INSTALL_REFUSED,
};

/*
 * Installs a leaf for the page (of @level) that holds @gfn. @gen: read before
 * KVM's entry was; @base: the root that this entry was found under (the vCPU's
 * own, not views->base). Never more than KVM's entry: @level is cut down to
 * @kvm_level, @rights to what the entry allows. @rights must hold for every
 * page of the leaf.
 *
 * A leaf that is larger than @level at this place is dropped first (its other
 * pages fault again): the region is split. Where a table is in the place of a
 * larger leaf, the leaf is installed for @gfn's 4K page (or the largest level
 * that fits under the table) instead.
 *
 * Adding rights needs no flush: the CPU walks again before it faults.
 * Never sleeps.
 */
enum chariot_install chariot_view_install(struct chariot_view *view,
					  struct chariot_view_cache *cache,
					  u64 gen, u64 base, u64 gfn, int level,
					  u64 kvm_entry, int kvm_level, unsigned int rights);

/* What KVM's tree holds for a page: @gfn is the guest's page there. */
struct chariot_leaf {
	u64 entry;
	int level;
	u64 gfn;
};

/*
 * by_gva: as chariot_view_install(), of a leaf for the virtual page @index.
 * @leaf: KVM's; @base: KVM's root under which it was found, which must still be
 * the view's.
 */
enum chariot_install chariot_view_install_gva(struct chariot_view *view,
					      struct chariot_view_cache *cache,
					      u64 gen, u64 base, u64 index, int level,
					      const struct chariot_leaf *leaf,
					      unsigned int rights);

/* The leaf that maps @gfn in the view (0: none) and its level. Takes the lock. */
u64 chariot_view_lookup(struct chariot_view *view, u64 gfn, int *level);

/* KVM flushes: every vCPU's TLB after this returned, hence nothing to report. */
void chariot_views_flush(struct chariot_views *views);
void chariot_views_flush_range(struct chariot_views *views, u64 gfn, u64 nr);
/*
 * KVM loads @base as its root for a vCPU that uses views: if it is another one,
 * everything is dropped, and true returned. A freed root's page can come back
 * as the next root: whoever calls this must also see to it that
 * chariot_views_flush(), or this with CHARIOT_BASE_NONE, is called between a
 * root's last use and the first use of its successor (KVM does not flush there).
 */
bool chariot_views_set_base(struct chariot_views *views, u64 base);

/*
 * by_gva, by the vCPU's thread while the vCPU is outside of the guest, right
 * before its TLB is flushed: drops each leaf of @view that is not what would be
 * derived from KVM's leaf now, which @find tells. Nothing that other threads
 * derive depends on this view: gen stays. @find is called with the views' lock
 * held.
 */
typedef void (*chariot_find_leaf)(void *ctx, u64 index, struct chariot_leaf *leaf);
void chariot_view_revalidate(struct chariot_view *view, chariot_find_leaf find, void *ctx);
/* by_gva: the vCPU's TLB is about to lose this page, under whatever root. */
void chariot_views_flush_gva(struct chariot_views *views, s32 vcpu, u64 index);
/*
 * by_gva: the view serves another root of KVM's from now on; drops its leaves. What
 * the CPU knows of its tables would lead it to the new root's pages: unless the vCPU
 * has flushed since it last used the view, it must before it enters.
 */
void chariot_view_set_base(struct chariot_view *view, u64 base);

/*
 * The TLB of @vcpu, all its tags, holds nothing from before @gen, which was read
 * by chariot_views_gen() while the vCPU was outside of guest mode and before
 * the flush, or with the flush certain to happen before it enters. Only an
 * optimisation: without it, weaken reports a view that ever dropped a leaf.
 */
void chariot_views_flushed(struct chariot_views *views, s32 vcpu, u64 gen);

/*
 * For TLBs that are tagged by root: has @flush invalidate what the CPU holds of each of
 * @vcpu's own views that dropped a leaf since its last flush. By the vCPU's thread, outside
 * of the guest; a vCPU that comes to another CPU must flush there. @flush is called with
 * the views' lock held. What shared views dropped is not touched.
 */
typedef void (*chariot_flush_view)(void *ctx, const struct chariot_view *view);
void chariot_views_flush_own(struct chariot_views *views, s32 vcpu, chariot_flush_view flush,
			     void *ctx);

/*
 * Takes rights (W and/or X in @rights) away from the leaves that meet
 * [gfn, gfn + nr) in the views of @domain (CHARIOT_DOMAIN_ANY: of every domain
 * and the kernel view) and of @vcpu (-1: of all; a shared view is every vCPU's).
 * Raises gen: call it after the ACL has changed.
 *
 * Sets bit i of @dirty (a bitmap of @bits bits) for each vCPU index whose TLB
 * may still hold such a right, all bits for a shared view: these must be
 * flushed before the caller relies on it. Returns true if any bit was set.
 * Never sleeps.
 */
#define CHARIOT_DOMAIN_ANY	(~0u)
bool chariot_views_weaken(struct chariot_views *views, u32 domain, s32 vcpu, u64 gfn, u64 nr,
			  unsigned int rights, unsigned long *dirty, unsigned int bits);

#endif
