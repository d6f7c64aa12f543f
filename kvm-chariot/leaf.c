// SPDX-License-Identifier: GPL-2.0-only
/* Reading KVM's page tables; see leaf.h. */
#include "compat.h"
#include "leaf.h"

bool chariot_leaf_find(const struct chariot_mode *mode, hpa_t root, int level, u64 index,
		       const struct chariot_access *walk, struct chariot_leaf *leaf)
{
	const struct chariot_entry_ops *ops = mode->entry;
	hpa_t table = root;
	bool dirtied = false;
	u64 walked, *slot;

	leaf->level = level;
	leaf->gfn = index;
	for (;;) {
		slot = (u64 *)__va(table) + (index >> (9 * (leaf->level - 1)) & 511);
		leaf->entry = READ_ONCE(*slot);
		if (!ops->present(leaf->entry))
			return false;
		if (leaf->level == CHARIOT_LEVEL_4K || ops->large(leaf->entry)) {
			walked = walk ? ops->walked(leaf->entry, walk->write) : leaf->entry;
			if (walked == leaf->entry)
				break;
			if (try_cmpxchg64(slot, &leaf->entry, walked)) {
				dirtied = walk->write && (ops->rights(walked) & CHARIOT_W);
				leaf->entry = walked;
				break;
			}
			continue;	/* KVM changed it meanwhile */
		}
		table = ops->addr(leaf->entry);
		leaf->level--;
	}
	/* The guest's tables may say something else by now: KVM has not looked yet. */
	if (mode->by_gva)
		leaf->gfn = chariot_shadow_gfn(slot) +
			    (index & ((1ull << (9 * (leaf->level - 1))) - 1));
	return dirtied;
}

bool chariot_leaf_allows(const struct chariot_mode *mode, u64 entry,
			 const struct chariot_access *access)
{
	const struct chariot_entry_ops *ops = mode->entry;

	return (ops->rights(entry) & chariot_access_right(access)) &&
	       (!access->user || !ops->user || ops->user(entry));
}
