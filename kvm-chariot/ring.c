// SPDX-License-Identifier: GPL-2.0-only
/*
 * The consumer of the guest's report ring.
 *
 * Everything here is read from memory that the guest may change at any time,
 * so each thing is read once and judged by the copy. Only two outcomes end the
 * ring: it cannot be read, or its head cannot be right, which says that
 * something other than the agent writes there. A single bad slot costs that
 * slot.
 */
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include <asm/barrier.h>

#include "ring.h"

#define RING_PAGE	4096

static_assert(sizeof(struct chariot_rec) == 32);
static_assert(sizeof(struct chariot_ring_header) <= CHARIOT_RING_RECORDS);

static u64 ring_size(const struct chariot_ring_reader *ring)
{
	return 1ull << ring->order;
}

static u64 slot_gpa(const struct chariot_ring_reader *ring, u64 position)
{
	return ring->gpa + CHARIOT_RING_RECORDS +
	       (position & (ring_size(ring) - 1)) * sizeof(struct chariot_rec);
}

static int read_header(struct chariot_ring_reader *ring, size_t offset, u64 *value)
{
	return ring->io->read(ring->ctx, ring->gpa + offset, value, sizeof(*value));
}

static int write_tail(struct chariot_ring_reader *ring)
{
	return ring->io->write(ring->ctx, ring->gpa + offsetof(struct chariot_ring_header, tail),
			       &ring->tail, sizeof(ring->tail));
}

/* A ring that is only partly in guest memory is refused when it is set, not much later. */
static int probe(struct chariot_ring_reader *ring)
{
	u64 end = ring->gpa + CHARIOT_RING_RECORDS + ring_size(ring) * sizeof(struct chariot_rec);
	u64 gpa;
	u32 seq;

	if (read_header(ring, offsetof(struct chariot_ring_header, tail), &ring->tail) ||
	    write_tail(ring))
		return -EFAULT;
	for (gpa = ring->gpa + CHARIOT_RING_RECORDS; gpa < end; gpa += RING_PAGE) {
		if (ring->io->read(ring->ctx, gpa, &seq, sizeof(seq)))
			return -EFAULT;
	}
	ring->head = ring->tail;
	return 0;
}

int chariot_ring_set(struct chariot_ring_reader *ring, const struct chariot_ring_io *io, void *ctx,
		     u64 gpa, u32 order)
{
	u64 end;
	int ret;

	*ring = (struct chariot_ring_reader) { .io = io, .ctx = ctx };
	if (!order)
		return 0;
	if (order < CHARIOT_RING_ORDER_MIN || order > CHARIOT_RING_ORDER_MAX)
		return -EINVAL;
	if (gpa % RING_PAGE)
		return -EINVAL;
	ring->gpa = gpa;
	ring->order = order;
	if (check_add_overflow(gpa, CHARIOT_RING_RECORDS +
			       ring_size(ring) * sizeof(struct chariot_rec), &end))
		ret = -EINVAL;
	else
		ret = probe(ring);
	if (ret)
		ring->order = 0;
	return ret;
}

static enum chariot_ring_next give_up(struct chariot_ring_reader *ring, unsigned int why,
				      unsigned int *bad)
{
	ring->broken = true;
	*bad = why;
	return CHARIOT_RING_BROKEN;
}

static enum chariot_ring_next unreadable(struct chariot_ring_reader *ring, int err,
					 unsigned int *bad)
{
	return err == -EAGAIN ? CHARIOT_RING_LATER : give_up(ring, CHARIOT_BAD_UNMAPPED, bad);
}

/* Producers reserve only what is free, and the position is never behind the tail they see. */
static bool head_is_possible(const struct chariot_ring_reader *ring, u64 head)
{
	return head - ring->tail <= ring_size(ring);
}

/* Reads @head. CHARIOT_RING_PENDING: the slot at the position is reserved. */
static enum chariot_ring_next look_at_head(struct chariot_ring_reader *ring, unsigned int *bad)
{
	int tries, err;
	u64 head;

