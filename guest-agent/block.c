// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block requests: the struct and the driver's part behind it, which is one piece
 * of memory. The kernel reuses a request as soon as it ends; so does its grant.
 */
#include <linux/blk-mq.h>
#include <uapi/chariot_ring.h>

#include "block.h"
#include "ring.h"
#include "track.h"

static size_t request_len(const struct request *rq)
{
	return sizeof(*rq) + rq->q->tag_set->cmd_size;
}

void chariot_request_give(u16 domain, const struct request *rq)
{
	chariot_grant(domain, rq, request_len(rq), CHARIOT_KIND_OBJECT);
}

void chariot_request_take(u16 domain, const struct request *rq)
{
	if (chariot_release(domain, rq, request_len(rq)))
		chariot_ring_sync();
}

void chariot_requests_give(u16 domain, chariot_rq_list *list)
{
	const struct request *rq;

	rq_list_for_each(list, rq)
		chariot_request_give(domain, rq);
}

void chariot_requests_take(u16 domain, chariot_rq_list *list)
{
	const struct request *rq;

	rq_list_for_each(list, rq)
		chariot_request_take(domain, rq);
}
