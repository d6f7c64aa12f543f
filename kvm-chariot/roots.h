/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shadow paging: KVM has a root for each address space of the guest, and a vCPU's
 * views belong to one of them. This keeps a vCPU's views of the roots that it used
 * last, so that a guest that goes from process to process finds them filled.
 *
 * KVM holds on to the root that is loaded and to a few before it (prev_roots[]),
 * and to no other: what may have been freed is forgotten at the next flush, before
 * anything is read through it.
 *
 * All of it belongs to the vCPU's own thread, between an exit and the next entry.
 */
#ifndef CHARIOT_ROOTS_H
#define CHARIOT_ROOTS_H

#include "../include/uapi/chariot.h"
#include "view.h"

#define CHARIOT_ROOTS	8

struct chariot_root {
	u64 base;			/* CHARIOT_BASE_NONE: free, its views are empty */
	u64 used;			/* larger: later */
	struct chariot_view *view[CHARIOT_DOMAINS_MAX + 1];	/* NULL: not made yet */
};

struct chariot_roots {
	struct chariot_root root[CHARIOT_ROOTS];
	struct chariot_root *cur;	/* NULL: none loaded yet */
	u64 clock;
};

void chariot_roots_init(struct chariot_roots *roots);

/*
 * KVM loads root @base: returns what belongs to it, which is @roots->cur from now
 * on. Sets *@flush if another root's had to be given up for it: the vCPU's TLB
 * must be flushed, of everything, before it enters the guest. Never sleeps.
 */
struct chariot_root *chariot_roots_load(struct chariot_roots *roots, u64 base, bool *flush);

/*
 * KVM is about to flush the vCPU's TLB: all views are to be compared with KVM's
 * tree before they are used again. With @bases, the @nr roots that KVM holds on to
 * now, the views of all others are emptied and free for other roots.
 */
void chariot_roots_flush(struct chariot_roots *roots, const u64 *bases, unsigned int nr);

/* @view is of @root from now on. */
void chariot_roots_add(struct chariot_root *root, struct chariot_view *view);

#endif
