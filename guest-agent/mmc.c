// SPDX-License-Identifier: GPL-2.0-only
/* Requests to memory cards: up to five structs. */
#include <linux/build_bug.h>
#include <linux/mmc/core.h>
#include <linux/stddef.h>
#include <uapi/chariot_ring.h>

#include "call.h"
#include "mmc.h"

static void give(u16 domain, const void *part, size_t len)
{
	chariot_call_grant(domain, part, len, CHARIOT_KIND_OBJECT);
}

/* No driver writes the four pointers, and nothing else stands before the completion. */
static_assert(offsetof(struct mmc_request, completion) == 4 * sizeof(void *));

static void request_parts(u16 domain, const struct mmc_request *mrq,
			  void (*each)(u16 domain, const void *part, size_t len))
{
	each(domain, mrq->sbc, sizeof(*mrq->sbc));
	each(domain, mrq->cmd, sizeof(*mrq->cmd));
	each(domain, mrq->data, sizeof(*mrq->data));
	each(domain, mrq->stop, sizeof(*mrq->stop));
	/* Not these pointers: what was given is found by them again. */
	each(domain, &mrq->completion, sizeof(*mrq) - offsetof(struct mmc_request, completion));
}

void chariot_mmc_request_give(u16 domain, const struct mmc_request *mrq)
{
	request_parts(domain, mrq, give);
}

void chariot_mmc_request_take(u16 domain, const struct mmc_request *mrq)
{
	request_parts(domain, mrq, chariot_call_release);
}
