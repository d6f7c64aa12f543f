// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/limits.h>

#include "acl_model.h"

static const struct model_byte *byte_at(const struct acl_model *model, u64 gpa)
{
	static const struct model_byte outside;
	u64 index = gpa - model->base;

	return gpa >= model->base && index < MODEL_BYTES ? &model->byte[index] : &outside;
}

/* Byte @i of a span that may wrap: bytes behind 2^64 do not exist. */
static bool exists(u64 gpa, u64 i)
{
	return gpa + i >= gpa;
}

int model_grant(struct acl_model *model, u64 gpa, u64 len, u64 va, u8 kind)
{
	u64 i;

	if (!len || gpa + len < gpa)
		return -EINVAL;
	for (i = 0; i < MODEL_BYTES; i++) {
		u64 at = model->base + i;

		if (model->byte[i].granted && at >= gpa && at - gpa < len)
			return -EEXIST;
	}
	for (i = 0; i < len; i++) {
		model->byte[gpa - model->base + i] = (struct model_byte) {
			.granted = true, .first = !i, .kind = kind, .va = va + i,
		};
	}
	return 0;
}

u64 model_revoke(struct acl_model *model, u64 gpa, u64 len, bool no_memory)
{
	bool in_cut = false;
	u64 removed = 0;
	u64 i;

	for (i = 0; i < MODEL_BYTES; i++) {
		struct model_byte *byte = &model->byte[i];
		u64 at = model->base + i;
		bool inside = at >= gpa && at - gpa < len;

		if (inside) {
			/* the first byte revoked is in the middle of a range? */
			if (at == gpa)
				in_cut = byte->granted && !byte->first;
			else if (byte->first)
				in_cut = false;
		} else if (byte->granted && at > gpa && i && at - 1 - gpa < len) {
			/* the first byte behind the span */
			if (!byte->first) {
				byte->first = true;
				if (in_cut && no_memory) {
					do {
						model->byte[i] = (struct model_byte) { 0 };
						removed++;
						i++;
					} while (i < MODEL_BYTES && model->byte[i].granted &&
						 !model->byte[i].first);
				}
			}
			break;
		}
		if (inside && byte->granted) {
			*byte = (struct model_byte) { 0 };
			removed++;
		}
	}
	return removed;
}

static bool same_range(const struct acl_model *model, const struct chariot_range *range, u64 gpa)
{
	const struct model_byte *byte;

	if (!range)
		return false;
	byte = byte_at(model, range->gpa);
	return byte->first && range->va == byte->va && range->kind == byte->kind &&
	       gpa >= range->gpa && gpa - range->gpa < range->len;
}

/* The granted byte nearest to @gpa, the lower of two; false: there is none. */
static bool nearest_byte(const struct acl_model *model, u64 gpa, u64 *at)
{
	u64 i, best = 0;
	bool found = false;

	for (i = 0; i < MODEL_BYTES; i++) {
		u64 here = model->base + i;
		u64 distance = here < gpa ? gpa - here : here - gpa;

		if (model->byte[i].granted && (!found || distance < best)) {
			found = true;
			best = distance;
			*at = here;
		}
	}
	return found;
}

const char *model_differs(const struct acl_model *model, const struct chariot_acl *acl,
			  u64 gpa, u64 len)
{
	const struct model_byte *first = byte_at(model, gpa);
	u64 i, same = 0, granted_bytes = 0, ranges = 0, near = 0;
	const struct chariot_range *range;
	enum chariot_cover cover;
	bool all = true, granted;

	for (i = 0; i < len && exists(gpa, i); i++) {
		const struct model_byte *byte = byte_at(model, gpa + i);

		if (same == i && byte->granted == first->granted)
			same++;
		granted_bytes += byte->granted;
		ranges += byte->granted && (!i || byte->first);
		all &= byte->granted;
	}
	/* bytes that do not exist are not granted */
	if (i < len) {
		all = false;
		if (same == i && !first->granted)
			same = len;
	}

	if (chariot_acl_covers(acl, gpa, len) != all)
		return "covers";
	if (chariot_acl_span(acl, gpa, len, &granted) != same)
		return "span's length";
	if (granted != (len && first->granted))
		return "span's answer";

	cover = granted_bytes ? CHARIOT_COVER_SOME : CHARIOT_COVER_NONE;
	if (len && all && ranges == 1)
		cover = CHARIOT_COVER_ALL;
	if (chariot_acl_cover(acl, gpa, len) != cover)
		return "cover";

	range = chariot_acl_find(acl, gpa);
	if (first->granted ? !same_range(model, range, gpa) : !!range)
		return "find";
	range = chariot_acl_at(acl, gpa);
	if (first->first ? !same_range(model, range, gpa) || range->gpa != gpa : !!range)
		return "at";
	range = chariot_acl_nearest(acl, gpa);
	if (nearest_byte(model, gpa, &near) ? !same_range(model, range, near) : !!range)
		return "nearest";
	return NULL;
}

const char *model_differs_whole(const struct acl_model *model, const struct chariot_acl *acl)
{
	u64 i, bytes = 0, ranges = 0, behind = 0;
	struct rb_node *node;

	for (i = 0; i < MODEL_BYTES; i++) {
		bytes += model->byte[i].granted;
		ranges += model->byte[i].first;
	}
	if (acl->bytes != bytes)
		return "bytes";
	if (acl->ranges != ranges)
		return "ranges";

	bytes = 0;
	for (node = rb_first(&acl->root); node; node = rb_next(node)) {
		const struct chariot_range *range = rb_entry(node, struct chariot_range, node);

		if (!range->len || range->gpa < behind || range->gpa + range->len < range->gpa)
			return "order";
		behind = range->gpa + range->len;
		for (i = 0; i < range->len; i++) {
			const struct model_byte *byte = byte_at(model, range->gpa + i);

			if (!byte->granted || byte->first != !i ||
			    byte->va != range->va + i || byte->kind != range->kind)
				return "a range";
		}
		bytes += range->len;
		ranges--;
	}
	return ranges || bytes != acl->bytes ? "the tree" : NULL;
}
