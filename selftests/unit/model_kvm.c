// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include <linux/bits.h>
#include <linux/kernel.h>

#include "ktap.h"
#include "model_format.h"
#include "model_kvm.h"
#include "model_tlb.h"

#define AD_WRPROT_ONLY	(2ull << 52)
#define MMIO_GENERATION	(0xffull << 3)

#define PAGES_2M	512ull
#define PAGES_1G	(512ull * 512)

static const u64 offsets[MODEL_PER_BLOCK] = { 0, 1, 2, 7, 255, 256, 510, 511 };

static bool chance(unsigned int percent)
{
	return ktap_below(100) < percent;
}

static unsigned int leaf_rights(const struct model_kvm *kvm, u64 entry)
{
	return model_format_rights(kvm->format, entry);
}

static bool is_empty(const struct model_kvm *kvm, u64 entry)
{
	return entry == kvm->format->nonpresent;
}

static u64 leaf_pa(const struct model_kvm *kvm, const struct model_leaf *leaf, unsigned int hot)
{
	u64 pages = 1ull << (9 * (leaf->level - 1));

	return (leaf->entry & MODEL_ADDR) + ((kvm->gfn[hot] & (pages - 1)) << 12);
}

unsigned int model_hot(const struct model_kvm *kvm)
{
	if (chance(10))
		return ktap_below(MODEL_HOT);
	return (kvm->window + ktap_below(8)) % MODEL_HOT;
}

void model_group(const struct model_kvm *kvm, unsigned int hot, int level, unsigned int *lo,
		 unsigned int *hi)
{
	u64 pages = 1ull << (9 * (level - 1));

	*lo = hot;
	*hi = hot + 1;
	while (*lo && kvm->gfn[*lo - 1] / pages == kvm->gfn[hot] / pages)
		--*lo;
	while (*hi < MODEL_HOT && kvm->gfn[*hi] / pages == kvm->gfn[hot] / pages)
		++*hi;
}

/* New host memory for [lo, hi), in one piece where that is possible, sometimes. */
static void host_place(struct model_kvm *kvm, unsigned int lo, unsigned int hi)
{
	unsigned int h, glo, ghi, piece = ktap_below(3);
	static const u64 pages[] = { 1, PAGES_2M, PAGES_1G };

	for (h = lo; h < hi; h = ghi) {
		int level = 1 + piece;

		do {
			model_group(kvm, h, level, &glo, &ghi);
		} while ((glo < lo || ghi > hi) && --level);
		kvm->next_pa += pages[level - 1] << 12;
		kvm->next_pa &= ~((pages[level - 1] << 12) - 1);
		for (unsigned int i = glo; i < ghi; i++)
			kvm->pa[i] = kvm->next_pa + ((kvm->gfn[i] & (pages[level - 1] - 1)) << 12);
		kvm->next_pa += pages[level - 1] << 12;
	}
}

void model_kvm_init(struct model_kvm *kvm, const struct model_format *format,
		    unsigned int vcpus, int level)
{
	u64 top = 1ull << (9 * level);
	const u64 block[MODEL_BLOCKS] = {
		0, PAGES_2M, PAGES_1G - PAGES_2M, PAGES_1G, top - PAGES_2M
	};

	memset(kvm, 0, sizeof(*kvm));
	kvm->format = format;
	kvm->vcpus = vcpus;
	kvm->next_pa = 1ull << 32;
	for (unsigned int h = 0; h < MODEL_HOT; h++)
		kvm->gfn[h] = block[h / MODEL_PER_BLOCK] + offsets[h % MODEL_PER_BLOCK];
	for (unsigned int i = 0; i < ARRAY_SIZE(kvm->roots); i++)
		kvm->roots[i].addr = (i + 1) * 0x1000ull;
	host_place(kvm, 0, MODEL_HOT);
}

static void reap_root(struct model_kvm *kvm, struct model_root *root)
{
	if (root == kvm->root || !root->live || root->users || !root->zapped)
		return;
	root->live = false;
	root->freed = ++kvm->frees;
}

struct model_root *model_get_root(struct model_kvm *kvm)
{
	struct model_root *root = NULL;

	if (kvm->root) {
		kvm->root->users++;
		return kvm->root;
	}
	/* The last that was freed, as page allocators do it: addresses come back at once. */
	for (unsigned int i = 0; i < ARRAY_SIZE(kvm->roots); i++)
		if (!kvm->roots[i].live && (!root || kvm->roots[i].freed > root->freed))
			root = &kvm->roots[i];
	CHECK(root);
	root->live = true;
	root->zapped = false;
	root->users = 1;
	for (unsigned int h = 0; h < MODEL_HOT; h++)
		root->leaf[h] = (struct model_leaf) { kvm->format->nonpresent, 1 };
	kvm->root = root;
	return kvm->root;
}

