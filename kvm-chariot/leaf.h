/* SPDX-License-Identifier: GPL-2.0-only */
/* What KVM's own page tables hold: reading them, in every mode. */
#ifndef CHARIOT_LEAF_H
#define CHARIOT_LEAF_H

#include "mode.h"

/*
 * The number of the page at @addr in trees of @level levels, KVM's and views. Virtual
 * addresses are sign-extended; physical ones beyond the tree are nothing's.
 */
static inline u64 chariot_leaf_index(const struct chariot_mode *mode, u64 addr, int level)
{
	u64 index = addr >> PAGE_SHIFT;

	return mode->by_gva ? index & ((1ull << (9 * level)) - 1) : index;
}

/* The right that the access needs. */
static inline unsigned int chariot_access_right(const struct chariot_access *access)
{
	return access->write ? CHARIOT_W : access->fetch ? CHARIOT_X : CHARIOT_R;
}

/*
 * The deepest entry for page @index in KVM's tree below @root, a leaf if it is
 * present. With @walk, what an access of the CPU's would do on its way: it sets
 * the leaf's accessed and dirty bits. KVM clears accessed bits to see pages age,
 * and makes some entries writable without the dirty bit. Needs kvm->mmu_lock for
 * reading, and RCU; @root must be one that KVM holds on to. Returns true if it made
 * the page dirty, which is the caller's to log.
 */
bool chariot_leaf_find(const struct chariot_mode *mode, hpa_t root, int level, u64 index,
		       const struct chariot_access *walk, struct chariot_leaf *leaf);

/* Does the leaf allow the access, as far as its own bits tell? */
bool chariot_leaf_allows(const struct chariot_mode *mode, u64 entry,
			 const struct chariot_access *access);

#endif
