// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any sequence of calls with any arguments, as a guest or KVM could bring it
 * about: tables stay consistent, bounded and free of leaks, and nothing that
 * was flushed or weakened can be looked up afterwards.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/list.h>

#include "shim/shim.h"
#include "view.h"
#include "view_audit.h"

#define REQUIRE(cond)								\
	do {									\
		if (!(cond)) {							\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();						\
		}								\
	} while (0)

#define VIEWS	4

struct input {
	const uint8_t *data;
	size_t size;
};

static u64 take(struct input *in, unsigned int bytes)
{
	u64 value = 0;

	for (; bytes && in->size; bytes--, in->size--)
		value = value << 8 | *in->data++;
	return value;
}

/* Half of them where they meet others, the rest anywhere. */
static u64 take_gfn(struct input *in)
{
	u64 where = take(in, 1), near = take(in, 2);

	switch (where & 7) {
	case 0:
		return near << 48 | take(in, 6);
	case 1:
		return near << 18;
	case 2:
		return near << 9;
	case 3:
		return (1ull << 36) - near;
	case 4:
		return (1ull << 45) - near;
	default:
		return near;
	}
}

static u64 take_nr(struct input *in)
{
	u64 how = take(in, 1);

	return how & 0x80 ? take(in, 8) : 1ull << (how & 63);
}

static void require_gone(struct chariot_view *view, u64 gfn, u64 nr, unsigned int rights)
{
	u64 end = gfn + nr - 1, gfns = 1ull << (9 * view->level);
	int level;

	if (!nr || gfn >= gfns)
		return;
	REQUIRE(!(chariot_entry_npt.own_rights(chariot_view_lookup(view, gfn, &level)) & rights));
	if (end < gfn || end >= gfns)
		end = gfns - 1;
	REQUIRE(!(chariot_entry_npt.own_rights(chariot_view_lookup(view, end, &level)) & rights));
}

static void install(struct chariot_views *views, struct chariot_view *view,
		    struct chariot_view_cache *cache, struct input *in)
{
	u64 gfn = take_gfn(in), entry = take(in, 8), flags = take(in, 1);
	int level = (s8)take(in, 1), kvm_level = flags & 0x10 ? (s8)take(in, 1) : (flags & 3);
	unsigned int rights = take(in, 1);
	u64 gen = chariot_views_gen(views) - !!(flags & 0x20), base = views->base, pages;
	enum chariot_install ret;
	int found;

	if (flags & 0x40)
		entry |= BIT_ULL(0) | BIT_ULL(2) | BIT_ULL(5) | BIT_ULL(11);
	if (flags & 0x80)
		base = take(in, 1);
	else
		chariot_view_topup(cache);
	pages = views->pages;
	ret = chariot_view_install(view, cache, gen, base, gfn, level, entry, kvm_level, rights);
	if (ret == CHARIOT_INSTALL_DONE || ret == CHARIOT_INSTALL_FLUSH) {
		u64 leaf = chariot_view_lookup(view, gfn, &found);
		unsigned int has = chariot_entry_npt.own_rights(leaf);

		REQUIRE(has == (rights & chariot_entry_npt.rights(entry)));
		REQUIRE(found <= kvm_level && (found == 1 || found <= level));
		REQUIRE(!(flags & 0x20));
	} else {
		REQUIRE(views->pages == pages);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct chariot_view *view[VIEWS] = { NULL };
	struct chariot_view_cache cache = { .nr = 0 };
	struct chariot_views views;
	unsigned long dirty, live;
	struct list_head *item;
	u64 pages;
	LIST_HEAD(tables);
	unsigned int i;

	shim_reset();
	live = shim_live();
	chariot_views_init(&views, &chariot_entry_npt, 4 + take(&in, 1));
	chariot_views_set_base(&views, 0x1000);
	while (in.size) {
		unsigned int op = take(&in, 1), which = (op >> 4) % VIEWS;
		u64 gfn, nr;

		if (!view[which]) {
			struct chariot_view *new = chariot_view_create(&views, which / 2,
								       (int)which - 1,
								       4 + (op & 1));

			view[which] = IS_ERR(new) ? NULL : new;
			continue;
		}
		switch (op & 15) {
		case 0:
			chariot_view_destroy(view[which]);
			view[which] = NULL;
			break;
		case 1:
			chariot_view_unlink(view[which], &tables);
			REQUIRE(!view[which]->filled);
			break;
		case 2:
			chariot_view_free_tables(&views, &tables);
			break;
		case 3:
			chariot_views_flush(&views);
			REQUIRE(!view[which]->filled);
			break;
		case 4:
			chariot_views_set_base(&views, take(&in, 1) & 1 ? 0x1000 : 0x2000);
			break;
		case 5:
			chariot_views_flushed(&views, take(&in, 1) % VIEWS, take(&in, 1));
			break;
		case 6:
		case 7:
			gfn = take_gfn(&in);
			nr = take_nr(&in);
			chariot_views_flush_range(&views, gfn, nr);
			require_gone(view[which], gfn, nr, CHARIOT_R);
			break;
		case 8:
		case 9:
			gfn = take_gfn(&in);
			nr = take_nr(&in);
			dirty = 0;
			chariot_views_weaken(&views, op & 1 ? CHARIOT_DOMAIN_ANY : which / 2,
					     (s8)take(&in, 1) % 4, gfn, nr, CHARIOT_W, &dirty, 4);
			REQUIRE(!(dirty & ~0xful));
			break;
		default:
			install(&views, view[which], &cache, &in);
			break;
		}
		REQUIRE(views.pages <= views.pages_max);
	}

	pages = view_audit(&views);
	list_for_each(item, &tables)
		pages++;
	REQUIRE(pages == views.pages);
	chariot_view_free_tables(&views, &tables);
	for (i = 0; i < VIEWS; i++)
		if (view[i])
			chariot_view_destroy(view[i]);
	chariot_view_cache_free(&cache);
	REQUIRE(!views.pages);
	REQUIRE(shim_live() == live && !shim_warnings());
	return 0;
}
