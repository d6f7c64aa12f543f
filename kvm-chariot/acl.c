// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access control lists (acl.h has the model).
 *
 * A red-black tree of disjoint ranges, ordered by address. Every question
 * starts from one primitive, the first range that ends behind an address: it
 * holds the address, or nothing does and it is the next one above.
 *
 * Ends are compared as the address of the last byte, which exists for every
 * non-empty range; the address behind the last one may not (2^64).
 */
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "acl.h"

static struct kmem_cache *range_cache;

static u64 range_last(const struct chariot_range *range)
{
	return range->gpa + (range->len - 1);
}

/* The last byte of a span that a caller asks about, which may wrap; @len is not 0. */
static u64 span_last(u64 gpa, u64 len)
{
	u64 last;

	return check_add_overflow(gpa, len - 1, &last) ? U64_MAX : last;
}

static struct chariot_range *range_of(struct rb_node *node)
{
	return rb_entry_safe(node, struct chariot_range, node);
}

static struct chariot_range *next_range(const struct chariot_range *range)
{
	return range_of(rb_next(&range->node));
}

/* The first range whose last byte is not below @gpa. */
static struct chariot_range *first_from(const struct chariot_acl *acl, u64 gpa)
{
	struct rb_node *node = acl->root.rb_node;
	struct chariot_range *best = NULL;

	while (node) {
		struct chariot_range *range = range_of(node);

		if (range_last(range) < gpa) {
			node = node->rb_right;
		} else {
			best = range;
			node = node->rb_left;
		}
	}
	return best;
}

/* The last byte, up to @last, of the run of adjacent ranges that begins with @range. */
static u64 run_last(const struct chariot_range *range, u64 last)
{
	u64 end = range_last(range);

	while (end < last) {
		range = next_range(range);
		if (!range || range->gpa != end + 1)
			break;
		end = range_last(range);
	}
	return min(end, last);
}

void chariot_acl_init(struct chariot_acl *acl)
{
	*acl = (struct chariot_acl) { .root = RB_ROOT };
}

void chariot_acl_clear(struct chariot_acl *acl)
{
	struct chariot_range *range, *next;

	rbtree_postorder_for_each_entry_safe(range, next, &acl->root, node)
		kmem_cache_free(range_cache, range);
	chariot_acl_init(acl);
}

/* Where a range [gpa, last] goes; NULL if another one is in its place. */
static struct rb_node **find_place(struct chariot_acl *acl, u64 gpa, u64 last,
				   struct rb_node **parent)
{
	struct rb_node **link = &acl->root.rb_node;

	*parent = NULL;
	while (*link) {
		struct chariot_range *range = range_of(*link);

		*parent = *link;
		if (last < range->gpa)
			link = &(*link)->rb_left;
		else if (gpa > range_last(range))
			link = &(*link)->rb_right;
		else
			return NULL;
	}
	return link;
}

int chariot_acl_grant(struct chariot_acl *acl, u64 gpa, u64 len, u64 va, u8 kind)
{
	struct rb_node **link, *parent;
	struct chariot_range *range;
	u64 end;

	if (!len || check_add_overflow(gpa, len, &end))
		return -EINVAL;
	link = find_place(acl, gpa, end - 1, &parent);
	if (!link)
		return -EEXIST;

	range = kmem_cache_alloc(range_cache, GFP_KERNEL_ACCOUNT);
	if (!range)
		return -ENOMEM;
	range->gpa = gpa;
	range->len = len;
	range->va = va;
	range->kind = kind;
	rb_link_node(&range->node, parent, link);
	rb_insert_color(&range->node, &acl->root);
	acl->ranges++;
	acl->bytes += len;
	return 0;
}

static void drop_range(struct chariot_acl *acl, struct chariot_range *range)
{
	acl->ranges--;
	acl->bytes -= range->len;
	rb_erase(&range->node, &acl->root);
	kmem_cache_free(range_cache, range);
}

/* Both keep the range's place in the order, so the tree stays as it is. */
static void cut_front(struct chariot_acl *acl, struct chariot_range *range, u64 bytes)
{
	range->gpa += bytes;
	range->va += bytes;
	range->len -= bytes;
	acl->bytes -= bytes;
}

