/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operations: functions of a driver that the kernel calls by pointer. Where one
 * of them is lent memory, the kernel is given the address of a slot instead: a
 * stub of ours (entry.S) that does what the catalogue says before and after the
 * driver's function.
 *
 * A slot stands for (function, operation, domain) and lives until the domain
 * goes down, as does a copy of a table of operations. So the same function has
 * the same slot whenever it is exchanged.
 */
#ifndef CHARIOT_OPS_H
#define CHARIOT_OPS_H

#define CHARIOT_SLOTS		1024
#define CHARIOT_SLOT_SIZE	16
#define CHARIOT_SLOT_STACK	2	/* arguments beyond six: no operation has more */

#ifndef __ASSEMBLY__
#include <linux/atomic.h>
#include <linux/types.h>

struct chariot_call;

struct chariot_op {
	size_t offset;		/* in its table */
	void (*before)(struct chariot_call *c);
	void (*after)(struct chariot_call *c);
};

/* A type of table, with those of its members that are exchanged. */
struct chariot_ops {
	size_t size;
	const struct chariot_op *ops;
	unsigned int count;
};

extern atomic_t chariot_ops_slots_used, chariot_ops_slots_refused;

/*
 * These may be called in any context but NMI, at any time: what is exchanged
 * already, or NULL, stays as it is. Without memory or a free slot nothing is
 * exchanged: what the driver is lent there will be reported.
 */

/* Exchanges a pointer to a table for a pointer to a copy. The driver's own table stays as it is. */
void chariot_ops_exchange(u16 domain, const struct chariot_ops *type, const void **table);

/* Exchanges the members of a table that the kernel knows by its address. */
void chariot_ops_members(u16 domain, const struct chariot_ops *type, void *table);

/* Exchanges a pointer to a function. */
void chariot_ops_callback(u16 domain, const struct chariot_op *op, const void **func);

/* The domain is gone: nobody calls its functions any more. Process context. */
void chariot_ops_forget(u16 domain);
#endif

#endif /* CHARIOT_OPS_H */