void model_put_root(struct model_kvm *kvm, struct model_root *root)
{
	CHECK(root->users);
	root->users--;
	reap_root(kvm, root);
}

/* Changes one page's leaf on behalf of an operation that will flush. */
static void take_away(struct model_kvm *kvm, struct model_root *root, struct model_op *op,
		      unsigned int hot, u64 entry)
{
	struct model_leaf *leaf = &root->leaf[hot];
	unsigned int had = leaf_rights(kvm, leaf->entry);

	if (root == kvm->root && (had & ~leaf_rights(kvm, entry))) {
		CHECK(kvm->nr_held < MODEL_HELD);
		kvm->held[kvm->nr_held++] = (struct model_held) {
			.hot = hot, .pending = (1u << kvm->vcpus) - 1, .op = op - kvm->ops,
			.pa = leaf_pa(kvm, leaf, hot), .rights = had,
		};
	}
	leaf->entry = entry;
	if (!(entry & MODEL_MMU_PRESENT))
		leaf->level = 1;
}

static void split(struct model_kvm *kvm, struct model_root *root, unsigned int hot)
{
	unsigned int lo, hi;

	if (root->leaf[hot].level == 1)
		return;
	model_group(kvm, hot, root->leaf[hot].level, &lo, &hi);
	for (unsigned int h = lo; h < hi; h++) {
		struct model_leaf *leaf = &root->leaf[h];

		leaf->entry = (leaf->entry & ~(MODEL_ADDR | kvm->format->large)) |
			      leaf_pa(kvm, leaf, h);
		leaf->level = 1;
	}
}

static bool can_map(const struct model_kvm *kvm, const struct model_root *root, unsigned int hot,
		    int level)
{
	unsigned int lo, hi;
	u64 bytes = 1ull << (12 + 9 * (level - 1));
	u64 base;

	model_group(kvm, hot, level, &lo, &hi);
	base = kvm->pa[hot] - (kvm->gfn[hot] << 12) % bytes;
	if (base % bytes)
		return false;
	for (unsigned int h = lo; h < hi; h++) {
		if (kvm->mmio[h] || kvm->blocked[h] || kvm->logging[h / MODEL_PER_BLOCK] ||
		    !is_empty(kvm, root->leaf[h].entry) ||
		    kvm->pa[h] != base + (kvm->gfn[h] << 12) % bytes)
			return false;
	}
	return true;
}

static void map(struct model_kvm *kvm, struct model_root *root, unsigned int hot, bool write)
{
	const struct model_format *f = kvm->format;
	u64 entry = f->read | f->accessed | f->exec | f->writable | f->memtype | f->untracked |
		    MODEL_MMU_PRESENT;
	unsigned int lo, hi;
	int level = 1;

	if (chance(70)) {
		level = 3;
		while (level > 1 && !can_map(kvm, root, hot, level))
			level--;
	}
	if (!kvm->logging[hot / MODEL_PER_BLOCK] || write)
		entry |= f->write | f->dirty;
	if (!f->untracked && chance(10))
		entry |= AD_WRPROT_ONLY;
	/* mitigation of the iTLB multihit erratum: huge pages are not executable */
	if (level > 1) {
		entry |= f->large;
		if (chance(15))
			entry = (entry & ~f->exec) | f->noexec;
	} else if (chance(5)) {
		entry &= ~f->accessed;
	}
	model_group(kvm, hot, level, &lo, &hi);
	entry |= kvm->pa[hot] - ((kvm->gfn[hot] & ((1ull << (9 * (level - 1))) - 1)) << 12);
	for (unsigned int h = lo; h < hi; h++)
		root->leaf[h] = (struct model_leaf) { entry, level };
}

