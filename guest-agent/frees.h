/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Free checks: whether a driver may free what it wants to free. A line "free"
 * of the catalogue asks before the function is called. docs/agent.md has the
 * rules. What cannot be told is let pass: an object that an import handed out
 * which the catalogue does not know is no error.
 *
 * Each function is called where the function may be called that it precedes,
 * reports what is wrong, and returns false if the call must not be made.
 */
#ifndef CHARIOT_FREES_H
#define CHARIOT_FREES_H

#include <linux/types.h>

struct chariot_call;
struct page;
struct sk_buff;

struct chariot_frees_stats {
	atomic64_t checked, bad, refused, unknown;
};

extern struct chariot_frees_stats chariot_frees_stats;

/*
 * Before the first driver is loaded. @refuse says whether the policy of a domain
 * keeps bad frees from happening; NULL: the host does not want to hear of them,
 * and nothing is checked.
 */
void chariot_frees_init(bool (*refuse)(u16 domain));

/* kfree(), kmem_cache_free() */
bool chariot_free_object(struct chariot_call *c, const void *p);
/* kvfree() */
bool chariot_free_any(struct chariot_call *c, const void *p);
bool chariot_free_vmalloc(struct chariot_call *c, const void *p);
bool chariot_free_page(struct chariot_call *c, struct page *page);
/* The same, by address */
bool chariot_free_pages(struct chariot_call *c, const void *p);
bool chariot_free_dma(struct chariot_call *c, const void *p);
bool chariot_free_percpu(struct chariot_call *c, const void *p);
bool chariot_free_skb(struct chariot_call *c, struct sk_buff *skb);

#endif /* CHARIOT_FREES_H */
