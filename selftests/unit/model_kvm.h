/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of what KVM does to its nested page tables and TLBs, in steps, so
 * that anything can happen between "entries changed" and "every TLB flushed".
 *
 * The guest has few pages, the "hot" ones, at the places where mistakes show:
 * the edges of 2M and 1G regions and of the address space. KVM's tree is kept
 * as the leaf that each hot page has. Host memory is never reused by the model:
 * a page that moves gets an address that was never seen before, so that a
 * stale translation cannot look right by accident.
 */
#ifndef MODEL_KVM_H
#define MODEL_KVM_H

#include <linux/types.h>

#include "model_format.h"

#define MODEL_VCPUS	4
#define MODEL_BLOCKS	5	/* of 2M */
#define MODEL_PER_BLOCK	8	/* hot pages */
#define MODEL_HOT	(MODEL_BLOCKS * MODEL_PER_BLOCK)
#define MODEL_OPS	2	/* in progress at once */
#define MODEL_HELD	512

struct model_leaf {
	u64 entry;		/* in KVM's format */
	int level;
};

struct model_root {
	u64 addr;
	unsigned int users;	/* vCPUs */
	bool live;		/* not freed */
	bool zapped;		/* invalid, and empty since */
	u64 freed;		/* when: model_kvm.frees */
	struct model_leaf leaf[MODEL_HOT];
};

/* What KVM took away, which @pending vCPUs may still have in their TLBs. */
struct model_held {
	unsigned int hot;
	unsigned int pending;	/* bit per vCPU */
	unsigned int op;
	u64 pa;
	unsigned int rights;
};

enum model_kind {
	MODEL_UNMAP,		/* MMU notifier: memory goes away or moves */
	MODEL_WRPROT,		/* dirty logging */
	MODEL_CLEAR_DIRTY,	/* the same, by the D bit */
	MODEL_SET_NX,
	MODEL_COLLAPSE,		/* small leaves zapped, so that a large one can come */
	MODEL_AGE,		/* accessed bits cleared, with a flush */
	MODEL_MEMSLOT,		/* new root, no flush of ours */
	MODEL_KINDS,
};

/* An operation in progress. */
struct model_op {
	bool busy;
	enum model_kind kind;
	unsigned int step;
	unsigned int lo, hi;	/* hot pages [lo, hi) */
	unsigned int flushed;	/* vCPUs */
};

struct model_kvm {
	const struct model_format *format;
	unsigned int vcpus;
	unsigned int memslots;		/* percentage of these among operations */
	unsigned int window;		/* where most happens now: see model_hot() */
	u64 gfn[MODEL_HOT];
	u64 pa[MODEL_HOT];		/* where host memory is */
	bool mmio[MODEL_HOT];
	bool logging[MODEL_BLOCKS];
	unsigned int blocked[MODEL_HOT];	/* notifier in progress: no fault maps it */
	u64 next_pa;
	u64 frees;
	struct model_root roots[MODEL_VCPUS + 2];
	struct model_root *root;		/* for whoever loads one now; NULL: make one */
	struct model_op ops[MODEL_OPS];
	struct model_held held[MODEL_HELD];
	unsigned int nr_held;
	u64 done[MODEL_KINDS];

	/* the world around, by the test */
	void (*flush)(struct model_kvm *kvm, bool all, u64 gfn, u64 nr);	/* the hook */
	void (*request)(struct model_kvm *kvm, unsigned int vcpu, bool reload);
};

void model_kvm_init(struct model_kvm *kvm, const struct model_format *format,
		    unsigned int vcpus, int level);

/* A hot page at random, most of the time one of the few that are in fashion. */
unsigned int model_hot(const struct model_kvm *kvm);

/* Hot pages that a leaf of @level for page @hot maps: [*lo, *hi) */
void model_group(const struct model_kvm *kvm, unsigned int hot, int level, unsigned int *lo,
		 unsigned int *hi);

/* A vCPU takes KVM's root of now, which may have the address of one that was freed; gives it up. */
struct model_root *model_get_root(struct model_kvm *kvm);
void model_put_root(struct model_kvm *kvm, struct model_root *root);

/* KVM's page fault handler for a vCPU under @root. May map nothing. */
void model_fault(struct model_kvm *kvm, struct model_root *root, unsigned int hot, bool write,
		 bool exec);

/* The CPU's walker, or who stands in for it, changes the leaf of a page. */
void model_set_leaf(struct model_kvm *kvm, struct model_root *root, unsigned int hot, u64 entry);

/* Does a random thing: begins an operation, goes on with one, or splits a leaf. */
void model_step(struct model_kvm *kvm);

/* May @vcpu under @root use this right to this address for this page? */
bool model_allows(const struct model_kvm *kvm, const struct model_root *root, unsigned int vcpu,
		  unsigned int hot, u64 pa, unsigned int right);

#endif
