// SPDX-License-Identifier: GPL-2.0-only
/* A sorted array: sets are small, change rarely and are searched at every fault. */
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "ranges.h"

#define FIRST_CAPACITY	8u

static u64 span_last(const struct chariot_span *span)
{
	return span->start + (span->len - 1);
}

static u64 last_of(u64 start, u64 len)
{
	u64 last;

	return check_add_overflow(start, len - 1, &last) ? U64_MAX : last;
}

/* The index of the first span whose last byte is not below @addr; @nr if there is none. */
static unsigned int first_from(const struct chariot_ranges *set, u64 addr)
{
	unsigned int low = 0, high = set->nr;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (span_last(&set->spans[middle]) < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void chariot_ranges_init(struct chariot_ranges *set, unsigned int max,
			 enum chariot_ranges_data rule)
{
	*set = (struct chariot_ranges) { .max = max, .rule = rule };
}

void chariot_ranges_clear(struct chariot_ranges *set)
{
	kvfree(set->spans);
	chariot_ranges_init(set, set->max, set->rule);
}

static int make_room(struct chariot_ranges *set)
{
	struct chariot_span *spans;
	unsigned int capacity;

	if (set->nr >= set->max)
		return -ENOSPC;
	if (set->nr < set->capacity)
		return 0;
	capacity = min(set->max, max(FIRST_CAPACITY, 2 * set->capacity));
	spans = kvmalloc_array(capacity, sizeof(*spans), GFP_KERNEL_ACCOUNT);
	if (!spans)
		return -ENOMEM;
	if (set->nr)
		memcpy(spans, set->spans, set->nr * sizeof(*spans));
	kvfree(set->spans);
	set->spans = spans;
	set->capacity = capacity;
	return 0;
}

static void remove_at(struct chariot_ranges *set, unsigned int at, unsigned int nr)
{
	memmove(&set->spans[at], &set->spans[at + nr],
		(set->nr - at - nr) * sizeof(*set->spans));
	set->nr -= nr;
}

static int insert_at(struct chariot_ranges *set, unsigned int at, struct chariot_span span)
{
	int ret = make_room(set);

	if (ret)
		return ret;
	memmove(&set->spans[at + 1], &set->spans[at], (set->nr - at) * sizeof(*set->spans));
	set->spans[at] = span;
	set->nr++;
	return 0;
}

int chariot_ranges_add(struct chariot_ranges *set, u64 start, u64 len, u64 data)
{
	unsigned int at;
	u64 end;

	if (!len || check_add_overflow(start, len, &end))
		return -EINVAL;
	at = first_from(set, start);
	if (at < set->nr && set->spans[at].start < end)
		return -EEXIST;
	return insert_at(set, at, (struct chariot_span) { start, len, data });
}

/* The rest of @span behind @last, which is inside it. */
static struct chariot_span behind(const struct chariot_ranges *set,
				  const struct chariot_span *span, u64 last)
{
	u64 gone = last - span->start + 1;

	return (struct chariot_span) {
		.start = last + 1,
		.len = span->len - gone,
		.data = set->rule == CHARIOT_DATA_MOVES ? span->data + gone : span->data,
	};
}

int chariot_ranges_remove(struct chariot_ranges *set, u64 start, u64 len)
{
	unsigned int first, at;
	int touched = 0;
	u64 last;

	if (!len)
		return 0;
	last = last_of(start, len);
	at = first_from(set, start);

	if (at < set->nr && set->spans[at].start < start) {
		struct chariot_span *span = &set->spans[at];

		if (span_last(span) > last) {
			int ret = insert_at(set, at + 1, behind(set, span, last));

			if (ret) {
				remove_at(set, at, 1);
				return ret;
			}
			/* the array may have moved */
			span = &set->spans[at];
		}
		span->len = start - span->start;
		touched++;
		at++;
	}

	first = at;
	while (at < set->nr && span_last(&set->spans[at]) <= last)
		at++;
	if (at > first) {
		remove_at(set, first, at - first);
		touched += at - first;
	}

	if (first < set->nr && set->spans[first].start <= last) {
		set->spans[first] = behind(set, &set->spans[first], last);
		touched++;
	}
	return touched;
}

const struct chariot_span *chariot_ranges_find(const struct chariot_ranges *set, u64 addr)
{
	unsigned int at = first_from(set, addr);

	return at < set->nr && set->spans[at].start <= addr ? &set->spans[at] : NULL;
}

bool chariot_ranges_meets(const struct chariot_ranges *set, u64 start, u64 len)
{
	unsigned int at;

	if (!len)
		return false;
	at = first_from(set, start);
	return at < set->nr && set->spans[at].start <= last_of(start, len);
}
