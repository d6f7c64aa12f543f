// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property test of the views: KVM, guests, grants and revokes in random order
 * and step by step, on CPUs whose TLBs keep whatever the architecture lets them
 * keep (model_tlb.h). Every translation that such a TLB holds is checked against
 * KVM's tree and the ACL of that moment: it may allow nothing that these do not
 * allow, or allowed until a flush that has not reached this vCPU yet.
 *
 * What this cannot show: races inside the functions of the views (everything but
 * the generation is read and written under one lock there), and mistakes of
 * whoever calls them: the calls below are how the module must make them.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/mm.h>

#include "ktap.h"
#include "model_acl.h"
#include "model_format.h"
#include "model_kvm.h"
#include "model_tlb.h"
#include "view.h"
#include "view_audit.h"

struct params {
	unsigned int vcpus;
	int level;
	const struct model_format *format;
	bool tagged;		/* TLB entries are tagged by view, crossings do not flush (EPT) */
	u64 pages_max;
	unsigned int memslots;	/* percent of what KVM does */
	unsigned int steps;
};

enum state {
	GUEST,
	FAULT,
	EXIT,		/* on the way back into the guest */
};

struct vcpu {
	struct model_tlb tlb;
	struct model_tlb away;		/* of the CPU that it was on before this one */
	struct model_root *root;
	enum state state;
	unsigned int phase;
	unsigned int domain;		/* the view that is loaded */
	unsigned int next_domain;
	bool want_reload, want_load;
	/* KVM's requests: flush all; or what concerns KVM's root, or the view in its place */
	bool want_flush, want_flush_current;
	unsigned int sleeps;		/* until this step */
	struct chariot_view_cache cache;
	/* the fault */
	unsigned int hot;
	unsigned int need;
	u64 gen, base, flush_gen;
	bool tell_late;
	unsigned int rights[4];		/* by level, from the ACL; 0: differs in the group */
	struct model_leaf leaf;
	u64 accesses, faults, crossings;
};

struct unlinked {
	bool busy;
	struct list_head tables;
	unsigned int users;
};

static struct world {
	struct params p;
	struct model_kvm kvm;
	struct model_acl acl;
	struct chariot_views views;
	struct chariot_view *view[MODEL_VCPUS][MODEL_DOMAINS];	/* [..][0]: all the same */
	/*
	 * What the TLB knows a view by, its root's page. These come back (the
	 * sanitizer never gives a page out again, but page allocators do).
	 */
	u64 tag[MODEL_VCPUS][MODEL_DOMAINS];
	u64 free_tags[MODEL_VCPUS][MODEL_DOMAINS];
	unsigned int nr_free_tags[MODEL_VCPUS];
	struct vcpu vcpu[MODEL_VCPUS];
	struct unlinked unlinked;
	u64 results[8];
	u64 checks, weakened, destroyed, own_flushes, migrations;
} w;

static bool chance(unsigned int percent)
{
	return ktap_below(100) < percent;
}

static u64 tag_of(unsigned int vcpu)
{
	return w.p.tagged ? w.tag[vcpu][w.vcpu[vcpu].domain] : 0;
}

/* The invariant. @page is what the vCPU's TLB says about hot page @hot. */
static void check_use(unsigned int vcpu, const struct model_page *page, unsigned int hot)
{
	struct vcpu *v = &w.vcpu[vcpu];
	u64 pa = model_page_pa(page, w.kvm.gfn[hot]);
	unsigned int domain = v->domain, right;

	w.checks++;
	CHECK(v->root == w.kvm.root);
	for (domain = 0; w.p.tagged && domain < MODEL_DOMAINS; domain++)
		if (w.view[vcpu][domain] && w.tag[vcpu][domain] == page->tag)
			break;
	/* Of a view that is gone: of no use until its root is a view's again. */
	if (domain == MODEL_DOMAINS)
		return;
	if (!w.p.tagged)
		domain = v->domain;
	for (right = CHARIOT_R; right <= CHARIOT_X; right <<= 1) {
		if (!(page->rights & right))
			continue;
		if (!model_allows(&w.kvm, v->root, vcpu, hot, pa, right))
			ktap_fail(__FILE__, __LINE__,
				  "vcpu %u domain %u gfn 0x%llx: right %u to 0x%llx, not KVM's",
				  vcpu, domain, w.kvm.gfn[hot], right, pa);
		if (!model_acl_allows(&w.acl, vcpu, domain, hot, right))
			ktap_fail(__FILE__, __LINE__,
				  "vcpu %u domain %u gfn 0x%llx: right %u was revoked",
				  vcpu, domain, w.kvm.gfn[hot], right);
	}
}

