// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <sanitizer/asan_interface.h>

#include <linux/bits.h>

#include "ktap.h"
#include "model_format.h"
#include "model_tlb.h"

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

static unsigned int forget(struct model_page *list, unsigned int nr, u64 tag)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < nr; i++)
		if (list[i].tag != tag)
			list[kept++] = list[i];
	return kept;
}

void model_tlb_flush_tag(struct model_tlb *tlb, u64 tag)
{
	tlb->nr_pages = forget(tlb->pages, tlb->nr_pages, tag);
	tlb->nr_tables = forget(tlb->tables, tlb->nr_tables, tag);
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
	const struct model_format *f = tlb->format;
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
		if (!(entry & f->present)) {
			if (entry != f->empty)
				ktap_fail(__FILE__, __LINE__, "empty entry 0x%llx", entry);
			return NULL;
		}
		if ((entry & f->reserved & ~f->leaf & ~f->noexec) || (entry & f->leaf) != f->leaf)
			ktap_fail(__FILE__, __LINE__, "bad entry 0x%llx at level %d", entry, level);
		page.pa = entry & MODEL_ADDR;
		if (level > 1 && !(entry & f->large)) {
			if (!(entry & f->write) || (entry & (f->noexec | f->memtype)) ||
			    (entry & f->exec) != f->exec)
				ktap_fail(__FILE__, __LINE__, "table entry 0x%llx", entry);
			remember(&tlb->tables, &tlb->nr_tables, &tlb->max_tables, &page);
			table = page.pa;
			continue;
		}
		if (level > 3 || (level == 1 && (entry & f->large)) ||
		    (page.pa & ((pages_of(level) << 12) - 1)) ||
		    (entry & f->memtype) != f->memtype ||
		    (f->dirty && !(entry & f->write) != !(entry & f->dirty)))
			ktap_fail(__FILE__, __LINE__, "bad leaf 0x%llx at level %d", entry, level);
		page.rights = MODEL_R | (entry & f->write ? MODEL_W : 0);
		if (f->exec ? entry & f->exec : !(entry & f->noexec))
			page.rights |= MODEL_X;
		return remember(&tlb->pages, &tlb->nr_pages, &tlb->max_pages, &page);
	}
}
