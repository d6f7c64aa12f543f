// SPDX-License-Identifier: GPL-2.0-only
/* What lines of the catalogue do: memory that is granted, taken back, or lent for one call. */
#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <uapi/chariot_ring.h>

#include "call.h"
#include "ring.h"
#include "track.h"

static_assert(offsetof(struct chariot_call, arg) == CHARIOT_CALL_ARG);
static_assert(offsetof(struct chariot_call, rax) == CHARIOT_CALL_RAX);
static_assert(offsetof(struct chariot_call, rdx) == CHARIOT_CALL_RDX);
static_assert(offsetof(struct chariot_call, domain) == CHARIOT_CALL_DOMAIN);
static_assert(offsetof(struct chariot_call, slot) == CHARIOT_CALL_SLOT);
static_assert(sizeof(struct chariot_call) == CHARIOT_CALL_SIZE);

static bool is_object(const void *p)
{
	return !ZERO_OR_NULL_PTR(p) && !IS_ERR(p);
}

void chariot_call_grant(u16 domain, const void *p, size_t len, u8 kind)
{
	if (is_object(p))
		chariot_grant(domain, p, len, kind);
}

void chariot_call_release(u16 domain, const void *p, size_t len)
{
	if (is_object(p) && chariot_release(domain, p, len))
		chariot_ring_sync();
}

void chariot_call_lend(struct chariot_call *c, unsigned int loan, const void *p, size_t len)
{
	/* The current stack needs no grant: the host derives it. */
	if (!is_object(p) || object_is_on_stack(p))
		p = NULL;
	c->loan[loan].p = p;
	c->loan[loan].len = len;
	if (p)
		chariot_grant(c->domain, p, len, CHARIOT_KIND_ARGUMENT);
}

void chariot_call_lend_end(struct chariot_call *c, unsigned int loan)
{
	chariot_call_release(c->domain, c->loan[loan].p, c->loan[loan].len);
}