/* Everything that a vCPU in the guest could use now. */
static void check_tlb(unsigned int vcpu)
{
	struct model_tlb *tlb = &w.vcpu[vcpu].tlb;

	if (w.vcpu[vcpu].state != GUEST)
		return;
	for (unsigned int i = 0; i < tlb->nr_pages; i++)
		for (unsigned int h = 0; h < MODEL_HOT; h++)
			if (model_page_covers(&tlb->pages[i], w.kvm.gfn[h]))
				check_use(vcpu, &tlb->pages[i], h);
}

/* A walk as CPUs make them, for an access or for none. */
static const struct model_page *walk(unsigned int vcpu, unsigned int hot)
{
	struct vcpu *v = &w.vcpu[vcpu];
	struct chariot_view *view = w.view[vcpu][v->domain];
	const struct model_page *page;

	page = model_tlb_walk(&v->tlb, tag_of(vcpu), view->root_pa, view->level,
			      w.kvm.gfn[hot]);
	if (page)
		check_use(vcpu, page, hot);
	return page;
}

/* Every CPU that may looks at pages [lo, hi), at the worst moment: speculation is free to. */
static void speculate(unsigned int lo, unsigned int hi)
{
	for (unsigned int i = 0; i < w.p.vcpus; i++)
		for (unsigned int h = lo; w.vcpu[i].state == GUEST && h < hi; h++)
			walk(i, h);
}

/* ---- how the module makes its calls ---- */

static void tell(unsigned int vcpu);

static void on_flush(struct model_kvm *kvm, bool all, u64 gfn, u64 nr)
{
	if (chance(30))
		speculate(0, MODEL_HOT);
	if (all)
		chariot_views_flush(&w.views);
	else
		chariot_views_flush_range(&w.views, gfn, nr);
	/* News of an earlier flush may come now, which is not this one. */
	for (unsigned int i = 0; i < w.p.vcpus; i++)
		if (w.vcpu[i].tell_late && w.vcpu[i].state == GUEST)
			tell(i);
}

/* Like a request that KVM waits for: on return the vCPU is outside. */
static void kick(unsigned int vcpu)
{
	struct vcpu *v = &w.vcpu[vcpu];

	if (v->state == GUEST) {
		v->state = EXIT;
		v->phase = 0;
	}
}

/* The vCPU flushes before it enters again. */
static void request_flush(unsigned int vcpu)
{
	w.vcpu[vcpu].want_flush = true;
	kick(vcpu);
}

/*
 * As mode->flush_loaded() does: KVM's flush-current, which reaches the whole ASID,
 * or on EPT, where the hook is, KVM's root and the view that is loaded.
 */
static void request_flush_loaded(unsigned int vcpu)
{
	w.vcpu[vcpu].want_flush_current = true;
	kick(vcpu);
}

static void on_request(struct model_kvm *kvm, unsigned int vcpu, bool reload)
{
	if (!reload) {
		request_flush(vcpu);
		return;
	}
	w.vcpu[vcpu].want_reload = true;
	kick(vcpu);
}

static void flush_view(void *ctx, const struct chariot_view *view)
{
	CHECK(view->vcpu >= 0);
	model_tlb_flush_tag(&w.vcpu[view->vcpu].tlb, w.tag[view->vcpu][view->domain]);
}

/* As chariot_flush_own() does where TLBs are tagged: at once, on the CPU that the vCPU is on. */
static void flush_own(unsigned int vcpu)
{
	chariot_views_flush_own(&w.views, (s32)vcpu, flush_view, NULL);
	for (unsigned int d = 1; d < MODEL_DOMAINS; d++)
		CHECK(!w.view[vcpu][d] || !w.view[vcpu][d]->dropped);
	w.own_flushes++;
}

static void on_acl_flush(struct model_acl *acl, unsigned int vcpu)
{
	request_flush(vcpu);
}

