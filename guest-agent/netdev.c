// SPDX-License-Identifier: GPL-2.0-only
/* Network devices: the memory that is allocated for a driver with one. */
#include <linux/ethtool.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/slab.h>

#include "compat.h"
#include "memory.h"
#include "netdev.h"
#include "ring.h"
#include "track.h"

/* What netdev_priv() and netdev_get_tx_queue() lead to, in objects of their own. */
static void netdev_parts(struct net_device *dev, u16 domain,
			 void (*each)(u16 domain, const void *va, size_t len))
{
	each(domain, dev->_tx, dev->num_tx_queues * sizeof(*dev->_tx));
	each(domain, dev, chariot_netdev_size(dev));
}

static void part_grant(u16 domain, const void *va, size_t len)
{
	/* kvmalloc() gave it: all of a vmalloc'ed page, all of a page-sized class. */
	if (is_vmalloc_addr(va))
		len = PAGE_ALIGN(len);
	else if (len > PAGE_SIZE / 2)
		len = ksize(va);
	chariot_grant(domain, va, len, CHARIOT_KIND_NETDEV);
}

static void part_release(u16 domain, const void *va, size_t len)
{
	if (chariot_release(domain, va, len))
		chariot_ring_sync();
}

void chariot_netdev_give(u16 domain, struct net_device *dev)
{
	if (dev)
		netdev_parts(dev, domain, part_grant);
}

void chariot_netdev_take(u16 domain, struct net_device *dev)
{
	if (dev)
		netdev_parts(dev, domain, part_release);
}

void chariot_netdev_stats_grant(u16 domain, struct net_device *dev)
{
	size_t size;
	void __percpu *p = chariot_netdev_core_stats(dev, &size);

	if (p)
		chariot_percpu_grant(domain, (unsigned long __force)p, size);
}

size_t chariot_rxfh_indir_size(struct net_device *dev)
{
	const struct ethtool_ops *ops = dev->ethtool_ops;

	return ops->get_rxfh_indir_size ? ops->get_rxfh_indir_size(dev) * sizeof(u32) : 0;
}

size_t chariot_rxfh_key_size(struct net_device *dev)
{
	const struct ethtool_ops *ops = dev->ethtool_ops;

	return ops->get_rxfh_key_size ? ops->get_rxfh_key_size(dev) : 0;
}

size_t chariot_sset_count(struct net_device *dev, u32 sset)
{
	int n = dev->ethtool_ops->get_sset_count ? dev->ethtool_ops->get_sset_count(dev, sset) : 0;

	return max(n, 0);
}
