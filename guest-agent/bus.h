/* SPDX-License-Identifier: GPL-2.0-only */
/* Device objects that a bus passes to a driver: their fields that it may write. */
#ifndef CHARIOT_BUS_H
#define CHARIOT_BUS_H

int chariot_bus_init(void);

#endif /* CHARIOT_BUS_H */