static void on_weaken(struct model_acl *acl, struct model_acl_op *op)
{
	u64 gfn = w.kvm.gfn[op->lo], nr = w.kvm.gfn[op->hi - 1] - gfn + 1;
	unsigned int rights = CHARIOT_W, domain = op->domain;
	s32 vcpu = -1;
	bool any = false;

	if (chance(50))
		speculate(op->lo, op->hi);
	if (op->kind == MODEL_REVOKE_STACK) {
		vcpu = op->vcpu;
	} else if (op->kind == MODEL_TEXT && chance(50)) {
		domain = CHARIOT_DOMAIN_ANY;
		rights = CHARIOT_X;
	}
	if (op->kind != MODEL_TEXT || domain == CHARIOT_DOMAIN_ANY) {
		any = chariot_views_weaken(&w.views, domain, vcpu, gfn, nr, rights, &op->dirty,
					   w.p.vcpus);
	} else {
		for (domain = 0; domain < MODEL_DOMAINS; domain++)
			if (domain != op->domain)
				any |= chariot_views_weaken(&w.views, domain, -1, gfn, nr,
							    CHARIOT_W | CHARIOT_X, &op->dirty,
							    w.p.vcpus);
	}
	CHECK_EQ(any, !!op->dirty);
	CHECK(!(op->dirty >> w.p.vcpus));
	CHECK(vcpu < 0 || !(op->dirty & ~(1ul << vcpu)));
	w.weakened += any;
	/* It may be the vCPU's own thread that revokes, what it shares with nobody. */
	for (vcpu = 0; vcpu < (s32)w.p.vcpus; vcpu++) {
		if (!w.p.tagged || w.p.vcpus == 1 || op->dirty != 1ul << vcpu ||
		    w.vcpu[vcpu].state == GUEST || chance(50))
			continue;
		flush_own(vcpu);
		op->dirty = 0;
	}
}

/* Whoever may have used @view. */
static unsigned int users_of(const struct chariot_view *view)
{
	return view->vcpu < 0 ? (1u << w.p.vcpus) - 1 : 1u << view->vcpu;
}

static void request_flush_users(unsigned int users)
{
	for (unsigned int i = 0; i < w.p.vcpus; i++)
		if (users & (1u << i))
			request_flush(i);
}

static void begin_unlink(struct chariot_view *view)
{
	if (w.unlinked.busy)
		return;
	w.unlinked.busy = true;
	w.unlinked.users = users_of(view);
	INIT_LIST_HEAD(&w.unlinked.tables);
	chariot_view_unlink(view, &w.unlinked.tables);
	CHECK_EQ(view->filled, 0);
}

static void go_on_unlink(void)
{
	if (w.unlinked.users) {
		unsigned int vcpu = __builtin_ctz(w.unlinked.users);

		request_flush(vcpu);
		w.unlinked.users &= ~(1u << vcpu);
		return;
	}
	chariot_view_free_tables(&w.views, &w.unlinked.tables);
	w.unlinked.busy = false;
}

/* The view of a domain on a vCPU, made when it is needed; NULL: no memory. */
static struct chariot_view *get_view(unsigned int vcpu, unsigned int domain)
{
	struct chariot_view *view = w.view[vcpu][domain];

	if (view)
		return view;
	if (chance(5))
		shim_fail_alloc(ktap_below(2), false);
	view = chariot_view_create(&w.views, domain, domain ? (s32)vcpu : -1, w.p.level);
	shim_fail_alloc(~0ul, false);
	if (IS_ERR(view)) {
		CHECK(PTR_ERR(view) == -ENOSPC || PTR_ERR(view) == -ENOMEM);
		if (PTR_ERR(view) == -ENOSPC) {
			CHECK(w.views.pages == w.views.pages_max);
			begin_unlink(w.view[0][0]);
		}
		return NULL;
	}
	w.view[vcpu][domain] = view;
	if (domain && w.p.tagged) {
		w.tag[vcpu][domain] = w.free_tags[vcpu][--w.nr_free_tags[vcpu]];
		/* What the CPU remembers of the last that had this root's page. */
		model_tlb_flush_tag(&w.vcpu[vcpu].tlb, w.tag[vcpu][domain]);
	}
	return view;
}

