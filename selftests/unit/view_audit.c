// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/mm.h>

#include "view_audit.h"

/* Used by tests and fuzzers alike: a crash is what both understand. */
#define REQUIRE(cond)							\
	do {								\
		if (!(cond)) {						\
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			fflush(stdout);					\
			abort();					\
		}							\
	} while (0)

struct census {
	u64 tables, with_leaves, leaves;
};

static void count(const struct chariot_entry_ops *ops, const u64 *table, int level,
		  struct census *census)
{
	u64 leaves = 0;

	for (unsigned int i = 0; i < 512; i++) {
		/* Bit 0 is P on AMD and R on Intel, bit 7 is PS in both formats. */
		if (!(table[i] & BIT_ULL(0))) {
			REQUIRE(table[i] == ops->empty);
		} else if (level == 1 || (table[i] & BIT_ULL(7))) {
			leaves++;
		} else {
			census->tables++;
			count(ops, __va(table[i] & GENMASK_ULL(51, 12)), level - 1, census);
		}
	}
	census->leaves += leaves;
	census->with_leaves += !!leaves;
}

u64 view_audit(struct chariot_views *views)
{
	struct chariot_view *view;
	struct list_head *item;
	u64 pages = 0;

	list_for_each_entry(view, &views->list, link) {
		struct census census = { 0 };
		u64 live = 0, empty = 0;

		count(views->ops, view->root, view->level, &census);
		list_for_each(item, &view->live)
			live++;
		list_for_each(item, &view->empty)
			empty++;
		REQUIRE(census.tables == live + empty);
		REQUIRE(census.with_leaves == live);
		REQUIRE(census.leaves == view->filled);
		pages += 1 + live + empty;
	}
	return pages;
}
