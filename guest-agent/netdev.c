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
#include "compat.h"
#include "heap.h"
#include "skb.h"

/* Behind it: the copies, a struct net_device_ops and a struct ethtool_ops. */
struct netdev_copies {
	const struct net_device_ops *ndo;	/* the driver's own */
	const struct ethtool_ops *eth;		/* likewise, may be NULL */
	u16 domain;
};

static const struct netdev_copies *copies_of(const struct net_device *dev)
{
	return (const void *)dev->netdev_ops - sizeof(struct netdev_copies);
}

/* Transmit: the driver holds the buffer until it frees it, or says that it did not take it. */
static netdev_tx_t copy_ndo_start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	const struct netdev_copies *c = copies_of(dev);
	netdev_tx_t ret;

	chariot_skb_grant(c->domain, skb);
	ret = c->ndo->ndo_start_xmit(skb, dev);
	if (!dev_xmit_complete(ret))
		chariot_skb_release(c->domain, skb);
	return ret;
}

static void copy_ndo_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *stats)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, stats, sizeof(*stats));
	c->ndo->ndo_get_stats64(dev, stats);
}

static int copy_ndo_eth_ioctl(struct net_device *dev, struct ifreq *ifr, int cmd)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, ifr, sizeof(*ifr));
	return c->ndo->ndo_eth_ioctl(dev, ifr, cmd);
}

static void copy_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *arg)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, arg, sizeof(*arg));
	c->eth->get_drvinfo(dev, arg);
}

static void copy_get_wol(struct net_device *dev, struct ethtool_wolinfo *arg)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, arg, sizeof(*arg));
	c->eth->get_wol(dev, arg);
}

static void copy_get_pauseparam(struct net_device *dev, struct ethtool_pauseparam *arg)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, arg, sizeof(*arg));
	c->eth->get_pauseparam(dev, arg);
}

static void copy_get_pause_stats(struct net_device *dev, struct ethtool_pause_stats *arg)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, arg, sizeof(*arg));
	c->eth->get_pause_stats(dev, arg);
}

static void copy_get_channels(struct net_device *dev, struct ethtool_channels *arg)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, arg, sizeof(*arg));
	c->eth->get_channels(dev, arg);
}

static int copy_get_link_ksettings(struct net_device *dev, struct ethtool_link_ksettings *arg)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, arg, sizeof(*arg));
	return c->eth->get_link_ksettings(dev, arg);
}

static int copy_get_module_info(struct net_device *dev, struct ethtool_modinfo *arg)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, arg, sizeof(*arg));
	return c->eth->get_module_info(dev, arg);
}

static void copy_get_regs(struct net_device *dev, struct ethtool_regs *regs, void *buf)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, regs, sizeof(*regs));
	CHARIOT_LEND(c->domain, buf, regs->len);
	c->eth->get_regs(dev, regs, buf);
}

static int copy_get_eeprom(struct net_device *dev, struct ethtool_eeprom *eeprom, u8 *buf)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, eeprom, sizeof(*eeprom));
	CHARIOT_LEND(c->domain, buf, eeprom->len);
	return c->eth->get_eeprom(dev, eeprom, buf);
}

static int copy_set_eeprom(struct net_device *dev, struct ethtool_eeprom *eeprom, u8 *buf)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, eeprom, sizeof(*eeprom));
	CHARIOT_LEND(c->domain, buf, eeprom->len);
	return c->eth->set_eeprom(dev, eeprom, buf);
}

static int copy_get_module_eeprom(struct net_device *dev, struct ethtool_eeprom *eeprom, u8 *buf)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, eeprom, sizeof(*eeprom));
	CHARIOT_LEND(c->domain, buf, eeprom->len);
	return c->eth->get_module_eeprom(dev, eeprom, buf);
}

static int copy_get_coalesce(struct net_device *dev, struct ethtool_coalesce *arg,
			     struct kernel_ethtool_coalesce *kernel_arg,
			     struct netlink_ext_ack *extack)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, arg, sizeof(*arg));
	CHARIOT_LEND(c->domain, kernel_arg, sizeof(*kernel_arg));
	return c->eth->get_coalesce(dev, arg, kernel_arg, extack);
}

static void copy_get_ringparam(struct net_device *dev, struct ethtool_ringparam *arg,
			       struct kernel_ethtool_ringparam *kernel_arg,
			       struct netlink_ext_ack *extack)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, arg, sizeof(*arg));
	CHARIOT_LEND(c->domain, kernel_arg, sizeof(*kernel_arg));
	c->eth->get_ringparam(dev, arg, kernel_arg, extack);
}

/* How many entries of a string set the driver fills in. */
static size_t sset_count(const struct netdev_copies *c, struct net_device *dev, u32 sset)
{
	int n = c->eth->get_sset_count ? c->eth->get_sset_count(dev, sset) : 0;

	return max(n, 0);
}