void model_fault(struct model_kvm *kvm, struct model_root *root, unsigned int hot, bool write,
		 bool exec)
{
	const struct model_format *f = kvm->format;
	struct model_leaf *leaf = &root->leaf[hot];
	bool logging = kvm->logging[hot / MODEL_PER_BLOCK];
	unsigned int lo, hi;
	u64 set = f->accessed, clear = 0;

	/* An invalid root or a notifier in progress: the vCPU tries again later. */
	if (root != kvm->root || kvm->blocked[hot] || leaf->entry == f->frozen)
		return;
	if (kvm->mmio[hot]) {
		if (is_empty(kvm, leaf->entry))
			leaf->entry = f->mmio | kvm->gfn[hot] << 12 |
				      (ktap_random() & MMIO_GENERATION);
		return;
	}
	if (!leaf_rights(kvm, leaf->entry)) {
		if (is_empty(kvm, leaf->entry)) {
			map(kvm, root, hot, write);
			return;
		}
		if (!(leaf->entry & MODEL_MMU_PRESENT))
			return;
		/* Its rights were taken to see its age: they come back, but for W. */
		set = f->read | f->exec;
		clear = f->saved;
	}
	if (write && !(leaf_rights(kvm, leaf->entry) & MODEL_W)) {
		set |= f->write | f->dirty;
		if (logging)
			split(kvm, root, hot);
	}
	if (exec && !(leaf_rights(kvm, leaf->entry) & MODEL_X)) {
		split(kvm, root, hot);
		set |= f->exec;
		clear |= f->noexec;
	}
	model_group(kvm, hot, leaf->level, &lo, &hi);
	for (unsigned int h = lo; h < hi; h++)
		root->leaf[h].entry = (root->leaf[h].entry | set) & ~clear;
}

void model_set_leaf(struct model_kvm *kvm, struct model_root *root, unsigned int hot, u64 entry)
{
	unsigned int lo, hi;

	model_group(kvm, hot, root->leaf[hot].level, &lo, &hi);
	for (unsigned int h = lo; h < hi; h++)
		root->leaf[h].entry = (root->leaf[h].entry & MODEL_ADDR) | (entry & ~MODEL_ADDR);
}

/* [lo, hi) by chance: a page, some, a block, everything. */
static void choose_range(const struct model_kvm *kvm, struct model_op *op)
{
	unsigned int how = ktap_below(10);

	op->lo = model_hot(kvm);
	op->hi = op->lo + 1;
	if (how >= 4)
		op->hi += ktap_below(6);
	if (how >= 8) {
		op->lo -= op->lo % MODEL_PER_BLOCK;
		op->hi = op->lo + MODEL_PER_BLOCK * (1 + ktap_below(3));
	}
	if (how == 9 && chance(20)) {
		op->lo = 0;
		op->hi = MODEL_HOT;
	}
	if (op->hi > MODEL_HOT)
		op->hi = MODEL_HOT;
}

/* A leaf changes whole or not at all: the range grows to the leaves' edges. */
static void grow_range(const struct model_kvm *kvm, struct model_op *op)
{
	unsigned int lo, hi;

	for (unsigned int i = 0; i < ARRAY_SIZE(kvm->roots); i++) {
		const struct model_root *root = &kvm->roots[i];

		if (!root->live)
			continue;
		for (unsigned int h = op->lo; h < op->hi; h++) {
			model_group(kvm, h, root->leaf[h].level, &lo, &hi);
			if (lo < op->lo || hi > op->hi) {
				op->lo = lo < op->lo ? lo : op->lo;
				op->hi = hi > op->hi ? hi : op->hi;
				i = -1u;
				break;
			}
		}
	}
}

static void change(struct model_kvm *kvm, struct model_op *op, struct model_root *root,
		   unsigned int hot)
{
	const struct model_format *f = kvm->format;
	u64 entry = root->leaf[hot].entry;
	bool present = leaf_rights(kvm, entry);

	switch (op->kind) {
	case MODEL_UNMAP:
	case MODEL_MEMSLOT:
		take_away(kvm, root, op, hot, chance(30) ? f->frozen : f->nonpresent);
		break;
	case MODEL_COLLAPSE:
		if (present)
			take_away(kvm, root, op, hot, f->frozen);
		break;
	case MODEL_WRPROT:
		if (present)
			take_away(kvm, root, op, hot, entry & ~f->write);
		break;
	case MODEL_CLEAR_DIRTY:
		if (present)
			take_away(kvm, root, op, hot, entry & ~f->dirty);
		break;
	case MODEL_SET_NX:
		if (present)
			take_away(kvm, root, op, hot, (entry & ~f->exec) | f->noexec);
		break;
	case MODEL_AGE:
		if (present)
			take_away(kvm, root, op, hot,
				  f->untracked ? (entry & ~f->present) | f->saved :
				  entry & ~f->accessed);
		break;
	case MODEL_KINDS:
		break;
	}
}

