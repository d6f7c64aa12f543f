/* SPDX-License-Identifier: GPL-2.0-only */
/* Socket buffers while a driver holds them. Any context except NMI. */
#ifndef CHARIOT_SKB_H
#define CHARIOT_SKB_H

#include <linux/types.h>

struct sk_buff;

void chariot_skb_grant(u16 domain, const struct sk_buff *skb);

/* Before the driver's hold ends: the buffer may be gone right after. */
void chariot_skb_release(u16 domain, const struct sk_buff *skb);

#endif /* CHARIOT_SKB_H */