	/* a copy that is not one access may catch a carry half way: look twice before giving up */
	for (tries = 0; tries < 2; tries++) {
		err = read_header(ring, offsetof(struct chariot_ring_header, head), &head);
		if (err)
			return unreadable(ring, err, bad);
		if (head_is_possible(ring, head)) {
			ring->head = head;
			return head == ring->tail ? CHARIOT_RING_EMPTY : CHARIOT_RING_PENDING;
		}
	}
	return give_up(ring, CHARIOT_BAD_SEQUENCE, bad);
}

/*
 * Is @seq what a slot may hold while its record is not complete: nothing yet,
 * or what an earlier lap left there?
 */
static bool seq_is_stale(const struct chariot_ring_reader *ring, u32 seq)
{
	s32 ahead = (s32)(seq - (u32)(ring->tail + 1));

	return !seq || (ahead < 0 && !(ahead & (s32)(ring_size(ring) - 1)));
}

static int read_seq(struct chariot_ring_reader *ring, u32 *seq)
{
	return ring->io->read(ring->ctx, slot_gpa(ring, ring->tail) +
			      offsetof(struct chariot_rec, seq), seq, sizeof(*seq));
}

/* Takes the slot at the position, of which @seq was read. */
static enum chariot_ring_next take(struct chariot_ring_reader *ring, u32 seq,
				   struct chariot_rec *rec, unsigned int *bad)
{
	int err;

	/*
	 * (d) in chariot_ring.h: the record is read after the seq that says it
	 * is complete. Pairs with the producer's store_release() of seq, (c).
	 */
	smp_rmb();
	err = ring->io->read(ring->ctx, slot_gpa(ring, ring->tail), rec, sizeof(*rec));
	if (err)
		return unreadable(ring, err, bad);
	ring->tail++;
	/* The guest may have changed it since: the copy that is handed on must be right as well. */
	if (seq != (u32)ring->tail || rec->seq != (u32)ring->tail) {
		*bad = CHARIOT_BAD_SEQUENCE;
		return CHARIOT_RING_BAD;
	}
	return CHARIOT_RING_RECORD;
}

enum chariot_ring_next chariot_ring_next(struct chariot_ring_reader *ring, struct chariot_rec *rec,
					 unsigned int *bad)
{
	enum chariot_ring_next ret;
	int tries, err;
	u32 seq;

	if (!ring->order || ring->broken)
		return CHARIOT_RING_EMPTY;

	/* A complete record is taken whatever head says: only its producer can have written seq. */
	err = read_seq(ring, &seq);
	if (err)
		return unreadable(ring, err, bad);
	if (seq == (u32)(ring->tail + 1))
		return take(ring, seq, rec, bad);

	ret = look_at_head(ring, bad);
	if (ret != CHARIOT_RING_PENDING)
		return ret;

	/*
	 * Reserved. The copy of seq may be a mixture, if it is made byte by
	 * byte while the producer stores the new one. A producer does that once
	 * in a lap, so of two copies that make no sense one is whole.
	 */
	for (tries = 0; tries < 2; tries++) {
		err = read_seq(ring, &seq);
		if (err)
			return unreadable(ring, err, bad);
		if (seq == (u32)(ring->tail + 1))
			break;
		if (seq_is_stale(ring, seq))
			return CHARIOT_RING_PENDING;
	}
	return take(ring, seq, rec, bad);
}

void chariot_ring_skip(struct chariot_ring_reader *ring)
{
	/* only what was seen to be reserved: any other slot will be filled yet */
	if (ring->order && !ring->broken && (s64)(ring->head - ring->tail) > 0)
		ring->tail++;
}

int chariot_ring_publish(struct chariot_ring_reader *ring)
{
	int err;

	if (!ring->order)
		return 0;
	if (ring->broken)
		return -EFAULT;
	/*
	 * (e): a producer may overwrite the slots once it sees the new tail, so
	 * they must have been read. Pairs with its load_acquire() of tail, (a).
	 */
	smp_mb();
	err = write_tail(ring);
	ring->unpublished = err == -EAGAIN;
	if (err && !ring->unpublished)
		ring->broken = true;
	return err;
}

