/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The consumer's side of the guest's report ring (include/uapi/chariot_ring.h
 * has the protocol). Reads guest memory through @io, trusts nothing that it
 * reads, keeps its own position. Serialised by the owner's lock; may sleep
 * in @io.
 */
#ifndef CHARIOT_RING_H
#define CHARIOT_RING_H

#include <linux/types.h>
#include "../include/uapi/chariot.h"
#include "../include/uapi/chariot_ring.h"

struct chariot_ring_io {
	/*
	 * 0 or -EFAULT; or -EAGAIN: not now, the owner knows why. Both copy guest
	 * physical memory, in pieces of any size.
	 */
	int (*read)(void *ctx, u64 gpa, void *to, size_t len);
	int (*write)(void *ctx, u64 gpa, const void *from, size_t len);
};

struct chariot_ring_reader {
	const struct chariot_ring_io *io;
	void *ctx;
	u64 gpa;		/* of the header */
	u32 order;		/* 0: no ring */
	bool broken;
	u64 tail;		/* the position */
	u64 head;		/* when it was last looked at */
	bool unpublished;	/* the guest does not know of the position yet */
};

enum chariot_ring_next {
	CHARIOT_RING_EMPTY,	/* nothing reserved, no ring, or it was given up before */
	CHARIOT_RING_RECORD,	/* *rec is a record; the position has moved on */
	CHARIOT_RING_PENDING,	/* the next slot is reserved but not complete yet */
	CHARIOT_RING_BAD,	/* slot skipped, *bad says why; the position has moved on */
	CHARIOT_RING_BROKEN,	/* the ring was given up just now: *bad says why */
	CHARIOT_RING_LATER,	/* @io says -EAGAIN: nothing has changed */
};

/*
 * 0; -EINVAL: alignment, order or wrap; -EFAULT: not readable and writable.
 * The position is the header's @tail, so that a ring that is set again goes on
 * where it was. Order 0 removes the ring; so does an error.
 */
int chariot_ring_set(struct chariot_ring_reader *ring, const struct chariot_ring_io *io, void *ctx,
		     u64 gpa, u32 order);
enum chariot_ring_next chariot_ring_next(struct chariot_ring_reader *ring, struct chariot_rec *rec,
					 unsigned int *bad);
/* The slot at the position will never be completed: skip it (after the owner's bound). */
void chariot_ring_skip(struct chariot_ring_reader *ring);
/* Publishes the position to the guest; call after a batch. 0, -EFAULT (now broken) or -EAGAIN. */
int chariot_ring_publish(struct chariot_ring_reader *ring);

/* What a record may name; filled by the owner. */
struct chariot_rec_limits {
	u32 domains;		/* bit n: domain n is declared */
	u64 gpa_end;		/* first address that no guest has (1 << MAXPHYADDR) */
	/* Is [gpa, gpa + len) guest memory, or (mmio) memory of no slot at all? */
	bool (*is_memory)(void *ctx, u64 gpa, u64 len, bool mmio);
	void *ctx;
};

/*
 * Checks every field of @rec by itself (type, kind, domain, ranges, padding).
 * Returns -1 if it is sound, else CHARIOT_BAD_*. What depends on the state
 * (overlap, bounds) is checked when the record is applied.
 */
int chariot_rec_check(const struct chariot_rec *rec, const struct chariot_rec_limits *limits);

#endif
