// SPDX-License-Identifier: GPL-2.0-only
/* Sets of address ranges: edges by hand, then against one note per byte. */
#include <linux/errno.h>
#include <linux/limits.h>

#include "ranges.h"
#include "ktap.h"

#define BYTES	300u

static struct chariot_ranges set;

TEST(find_is_exact)
{
	chariot_ranges_init(&set, 8, CHARIOT_DATA_FIXED);
	CHECK(!chariot_ranges_find(&set, 0));
	CHECK(!chariot_ranges_meets(&set, 0, U64_MAX));
	CHECK_EQ(chariot_ranges_add(&set, 0x2000, 0x100, 2), 0);
	CHECK_EQ(chariot_ranges_add(&set, 0x1000, 0x100, 1), 0);
	CHECK_EQ(chariot_ranges_add(&set, 0x1100, 0x100, 3), 0);
	CHECK(!chariot_ranges_find(&set, 0xfff));
	CHECK_EQ(chariot_ranges_find(&set, 0x1000)->data, 1);
	CHECK_EQ(chariot_ranges_find(&set, 0x10ff)->data, 1);
	CHECK_EQ(chariot_ranges_find(&set, 0x1100)->data, 3);
	CHECK(!chariot_ranges_find(&set, 0x1200));
	CHECK_EQ(chariot_ranges_find(&set, 0x20ff)->data, 2);
	CHECK(!chariot_ranges_find(&set, 0x2100));
	CHECK(!chariot_ranges_find(&set, U64_MAX));
	CHECK(chariot_ranges_meets(&set, 0, 0x1001));
	CHECK(!chariot_ranges_meets(&set, 0, 0x1000));
	CHECK(!chariot_ranges_meets(&set, 0x1200, 0xe00));
	CHECK(chariot_ranges_meets(&set, 0x1200, 0xe01));
	CHECK(chariot_ranges_meets(&set, 0x20ff, U64_MAX));
	CHECK(!chariot_ranges_meets(&set, 0x2000, 0));
	chariot_ranges_clear(&set);
	CHECK_EQ(set.nr, 0);
	CHECK_EQ(set.max, 8);
}

TEST(bad_spans_are_refused)
{
	chariot_ranges_init(&set, 2, CHARIOT_DATA_FIXED);
	CHECK_EQ(chariot_ranges_add(&set, 0x1000, 0, 0), -EINVAL);
	CHECK_EQ(chariot_ranges_add(&set, U64_MAX, 1, 0), -EINVAL);
	CHECK_EQ(chariot_ranges_add(&set, 2, U64_MAX - 1, 0), -EINVAL);
	CHECK_EQ(chariot_ranges_add(&set, 0x1000, 0x10, 0), 0);
	CHECK_EQ(chariot_ranges_add(&set, 0x100f, 1, 0), -EEXIST);
	CHECK_EQ(chariot_ranges_add(&set, 0xfff, 2, 0), -EEXIST);
	CHECK_EQ(chariot_ranges_add(&set, 0, U64_MAX, 0), -EEXIST);
	CHECK_EQ(chariot_ranges_add(&set, 0xfff, 1, 0), 0);
	CHECK_EQ(chariot_ranges_add(&set, 0x1010, 1, 0), -ENOSPC);
	/* an overlap is told even when the set is full */
	CHECK_EQ(chariot_ranges_add(&set, 0x1008, 1, 0), -EEXIST);
	CHECK_EQ(set.nr, 2);
	chariot_ranges_clear(&set);
}

TEST(data_move_only_where_they_are_addresses)
{
	chariot_ranges_init(&set, 4, CHARIOT_DATA_MOVES);
	CHECK_EQ(chariot_ranges_add(&set, 0x1000, 0x1000, 0x8000), 0);
	CHECK_EQ(chariot_ranges_remove(&set, 0x1400, 0x100), 1);
	CHECK_EQ(chariot_ranges_find(&set, 0x13ff)->data, 0x8000);
	CHECK_EQ(chariot_ranges_find(&set, 0x1500)->data, 0x8500);
	chariot_ranges_clear(&set);

	chariot_ranges_init(&set, 4, CHARIOT_DATA_FIXED);
	CHECK_EQ(chariot_ranges_add(&set, 0x1000, 0x1000, 5), 0);
	CHECK_EQ(chariot_ranges_remove(&set, 0x1400, 0x100), 1);
	CHECK_EQ(chariot_ranges_remove(&set, 0, 0x1001), 1);
	CHECK_EQ(chariot_ranges_find(&set, 0x1001)->data, 5);
	CHECK_EQ(chariot_ranges_find(&set, 0x1500)->data, 5);
	chariot_ranges_clear(&set);
}

