/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the catalogue says of filesystems and cannot say by itself. Any context but NMI, except
 * chariot_xattrs_exchange(), which sleeps.
 */
#ifndef CHARIOT_FS_H
#define CHARIOT_FS_H

#include <linux/module.h>
#include <linux/types.h>

struct bio;
struct buffer_head;
struct chariot_ops;
struct folio;
struct readahead_control;
struct super_block;

/* The domain registers a filesystem; whether one did. */
void chariot_fs_add(u16 domain);
bool chariot_is_fs(u16 domain);

/* Whether a table is a module's own: neither the kernel's, nor a copy. */
static inline bool chariot_in_module(const void *table)
{
	return (unsigned long)table >= MODULES_VADDR && (unsigned long)table < MODULES_END;
}

/* With the counts of those who write to the filesystem. */
void chariot_super_give(u16 domain, struct super_block *sb);

/*
 * Attributes: a module's list of handlers is exchanged for a copy that leads to copies of
 * them. What the superblock had when it was taken down is freed, if it is such a copy.
 */
void chariot_xattrs_exchange(u16 domain, struct super_block *sb, const struct chariot_ops *type);
void chariot_xattrs_free(const void *handlers);

/*
 * The filesystem passes a bio on; puts a reference to it, the last one maybe: it may
 * go back to a pool of the kernel's then, which no tracepoint tells.
 */
void chariot_bio_take(u16 domain, const struct bio *bio);
void chariot_bio_put(u16 domain, struct bio *bio);

/* The pages that are to be read ahead. */
void chariot_readahead_give(u16 domain, struct readahead_control *rac);

/* The buffers that a page has. */
void chariot_folio_buffers_give(u16 domain, struct folio *folio);

/* A buffer with its data. */
void chariot_buffer_give(u16 domain, struct buffer_head *bh);

#endif /* CHARIOT_FS_H */