/* What a type uses; a field that it does not use must be 0. */
#define USES_DOMAIN	BIT(0)	/* a declared one */
#define USES_CPU	BIT(1)	/* the field is an APIC id */
#define USES_GPA	BIT(2)	/* with @len, a range of guest physical memory */
#define USES_VA		BIT(3)	/* with @len, a range of kernel addresses */
#define USES_MEMORY	BIT(4)	/* the physical range must exist now */
#define USES_PAGES	BIT(5)	/* whole pages */
#define USES_NOTE	BIT(6)	/* @va is informative */
#define USES_ANY_VA	BIT(7)	/* with @len, a range of any addresses */
#define MAY_BE_EMPTY	BIT(8)	/* @len may be 0 */
#define HAS_SETUP	BIT(9)	/* checked by a function of its own */

#define GRANT_KINDS	(GENMASK(CHARIOT_KIND_MAX, 0) & ~BIT(CHARIOT_KIND_STACK))
#define REGION_KINDS	GENMASK(CHARIOT_REGION_MAX, 0)
#define NO_KIND		BIT(0)
#define KINDS_MAX	32
#define DOMAIN_IDS_MAX	32	/* bits in chariot_rec_limits.domains */

/*
 * Nothing that takes rights away asks whether the memory exists: the guest may
 * be taking it away because it is being unplugged.
 */
static const struct {
	u32 kinds;	/* bit n: kind n is allowed; 0: no such type */
	u32 uses;
} rec_types[] = {
	[CHARIOT_REC_HELLO]	= { NO_KIND, HAS_SETUP },
	[CHARIOT_REC_CPU]	= { NO_KIND, USES_CPU | HAS_SETUP },
	[CHARIOT_REC_REGION]	= { REGION_KINDS, USES_ANY_VA },
	[CHARIOT_REC_LIBRARY]	= { NO_KIND, USES_VA },
	[CHARIOT_REC_TEXT]	= { NO_KIND, USES_DOMAIN | USES_GPA | USES_VA | USES_MEMORY |
				    USES_PAGES },
	[CHARIOT_REC_TEXT_GONE]	= { NO_KIND, USES_DOMAIN | USES_GPA | USES_VA | USES_PAGES },
	[CHARIOT_REC_GRANT]	= { GRANT_KINDS, USES_DOMAIN | USES_GPA | USES_NOTE | USES_MEMORY },
	[CHARIOT_REC_REVOKE]	= { NO_KIND, USES_DOMAIN | USES_GPA | USES_NOTE | MAY_BE_EMPTY },
	[CHARIOT_REC_DOMAIN_UP]	= { NO_KIND, USES_DOMAIN },
	[CHARIOT_REC_DOMAIN_DOWN] = { NO_KIND, USES_DOMAIN },
	[CHARIOT_REC_GRANT_ALL]	= { GRANT_KINDS, USES_GPA | USES_NOTE | USES_MEMORY },
	[CHARIOT_REC_BAD_FREE]	= { CHARIOT_FREE_KINDS, USES_DOMAIN | HAS_SETUP },
};

/* The kernel's half of the address space, with 4 or 5 levels of page tables. */
#define KERNEL_HALF	GENMASK_ULL(63, 56)
#define GUEST_PAGE	4096
/* THREAD_SIZE and IRQ_STACK_SIZE of any x86-64 kernel, sanitizers' included, are below */
#define STACK_MAX	(256 * 1024)

static int check_stack_size(u64 size)
{
	return size >= GUEST_PAGE && size <= STACK_MAX && is_power_of_2(size) ?
	       -1 : CHARIOT_BAD_LENGTH;
}

/* What was to be freed (@gpa) may be any word: that is what is wrong with it. */
static int check_bad_free(const struct chariot_rec *rec)
{
	u64 why = CHARIOT_FREE_WHY(rec->len);
	u64 size = CHARIOT_FREE_SIZE(rec->len), offset = CHARIOT_FREE_OFFSET(rec->len);

	if (rec->va < KERNEL_HALF)
		return CHARIOT_BAD_ADDRESS;
	if (!why || why > CHARIOT_FREE_WHY_MAX)
		return CHARIOT_BAD_TYPE;
	return (offset && offset >= size) || rec->gpa < offset ? CHARIOT_BAD_LENGTH : -1;
}