TEST(a_cut_that_cannot_be_made_removes_the_span)
{
	unsigned int i;

	chariot_ranges_init(&set, 1, CHARIOT_DATA_FIXED);
	CHECK_EQ(chariot_ranges_add(&set, 0x1000, 0x1000, 0), 0);
	CHECK_EQ(chariot_ranges_remove(&set, 0x1400, 1), -ENOSPC);
	CHECK_EQ(set.nr, 0);
	chariot_ranges_clear(&set);

	/* full, so that the cut must grow the array */
	chariot_ranges_init(&set, 64, CHARIOT_DATA_FIXED);
	CHECK_EQ(chariot_ranges_add(&set, 0, 0x1000, 0), 0);
	for (i = 1; i < set.capacity; i++)
		CHECK_EQ(chariot_ranges_add(&set, 0x1000 * i, 0x1000, i), 0);
	shim_fail_alloc(0, true);
	CHECK_EQ(chariot_ranges_add(&set, 0x100000, 1, 0), -ENOMEM);
	CHECK_EQ(chariot_ranges_remove(&set, 0x1400, 1), -ENOMEM);
	shim_fail_alloc(~0ul, false);
	CHECK_EQ(set.nr, set.capacity - 1);
	CHECK(!chariot_ranges_meets(&set, 0x1000, 0x1000));
	CHECK_EQ(chariot_ranges_find(&set, 0xfff)->data, 0);
	CHECK_EQ(chariot_ranges_find(&set, 0x2000)->data, 2);
	chariot_ranges_clear(&set);
}

TEST(a_cut_that_grows_the_array_keeps_both_ends)
{
	unsigned int i;

	chariot_ranges_init(&set, 64, CHARIOT_DATA_FIXED);
	CHECK_EQ(chariot_ranges_add(&set, 0, 0x1000, 0), 0);
	for (i = 1; i < set.capacity; i++)
		CHECK_EQ(chariot_ranges_add(&set, 0x1000 * i, 0x1000, i), 0);
	CHECK_EQ(chariot_ranges_remove(&set, 0x1400, 0x100), 1);
	CHECK_EQ(chariot_ranges_find(&set, 0x13ff)->len, 0x400);
	CHECK(!chariot_ranges_meets(&set, 0x1400, 0x100));
	CHECK_EQ(chariot_ranges_find(&set, 0x1500)->len, 0xb00);
	chariot_ranges_clear(&set);
}

/* One note per byte: 0 or the number of the span (never reused, so cuts show). */
struct note {
	u32 span;
	u64 data;	/* of the span, as if it began here */
};

static struct note note[BYTES];

static unsigned int spans_in(u64 from, u64 to)
{
	unsigned int nr = 0;
	u64 i;

	for (i = from; i < to; i++)
		nr += note[i].span && (i == from || note[i].span != note[i - 1].span);
	return nr;
}

static void model_remove(u64 at, u64 len, u32 *next, int *expect)
{
	u64 end = at + len < BYTES ? at + len : BYTES;
	u64 i;

	*expect = len ? spans_in(at, end) : 0;
	if (!len)
		return;
	if (at && end < BYTES && note[at].span && note[at - 1].span == note[at].span &&
	    note[end].span == note[at].span) {
		u32 span = note[at].span;

		for (i = end; i < BYTES && note[i].span == span; i++)
			note[i].span = *next;
		++*next;
		if (set.nr == set.max) {
			*expect = -ENOSPC;
			for (i = 0; i < BYTES; i++)
				if (note[i].span == span || note[i].span == *next - 1)
					note[i].span = 0;
		}
	}
	for (i = at; i < end; i++)
		note[i].span = 0;
}

static void compare(u64 base, enum chariot_ranges_data rule)
{
	u64 start = 0;
	u64 i;

	CHECK_EQ(set.nr, spans_in(0, BYTES));
	CHECK(set.nr <= set.capacity && set.capacity <= set.max);
	for (i = 0; i < BYTES; i++) {
		const struct chariot_span *span = chariot_ranges_find(&set, base + i);

		CHECK_EQ(!!span, !!note[i].span);
		CHECK_EQ(chariot_ranges_meets(&set, base + i, 1), !!span);
		if (!span)
			continue;
		if (!i || note[i - 1].span != note[i].span)
			start = i;
		CHECK_EQ(span->start, base + start);
		CHECK_EQ(span->data + (rule == CHARIOT_DATA_MOVES ? i - start : 0), note[i].data);
	}
}

static void against_model(u64 base, enum chariot_ranges_data rule)
{
	u32 next = 1;
	int steps;

	chariot_ranges_init(&set, 24, rule);
	for (steps = 0; steps < 20000; steps++) {
		u64 at = ktap_below(BYTES);
		u64 len = ktap_below(ktap_below(8) ? 20 : BYTES);
		u64 i;

		if (ktap_below(16) < 10) {
			u64 data = ktap_random();
			int expect = 0;

			if (len > BYTES - at)
				len = BYTES - at;
			if (!len)
				expect = -EINVAL;
			else if (spans_in(at, at + len))
				expect = -EEXIST;
			else if (set.nr == set.max)
				expect = -ENOSPC;
			CHECK_EQ(chariot_ranges_add(&set, base + at, len, data), expect);
			for (i = at; !expect && i < at + len; i++)
				note[i] = (struct note) {
					next, data + (rule == CHARIOT_DATA_MOVES ? i - at : 0)
				};
			next++;
		} else {
			int expect;

			model_remove(at, len, &next, &expect);
			CHECK_EQ(chariot_ranges_remove(&set, base + at, len), expect);
		}
		compare(base, rule);
	}
	chariot_ranges_clear(&set);
	for (steps = 0; steps < (int)BYTES; steps++)
		note[steps] = (struct note) { 0 };
}

TEST(agrees_with_the_model_at_0)
{
	against_model(0, CHARIOT_DATA_MOVES);
}

TEST(agrees_with_the_model_in_the_middle)
{
	against_model(0xffffffffc0000000, CHARIOT_DATA_FIXED);
}

TEST(agrees_with_the_model_below_2_to_the_64)
{
	against_model(U64_MAX - BYTES, CHARIOT_DATA_MOVES);
}
