/* SPDX-License-Identifier: GPL-2.0-only */
/* Device objects that a bus passes to a driver: their fields that it may write. */
#ifndef CHARIOT_BUS_H
#define CHARIOT_BUS_H

struct seq_file;

int chariot_bus_init(void);

/*
 * Lists the devices that isolated drivers are bound to: domain, type, address, size,
 * name. An audit's addresses are told apart by it. Process context.
 */
void chariot_bus_show(struct seq_file *m);

#endif /* CHARIOT_BUS_H */
