/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which objects of private heaps are live. A heap's caches serve the agent only,
 * so this is known exactly, but for pages of which it is not known at all: the
 * agent had no memory to note it.
 *
 * Callable in any context except NMI.
 */
#ifndef CHARIOT_LIVE_H
#define CHARIOT_LIVE_H

#include <linux/bitops.h>
#include <linux/types.h>

enum chariot_live {
	CHARIOT_LIVE_UNKNOWN,	/* in no private heap, or nothing is known of the page */
	CHARIOT_LIVE_BEGIN,	/* a live object begins there */
	CHARIOT_LIVE_INSIDE,	/* it lies in a live object */
	CHARIOT_LIVE_DEAD,	/* an object began there that is not live */
	CHARIOT_LIVE_NOTHING,	/* in no live object, and none began there */
};

/* An object, as far as it is known; size 0: it is not. */
struct chariot_object {
	const void *va;
	size_t size;
	u16 domain;		/* whose heap */
};

int chariot_live_init(void);

/* @obj, just allocated from the heap of @domain, is live. @flags: as it was allocated. */
void chariot_live_begin(u16 domain, const void *obj, size_t size, gfp_t flags);

/*
 * What is at @va. If it is the begin of a live object of @domain, that object is
 * dead from then on: only one of two calls that race sees it live.
 */
enum chariot_live chariot_live_end(u16 domain, const void *va, struct chariot_object *found);

extern unsigned long *chariot_live_pages, chariot_live_pfns;

/* Whether it is known what is live in a page: a bitmap by page frame, without a lock, a hint. */
static inline bool chariot_live_noted(unsigned long pfn)
{
	return pfn < chariot_live_pfns && test_bit(pfn, chariot_live_pages);
}

/* Somebody frees what is at @va, or the page: one that is noted. From the tracepoints. */
void chariot_live_freed(const void *va);
void chariot_live_page_freed(unsigned long pfn);

#endif /* CHARIOT_LIVE_H */
