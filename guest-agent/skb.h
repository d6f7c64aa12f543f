/* SPDX-License-Identifier: GPL-2.0-only */
/* Socket buffers while a driver holds them. Any context except NMI. */
#ifndef CHARIOT_SKB_H
#define CHARIOT_SKB_H

#include <linux/types.h>

struct chariot_call;
struct page_frag;
struct sk_buff;

/* @skb may be NULL. */
void chariot_skb_give(u16 domain, const struct sk_buff *skb);

/* Before the driver's hold ends: the buffer may be gone right after. */
void chariot_skb_take(u16 domain, const struct sk_buff *skb);

/*
 * Before a call that puts a reference, and that may be refused (frees.h). One
 * that is not the last is put here.
 */
void chariot_skb_put(struct chariot_call *c, struct sk_buff *skb);

/* Its linear part alone, around what may move it. */
void chariot_skb_head_give(u16 domain, const struct sk_buff *skb);
void chariot_skb_head_take(u16 domain, const struct sk_buff *skb);

/* All of a page that belongs to one owner, who cuts pieces from it. */
void chariot_page_frag_grant(u16 domain, const struct page_frag *frag);

#endif /* CHARIOT_SKB_H */
