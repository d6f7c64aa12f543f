// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network devices: the memory that is allocated for a driver with one, and what
 * the kernel passes to its operations.
 *
 * When the driver registers its device, the pointers to its two tables of
 * operations are exchanged for copies in which the operations that are lent
 * memory point here. The driver's own tables stay as they are. The copies live
 * until the driver frees the device.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ethtool.h>
#include <linux/etherdevice.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "argument.h"
#include "catalogue.h"
#include "heap.h"
#include "skb.h"

struct netdev_copies {
	struct net_device_ops ndo;
	struct ethtool_ops eth;
	const struct net_device_ops *orig_ndo;
	const struct ethtool_ops *orig_eth;
	u16 domain;
};

static netdev_tx_t copy_start_xmit(struct sk_buff *skb, struct net_device *dev);

static struct netdev_copies *copies_of(const struct net_device *dev)
{
	return container_of(dev->netdev_ops, struct netdev_copies, ndo);
}

/* Transmit: the driver holds the buffer until it frees it, or says that it did not take it. */
static netdev_tx_t copy_start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct netdev_copies *c = copies_of(dev);
	netdev_tx_t ret;

	chariot_skb_grant(c->domain, skb);
	ret = c->orig_ndo->ndo_start_xmit(skb, dev);
	if (!dev_xmit_complete(ret))
		chariot_skb_release(c->domain, skb);
	return ret;
}

static void copy_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *stats)
{
	struct netdev_copies *c = copies_of(dev);

	chariot_lend(c->domain, stats, sizeof(*stats));
	c->orig_ndo->ndo_get_stats64(dev, stats);
	chariot_unlend(c->domain, stats, sizeof(*stats));
}

static int copy_eth_ioctl(struct net_device *dev, struct ifreq *ifr, int cmd)
{
	struct netdev_copies *c = copies_of(dev);
	int ret;

	chariot_lend(c->domain, ifr, sizeof(*ifr));
	ret = c->orig_ndo->ndo_eth_ioctl(dev, ifr, cmd);
	chariot_unlend(c->domain, ifr, sizeof(*ifr));
	return ret;
}

/*
 * Operations that are lent one struct, or one and something of a size that the
 * driver tells.
 */
#define ETH_LEND1(ret_t, op, type)						\
static ret_t copy_##op(struct net_device *dev, type *arg)			\
{										\
	struct netdev_copies *c = copies_of(dev);				\
	ret_t ret;								\
										\
	chariot_lend(c->domain, arg, sizeof(*arg));				\
	ret = c->orig_eth->op(dev, arg);					\
	chariot_unlend(c->domain, arg, sizeof(*arg));				\
	return ret;								\
}

#define ETH_LEND1_VOID(op, type)						\
static void copy_##op(struct net_device *dev, type *arg)			\
{										\
	struct netdev_copies *c = copies_of(dev);				\
										\
	chariot_lend(c->domain, arg, sizeof(*arg));				\
	c->orig_eth->op(dev, arg);						\
	chariot_unlend(c->domain, arg, sizeof(*arg));				\
}

ETH_LEND1_VOID(get_drvinfo, struct ethtool_drvinfo)
ETH_LEND1_VOID(get_wol, struct ethtool_wolinfo)
ETH_LEND1_VOID(get_pauseparam, struct ethtool_pauseparam)
ETH_LEND1_VOID(get_pause_stats, struct ethtool_pause_stats)
ETH_LEND1_VOID(get_channels, struct ethtool_channels)
ETH_LEND1(int, get_link_ksettings, struct ethtool_link_ksettings)
ETH_LEND1(int, get_ts_info, struct kernel_ethtool_ts_info)
ETH_LEND1(int, get_eee, struct ethtool_keee)
ETH_LEND1(int, get_module_info, struct ethtool_modinfo)

static void copy_get_regs(struct net_device *dev, struct ethtool_regs *regs, void *buf)
{
	struct netdev_copies *c = copies_of(dev);
	u32 len = regs->len;

	chariot_lend(c->domain, regs, sizeof(*regs));
	chariot_lend(c->domain, buf, len);
	c->orig_eth->get_regs(dev, regs, buf);
	chariot_unlend(c->domain, buf, len);
	chariot_unlend(c->domain, regs, sizeof(*regs));
}

