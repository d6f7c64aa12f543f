/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The producer's end of the report ring (uapi/chariot_ring.h, docs/ring.md).
 *
 * All calls but chariot_ring_alloc() may be made from any context except NMI,
 * with or without locks held, and do nothing while there is no ring.
 */
#ifndef CHARIOT_RING_H
#define CHARIOT_RING_H

#include <linux/types.h>
#include <uapi/chariot_ring.h>

struct chariot_ring {
	struct chariot_ring_header *header;
	struct chariot_rec *rec;
	phys_addr_t phys;	/* of the header */
	unsigned int order;
	void (*doorbell)(void);	/* returns when the host has consumed the ring */
	bool (*broken)(void);	/* the host gave the ring up */
};

struct chariot_ring_stats {
	atomic64_t posted, doorbells, full, lost;
};

extern struct chariot_ring_stats chariot_ring_stats;

int chariot_ring_alloc(unsigned int order, void (*doorbell)(void), bool (*broken)(void));
const struct chariot_ring *chariot_ring_get(void);
void chariot_ring_stop(const char *why);
bool chariot_ring_live(void);

void chariot_post(u8 type, u8 kind, u16 domain, u64 gpa, u64 va, u64 len);
void chariot_ring_sync(void);

#endif /* CHARIOT_RING_H */
