/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest for the ring's consumer: its memory, and what can happen to it. */
#ifndef RING_GUEST_H
#define RING_GUEST_H

#include "ring.h"

#define GUEST_GPA	0x12340000ull
#define GUEST_ORDER	6u
#define GUEST_SLOTS	(1u << GUEST_ORDER)

struct ring_guest {
	struct {
		struct chariot_ring_header header;
		u8 pad[CHARIOT_RING_RECORDS - sizeof(struct chariot_ring_header)];
		struct chariot_rec rec[GUEST_SLOTS];
	} memory;
	u64 accesses;		/* so far */
	u64 fail_at;		/* this access and the following ones fail; ~0: none */
	bool read_only;		/* writes fail */
	u32 later;		/* one access of so many fails for now: -EAGAIN; 0: none */
	bool strayed;		/* the host touched something else */
	/* Called in the middle of every access: what other CPUs do meanwhile. May be NULL. */
	void (*meanwhile)(struct ring_guest *guest, u64 offset);
	void *data;
};

extern const struct chariot_ring_io ring_guest_io;

/* A ring that has been in use up to @position: slots hold what the lap before left there. */
void ring_guest_init(struct ring_guest *guest, u64 position);

#endif
