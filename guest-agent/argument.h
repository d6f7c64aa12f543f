/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that the kernel lends a driver for the duration of one call. */
#ifndef CHARIOT_ARGUMENT_H
#define CHARIOT_ARGUMENT_H

#include <linux/sched/task_stack.h>
#include <uapi/chariot_ring.h>

#include "ring.h"
#include "track.h"

/* The current stack needs no grant: the host derives it. */
static inline bool chariot_lendable(const void *p)
{
	return p && !object_is_on_stack(p);
}

static inline void chariot_lend(u16 domain, const void *p, size_t len)
{
	if (chariot_lendable(p))
		chariot_grant(domain, p, len, CHARIOT_KIND_ARGUMENT);
}

static inline void chariot_unlend(u16 domain, const void *p, size_t len)
{
	if (chariot_lendable(p) && chariot_release(domain, p, len))
		chariot_ring_sync();
}

#endif /* CHARIOT_ARGUMENT_H */