static void begin(struct model_kvm *kvm, struct model_op *op)
{
	unsigned int busy = 0;
	unsigned int h, i;

	for (i = 0; i < MODEL_OPS; i++)
		busy += kvm->ops[i].busy && kvm->ops[i].kind == MODEL_MEMSLOT;
	op->kind = ktap_below(MODEL_MEMSLOT);
	if (!busy && chance(kvm->memslots))
		op->kind = MODEL_MEMSLOT;
	op->busy = true;
	op->step = 0;
	op->flushed = 0;
	choose_range(kvm, op);
	if (op->kind != MODEL_MEMSLOT && chance(40)) {
		/* like eager page splitting: the same rights, so no flush */
		for (i = 0; i < ARRAY_SIZE(kvm->roots); i++)
			for (h = op->lo; kvm->roots[i].live && h < op->hi; h++)
				split(kvm, &kvm->roots[i], h);
	}
	grow_range(kvm, op);
	for (h = op->lo; h < op->hi; h++)
		kvm->blocked[h]++;

	if (op->kind == MODEL_MEMSLOT) {
		/* The old root is invalid from here on, though not empty. */
		kvm->root = NULL;
		for (i = 0; i < kvm->vcpus; i++)
			kvm->request(kvm, i, true);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(kvm->roots); i++)
		for (h = op->lo; kvm->roots[i].live && h < op->hi; h++)
			change(kvm, op, &kvm->roots[i], h);
	if (op->kind == MODEL_WRPROT && chance(70))
		for (h = op->lo; h < op->hi; h++)
			kvm->logging[h / MODEL_PER_BLOCK] = true;
}

static void finish(struct model_kvm *kvm, struct model_op *op)
{
	unsigned int i, h;

	for (h = op->lo; h < op->hi; h++) {
		kvm->blocked[h]--;
		for (i = 0; i < ARRAY_SIZE(kvm->roots); i++)
			if (kvm->roots[i].leaf[h].entry == kvm->format->frozen)
				kvm->roots[i].leaf[h].entry = kvm->format->nonpresent;
	}
	if (op->kind == MODEL_UNMAP || op->kind == MODEL_MEMSLOT) {
		host_place(kvm, op->lo, op->hi);
		for (h = op->lo; h < op->hi; h++) {
			kvm->logging[h / MODEL_PER_BLOCK] = false;
			kvm->mmio[h] = chance(2);
		}
	}
	op->busy = false;
	kvm->done[op->kind]++;
}

/* Leaves of a page that another operation is at work on, too, are left alone. */
static void go_on(struct model_kvm *kvm, struct model_op *op)
{
	unsigned int i, vcpu;

	if (op->kind == MODEL_MEMSLOT) {
		for (i = 0; i < ARRAY_SIZE(kvm->roots); i++) {
			struct model_root *root = &kvm->roots[i];

			if (!root->live || root == kvm->root || root->zapped)
				continue;
			for (unsigned int h = 0; h < MODEL_HOT; h++)
				root->leaf[h] = (struct model_leaf) { kvm->format->nonpresent, 1 };
			root->zapped = true;
			reap_root(kvm, root);
		}
		finish(kvm, op);
		return;
	}
	if (!op->step) {
		u64 first = kvm->gfn[op->lo];

		kvm->flush(kvm, chance(20), first, kvm->gfn[op->hi - 1] - first + 1);
		op->step = 1;
		return;
	}
	vcpu = ktap_below(kvm->vcpus);
	while (op->flushed & (1u << vcpu))
		vcpu = (vcpu + 1) % kvm->vcpus;
	kvm->request(kvm, vcpu, false);
	op->flushed |= 1u << vcpu;
	for (i = 0; i < kvm->nr_held; i++) {
		struct model_held *held = &kvm->held[i];

		if (held->op != op - kvm->ops)
			continue;
		held->pending &= ~(1u << vcpu);
		if (!held->pending)
			kvm->held[i--] = kvm->held[--kvm->nr_held];
	}
	if (op->flushed == (1u << kvm->vcpus) - 1)
		finish(kvm, op);
}

void model_step(struct model_kvm *kvm)
{
	struct model_op *op = &kvm->ops[ktap_below(MODEL_OPS)];

	if (chance(1))
		kvm->window = ktap_below(MODEL_HOT);
	if (op->busy)
		go_on(kvm, op);
	else if (chance(30) && kvm->root)
		begin(kvm, op);
	else if (kvm->root)
		split(kvm, kvm->root, ktap_below(MODEL_HOT));
}

bool model_allows(const struct model_kvm *kvm, const struct model_root *root, unsigned int vcpu,
		  unsigned int hot, u64 pa, unsigned int right)
{
	const struct model_leaf *leaf = &root->leaf[hot];

	if ((leaf_rights(kvm, leaf->entry) & right) && leaf_pa(kvm, leaf, hot) == pa)
		return true;
	for (unsigned int i = 0; i < kvm->nr_held; i++) {
		const struct model_held *held = &kvm->held[i];

		if (held->hot == hot && (held->pending & (1u << vcpu)) && held->pa == pa &&
		    (held->rights & right))
			return true;
	}
	return false;
}
