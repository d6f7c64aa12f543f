/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of one CPU's TLB for nested page tables (AMD's, Intel's), as unhelpful
 * as the architecture allows: it keeps every translation and every entry of the
 * paging structures that it has seen until it is flushed, keeps several for
 * one page, and starts a walk at any structure entry that it remembers.
 * Emulators flush far more than hardware does: with them, a missing flush does
 * not show. Here it does.
 *
 * The walker shares no code with the module: bits are decoded again. It fails
 * the test when it meets a table that was freed, a reserved bit, or an entry
 * that hardware would write to (accessed or dirty missing).
 */
#ifndef MODEL_TLB_H
#define MODEL_TLB_H

#include <linux/types.h>

struct model_format;

#define MODEL_R	1u
#define MODEL_W	2u
#define MODEL_X	4u

/* A translation. @tag: of the address space (ASID or EPTP) it was made in. */
struct model_page {
	u64 tag;
	u64 gfn;	/* first */
	u64 pa;		/* of the first page */
	int level;
	unsigned int rights;
};

struct model_tlb {
	const struct model_format *format;
	struct model_page *pages;
	unsigned int nr_pages, max_pages;
	/* structure entries: @pa is the table's, @level that of the entry */
	struct model_page *tables;
	unsigned int nr_tables, max_tables;
	u64 walks, hits;
};

void model_tlb_free(struct model_tlb *tlb);
void model_tlb_flush(struct model_tlb *tlb);		/* all; INVEPT global */
void model_tlb_flush_tag(struct model_tlb *tlb, u64 tag);	/* INVEPT single-context */

/* Does @page translate @gfn? */
bool model_page_covers(const struct model_page *page, u64 gfn);
/* The physical address of @gfn by @page. */
u64 model_page_pa(const struct model_page *page, u64 gfn);

/*
 * Walks for @gfn, from the root or any structure entry that is remembered,
 * remembers everything it sees. Returns the translation, or NULL: not present.
 * The pointer is good until the next call.
 */
const struct model_page *model_tlb_walk(struct model_tlb *tlb, u64 tag, u64 root, int level,
					u64 gfn);

#endif
