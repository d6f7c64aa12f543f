// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket buffers while a driver holds them: the struct and its linear part,
 * which ends with the shared info. Both lie in caches that everybody shares, so
 * they are granted byte by byte. A linear part can be shared by clones, hence
 * held twice: grants count references.
 */
#include <linux/netdevice.h>
#include <linux/skbuff.h>

#include "catalogue.h"
#include "compat.h"
#include "ring.h"
#include "skb.h"
#include "track.h"

static size_t head_len(const struct sk_buff *skb)
{
	return skb_end_offset(skb) + sizeof(struct skb_shared_info);
}

static void head_grant(u16 domain, const struct sk_buff *skb)
{
	chariot_grant(domain, skb->head, head_len(skb), CHARIOT_KIND_SKB_DATA);
}

static bool head_release(u16 domain, const struct sk_buff *skb)
{
	return chariot_release(domain, skb->head, head_len(skb));
}

void chariot_skb_grant(u16 domain, const struct sk_buff *skb)
{
	chariot_grant(domain, skb, sizeof(*skb), CHARIOT_KIND_SKB);
	head_grant(domain, skb);
}

void chariot_skb_release(u16 domain, const struct sk_buff *skb)
{
	/* The struct is smaller than a page: only the head can ask for a sync. */
	chariot_release(domain, skb, sizeof(*skb));
	if (head_release(domain, skb))
		chariot_ring_sync();
}

/* Allocated for the driver */

static struct sk_buff *skb_new(u16 domain, struct sk_buff *skb)
{
	if (skb)
		chariot_skb_grant(domain, skb);
	return skb;
}

struct sk_buff *chariot_wrap___alloc_skb(unsigned int size, gfp_t gfp, int flags, int node,
					 CHARIOT_PAD4, u32 dom)
{
	return skb_new(dom, __alloc_skb(size, gfp, flags, node));
}

struct sk_buff *chariot_wrap___netdev_alloc_skb(struct net_device *dev, unsigned int len, gfp_t gfp,
						CHARIOT_PAD3, u32 dom)
{
	return skb_new(dom, __netdev_alloc_skb(dev, len, gfp));
}

struct sk_buff *chariot_wrap_napi_alloc_skb(struct napi_struct *napi, unsigned int len,
					    CHARIOT_PAD2, u32 dom)
{
	return skb_new(dom, napi_alloc_skb(napi, len));
}

struct sk_buff *chariot_wrap___napi_alloc_skb(struct napi_struct *napi, unsigned int len, gfp_t gfp,
					      CHARIOT_PAD3, u32 dom)
{
	return skb_new(dom, chariot_napi_alloc_skb(napi, len, gfp));
}

struct sk_buff *chariot_wrap_napi_build_skb(void *data, unsigned int size, CHARIOT_PAD2, u32 dom)
{
	return skb_new(dom, napi_build_skb(data, size));
}

struct sk_buff *chariot_wrap_build_skb(void *data, unsigned int size, CHARIOT_PAD2, u32 dom)
{
	return skb_new(dom, build_skb(data, size));
}

/* The same buffer until it is handed over: granted the first time only. */
struct sk_buff *chariot_wrap_napi_get_frags(struct napi_struct *napi, CHARIOT_PAD1, u32 dom)
{
	bool known = napi->skb;
	struct sk_buff *skb = napi_get_frags(napi);

	return known ? skb : skb_new(dom, skb);
}

/*
 * The linear part may move: its grant ends before the old one is freed, and
 * begins anew wherever it then is.
 */

int chariot_wrap_pskb_expand_head(struct sk_buff *skb, int nhead, int ntail, gfp_t gfp,
				  CHARIOT_PAD4, u32 dom)
{
	int ret;

	if (head_release(dom, skb))
		chariot_ring_sync();
	ret = pskb_expand_head(skb, nhead, ntail, gfp);
	head_grant(dom, skb);
	return ret;
}

void *chariot_wrap___pskb_pull_tail(struct sk_buff *skb, int delta, CHARIOT_PAD2, u32 dom)
{
	void *ret;

	if (head_release(dom, skb))
		chariot_ring_sync();
	ret = __pskb_pull_tail(skb, delta);
	head_grant(dom, skb);
	return ret;
}

int chariot_wrap____pskb_trim(struct sk_buff *skb, unsigned int len, CHARIOT_PAD2, u32 dom)
{
	int ret;

	if (head_release(dom, skb))
		chariot_ring_sync();
	ret = ___pskb_trim(skb, len);
	head_grant(dom, skb);
	return ret;
}

int chariot_wrap___skb_pad(struct sk_buff *skb, int pad, bool free_on_error, CHARIOT_PAD3, u32 dom)
{
	int ret;

	chariot_skb_release(dom, skb);
	ret = __skb_pad(skb, pad, free_on_error);
	if (!ret || !free_on_error)
		chariot_skb_grant(dom, skb);
	return ret;
}

/* Freed or handed over */

gro_result_t chariot_wrap_napi_gro_receive(struct napi_struct *napi, struct sk_buff *skb,
					   CHARIOT_PAD2, u32 dom)
{
	chariot_skb_release(dom, skb);
	return napi_gro_receive(napi, skb);
}

gro_result_t chariot_wrap_napi_gro_frags(struct napi_struct *napi, CHARIOT_PAD1, u32 dom)
{
	if (napi->skb)
		chariot_skb_release(dom, napi->skb);
	return napi_gro_frags(napi);
}

int chariot_wrap_netif_receive_skb(struct sk_buff *skb, CHARIOT_PAD1, u32 dom)
{
	chariot_skb_release(dom, skb);
	return netif_receive_skb(skb);
}

int chariot_wrap_netif_rx(struct sk_buff *skb, CHARIOT_PAD1, u32 dom)
{
	chariot_skb_release(dom, skb);
	return netif_rx(skb);
}

void chariot_wrap_consume_skb(struct sk_buff *skb, CHARIOT_PAD1, u32 dom)
{
	if (skb)
		chariot_skb_release(dom, skb);
	consume_skb(skb);
}

void chariot_wrap_napi_consume_skb(struct sk_buff *skb, int budget, CHARIOT_PAD2, u32 dom)
{
	if (skb)
		chariot_skb_release(dom, skb);
	napi_consume_skb(skb, budget);
}

void chariot_wrap_sk_skb_reason_drop(struct sock *sk, struct sk_buff *skb,
				     enum skb_drop_reason reason, CHARIOT_PAD3, u32 dom)
{
	if (skb)
		chariot_skb_release(dom, skb);
	sk_skb_reason_drop(sk, skb, reason);
}

void chariot_wrap_kfree_skb_reason(struct sk_buff *skb, enum skb_drop_reason reason, CHARIOT_PAD2,
				   u32 dom)
{
	chariot_wrap_sk_skb_reason_drop(NULL, skb, reason, 0, 0, dom);
}

void chariot_wrap_dev_kfree_skb_any_reason(struct sk_buff *skb, enum skb_drop_reason reason,
					   CHARIOT_PAD2, u32 dom)
{
	if (skb)
		chariot_skb_release(dom, skb);
	dev_kfree_skb_any_reason(skb, reason);
}

void chariot_wrap_dev_kfree_skb_irq_reason(struct sk_buff *skb, enum skb_drop_reason reason,
					   CHARIOT_PAD2, u32 dom)
{
	if (skb)
		chariot_skb_release(dom, skb);
	dev_kfree_skb_irq_reason(skb, reason);
}