#define ETH_LEND_EEPROM(op)							\
static int copy_##op(struct net_device *dev, struct ethtool_eeprom *eeprom, u8 *buf) \
{										\
	struct netdev_copies *c = copies_of(dev);				\
	u32 len = eeprom->len;							\
	int ret;								\
										\
	chariot_lend(c->domain, eeprom, sizeof(*eeprom));			\
	chariot_lend(c->domain, buf, len);					\
	ret = c->orig_eth->op(dev, eeprom, buf);				\
	chariot_unlend(c->domain, buf, len);					\
	chariot_unlend(c->domain, eeprom, sizeof(*eeprom));			\
	return ret;								\
}

ETH_LEND_EEPROM(get_eeprom)
ETH_LEND_EEPROM(set_eeprom)
ETH_LEND_EEPROM(get_module_eeprom)

static int copy_get_coalesce(struct net_device *dev, struct ethtool_coalesce *arg,
			     struct kernel_ethtool_coalesce *kernel_arg,
			     struct netlink_ext_ack *extack)
{
	struct netdev_copies *c = copies_of(dev);
	int ret;

	chariot_lend(c->domain, arg, sizeof(*arg));
	chariot_lend(c->domain, kernel_arg, sizeof(*kernel_arg));
	ret = c->orig_eth->get_coalesce(dev, arg, kernel_arg, extack);
	chariot_unlend(c->domain, kernel_arg, sizeof(*kernel_arg));
	chariot_unlend(c->domain, arg, sizeof(*arg));
	return ret;
}

static void copy_get_ringparam(struct net_device *dev, struct ethtool_ringparam *arg,
			       struct kernel_ethtool_ringparam *kernel_arg,
			       struct netlink_ext_ack *extack)
{
	struct netdev_copies *c = copies_of(dev);

	chariot_lend(c->domain, arg, sizeof(*arg));
	chariot_lend(c->domain, kernel_arg, sizeof(*kernel_arg));
	c->orig_eth->get_ringparam(dev, arg, kernel_arg, extack);
	chariot_unlend(c->domain, kernel_arg, sizeof(*kernel_arg));
	chariot_unlend(c->domain, arg, sizeof(*arg));
}

/* How many entries of a string set the driver fills in. */
static size_t sset_count(struct netdev_copies *c, struct net_device *dev, u32 sset)
{
	int n = c->orig_eth->get_sset_count ? c->orig_eth->get_sset_count(dev, sset) : 0;

	return max(n, 0);
}

static void copy_get_strings(struct net_device *dev, u32 sset, u8 *data)
{
	struct netdev_copies *c = copies_of(dev);
	size_t len = sset_count(c, dev, sset) * ETH_GSTRING_LEN;

	chariot_lend(c->domain, data, len);
	c->orig_eth->get_strings(dev, sset, data);
	chariot_unlend(c->domain, data, len);
}

static void copy_self_test(struct net_device *dev, struct ethtool_test *test, u64 *data)
{
	struct netdev_copies *c = copies_of(dev);
	size_t len = sset_count(c, dev, ETH_SS_TEST) * sizeof(u64);

	chariot_lend(c->domain, test, sizeof(*test));
	chariot_lend(c->domain, data, len);
	c->orig_eth->self_test(dev, test, data);
	chariot_unlend(c->domain, data, len);
	chariot_unlend(c->domain, test, sizeof(*test));
}

static void copy_get_ethtool_stats(struct net_device *dev, struct ethtool_stats *stats, u64 *data)
{
	struct netdev_copies *c = copies_of(dev);
	size_t len = sset_count(c, dev, ETH_SS_STATS) * sizeof(u64);

	chariot_lend(c->domain, stats, sizeof(*stats));
	chariot_lend(c->domain, data, len);
	c->orig_eth->get_ethtool_stats(dev, stats, data);
	chariot_unlend(c->domain, data, len);
	chariot_unlend(c->domain, stats, sizeof(*stats));
}

/* Operations that the driver lacks stay absent. */
#define COPY(table, op, func)				\
	do {						\
		if ((table)->op)			\
			(table)->op = (func);		\
	} while (0)

