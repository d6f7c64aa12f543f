// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket buffers while a driver holds them: the struct and its linear part,
 * which ends with the shared info. Both lie in caches that everybody shares, so
 * they are granted byte by byte. A linear part can be shared by clones, hence
 * held twice: grants count references.
 */
#include <linux/mm.h>
#include <linux/skbuff.h>

#include "call.h"
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

/*
 * Of a buffer's references the driver may have taken some by itself (skb_get()):
 * when one is put that is not the last, the struct's last grant stays. The linear
 * part's does not: it may be a piece of a page, whose free nobody sees if the
 * kernel puts the last reference.
 */
void chariot_skb_put(struct chariot_call *c, struct sk_buff *skb)
{
	unsigned int refs;

	if (!skb)
		return;
	refs = chariot_refs(c->domain, virt_to_phys(skb));
	if (refcount_read(&skb->users) != 1) {
		if (refs > 1) {
			chariot_skb_take(c->domain, skb);
			refs--;
		} else {
			chariot_skb_head_take(c->domain, skb);
		}
		/* All that such a call does, and at once: another holder may put his meanwhile. */
		if (refcount_dec_not_one(&skb->users)) {
			c->refused = true;
			return;
		}
	}
	/* The kernel may have put some that the driver was given. */
	for (; refs; refs--)
		chariot_skb_take(c->domain, skb);
}
