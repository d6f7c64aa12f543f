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

void chariot_call_grant_fields(u16 domain, const void *p, const struct chariot_field *fields,
			       u8 kind)
{
	const struct chariot_field *f;

	for (f = fields; is_object(p) && f->len; f++)
		chariot_grant(domain, p + f->offset, f->len, kind);
}

void chariot_call_release(u16 domain, const void *p, size_t len)
{
	if (is_object(p) && chariot_release(domain, p, len))
		chariot_ring_sync();
}

/* The current stack needs no grant: the host derives it. */
static bool is_lent(const void *p)
{
	return is_object(p) && !object_is_on_stack(p);
}

void chariot_call_lend(struct chariot_call *c, unsigned int loan, const void *p, size_t len)
{
	c->loan[loan].p = is_lent(p) ? p : NULL;
	c->loan[loan].len = len;
	chariot_call_grant(c->domain, c->loan[loan].p, len, CHARIOT_KIND_ARGUMENT);
}

void chariot_call_lend_end(struct chariot_call *c, unsigned int loan)
{
	chariot_call_release(c->domain, c->loan[loan].p, c->loan[loan].len);
}

void chariot_call_lend_fields(struct chariot_call *c, unsigned int loan, const void *p,
			      const struct chariot_field *fields)
{
	c->loan[loan].p = is_lent(p) ? p : NULL;
	chariot_call_grant_fields(c->domain, c->loan[loan].p, fields, CHARIOT_KIND_ARGUMENT);
}

void chariot_call_lend_fields_end(struct chariot_call *c, unsigned int loan,
				  const struct chariot_field *fields)
{
	const struct chariot_field *f;

	for (f = fields; c->loan[loan].p && f->len; f++)
		chariot_call_release(c->domain, c->loan[loan].p + f->offset, f->len);
}
