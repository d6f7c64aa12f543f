// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access control lists: edges by hand, then everything against a naive model.
 * Single-threaded: says nothing about the owner's lock.
 */
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/slab.h>

#include "acl_model.h"
#include "ktap.h"

static struct chariot_acl acl;

static void begin(void)
{
	CHECK_EQ(chariot_acl_module_init(), 0);
	chariot_acl_init(&acl);
}

static void end(void)
{
	chariot_acl_clear(&acl);
	CHECK_EQ(acl.ranges, 0);
	CHECK_EQ(acl.bytes, 0);
	chariot_acl_module_exit();
}

static int grant(u64 gpa, u64 len)
{
	return chariot_acl_grant(&acl, gpa, len, ~gpa, 3);
}

TEST(first_last_and_one_past)
{
	begin();
	CHECK_EQ(grant(0x1010, 96), 0);
	CHECK(!chariot_acl_covers(&acl, 0x100f, 1));
	CHECK(chariot_acl_covers(&acl, 0x1010, 1));
	CHECK(chariot_acl_covers(&acl, 0x106f, 1));
	CHECK(!chariot_acl_covers(&acl, 0x1070, 1));
	CHECK(chariot_acl_covers(&acl, 0x1010, 96));
	CHECK(!chariot_acl_covers(&acl, 0x100f, 96));
	CHECK(!chariot_acl_covers(&acl, 0x1011, 96));
	CHECK(!chariot_acl_covers(&acl, 0x1010, 97));
	CHECK(!chariot_acl_find(&acl, 0x100f));
	CHECK(chariot_acl_find(&acl, 0x106f));
	CHECK(!chariot_acl_find(&acl, 0x1070));
	CHECK(chariot_acl_at(&acl, 0x1010));
	CHECK(!chariot_acl_at(&acl, 0x1011));
	end();
}

TEST(an_empty_list_grants_nothing)
{
	bool granted = true;

	begin();
	CHECK(!chariot_acl_covers(&acl, 0, 1));
	CHECK(!chariot_acl_covers(&acl, U64_MAX, 1));
	CHECK_EQ(chariot_acl_cover(&acl, 0, U64_MAX), CHARIOT_COVER_NONE);
	CHECK_EQ(chariot_acl_span(&acl, 5, 10, &granted), 10);
	CHECK(!granted);
	CHECK(!chariot_acl_find(&acl, 0));
	CHECK(!chariot_acl_nearest(&acl, 0));
	CHECK_EQ(chariot_acl_revoke(&acl, 0, U64_MAX), 0);
	end();
}

TEST(overlaps_are_refused)
{
	begin();
	CHECK_EQ(grant(0x1000, 0x100), 0);
	CHECK_EQ(grant(0x1000, 0x100), -EEXIST);
	CHECK_EQ(grant(0x10ff, 1), -EEXIST);
	CHECK_EQ(grant(0x0fff, 2), -EEXIST);
	CHECK_EQ(grant(0x0f00, 0x1000), -EEXIST);
	CHECK_EQ(grant(0x1080, 1), -EEXIST);
	CHECK_EQ(acl.ranges, 1);
	CHECK_EQ(acl.bytes, 0x100);
	/* neighbours are none */
	CHECK_EQ(grant(0x0fff, 1), 0);
	CHECK_EQ(grant(0x1100, 1), 0);
	CHECK_EQ(acl.ranges, 3);
	end();
}

TEST(empty_and_wrapping_grants_are_refused)
{
	begin();
	CHECK_EQ(grant(0x1000, 0), -EINVAL);
	CHECK_EQ(grant(U64_MAX, 1), -EINVAL);
	CHECK_EQ(grant(U64_MAX, U64_MAX), -EINVAL);
	CHECK_EQ(grant(0x1000, U64_MAX - 0xfff), -EINVAL);
	CHECK_EQ(grant(1, U64_MAX), -EINVAL);
	CHECK_EQ(acl.ranges, 0);
	/* the longest that does not wrap */
	CHECK_EQ(grant(0, U64_MAX), 0);
	CHECK(chariot_acl_covers(&acl, 0, U64_MAX));
	CHECK(chariot_acl_covers(&acl, U64_MAX - 1, 1));
	CHECK(!chariot_acl_covers(&acl, U64_MAX, 1));
	end();
}

