// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <sanitizer/asan_interface.h>

#include <linux/bits.h>

#include "ktap.h"
#include "model_tlb.h"

#define P		BIT_ULL(0)
#define RW		BIT_ULL(1)
#define US		BIT_ULL(2)
#define A		BIT_ULL(5)
#define D		BIT_ULL(6)
#define PS		BIT_ULL(7)
#define NX		BIT_ULL(63)
#define SOFTWARE	(7ull << 9 | 0x7ffull << 52)
#define ADDR		0x000ffffffffff000ull

void model_tlb_free(struct model_tlb *tlb)
{
	free(tlb->pages);
	free(tlb->tables);
	*tlb = (struct model_tlb) { 0 };
}

void model_tlb_flush(struct model_tlb *tlb)
{
	tlb->nr_pages = 0;
	tlb->nr_tables = 0;
}

static u64 pages_of(int level)
{
	return 1ull << (9 * (level - 1));
}

bool model_page_covers(const struct model_page *page, u64 gfn)
{
	return gfn >= page->gfn && gfn - page->gfn < pages_of(page->level);
}

u64 model_page_pa(const struct model_page *page, u64 gfn)
{
	return page->pa + ((gfn - page->gfn) << 12);
}

static const struct model_page *remember(struct model_page **list, unsigned int *nr,
					 unsigned int *max, const struct model_page *page)
{
	unsigned int i;

	for (i = 0; i < *nr; i++) {
		const struct model_page *p = &(*list)[i];

		if (p->tag == page->tag && p->gfn == page->gfn && p->level == page->level &&
		    p->pa == page->pa && p->rights == page->rights)
			return p;
	}
	if (*nr == *max) {
		*max = *max ? 2 * *max : 64;
		*list = realloc(*list, *max * sizeof(**list));
		if (!*list)
			abort();
	}
	(*list)[*nr] = *page;
	return &(*list)[(*nr)++];
}

/* Where a walk for @gfn may begin: the root, or below any entry remembered. */
static void choose_start(struct model_tlb *tlb, u64 tag, u64 gfn, u64 *table, int *level)
{
	unsigned int i, seen = 1;

	for (i = 0; i < tlb->nr_tables; i++) {
		const struct model_page *p = &tlb->tables[i];

		if (p->tag != tag || !model_page_covers(p, gfn))
			continue;
		if (!ktap_below(++seen)) {
			*table = p->pa;
			*level = p->level - 1;
		}
	}
}

const struct model_page *model_tlb_walk(struct model_tlb *tlb, u64 tag, u64 root, int level,
					u64 gfn)
{
	u64 table = root;

	tlb->walks++;
	choose_start(tlb, tag, gfn, &table, &level);
	for (;; level--) {
		struct model_page page = {
			.tag = tag, .level = level, .gfn = gfn & ~(pages_of(level) - 1),
		};
		u64 *slot = (u64 *)(unsigned long)table + ((gfn >> (9 * (level - 1))) & 511);
		u64 entry;

		if (__asan_address_is_poisoned(slot))
			ktap_fail(__FILE__, __LINE__, "the CPU walks a freed table of level %d",
				  level);
		entry = *slot;
		if (!(entry & P))
			return NULL;
		if ((entry & SOFTWARE) || !(entry & US) || !(entry & A))
			ktap_fail(__FILE__, __LINE__, "bad entry 0x%llx at level %d", entry, level);
		page.pa = entry & ADDR;
		if (level > 1 && !(entry & PS)) {
			if (!(entry & RW) || (entry & NX))
				ktap_fail(__FILE__, __LINE__, "table entry 0x%llx", entry);
			remember(&tlb->tables, &tlb->nr_tables, &tlb->max_tables, &page);
			table = page.pa;
			continue;
		}
		if (level > 3 || (level == 1 && (entry & PS)) ||
		    (page.pa & ((pages_of(level) << 12) - 1)) || !(entry & RW) != !(entry & D))
			ktap_fail(__FILE__, __LINE__, "bad leaf 0x%llx at level %d", entry, level);
		page.rights = MODEL_R | (entry & RW ? MODEL_W : 0) | (entry & NX ? 0 : MODEL_X);
		return remember(&tlb->pages, &tlb->nr_pages, &tlb->max_pages, &page);
	}
}
