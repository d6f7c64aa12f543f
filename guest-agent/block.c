// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks and block requests. A request and the driver's part behind it are one
 * piece of memory. The kernel reuses it as soon as the request ends: then its
 * grant ends, too.
 */
#include <linux/blk-mq.h>
#include <uapi/chariot_ring.h>

#include "block.h"
#include "call.h"
#include "compat.h"
#include "ring.h"
#include "track.h"

static void disk_parts(u16 domain, struct gendisk *disk,
		       void (*field)(u16 domain, const void *p, size_t len))
{
	struct device *dev = disk_to_dev(disk);
	struct queue_limits *limits = chariot_open_limits(disk);

	/* dev_set_drvdata() */
	field(domain, &dev->driver_data, sizeof(dev->driver_data));
	if (!limits)
		return;
	field(domain, &limits->discard_granularity, sizeof(limits->discard_granularity));
	field(domain, &limits->discard_alignment, sizeof(limits->discard_alignment));
}

static void field_give(u16 domain, const void *p, size_t len)
{
	chariot_grant(domain, p, len, CHARIOT_KIND_RULE);
}

void chariot_disk_give(u16 domain, struct gendisk *disk)
{
	chariot_grant(domain, disk, sizeof(*disk), CHARIOT_KIND_OBJECT);
	disk_parts(domain, disk, field_give);
}

void chariot_disk_take(u16 domain, struct gendisk *disk)
{
	disk_parts(domain, disk, chariot_call_release);
	chariot_call_release(domain, disk, sizeof(*disk));
}

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
	chariot_call_release(domain, rq, request_len(rq));
}

void chariot_request_gone(const struct request *rq)
{
	if (chariot_release_all(virt_to_phys((void *)rq)))
		chariot_ring_sync();
}

void chariot_request_end(u16 domain, const struct request *rq)
{
	if (rq->end_io)
		chariot_request_take(domain, rq);
	else
		chariot_request_gone(rq);
}

/* Which hardware queue a request of the list goes to is seen too late: all of them. */
static void queue_parts(u16 domain, struct request_queue *q,
			void (*field)(u16 domain, const void *p, size_t len))
{
	struct blk_mq_hw_ctx *hctx;
	unsigned long i;

	if (!CHARIOT_TAGS_NOTED)
		return;
	queue_for_each_hw_ctx(q, hctx, i) {
		/* One that no processor uses has none. */
		if (hctx->tags)
			field(domain, hctx->tags->rqs,
			      hctx->tags->nr_tags * sizeof(*hctx->tags->rqs));
	}
}

struct request_queue *chariot_requests_give(u16 domain, chariot_rq_list *list)
{
	struct request_queue *q = rq_list_peek(list)->q;
	const struct request *rq;

	rq_list_for_each(list, rq)
		chariot_request_give(domain, rq);
	queue_parts(domain, q, field_give);
	return q;
}

void chariot_requests_end(u16 domain, chariot_rq_list *list)
{
	const struct request *rq;

	rq_list_for_each(list, rq)
		chariot_request_end(domain, rq);
}

void chariot_requests_take(u16 domain, chariot_rq_list *list, struct request_queue *q)
{
	const struct request *rq;

	queue_parts(domain, q, chariot_call_release);
	rq_list_for_each(list, rq)
		chariot_request_take(domain, rq);
}