static void cut_back(struct chariot_acl *acl, struct chariot_range *range, u64 bytes)
{
	range->len -= bytes;
	acl->bytes -= bytes;
}

u64 chariot_acl_revoke(struct chariot_acl *acl, u64 gpa, u64 len)
{
	struct chariot_range *range, *next;
	u64 before = acl->bytes;
	u64 last;

	if (!len)
		return 0;
	last = span_last(gpa, len);

	for (range = first_from(acl, gpa); range && range->gpa <= last; range = next) {
		u64 end = range_last(range);

		next = next_range(range);
		if (range->gpa < gpa) {
			u64 va = range->va + (last + 1 - range->gpa);

			/* The head stays; of a tail behind @last, a new range is made. */
			cut_back(acl, range, end - gpa + 1);
			if (end <= last)
				continue;
			/*
			 * It cannot overlap, so it can only fail for memory:
			 * then the tail's rights are gone, as they must be
			 * rather than the revoke undone.
			 */
			chariot_acl_grant(acl, last + 1, end - last, va, range->kind);
			break;
		}
		if (end > last) {
			cut_front(acl, range, last - range->gpa + 1);
			break;
		}
		drop_range(acl, range);
	}
	return before - acl->bytes;
}

const struct chariot_range *chariot_acl_find(const struct chariot_acl *acl, u64 gpa)
{
	const struct chariot_range *range = first_from(acl, gpa);

	return range && range->gpa <= gpa ? range : NULL;
}

const struct chariot_range *chariot_acl_at(const struct chariot_acl *acl, u64 gpa)
{
	const struct chariot_range *range = first_from(acl, gpa);

	return range && range->gpa == gpa ? range : NULL;
}

bool chariot_acl_covers(const struct chariot_acl *acl, u64 gpa, u64 len)
{
	const struct chariot_range *range;
	u64 last;

	if (!len)
		return true;
	if (check_add_overflow(gpa, len - 1, &last))
		return false;
	range = chariot_acl_find(acl, gpa);
	return range && run_last(range, last) == last;
}

u64 chariot_acl_span(const struct chariot_acl *acl, u64 gpa, u64 len, bool *granted)
{
	const struct chariot_range *range;
	u64 last;

	*granted = false;
	if (!len)
		return 0;
	last = span_last(gpa, len);
	range = first_from(acl, gpa);
	if (!range || range->gpa > last)
		return len;
	if (range->gpa > gpa)
		return range->gpa - gpa;
	*granted = true;
	return run_last(range, last) - gpa + 1;
}

enum chariot_cover chariot_acl_cover(const struct chariot_acl *acl, u64 gpa, u64 len)
{
	const struct chariot_range *range;
	u64 last;

	if (!len)
		return CHARIOT_COVER_NONE;
	last = span_last(gpa, len);
	range = first_from(acl, gpa);
	if (!range || range->gpa > last)
		return CHARIOT_COVER_NONE;
	/* No range ends at U64_MAX, so a span that wraps is never covered whole. */
	if (range->gpa <= gpa && range_last(range) >= last)
		return CHARIOT_COVER_ALL;
	return CHARIOT_COVER_SOME;
}

const struct chariot_range *chariot_acl_nearest(const struct chariot_acl *acl, u64 gpa)
{
	const struct chariot_range *above = first_from(acl, gpa);
	const struct chariot_range *below;

	if (above && above->gpa <= gpa)
		return above;
	below = range_of(above ? rb_prev(&above->node) : rb_last(&acl->root));
	if (!above || !below)
		return above ?: below;
	/* Of two at the same distance the lower one: overruns are commoner than underruns. */
	return gpa - range_last(below) <= above->gpa - gpa ? below : above;
}

int chariot_acl_module_init(void)
{
	range_cache = KMEM_CACHE(chariot_range, 0);
	return range_cache ? 0 : -ENOMEM;
}

void chariot_acl_module_exit(void)
{
	kmem_cache_destroy(range_cache);
	range_cache = NULL;
}
