// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket buffers while a driver holds them: the struct and its linear part,
 * which ends with the shared info. Both lie in caches that everybody shares, so
 * they are granted byte by byte. A linear part can be shared by clones, hence
 * held twice: grants count references.
 */
#include <linux/mm.h>
#include <linux/skbuff.h>

#include "ring.h"
#include "skb.h"
#include "track.h"

static size_t head_len(const struct sk_buff *skb)
{
	return skb_end_offset(skb) + sizeof(struct skb_shared_info);
}

void chariot_skb_head_give(u16 domain, const struct sk_buff *skb)
{
	chariot_grant(domain, skb->head, head_len(skb), CHARIOT_KIND_SKB_DATA);
}

void chariot_skb_head_take(u16 domain, const struct sk_buff *skb)
{
	if (chariot_release(domain, skb->head, head_len(skb)))
		chariot_ring_sync();
}

void chariot_page_frag_grant(u16 domain, const struct page_frag *frag)
{
	struct page *page = compound_head(frag->page);

	chariot_grant_pages(domain, page, compound_order(page), CHARIOT_KIND_PAGES);
}

void chariot_skb_give(u16 domain, const struct sk_buff *skb)
{
	if (!skb)
		return;
	chariot_grant(domain, skb, sizeof(*skb), CHARIOT_KIND_SKB);
	chariot_skb_head_give(domain, skb);
}

void chariot_skb_take(u16 domain, const struct sk_buff *skb)
{
	if (!skb)
		return;
	/* The struct is smaller than a page: only the head can ask for a sync. */
	chariot_release(domain, skb, sizeof(*skb));
	chariot_skb_head_take(domain, skb);
}

void chariot_skb_put(u16 domain, struct sk_buff *skb)
{
	/*
	 * With other references, of which the driver may have taken some by itself
	 * (skb_get()), the grants end when the last one is put: here, or by tracepoints.
	 */
	if (!skb || refcount_read(&skb->users) != 1)
		return;
	/* However often it was given: the struct may be used again without a free. */
	chariot_release_all(virt_to_phys(skb));
	chariot_skb_head_take(domain, skb);
}