TEST(questions_that_wrap_are_answered_no)
{
	bool granted;

	begin();
	CHECK_EQ(grant(U64_MAX - 16, 16), 0);
	CHECK_EQ(grant(0, 16), 0);
	CHECK(chariot_acl_covers(&acl, U64_MAX - 16, 16));
	CHECK(!chariot_acl_covers(&acl, U64_MAX - 16, 17));
	CHECK(!chariot_acl_covers(&acl, U64_MAX - 16, 18));
	CHECK(!chariot_acl_covers(&acl, U64_MAX - 16, U64_MAX));
	CHECK_EQ(chariot_acl_cover(&acl, U64_MAX - 16, 40), CHARIOT_COVER_SOME);
	CHECK_EQ(chariot_acl_span(&acl, U64_MAX - 8, 40, &granted), 8);
	CHECK(granted);
	/* nor does a revoke come back at 0 */
	CHECK_EQ(chariot_acl_revoke(&acl, U64_MAX - 16, 40), 16);
	CHECK(chariot_acl_covers(&acl, 0, 16));
	end();
}

TEST(adjacent_ranges_cover_together_but_not_as_one)
{
	bool granted;

	begin();
	CHECK_EQ(grant(0x2000, 0x800), 0);
	CHECK_EQ(grant(0x2800, 0x800), 0);
	CHECK(chariot_acl_covers(&acl, 0x27ff, 2));
	CHECK(chariot_acl_covers(&acl, 0x2000, 0x1000));
	CHECK_EQ(chariot_acl_span(&acl, 0x2000, 0x2000, &granted), 0x1000);
	CHECK(granted);
	CHECK_EQ(chariot_acl_cover(&acl, 0x2000, 0x1000), CHARIOT_COVER_SOME);
	CHECK_EQ(chariot_acl_cover(&acl, 0x2000, 0x800), CHARIOT_COVER_ALL);
	CHECK_EQ(chariot_acl_cover(&acl, 0x3000, 0x1000), CHARIOT_COVER_NONE);
	end();
}

TEST(a_cut_keeps_both_ends)
{
	const struct chariot_range *range;

	begin();
	CHECK_EQ(chariot_acl_grant(&acl, 0x1000, 0x1000, 0xffff888000001000, 7), 0);
	CHECK_EQ(chariot_acl_revoke(&acl, 0x1400, 0x100), 0x100);
	CHECK_EQ(acl.ranges, 2);
	CHECK_EQ(acl.bytes, 0xf00);
	CHECK(chariot_acl_covers(&acl, 0x13ff, 1));
	CHECK(!chariot_acl_covers(&acl, 0x1400, 1));
	CHECK(!chariot_acl_covers(&acl, 0x14ff, 1));
	range = chariot_acl_at(&acl, 0x1500);
	CHECK(range);
	CHECK_EQ(range->len, 0xb00);
	CHECK_EQ(range->va, 0xffff888000001500);
	CHECK_EQ(range->kind, 7);
	CHECK_EQ(chariot_acl_revoke(&acl, 0, U64_MAX), 0xf00);
	CHECK_EQ(acl.ranges, 0);
	end();
}

TEST(a_cut_without_memory_takes_the_tail_too)
{
	begin();
	CHECK_EQ(grant(0x1000, 0x1000), 0);
	CHECK_EQ(grant(0x2000, 0x1000), 0);
	shim_fail_alloc(0, true);
	/* cuts at an end need no memory */
	CHECK_EQ(chariot_acl_revoke(&acl, 0x1000, 0x10), 0x10);
	CHECK_EQ(chariot_acl_revoke(&acl, 0x1ff0, 0x20), 0x20);
	CHECK_EQ(acl.ranges, 2);
	CHECK_EQ(chariot_acl_revoke(&acl, 0x1400, 0x100), 0xbf0);
	shim_fail_alloc(~0ul, false);
	CHECK_EQ(acl.ranges, 2);
	CHECK(chariot_acl_covers(&acl, 0x1010, 0x3f0));
	CHECK(!chariot_acl_covers(&acl, 0x1400, 1));
	CHECK(!chariot_acl_covers(&acl, 0x1500, 1));
	CHECK(!chariot_acl_covers(&acl, 0x1fef, 1));
	CHECK(chariot_acl_covers(&acl, 0x2010, 0xff0));
	end();
}

TEST(a_grant_without_memory_changes_nothing)
{
	begin();
	CHECK_EQ(grant(0x1000, 0x1000), 0);
	shim_fail_alloc(0, true);
	CHECK_EQ(grant(0x4000, 0x1000), -ENOMEM);
	CHECK_EQ(acl.ranges, 1);
	CHECK_EQ(acl.bytes, 0x1000);
	CHECK(!chariot_acl_find(&acl, 0x4000));
	end();
}