/* A domain goes away: nobody is in its view, and who was has flushed. */
static void destroy_view(unsigned int vcpu, unsigned int domain)
{
	struct chariot_view *view = w.view[vcpu][domain];

	if (!domain || !view || w.vcpu[vcpu].domain == domain)
		return;
	/* Not loaded: its ASID was flushed, or its tag is harmless until it comes back. */
	if (w.p.tagged)
		w.free_tags[vcpu][w.nr_free_tags[vcpu]++] = w.tag[vcpu][domain];
	w.view[vcpu][domain] = NULL;
	chariot_view_destroy(view);
	w.destroyed++;
}

/* chariot_view_install(), and what its result promises. */
static enum chariot_install checked_install(unsigned int vcpu, int level, unsigned int rights)
{
	struct vcpu *v = &w.vcpu[vcpu];
	struct chariot_view *view = w.view[vcpu][v->domain];
	u64 pages = w.views.pages, filled = view->filled, old, new;
	unsigned int cached = v->cache.nr;
	int old_level, new_level;
	enum chariot_install ret;

	old = chariot_view_lookup(view, w.kvm.gfn[v->hot], &old_level);
	ret = chariot_view_install(view, &v->cache, v->gen, v->base, w.kvm.gfn[v->hot], level,
				   v->leaf.entry, v->leaf.level, rights);
	new = chariot_view_lookup(view, w.kvm.gfn[v->hot], &new_level);
	w.results[ret]++;
	if (chance(50))
		speculate(v->hot, v->hot + 1);
	CHECK(w.views.pages <= w.views.pages_max && w.views.pages <= w.views.pages_peak);
	if (ret != CHARIOT_INSTALL_DONE && ret != CHARIOT_INSTALL_FLUSH) {
		CHECK_EQ(new, old);
		CHECK_EQ(new_level, old_level);
		CHECK_EQ(pages, w.views.pages);
		CHECK_EQ(filled, view->filled);
		CHECK_EQ(cached, v->cache.nr);
		CHECK(ret != CHARIOT_INSTALL_FULL || cached < CHARIOT_VIEW_CACHE ||
		      w.views.pages + CHARIOT_VIEW_CACHE > w.views.pages_max);
		return ret;
	}
	CHECK(new && new_level <= level && new_level <= v->leaf.level && new_level <= old_level);
	/* or KVM never learns of the access */
	CHECK((v->leaf.entry & w.p.format->accessed) == w.p.format->accessed);
	if (old) {
		const struct model_format *f = w.p.format;
		bool lost = old_level != new_level || ((old ^ new) & MODEL_ADDR) ||
			    ((old & ~new) & (f->write | f->exec)) || ((new & ~old) & f->noexec);

		CHECK_EQ(ret == CHARIOT_INSTALL_FLUSH, lost);
	} else {
		CHECK_EQ(ret, CHARIOT_INSTALL_DONE);
	}
	return ret;
}

/* ---- a vCPU ---- */

static void leave_fault(struct vcpu *v)
{
	v->state = EXIT;
	v->phase = 0;
}

