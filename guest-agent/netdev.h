/* SPDX-License-Identifier: GPL-2.0-only */
/* Network devices. */
#ifndef CHARIOT_NETDEV_H
#define CHARIOT_NETDEV_H

#include <linux/types.h>

struct net_device;

/* The device, its private part and its queues, as long as the driver has it. @dev may be NULL. */
void chariot_netdev_give(u16 domain, struct net_device *dev);
void chariot_netdev_take(u16 domain, struct net_device *dev);

/* Statistics that the core allocates for each CPU, when a driver registers its device. */
void chariot_netdev_stats_grant(u16 domain, struct net_device *dev);

/* How many entries of a string set the driver fills in; within one of its ethtool operations. */
size_t chariot_sset_count(struct net_device *dev, u32 sset);

/* Bytes of a device's tables for receive hashing; likewise. */
size_t chariot_rxfh_indir_size(struct net_device *dev);
size_t chariot_rxfh_key_size(struct net_device *dev);

#endif /* CHARIOT_NETDEV_H */
