/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The queue of events of one VM: bounded, in order, with a count of what a
 * slow reader lost. Producers are vCPU and ioctl contexts; any may post,
 * nothing sleeps in chariot_events_post().
 */
#ifndef CHARIOT_EVENT_H
#define CHARIOT_EVENT_H

#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "../include/uapi/chariot.h"

#define CHARIOT_EVENTS_DEFAULT	1024
#define CHARIOT_EVENTS_LIMIT	65536

struct chariot_events {
	spinlock_t lock;	/* all below but @max */
	wait_queue_head_t wait;
	struct chariot_event *queue;
	u32 max;
	u32 head;		/* index of the oldest */
	u32 nr;
	u64 seq;		/* of the newest, lost ones included */
	u32 dropped;		/* lost since the last one that was queued */
};

int chariot_events_init(struct chariot_events *events, u32 max);	/* -EINVAL, -ENOMEM */
void chariot_events_free(struct chariot_events *events);

/*
 * Queues a copy of @event (seq, time_ns and dropped are filled in). A write
 * that continues the newest unread violation of the same instruction, vCPU
 * and domain is joined to it; so are bad records of one kind. Returns false if
 * the event was lost: the queue is full.
 */
bool chariot_events_post(struct chariot_events *events, const struct chariot_event *event);

/* read(2): whole events; -EAGAIN, -EINVAL (buffer too small), -ERESTARTSYS, -EFAULT */
ssize_t chariot_events_read(struct chariot_events *events, char __user *to, size_t len,
			    bool nonblock);

static inline bool chariot_events_ready(struct chariot_events *events)
{
	return READ_ONCE(events->nr) != 0;
}

#endif
