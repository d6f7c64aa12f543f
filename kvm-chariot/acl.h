/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The access control list of one domain: byte-exact ranges of guest physical
 * memory that the domain may write.
 *
 * Ranges of one list never overlap. Everything here is serialised by the
 * owner's lock (chariot_vm.lock); nothing sleeps except grant and revoke,
 * which may allocate with GFP_KERNEL_ACCOUNT. Look-ups are O(log n).
 * Addresses and lengths are in bytes and never wrap (checked by grant).
 */
#ifndef CHARIOT_ACL_H
#define CHARIOT_ACL_H

#include <linux/rbtree.h>
#include <linux/types.h>

struct chariot_range {
	struct rb_node node;
	u64 gpa;
	u64 len;
	u64 va;		/* guest virtual address of @gpa, informative */
	u8 kind;	/* CHARIOT_KIND_* */
};

struct chariot_acl {
	struct rb_root root;
	u64 ranges;	/* now */
	u64 bytes;	/* now */
};

/* How much of a span of pages the list covers. */
enum chariot_cover {
	CHARIOT_COVER_NONE,	/* no byte */
	CHARIOT_COVER_SOME,
	CHARIOT_COVER_ALL,	/* one single range covers it whole */
};

void chariot_acl_init(struct chariot_acl *acl);
void chariot_acl_clear(struct chariot_acl *acl);

/* 0; -EINVAL: len 0, or gpa + len wraps; -EEXIST: overlaps a range of this list; -ENOMEM */
int chariot_acl_grant(struct chariot_acl *acl, u64 gpa, u64 len, u64 va, u8 kind);

/*
 * Takes [gpa, gpa + len) away, cutting ranges where needed (va moves along).
 * Returns the bytes that were removed. When memory for the second half of a
 * cut range cannot be had, that half is removed too: never more rights than
 * asked for. Then, and only then, more than @len is returned, and the range
 * that held @gpa + @len has lost everything behind it.
 * A cut in the middle adds one to @ranges: an owner that bounds it looks at it
 * after a revoke, too.
 */
u64 chariot_acl_revoke(struct chariot_acl *acl, u64 gpa, u64 len);

/* The range that starts exactly at @gpa: NULL if there is none. */
const struct chariot_range *chariot_acl_at(const struct chariot_acl *acl, u64 gpa);

/* Every byte of [gpa, gpa + len) is granted, by one or several ranges. True if @len is 0. */
bool chariot_acl_covers(const struct chariot_acl *acl, u64 gpa, u64 len);

/* How many bytes at the start of [gpa, gpa + len) have the same answer, and that answer. */
u64 chariot_acl_span(const struct chariot_acl *acl, u64 gpa, u64 len, bool *granted);

/* Cover of [gpa, gpa + len), for views. */
enum chariot_cover chariot_acl_cover(const struct chariot_acl *acl, u64 gpa, u64 len);

/* The range that holds @gpa, or NULL. */
const struct chariot_range *chariot_acl_find(const struct chariot_acl *acl, u64 gpa);

/* The range nearest to @gpa (holding it, or by the gap; of two the lower one), or NULL. */
const struct chariot_range *chariot_acl_nearest(const struct chariot_acl *acl, u64 gpa);

int chariot_acl_module_init(void);	/* the kmem_cache of ranges */
void chariot_acl_module_exit(void);

#endif
