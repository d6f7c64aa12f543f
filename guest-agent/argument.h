/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that the kernel lends a driver for the duration of one call. */
#ifndef CHARIOT_ARGUMENT_H
#define CHARIOT_ARGUMENT_H

#include <linux/compiler.h>
#include <linux/sched/task_stack.h>
#include <uapi/chariot_ring.h>

#include "ring.h"
#include "track.h"

struct chariot_loan {
	u16 domain;
	const void *p;		/* NULL: nothing was lent */
	size_t len;
};

static inline struct chariot_loan chariot_loan_begin(u16 domain, const void *p, size_t len)
{
	/* The current stack needs no grant: the host derives it. */
	if (p && object_is_on_stack(p))
		p = NULL;
	if (p)
		chariot_grant(domain, p, len, CHARIOT_KIND_ARGUMENT);
	return (struct chariot_loan) { domain, p, len };
}

static inline void chariot_loan_end(struct chariot_loan *loan)
{
	if (loan->p && chariot_release(loan->domain, loan->p, loan->len))
		chariot_ring_sync();
}

/* Lends @len bytes at @p (may be NULL) until the end of the block. A declaration. */
#define CHARIOT_LEND(domain, p, len)							\
	struct chariot_loan __UNIQUE_ID(loan) __attribute__((__cleanup__(chariot_loan_end))) = \
		chariot_loan_begin(domain, p, len)

#endif /* CHARIOT_ARGUMENT_H */