/* HELLO, CPU and BAD_FREE carry sizes and addresses in fields named for other things. */
static int check_setup(const struct chariot_rec *rec)
{
	if (rec->type == CHARIOT_REC_BAD_FREE)
		return check_bad_free(rec);
	if (rec->type == CHARIOT_REC_HELLO) {
		if (rec->len != CHARIOT_VERSION)
			return CHARIOT_BAD_STATE;
		if (rec->va < KERNEL_HALF || rec->va % GUEST_PAGE)
			return CHARIOT_BAD_ADDRESS;
		return check_stack_size(rec->gpa);
	}
	if (rec->gpa < KERNEL_HALF || rec->gpa % sizeof(u64) || rec->gpa - KERNEL_HALF < rec->len)
		return CHARIOT_BAD_ADDRESS;
	if (rec->va < KERNEL_HALF || rec->va % sizeof(u64))
		return CHARIOT_BAD_ADDRESS;
	return check_stack_size(rec->len);
}

static int check_domain(const struct chariot_rec *rec, u32 uses, u32 domains)
{
	if (uses & USES_CPU)
		return -1;
	if (!(uses & USES_DOMAIN))
		return rec->domain ? CHARIOT_BAD_DOMAIN : -1;
	if (!rec->domain || rec->domain >= DOMAIN_IDS_MAX || !(domains & BIT(rec->domain)))
		return CHARIOT_BAD_DOMAIN;
	return -1;
}

static int check_va(const struct chariot_rec *rec, u32 uses)
{
	u64 end;

	if (uses & USES_NOTE)
		return -1;
	if (!(uses & (USES_VA | USES_ANY_VA)))
		return rec->va ? CHARIOT_BAD_ADDRESS : -1;
	if ((uses & USES_VA) && rec->va < KERNEL_HALF)
		return CHARIOT_BAD_ADDRESS;
	if ((uses & USES_PAGES) && rec->va % GUEST_PAGE)
		return CHARIOT_BAD_ADDRESS;
	return check_add_overflow(rec->va, rec->len, &end) ? CHARIOT_BAD_LENGTH : -1;
}

static int check_gpa(const struct chariot_rec *rec, u32 uses,
		     const struct chariot_rec_limits *limits)
{
	bool mmio = rec->kind == CHARIOT_KIND_MMIO;

	if (!(uses & USES_GPA))
		return rec->gpa ? CHARIOT_BAD_ADDRESS : -1;
	if (rec->gpa >= limits->gpa_end)
		return CHARIOT_BAD_ADDRESS;
	if (rec->len > limits->gpa_end - rec->gpa)
		return CHARIOT_BAD_LENGTH;
	if ((uses & USES_PAGES) && rec->gpa % GUEST_PAGE)
		return CHARIOT_BAD_ADDRESS;
	if ((uses & USES_MEMORY) && !limits->is_memory(limits->ctx, rec->gpa, rec->len, mmio))
		return CHARIOT_BAD_ADDRESS;
	return -1;
}

static int check_len(const struct chariot_rec *rec, u32 uses)
{
	if (!(uses & (USES_GPA | USES_VA | USES_ANY_VA)))
		return rec->len ? CHARIOT_BAD_LENGTH : -1;
	if (!rec->len && !(uses & MAY_BE_EMPTY))
		return CHARIOT_BAD_LENGTH;
	return (uses & USES_PAGES) && rec->len % GUEST_PAGE ? CHARIOT_BAD_LENGTH : -1;
}

int chariot_rec_check(const struct chariot_rec *rec, const struct chariot_rec_limits *limits)
{
	u32 uses;
	int bad;

	if (rec->type >= ARRAY_SIZE(rec_types))
		return CHARIOT_BAD_TYPE;
	if (rec->kind >= KINDS_MAX || !(rec_types[rec->type].kinds & BIT(rec->kind)))
		return CHARIOT_BAD_TYPE;
	uses = rec_types[rec->type].uses;

	bad = check_domain(rec, uses, limits->domains);
	if (bad >= 0)
		return bad;
	if (uses & HAS_SETUP)
		return check_setup(rec);
	/* before the checks that hand the length on */
	bad = check_len(rec, uses);
	if (bad >= 0)
		return bad;
	bad = check_va(rec, uses);
	if (bad >= 0)
		return bad;
	return check_gpa(rec, uses, limits);
}