static void copy_get_strings(struct net_device *dev, u32 sset, u8 *data)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, data, sset_count(c, dev, sset) * ETH_GSTRING_LEN);
	c->eth->get_strings(dev, sset, data);
}

static void copy_self_test(struct net_device *dev, struct ethtool_test *test, u64 *data)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, test, sizeof(*test));
	CHARIOT_LEND(c->domain, data, sset_count(c, dev, ETH_SS_TEST) * sizeof(*data));
	c->eth->self_test(dev, test, data);
}

static void copy_get_ethtool_stats(struct net_device *dev, struct ethtool_stats *stats, u64 *data)
{
	const struct netdev_copies *c = copies_of(dev);

	CHARIOT_LEND(c->domain, stats, sizeof(*stats));
	CHARIOT_LEND(c->domain, data, sset_count(c, dev, ETH_SS_STATS) * sizeof(*data));
	c->eth->get_ethtool_stats(dev, stats, data);
}

/* Which operations are exchanged, where the driver has them. */
struct netdev_copy {
	size_t offset;
	void *func;
};

#define NDO(op)	{ offsetof(const struct net_device_ops, op), copy_##op }
#define ETH(op)	{ offsetof(const struct ethtool_ops, op), copy_##op }

static const struct netdev_copy ndo_copies[] = {
	NDO(ndo_start_xmit), NDO(ndo_get_stats64), NDO(ndo_eth_ioctl),
};

static const struct netdev_copy eth_copies[] = {
	ETH(get_drvinfo), ETH(get_wol), ETH(get_pauseparam), ETH(get_pause_stats),
	ETH(get_channels), ETH(get_link_ksettings), ETH(get_module_info), ETH(get_regs),
	ETH(get_eeprom), ETH(set_eeprom), ETH(get_module_eeprom), ETH(get_coalesce),
	ETH(get_ringparam), ETH(get_strings), ETH(self_test), ETH(get_ethtool_stats),
};

static void copy_table(void *to, const void *from, size_t size, const struct netdev_copy *copies,
		       size_t n)
{
	memcpy(to, from, size);
	for (; n; copies++, n--) {
		void **slot = to + copies->offset;

		if (*slot)
			*slot = copies->func;
	}
}

static bool copies_installed(const struct net_device *dev)
{
	return dev->netdev_ops && dev->netdev_ops->ndo_start_xmit == copy_ndo_start_xmit;
}

static void copies_install(struct net_device *dev, u16 domain)
{
	struct netdev_copies *c;
	void *ndo, *eth;

	if (!dev->netdev_ops || !dev->netdev_ops->ndo_start_xmit || copies_installed(dev))
		return;
	c = kzalloc(sizeof(*c) + sizeof(*c->ndo) + sizeof(*c->eth), GFP_KERNEL);
	if (!c) {
		pr_err("no memory: what %s is lent will be reported\n", dev->name);
		return;
	}
	c->domain = domain;
	c->ndo = dev->netdev_ops;
	c->eth = dev->ethtool_ops;
	ndo = c + 1;
	eth = ndo + sizeof(*c->ndo);
	copy_table(ndo, c->ndo, sizeof(*c->ndo), ndo_copies, ARRAY_SIZE(ndo_copies));
	dev->netdev_ops = ndo;
	if (!c->eth)
		return;
	copy_table(eth, c->eth, sizeof(*c->eth), eth_copies, ARRAY_SIZE(eth_copies));
	dev->ethtool_ops = eth;
}

static void copies_remove(struct net_device *dev)
{
	const struct netdev_copies *c;

	if (!copies_installed(dev))
		return;
	c = copies_of(dev);
	dev->netdev_ops = c->ndo;
	dev->ethtool_ops = c->eth;
	/* No transmit or statistics call that loaded a copy is under way. */
	synchronize_net();
	kfree(c);
}

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

struct net_device *chariot_wrap_alloc_etherdev_mqs(int sizeof_priv, unsigned int txqs,
						   unsigned int rxqs, CHARIOT_PAD3, u32 dom)
{
	struct net_device *dev = alloc_etherdev_mqs(sizeof_priv, txqs, rxqs);

	if (dev)
		netdev_parts(dev, dom, part_grant);
	return dev;
}

int chariot_wrap_register_netdev(struct net_device *dev, CHARIOT_PAD1, u32 dom)
{
	copies_install(dev, dom);
	return register_netdev(dev);
}

int chariot_wrap_register_netdevice(struct net_device *dev, CHARIOT_PAD1, u32 dom)
{
	copies_install(dev, dom);
	return register_netdevice(dev);
}

void chariot_wrap_free_netdev(struct net_device *dev, CHARIOT_PAD1, u32 dom)
{
	copies_remove(dev);
	netdev_parts(dev, dom, part_release);
	free_netdev(dev);
}
