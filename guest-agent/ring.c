// SPDX-License-Identifier: GPL-2.0-only
/*
 * The producer's end of the report ring.
 *
 * A record must never be reserved and then left incomplete for long: it would
 * stop the host. So interrupts are off from reserving a slot to publishing it,
 * and nothing in between can fault or wait. Whatever waits (a full ring) waits
 * before it reserves.
 *
 * The ring lives as long as the machine: what posts to it are wrappers and
 * probes that cannot be taken back. A host that stops consuming turns the ring
 * dead: from then on records are counted as lost and dropped, and the guest
 * runs on. The host's last word (no grant beyond those it knows) stays in force.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/timekeeping.h>

#include "ring.h"

/* How long a full ring may stay full before the host counts as gone. */
#define CHARIOT_RING_PATIENCE_NS	(2 * NSEC_PER_SEC)

static struct chariot_ring ring;
static bool ring_live;

struct chariot_ring_stats chariot_ring_stats;

/**
 * chariot_ring_alloc() - allocates the one ring, empty
 * @order: log2 of the number of records
 * @doorbell: makes the host consume, and returns when it has
 * @broken: tells whether the host has given the ring up
 *
 * Once, in process context.
 */
int chariot_ring_alloc(unsigned int order, void (*doorbell)(void), bool (*broken)(void))
{
	size_t size = CHARIOT_RING_RECORDS + (sizeof(struct chariot_rec) << order);
	void *mem;

	if (ring.header)
		return -EBUSY;
	mem = alloc_pages_exact(size, GFP_KERNEL | __GFP_ZERO);
	if (!mem)
		return -ENOMEM;
	ring.header = mem;
	ring.rec = mem + CHARIOT_RING_RECORDS;
	ring.phys = virt_to_phys(mem);
	ring.order = order;
	ring.doorbell = doorbell;
	ring.broken = broken;
	/* Pairs with chariot_ring_live(): whoever sees it live sees it whole. */
	smp_store_release(&ring_live, true);
	return 0;
}

const struct chariot_ring *chariot_ring_get(void)
{
	return &ring;
}

bool chariot_ring_live(void)
{
	/* Pairs with chariot_ring_alloc(). */
	return smp_load_acquire(&ring_live);
}

void chariot_ring_stop(const char *why)
{
	if (xchg(&ring_live, false) && why)
		pr_err("%s; reports stop here\n", why);
}

static bool ring_has_room(u64 head)
{
	/* Pairs with the host's release of tail: a slot that it left is free to write. */
	u64 tail = smp_load_acquire(&ring.header->tail);

	return head - tail < 1ULL << ring.order;
}

/*
 * Reserves a position while there is room. The check and the step are one
 * compare-and-swap, so head never runs more than the ring's size ahead of tail.
 */
static bool ring_reserve(u64 *pos)
{
	u64 head = READ_ONCE(ring.header->head);

	do {
		if (!ring_has_room(head))
			return false;
	} while (!try_cmpxchg(&ring.header->head, &head, head + 1));
	*pos = head;
	return true;
}

static void ring_doorbell(void)
{
	atomic64_inc(&chariot_ring_stats.doorbells);
	ring.doorbell();
}

/* Interrupts as the caller had them: other CPUs may need them to complete theirs. */
static bool ring_wait(void)
{
	u64 start = ktime_get_mono_fast_ns();

	atomic64_inc(&chariot_ring_stats.full);
	for (;;) {
		ring_doorbell();
		if (ring_has_room(READ_ONCE(ring.header->head)))
			return true;
		if (ring.broken()) {
			chariot_ring_stop("the host gave the report ring up");
			return false;
		}
		if (ktime_get_mono_fast_ns() - start > CHARIOT_RING_PATIENCE_NS) {
			chariot_ring_stop("the host does not consume reports");
			return false;
		}
		cpu_relax();
	}
}

/**
 * chariot_post() - posts one record
 * @type: CHARIOT_REC_*, which says what the others mean
 * @kind: CHARIOT_KIND_*, CHARIOT_REGION_* or 0
 * @domain: domain id, or 0
 * @gpa: guest physical address
 * @va: virtual address
 * @len: bytes
 *
 * Records posted by one CPU, or ordered by a lock, reach the host in that order.
 */
void chariot_post(u8 type, u8 kind, u16 domain, u64 gpa, u64 va, u64 len)
{
	struct chariot_rec *rec;
	unsigned long flags;
	u64 pos, used;

	for (;;) {
		if (!chariot_ring_live()) {
			atomic64_inc(&chariot_ring_stats.lost);
			return;
		}
		local_irq_save(flags);
		if (ring_reserve(&pos))
			break;
		local_irq_restore(flags);
		if (!ring_wait()) {
			atomic64_inc(&chariot_ring_stats.lost);
			return;
		}
	}
	rec = &ring.rec[pos & ((1ULL << ring.order) - 1)];
	rec->type = type;
	rec->kind = kind;
	rec->domain = domain;
	rec->gpa = gpa;
	rec->va = va;
	rec->len = len;
	/* Pairs with the host's acquire of seq: the record is complete. */
	smp_store_release(&rec->seq, (u32)(pos + 1));
	local_irq_restore(flags);

	atomic64_inc(&chariot_ring_stats.posted);
	used = pos + 1 - READ_ONCE(ring.header->tail);
	if (used > (3ULL << ring.order) / 4)
		ring_doorbell();
}

/**
 * chariot_ring_sync() - returns when the host has acted on all that was posted
 *
 * Called after a revoke of whole pages, before they can be reused, and after
 * new text, before it can run.
 */
void chariot_ring_sync(void)
{
	if (chariot_ring_live())
		ring_doorbell();
}