static void step_fault(unsigned int vcpu)
{
	struct vcpu *v = &w.vcpu[vcpu];
	struct chariot_view *view = w.view[vcpu][v->domain];
	unsigned int owner = w.acl.text[v->hot], rights, lo, hi, h;
	int level;

	switch (v->phase++) {
	case 0:		/* judge: another view, or not allowed at all */
		rights = model_acl_rights(&w.acl, vcpu, v->domain, v->hot);
		if (!(rights & v->need)) {
			if (v->need == CHARIOT_X)
				v->next_domain = owner;
			else if (chance(50))
				v->next_domain = 0;
			leave_fault(v);
		}
		return;
	case 1:
		v->gen = chariot_views_gen(&w.views);
		v->base = v->root->addr;
		return;
	case 2:
		for (level = 1; level <= 3; level++) {
			rights = model_acl_rights(&w.acl, vcpu, v->domain, v->hot);
			model_group(&w.kvm, v->hot, level, &lo, &hi);
			for (h = lo; h < hi; h++)
				if (model_acl_rights(&w.acl, vcpu, v->domain, h) != rights)
					rights = 0;
			v->rights[level] = rights;
		}
		if (!(v->rights[1] & v->need))
			v->phase = 0;
		return;
	case 3:
		v->leaf = v->root->leaf[v->hot];
		/* The fault stands for a walk of the CPU's, which sets bits on its way. */
		if (chance(70) && v->leaf.entry & MODEL_MMU_PRESENT) {
			v->leaf.entry = w.p.format->ops->walked(v->leaf.entry,
								v->need == CHARIOT_W);
			model_set_leaf(&w.kvm, v->root, v->hot, v->leaf.entry);
		}
		/* Delegated first, then derived; an unfit entry is offered sometimes. */
		if (!chance(5) && !(w.p.format->ops->rights(v->leaf.entry) & v->need)) {
			model_fault(&w.kvm, v->root, v->hot, v->need == CHARIOT_W,
				    v->need == CHARIOT_X);
			v->phase = 1;
			if (chance(30) || v->want_reload || w.kvm.blocked[v->hot] ||
			    w.kvm.mmio[v->hot])
				leave_fault(v);
		}
		return;
	}

	if (chance(3))
		shim_fail_alloc(ktap_below(4), false);
	/* Where memory is short, what is in the cache may still do. */
	CHECK(!chariot_view_topup(&v->cache) || v->cache.nr < CHARIOT_VIEW_CACHE);
	shim_fail_alloc(~0ul, false);

	for (level = v->leaf.level; !v->rights[level]; level--)
		;
	rights = v->rights[level];
	if (chance(10))
		level = 1 + ktap_below(level);
	else if (level < 3 && v->rights[level + 1] == rights)
		level += ktap_below(2);	/* beyond KVM's leaf: not to be heeded */
	if (chance(10))
		rights &= CHARIOT_R | v->need;
	leave_fault(v);
	switch (checked_install(vcpu, level, rights)) {
	case CHARIOT_INSTALL_FLUSH:
		if (v->domain)
			request_flush_loaded(vcpu);
		else
			request_flush_users(users_of(view));
		break;
	case CHARIOT_INSTALL_STALE:
		/* Again, unless another root is the reason. */
		v->want_load = chance(50);
		if (!v->want_load && !v->want_reload) {
			v->state = FAULT;
			v->phase = 1;
		}
		break;
	case CHARIOT_INSTALL_FULL:
		if (v->cache.nr == CHARIOT_VIEW_CACHE)
			begin_unlink(chance(50) ? view : w.view[0][0]);
		break;
	case CHARIOT_INSTALL_REFUSED:
		model_fault(&w.kvm, v->root, v->hot, false, false);
		break;
	case CHARIOT_INSTALL_DONE:
		break;
	}
}

/* Tells the views of the flush that the vCPU made or is about to make. */
static void tell(unsigned int vcpu)
{
	struct vcpu *v = &w.vcpu[vcpu];

	chariot_views_flushed(&w.views, vcpu, v->flush_gen);
	v->tell_late = false;
	/* The worst moment for a revoke, should that have been too much. */
	for (unsigned int i = 0; i < 4 && chance(50); i++)
		model_acl_step(&w.acl);
}

/* The vCPU's thread goes to the CPU that it was on before: KVM flushes all there. */
static void migrate(struct vcpu *v)
{
	struct model_tlb tlb = v->tlb;

	v->tlb = v->away;
	v->away = tlb;
	v->want_flush = true;
	w.migrations++;
}

static void step_exit(unsigned int vcpu)
{
	struct vcpu *v = &w.vcpu[vcpu];

	/* Until the flushes that are served before the next entry it may go anywhere. */
	if (v->phase < 3 && !ktap_below(2000))
		migrate(v);

	switch (v->phase++) {
	case 0:
		if (v->want_reload && v->root && v->root != w.kvm.root) {
			model_put_root(&w.kvm, v->root);
			v->root = NULL;
		}
		v->want_reload = false;
		return;
	case 1:
		if (v->root)
			return;
		v->root = model_get_root(&w.kvm);
		v->phase = 10;
		return;
	case 10:
		/*
		 * Another root can have the page that the last one had. Dropping
		 * before the root is allocated is too early: see the next case.
		 */
		if (!chariot_views_set_base(&w.views, v->root->addr))
			chariot_views_flush(&w.views);
		/* KVM flushes what concerns its new root; all views are ours to flush. */
		v->want_flush_current = true;
		if (w.p.tagged)
			v->want_flush = true;
		v->phase = 2;
		return;
	case 2:
		if (v->want_load && v->root)
			chariot_views_set_base(&w.views, v->root->addr);
		v->want_load = false;
		/* KVM has reasons of its own, which do not concern what was derived. */
		if (chance(w.p.tagged ? 30 : 10))
			v->want_flush_current = true;
		if (v->next_domain == v->domain)
			return;
		if (get_view(vcpu, v->next_domain)) {
			v->domain = v->next_domain;
			v->crossings++;
			if (!w.p.tagged)
				v->want_flush_current = true;
		}
		v->next_domain = v->domain;
		return;
	case 3:
		/* On EPT a flush-current is not one that views may be told of. */
		if (!v->want_flush && (w.p.tagged || !v->want_flush_current))
			v->phase = 5;
		else
			v->flush_gen = chariot_views_gen(&w.views);
		return;
	case 4:
		/* The flush is certain to come before the guest runs. Or tell when it did. */
		v->tell_late = chance(50);
		if (!v->tell_late)
			tell(vcpu);
		return;
	}
	if (v->want_flush || (v->want_flush_current && !w.p.tagged))
		model_tlb_flush(&v->tlb);
	else if (v->want_flush_current)
		model_tlb_flush_tag(&v->tlb, tag_of(vcpu));
	v->want_flush = false;
	v->want_flush_current = false;
	v->phase = 0;
	if (!v->want_reload)
		v->state = GUEST;
}