static void copies_install(struct net_device *dev, u16 domain)
{
	struct netdev_copies *c;

	if (!dev->netdev_ops || dev->netdev_ops->ndo_start_xmit == copy_start_xmit)
		return;
	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c) {
		pr_err("%s: no memory: its operations are not covered\n", dev->name);
		return;
	}
	c->domain = domain;
	c->orig_ndo = dev->netdev_ops;
	c->orig_eth = dev->ethtool_ops;
	c->ndo = *c->orig_ndo;
	if (!c->ndo.ndo_start_xmit) {
		kfree(c);
		return;
	}
	c->ndo.ndo_start_xmit = copy_start_xmit;
	COPY(&c->ndo, ndo_get_stats64, copy_get_stats64);
	COPY(&c->ndo, ndo_eth_ioctl, copy_eth_ioctl);
	dev->netdev_ops = &c->ndo;
	if (!c->orig_eth)
		return;
	c->eth = *c->orig_eth;
	COPY(&c->eth, get_drvinfo, copy_get_drvinfo);
	COPY(&c->eth, get_regs, copy_get_regs);
	COPY(&c->eth, get_wol, copy_get_wol);
	COPY(&c->eth, get_eeprom, copy_get_eeprom);
	COPY(&c->eth, set_eeprom, copy_set_eeprom);
	COPY(&c->eth, get_coalesce, copy_get_coalesce);
	COPY(&c->eth, get_ringparam, copy_get_ringparam);
	COPY(&c->eth, get_pause_stats, copy_get_pause_stats);
	COPY(&c->eth, get_pauseparam, copy_get_pauseparam);
	COPY(&c->eth, self_test, copy_self_test);
	COPY(&c->eth, get_strings, copy_get_strings);
	COPY(&c->eth, get_ethtool_stats, copy_get_ethtool_stats);
	COPY(&c->eth, get_channels, copy_get_channels);
	COPY(&c->eth, get_ts_info, copy_get_ts_info);
	COPY(&c->eth, get_module_info, copy_get_module_info);
	COPY(&c->eth, get_module_eeprom, copy_get_module_eeprom);
	COPY(&c->eth, get_eee, copy_get_eee);
	COPY(&c->eth, get_link_ksettings, copy_get_link_ksettings);
	dev->ethtool_ops = &c->eth;
}

static void copies_remove(struct net_device *dev)
{
	struct netdev_copies *c;

	if (!dev->netdev_ops || dev->netdev_ops->ndo_start_xmit != copy_start_xmit)
		return;
	c = copies_of(dev);
	dev->netdev_ops = c->orig_ndo;
	if (dev->ethtool_ops == &c->eth)
		dev->ethtool_ops = c->orig_eth;
	/* No transmit or statistics call that loaded the copy is under way. */
	synchronize_net();
	kfree(c);
}

/* What netdev_priv() and netdev_get_tx_queue() lead to, in objects of their own. */
static void netdev_parts(struct net_device *dev, u16 domain,
			 void (*each)(u16 domain, const void *va, size_t len))
{
	each(domain, dev->_tx, dev->num_tx_queues * sizeof(*dev->_tx));
	each(domain, dev, sizeof(*dev) + dev->priv_len);
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

CHARIOT_WRAP(struct net_device *, alloc_etherdev_mqs, int sizeof_priv, unsigned int txqs,
	     unsigned int rxqs, CHARIOT_PAD3, u32 dom)
{
	struct net_device *dev = alloc_etherdev_mqs(sizeof_priv, txqs, rxqs);

	if (dev)
		netdev_parts(dev, dom, part_grant);
	return dev;
}

CHARIOT_WRAP(int, register_netdev, struct net_device *dev, CHARIOT_PAD1, u32 dom)
{
	copies_install(dev, dom);
	return register_netdev(dev);
}

CHARIOT_WRAP(int, register_netdevice, struct net_device *dev, CHARIOT_PAD1, u32 dom)
{
	copies_install(dev, dom);
	return register_netdevice(dev);
}

CHARIOT_WRAP(void, free_netdev, struct net_device *dev, CHARIOT_PAD1, u32 dom)
{
	copies_remove(dev);
	netdev_parts(dev, dom, part_release);
	free_netdev(dev);
}
