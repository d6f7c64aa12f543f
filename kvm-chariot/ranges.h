/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small bounded set of address ranges with a look-up by binary search: a
 * domain's text (by guest virtual and physical address), library functions,
 * regions for reports. Sorted by @start; ranges of a set never overlap.
 * Serialised by the owner's lock.
 */
#ifndef CHARIOT_RANGES_H
#define CHARIOT_RANGES_H

#include <linux/types.h>

struct chariot_span {
	u64 start;
	u64 len;
	u64 data;	/* the owner's */
};

/* What becomes of @data when the front of a span is cut off. */
enum chariot_ranges_data {
	CHARIOT_DATA_FIXED,	/* nothing: a kind, a domain */
	CHARIOT_DATA_MOVES,	/* an address (the physical one of a virtual span): moves along */
};

struct chariot_ranges {
	struct chariot_span *spans;
	unsigned int nr;
	unsigned int capacity;
	unsigned int max;
	enum chariot_ranges_data rule;
};

void chariot_ranges_init(struct chariot_ranges *set, unsigned int max,
			 enum chariot_ranges_data rule);
/* Empties the set, which stays usable. */
void chariot_ranges_clear(struct chariot_ranges *set);
/* 0; -EINVAL: empty or start + len wraps; -EEXIST: overlaps; -ENOSPC: @max reached; -ENOMEM */
int chariot_ranges_add(struct chariot_ranges *set, u64 start, u64 len, u64 data);
/*
 * Removes every span that lies wholly in [start, start + len); cuts the
 * others. Returns how many spans were touched, or -ENOSPC/-ENOMEM: a span that
 * reaches beyond both ends could not be cut in two and was removed whole (it
 * is the only one touched then).
 */
int chariot_ranges_remove(struct chariot_ranges *set, u64 start, u64 len);
/* The span that holds @addr, or NULL; valid until the set changes. */
const struct chariot_span *chariot_ranges_find(const struct chariot_ranges *set, u64 addr);
/* Does any span meet [start, start + len)? */
bool chariot_ranges_meets(const struct chariot_ranges *set, u64 start, u64 len);

#endif
