/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two formats of nested page tables, as the models know them: written again
 * from the manuals and from KVM, so that a wrong bit in the module shows.
 */
#ifndef MODEL_FORMAT_H
#define MODEL_FORMAT_H

#include <linux/types.h>

struct chariot_entry_ops;

struct model_format {
	const char *name;
	const struct chariot_entry_ops *ops;	/* the module's */
	/* bits for the hardware */
	u64 present;		/* any of them: present */
	u64 read;		/* all that reading needs */
	u64 write, accessed, dirty;
	u64 exec, noexec;	/* one of them is 0 */
	u64 large;
	u64 memtype;		/* copied as it is */
	/* KVM's: */
	u64 writable;		/* set in what could be writable */
	u64 untracked;		/* accessed and dirty mean nothing; 0: is never so */
	u64 saved;		/* marks an untracked entry whose rights were taken to see its age */
	u64 nonpresent, frozen, mmio;
	/* ours: */
	u64 empty;		/* of an empty slot */
	u64 leaf;		/* always set in a present entry */
	u64 reserved;		/* never set in one */
};

extern const struct model_format model_npt;
extern const struct model_format model_ept;
extern const struct model_format model_ept_untracked;	/* eptad=0 */

#define MODEL_ADDR		0x000ffffffffff000ull
#define MODEL_MMU_PRESENT	(1ull << 11)

/* What a leaf of KVM's allows to be derived. */
unsigned int model_format_rights(const struct model_format *f, u64 entry);

#endif