static void step_guest(unsigned int vcpu)
{
	struct vcpu *v = &w.vcpu[vcpu];
	unsigned int hot = model_hot(&w.kvm), need = 1u << ktap_below(3);
	const struct model_page *page;
	bool hit = false;

	if (v->tell_late && chance(5)) {
		tell(vcpu);
		return;	/* which may have kicked it out */
	}
	if (chance(3)) {
		v->next_domain = ktap_below(MODEL_DOMAINS);
		v->state = EXIT;
		v->phase = 0;
		return;
	}
	v->accesses++;
	for (unsigned int i = 0; i < v->tlb.nr_pages; i++) {
		page = &v->tlb.pages[i];
		if (page->tag != tag_of(vcpu) || !model_page_covers(page, w.kvm.gfn[hot]))
			continue;
		check_use(vcpu, page, hot);
		hit |= page->rights & need;
	}
	if (hit && !chance(20))
		return;
	page = walk(vcpu, hot);
	if (hit || (page && page->rights & need))
		return;
	v->faults++;
	v->hot = hot;
	v->need = need;
	v->state = FAULT;
	v->phase = 0;
}

static void step_vcpu(unsigned int vcpu)
{
	switch (w.vcpu[vcpu].state) {
	case GUEST:
		step_guest(vcpu);
		break;
	case FAULT:
		step_fault(vcpu);
		break;
	case EXIT:
		step_exit(vcpu);
		break;
	}
}

/* The counts that flushes and limits rely on. */
static void audit(void)
{
	struct list_head *item;
	u64 pages = view_audit(&w.views);

	if (w.unlinked.busy)
		list_for_each(item, &w.unlinked.tables)
			pages++;
	CHECK_EQ(pages, w.views.pages);
}