TEST(module_init_reports_no_memory)
{
	shim_fail_alloc(0, true);
	CHECK_EQ(chariot_acl_module_init(), -ENOMEM);
	chariot_acl_module_exit();
}

TEST(nearest_measures_gaps)
{
	begin();
	CHECK_EQ(grant(0x1000, 96), 0);
	CHECK_EQ(grant(0x1080, 96), 0);
	CHECK_EQ(chariot_acl_nearest(&acl, 0)->gpa, 0x1000);
	CHECK_EQ(chariot_acl_nearest(&acl, 0x1060)->gpa, 0x1000);
	CHECK_EQ(chariot_acl_nearest(&acl, 0x106f)->gpa, 0x1000);
	CHECK_EQ(chariot_acl_nearest(&acl, 0x1070)->gpa, 0x1080);
	CHECK_EQ(chariot_acl_nearest(&acl, 0x1080)->gpa, 0x1080);
	CHECK_EQ(chariot_acl_nearest(&acl, U64_MAX)->gpa, 0x1080);
	/* the same distance from both: the one that was overrun */
	CHECK_EQ(chariot_acl_revoke(&acl, 0x1080, 1), 1);
	CHECK_EQ(chariot_acl_nearest(&acl, 0x1070)->gpa, 0x1000);
	end();
}

static void against_model(u64 base, unsigned int steps)
{
	static struct acl_model model;
	const char *what;

	begin();
	model = (struct acl_model) { .base = base };
	while (steps--) {
		u64 at = ktap_below(MODEL_BYTES);
		u64 gpa = base + at;
		/* mostly short, some that reach far; a grant stays in the window */
		u64 len = ktap_below(ktap_below(8) ? 24 : MODEL_BYTES);
		u64 before;

		if (ktap_below(16) < 9) {
			u64 va = ktap_random();
			u8 kind = ktap_below(16);

			if (len > MODEL_BYTES - at)
				len = MODEL_BYTES - at;
			CHECK_EQ(chariot_acl_grant(&acl, gpa, len, va, kind),
				 model_grant(&model, gpa, len, va, kind));
		} else {
			bool no_memory = !ktap_below(4);

			if (!ktap_below(64)) {
				gpa -= ktap_below(32);
				len = ktap_random();
			}
			before = acl.bytes;
			if (no_memory)
				shim_fail_alloc(0, true);
			CHECK_EQ(chariot_acl_revoke(&acl, gpa, len),
				 model_revoke(&model, gpa, len, no_memory));
			shim_fail_alloc(~0ul, false);
			CHECK(acl.bytes <= before);
		}
		what = model_differs_whole(&model, &acl);
		if (what)
			ktap_fail(__FILE__, __LINE__, "%s (%u steps before the end)", what, steps);
		for (unsigned int i = 0; i < 8; i++) {
			gpa = base + ktap_below(MODEL_BYTES + 16) - 8;
			len = ktap_below(ktap_below(4) ? 16 : MODEL_BYTES);
			what = model_differs(&model, &acl, gpa, len);
			if (what)
				ktap_fail(__FILE__, __LINE__, "%s of 0x%llx + 0x%llx", what,
					  (unsigned long long)gpa, (unsigned long long)len);
		}
	}
	end();
}

TEST(agrees_with_the_model_at_0)
{
	against_model(0, 20000);
}

TEST(agrees_with_the_model_across_pages)
{
	against_model(0x100000000 - MODEL_BYTES / 2, 20000);
}

/* The last byte that can be granted is U64_MAX - 1. */
TEST(agrees_with_the_model_below_2_to_the_64)
{
	against_model(U64_MAX - MODEL_BYTES, 20000);
}

TEST(many_ranges)
{
	const u64 nr = 20000;
	u64 i;

	begin();
	/* in an order that is not sorted: i * odd number is a permutation of the slots */
	for (i = 0; i < nr; i++)
		CHECK_EQ(grant((i * 7919 % nr) * 64, 48), 0);
	CHECK_EQ(acl.ranges, nr);
	for (i = 0; i < nr; i++) {
		CHECK(chariot_acl_covers(&acl, i * 64, 48));
		CHECK(!chariot_acl_covers(&acl, i * 64 + 48, 1));
	}
	CHECK_EQ(chariot_acl_revoke(&acl, 64, (nr - 2) * 64), (nr - 2) * 48);
	CHECK_EQ(acl.ranges, 2);
	end();
}
