/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A call between a driver and the kernel that leads through the agent: an import
 * that the driver calls, or an operation of the driver's that the kernel calls.
 *
 * The entry (entry.h) lays this struct onto the stack, with the arguments as
 * they were passed. What the catalogue says is to be done before the call may
 * change arguments; what it says for afterwards sees the result. Both run in
 * the caller's context, whatever it is, and may be entered again by what is
 * called.
 */
#ifndef CHARIOT_CALL_H
#define CHARIOT_CALL_H

/* Where the entry finds the members; call.c checks them. */
#define CHARIOT_CALL_ARG	0
#define CHARIOT_CALL_RAX	48
#define CHARIOT_CALL_RDX	56
#define CHARIOT_CALL_DOMAIN	72
#define CHARIOT_CALL_SLOT	76
#define CHARIOT_CALL_REFUSED	CHARIOT_CALL_SLOT
#define CHARIOT_CALL_SIZE	144	/* a multiple of 16 */

#ifndef __ASSEMBLY__
#include <linux/types.h>

#define CHARIOT_LOANS	4

struct chariot_loan {
	const void *p;		/* NULL: nothing was lent */
	size_t len;
};

/* Of an object; a list of them ends with a length of 0 */
struct chariot_field {
	size_t offset, len;
};

struct chariot_call {
	unsigned long arg[6];	/* in the order of the ABI */
	unsigned long rax;	/* before: al of a variadic call; after: the result */
	unsigned long rdx;	/* after: the result's second half */
	unsigned long kept;	/* from before to after */
	u32 domain;
	union {
		u32 slot;	/* operations (ops.h) */
		u32 refused;	/* imports: the call is not made */
	};
	struct chariot_loan loan[CHARIOT_LOANS];
};

/*
 * Arguments from the seventh on. Behind the struct there are the caller's frame
 * pointer and the return address; then they come.
 */
static inline const unsigned long *chariot_call_more(const struct chariot_call *c)
{
	return (const unsigned long *)(c + 1) + 2;
}

/* Grants what an import returned, unless that is no object: NULL, an error, nothing. */
void chariot_call_grant(u16 domain, const void *p, size_t len, u8 kind);

/* The same for fields of it. */
void chariot_call_grant_fields(u16 domain, const void *p, const struct chariot_field *fields,
			       u8 kind);

/* The driver's hold on an object ends; it may be gone right after. */
void chariot_call_release(u16 domain, const void *p, size_t len);

/* Lends @len bytes at @p, which may be NULL, until the call returns. */
void chariot_call_lend(struct chariot_call *c, unsigned int loan, const void *p, size_t len);
void chariot_call_lend_end(struct chariot_call *c, unsigned int loan);

/* The same for fields of the object at @p: one loan, however many there are. */
void chariot_call_lend_fields(struct chariot_call *c, unsigned int loan, const void *p,
			      const struct chariot_field *fields);
void chariot_call_lend_fields_end(struct chariot_call *c, unsigned int loan,
				  const struct chariot_field *fields);
#endif

#endif /* CHARIOT_CALL_H */