static void simulate(const struct params *params)
{
	u64 walks = 0, accesses = 0;
	const char *longer = getenv("CHARIOT_STEPS");	/* times as many */
	unsigned int i, d, vcpu = 0;

	memset(&w, 0, sizeof(w));
	w.p = *params;
	w.p.steps *= longer ? strtoul(longer, NULL, 0) : 1;
	model_kvm_init(&w.kvm, w.p.format, w.p.vcpus, w.p.level);
	w.kvm.memslots = w.p.memslots;
	w.kvm.flush = on_flush;
	w.kvm.request = on_request;
	w.acl.kvm = &w.kvm;
	w.acl.weaken = on_weaken;
	w.acl.flush = on_acl_flush;
	chariot_views_init(&w.views, w.p.format->ops, w.p.pages_max);
	w.view[0][0] = chariot_view_create(&w.views, 0, -1, w.p.level);
	CHECK(!IS_ERR(w.view[0][0]));
	for (i = 0; i < w.p.vcpus; i++) {
		w.view[i][0] = w.view[0][0];
		w.vcpu[i].tlb.format = w.p.format;
		w.vcpu[i].away.format = w.p.format;
		for (d = 1; d < MODEL_DOMAINS; d++)
			w.free_tags[i][w.nr_free_tags[i]++] = d;
		w.vcpu[i].state = EXIT;
		w.vcpu[i].want_reload = true;
	}

	for (unsigned int step = 0; step < w.p.steps; step++) {
		unsigned int what = ktap_below(1000);

		/* In bursts, and some are left behind in the middle of something for long. */
		if (chance(10) || w.vcpu[vcpu].sleeps > step)
			vcpu = ktap_below(w.p.vcpus);
		/* (KVM allocates memory while it has no root.) */
		if (!ktap_below(w.vcpu[vcpu].root ? 5000 : 20))
			w.vcpu[vcpu].sleeps = step + ktap_below(1000);
		if (what < 900 && w.vcpu[vcpu].sleeps <= step)
			step_vcpu(vcpu);
		else if (what < 940)
			model_step(&w.kvm);
		else if (what < 990)
			model_acl_step(&w.acl);
		else if (what < 991)
			destroy_view(ktap_below(w.p.vcpus), ktap_below(MODEL_DOMAINS));
		else if (w.unlinked.busy)
			go_on_unlink();
		else if (chance(1))
			begin_unlink(w.view[0][0]);
		if (!(step % 16))
			check_tlb(ktap_below(w.p.vcpus));
		if (!(step % 512))
			audit();
	}

	audit();
	while (w.unlinked.busy)
		go_on_unlink();
	for (i = 0; i < w.p.vcpus; i++) {
		struct vcpu *v = &w.vcpu[i];

		walks += v->tlb.walks;
		accesses += v->accesses;
		for (d = 1; d < MODEL_DOMAINS; d++)
			if (w.view[i][d])
				chariot_view_destroy(w.view[i][d]);
		chariot_view_cache_free(&v->cache);
		model_tlb_free(&v->tlb);
		model_tlb_free(&v->away);
	}
	chariot_view_destroy(w.view[0][0]);
	CHECK_EQ(w.views.pages, 0);
	CHECK(list_empty(&w.views.list));

	ktap_note("%u steps, %llu accesses, %llu walks, %llu checks", w.p.steps, accesses, walks,
		  w.checks);
	ktap_note("installs: %llu done, %llu flush, %llu stale, %llu full, %llu refused",
		  w.results[0], w.results[1], w.results[2], w.results[3], w.results[4]);
	ktap_note("%llu of %llu revokes had to flush, %llu views destroyed, peak %llu pages",
		  w.weakened, w.acl.revokes, w.destroyed, w.views.pages_peak);
	ktap_note("%llu flushes of a vCPU's own views, %llu migrations", w.own_flushes, w.migrations);
	/* Not vacuous: everything happened often. */
	CHECK(!w.p.tagged || w.p.vcpus == 1 || w.own_flushes > w.p.steps / 10000);
	CHECK(w.migrations > w.p.steps / 100000);
	for (i = 0; i < MODEL_KINDS; i++)
		CHECK(w.kvm.done[i] > w.p.steps / 50000);
	CHECK(w.weakened > w.p.steps / 1000);
	CHECK(w.results[CHARIOT_INSTALL_DONE] > w.p.steps / 100);
	CHECK(w.results[CHARIOT_INSTALL_STALE] > w.p.steps / 10000);
}

TEST(asid_two_vcpus)
{
	simulate(&(struct params) { 2, 4, &model_npt, false, 1000, 10, 1500000 });
}

TEST(tagged_two_vcpus)
{
	simulate(&(struct params) { 2, 4, &model_ept, true, 1000, 10, 1500000 });
}

TEST(asid_one_vcpu_roots_come_back)
{
	simulate(&(struct params) { 1, 4, &model_npt, false, 1000, 30, 3000000 });
}

TEST(asid_two_vcpus_roots_change)
{
	simulate(&(struct params) { 2, 4, &model_npt, false, 1000, 80, 6000000 });
}

TEST(tagged_two_vcpus_roots_change)
{
	simulate(&(struct params) { 2, 4, &model_ept, true, 1000, 80, 8000000 });
}

TEST(tagged_four_vcpus_five_levels)
{
	simulate(&(struct params) { 4, 5, &model_ept, true, 1000, 10, 1500000 });
}

TEST(tagged_page_tables_bounded)
{
	simulate(&(struct params) { 3, 4, &model_ept, true, 30, 10, 1500000 });
}

TEST(tagged_accessed_and_dirty_untracked)
{
	simulate(&(struct params) { 2, 4, &model_ept_untracked, true, 1000, 10, 1500000 });
}
