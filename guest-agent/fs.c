// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filesystems: superblocks, pages of files, buffers. The kernel and the filesystem share them for
 * as long as they exist, so grants end where they are freed.
 */
#include <linux/bio.h>
#include <linux/bitops.h>
#include <linux/buffer_head.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/overflow.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/xattr.h>
#include <uapi/chariot_ring.h>

#include "agent.h"
#include "call.h"
#include "fs.h"
#include "memory.h"
#include "ops.h"
#include "track.h"

static DECLARE_BITMAP(filesystems, CHARIOT_DOMAINS + 1);

void chariot_fs_add(u16 domain)
{
	set_bit(domain, filesystems);
}

bool chariot_is_fs(u16 domain)
{
	return test_bit(domain, filesystems);
}

void chariot_super_give(u16 domain, struct super_block *sb)
{
	unsigned int i;

	chariot_grant(domain, sb, sizeof(*sb), CHARIOT_KIND_OBJECT);
	/* sb_start_write() and its like are inline. */
	for (i = 0; i < ARRAY_SIZE(sb->s_writers.rw_sem); i++)
		chariot_percpu_grant(domain, (unsigned long)sb->s_writers.rw_sem[i].read_count,
				     sizeof(*sb->s_writers.rw_sem[i].read_count));
}

/* A copy of a superblock's list of handlers */
struct xattrs {
	struct list_head node;
	const struct xattr_handler *handlers[];
};

static DEFINE_SPINLOCK(xattrs_lock);
static LIST_HEAD(xattrs);

void chariot_xattrs_exchange(u16 domain, struct super_block *sb, const struct chariot_ops *type)
{
	struct xattrs *copy;
	unsigned int i, n = 0;

	if (!sb->s_xattr || !chariot_in_module(sb->s_xattr))
		return;
	while (sb->s_xattr[n])
		n++;
	copy = kzalloc(struct_size(copy, handlers, n + 1), GFP_KERNEL);
	/* Without memory what a handler is lent will be reported. */
	if (!copy)
		return;
	for (i = 0; i < n; i++) {
		copy->handlers[i] = sb->s_xattr[i];
		if (chariot_in_module(copy->handlers[i]))
			chariot_ops_exchange(domain, type, (const void **)&copy->handlers[i]);
	}
	spin_lock(&xattrs_lock);
	list_add(&copy->node, &xattrs);
	spin_unlock(&xattrs_lock);
	sb->s_xattr = (void *)copy->handlers;
}

void chariot_xattrs_free(const void *handlers)
{
	struct xattrs *copy, *found = NULL;

	spin_lock(&xattrs_lock);
	list_for_each_entry(copy, &xattrs, node)
		if (copy->handlers == handlers)
			found = copy;
	if (found)
		list_del(&found->node);
	spin_unlock(&xattrs_lock);
	kfree(found);
}

/* What begins there may be an object of the driver's own, with a bio as its first member. */
static bool given(u16 domain, const struct bio *bio)
{
	size_t size;

	return (chariot_held(domain, virt_to_phys((void *)bio), &size) &
		BIT(CHARIOT_KIND_OBJECT)) && size == sizeof(*bio);
}

void chariot_bio_take(u16 domain, const struct bio *bio)
{
	if (given(domain, bio))
		chariot_call_release(domain, bio, sizeof(*bio));
}

void chariot_bio_put(u16 domain, struct bio *bio)
{
	if (!bio_flagged(bio, BIO_REFFED) || atomic_read(&bio->__bi_cnt) == 1)
		chariot_bio_take(domain, bio);
}

void chariot_readahead_give(u16 domain, struct readahead_control *rac)
{
	XA_STATE(xas, &rac->mapping->i_pages, readahead_index(rac));
	struct folio *folio;

	/* They are locked, and stay where they are. */
	rcu_read_lock();
	xas_for_each(&xas, folio, readahead_index(rac) + readahead_count(rac) - 1)
		if (!xas_retry(&xas, folio) && !xa_is_value(folio))
			chariot_grant_folio(domain, folio);
	rcu_read_unlock();
}

void chariot_folio_buffers_give(u16 domain, struct folio *folio)
{
	struct buffer_head *head = folio_buffers(folio), *bh = head;

	if (!head)
		return;
	do {
		chariot_grant_cached(domain, bh, sizeof(*bh));
		bh = bh->b_this_page;
	} while (bh != head);
}

void chariot_buffer_give(u16 domain, struct buffer_head *bh)
{
	chariot_grant_cached(domain, bh, sizeof(*bh));
	chariot_grant_cached(domain, bh->b_data, bh->b_size);
}
