/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests to memory cards while a driver has them. What may be called where the
 * functions may be called that the catalogue names.
 */
#ifndef CHARIOT_MMC_H
#define CHARIOT_MMC_H

#include <linux/types.h>

struct mmc_request;

/* A request, its commands and the description of its data, maybe on the stack of who waits. */
void chariot_mmc_request_give(u16 domain, const struct mmc_request *mrq);
void chariot_mmc_request_take(u16 domain, const struct mmc_request *mrq);

#endif /* CHARIOT_MMC_H */
