// SPDX-License-Identifier: GPL-2.0-only
/* The queue of events of one VM; see event.h. */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include "event.h"

int chariot_events_init(struct chariot_events *events, u32 max)
{
	if (!max)
		max = CHARIOT_EVENTS_DEFAULT;
	if (max > CHARIOT_EVENTS_LIMIT)
		return -EINVAL;

	spin_lock_init(&events->lock);
	init_waitqueue_head(&events->wait);
	events->queue = kvcalloc(max, sizeof(*events->queue), GFP_KERNEL_ACCOUNT);
	if (!events->queue)
		return -ENOMEM;
	events->max = max;
	events->head = 0;
	events->nr = 0;
	events->seq = 0;
	events->dropped = 0;
	return 0;
}

void chariot_events_free(struct chariot_events *events)
{
	kvfree(events->queue);
	events->queue = NULL;
}

/* events->lock must be held */
static bool join_violation(struct chariot_event *last, const struct chariot_event *event)
{
	u32 room, copy;

	if (last->violation.rip != event->violation.rip ||
	    last->violation.why != event->violation.why ||
	    last->violation.policy != event->violation.policy ||
	    last->violation.near_gpa != event->violation.near_gpa ||
	    last->violation.gva + last->violation.size != event->violation.gva ||
	    !event->violation.size)
		return false;

	/* data[] holds the first bytes of the whole run, without gaps */
	if (last->violation.data_len == min_t(u32, last->violation.size, CHARIOT_EVENT_DATA)) {
		room = CHARIOT_EVENT_DATA - last->violation.data_len;
		copy = min(room, event->violation.data_len);
		memcpy(last->violation.data + last->violation.data_len, event->violation.data,
		       copy);
		last->violation.data_len += copy;
	}
	last->violation.size += event->violation.size;
	last->violation.count++;
	return true;
}

/* events->lock must be held */
static bool join(struct chariot_events *events, const struct chariot_event *event)
{
	struct chariot_event *last;

	lockdep_assert_held(&events->lock);
	if (!events->nr || events->dropped)
		return false;
	last = &events->queue[(events->head + events->nr - 1) % events->max];
	if (last->type != event->type || last->domain != event->domain ||
	    last->vcpu != event->vcpu)
		return false;

	switch (event->type) {
	case CHARIOT_EVENT_VIOLATION:
		return join_violation(last, event);
	case CHARIOT_EVENT_BAD_RECORD:
		if (last->bad.bad_kind != event->bad.bad_kind)
			return false;
		last->bad.count++;
		return true;
	default:
		return false;
	}
}

bool chariot_events_post(struct chariot_events *events, const struct chariot_event *event)
{
	struct chariot_event *slot;
	bool queued = true;
	unsigned long flags;

	spin_lock_irqsave(&events->lock, flags);
	if (join(events, event))
		goto out;

	events->seq++;
	if (events->nr == events->max) {
		events->dropped++;
		queued = false;
		goto out;
	}
	slot = &events->queue[(events->head + events->nr) % events->max];
	*slot = *event;
	slot->seq = events->seq;
	slot->time_ns = ktime_get_ns();
	slot->dropped = events->dropped;
	events->dropped = 0;
	WRITE_ONCE(events->nr, events->nr + 1);
out:
	spin_unlock_irqrestore(&events->lock, flags);
	if (queued)
		wake_up_interruptible_poll(&events->wait, EPOLLIN | EPOLLRDNORM);
	return queued;
}

ssize_t chariot_events_read(struct chariot_events *events, char __user *to, size_t len,
			    bool nonblock)
{
	struct chariot_event event;
	ssize_t done = 0;
	int ret;

	if (len < sizeof(event))
		return -EINVAL;

	while (len - done >= sizeof(event)) {
		spin_lock_irq(&events->lock);
		if (!events->nr) {
			spin_unlock_irq(&events->lock);
			if (done)
				break;
			if (nonblock)
				return -EAGAIN;
			ret = wait_event_interruptible(events->wait, chariot_events_ready(events));
			if (ret)
				return ret;
			continue;
		}
		event = events->queue[events->head];
		events->head = (events->head + 1) % events->max;
		WRITE_ONCE(events->nr, events->nr - 1);
		spin_unlock_irq(&events->lock);

		/* A fault here loses the event, as it does for any queue read by copying. */
		if (copy_to_user(to + done, &event, sizeof(event)))
			return done ? done : -EFAULT;
		done += sizeof(event);
	}
	return done;
}
