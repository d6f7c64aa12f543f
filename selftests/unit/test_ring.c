// SPDX-License-Identifier: GPL-2.0-only
/*
 * The consumer of the report ring against a guest that behaves (several
 * producers, interleaved at every access of the consumer) and one that does
 * not. The interleaving is simulated: it says nothing about memory ordering,
 * which only the barriers in ring.c and their pairs in the agent ensure.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "ring_guest.h"
#include "ktap.h"

static struct ring_guest guest;
static struct chariot_ring_reader ring;
static struct chariot_rec rec;
static unsigned int bad;

static void begin(u64 position)
{
	ring_guest_init(&guest, position);
	CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, GUEST_GPA, GUEST_ORDER), 0);
	CHECK_EQ(ring.tail, position);
	bad = ~0u;
}

static enum chariot_ring_next next(void)
{
	u64 tail = ring.tail;
	enum chariot_ring_next ret = chariot_ring_next(&ring, &rec, &bad);

	CHECK(!guest.strayed);
	CHECK_EQ(ring.tail, tail + (ret == CHARIOT_RING_RECORD || ret == CHARIOT_RING_BAD));
	return ret;
}

static struct chariot_rec *slot(u64 position)
{
	return &guest.memory.rec[position % GUEST_SLOTS];
}

static void fill(u64 position)
{
	struct chariot_rec *to = slot(position);

	to->type = CHARIOT_REC_GRANT;
	to->gpa = position * 3;
	to->va = ~position;
	to->len = position ^ 0x5a5a;
}

static void complete(u64 position)
{
	slot(position)->seq = (u32)(position + 1);
}

static void post(void)
{
	u64 position = guest.memory.header.head++;

	fill(position);
	complete(position);
}

static bool is_record_of(u64 position)
{
	return rec.seq == (u32)(position + 1) && rec.gpa == position * 3 &&
	       rec.va == ~position && rec.len == (position ^ 0x5a5a);
}

TEST(set_checks_its_arguments)
{
	ring_guest_init(&guest, 0);
	guest.fail_at = 0;
	CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, GUEST_GPA, 5), -EINVAL);
	CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, GUEST_GPA, 17), -EINVAL);
	CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, GUEST_GPA, U32_MAX), -EINVAL);
	CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, GUEST_GPA + 8, 6), -EINVAL);
	CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, GUEST_GPA + 2048, 6), -EINVAL);
	CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, -4096ull, 6), -EINVAL);
	CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, -8192ull, 7), -EINVAL);
	CHECK_EQ(guest.accesses, 0);
	CHECK_EQ(next(), CHARIOT_RING_EMPTY);
	/* ends exactly below 2^64: no wrap, but no memory */
	CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, -12288ull, 7), -EFAULT);
	CHECK_EQ(ring.order, 0);
}

TEST(set_probes_the_memory)
{
	u64 n;

	/* header, tail, records: one access to each page at least */
	for (n = 0; n < 3; n++) {
		ring_guest_init(&guest, 0);
		guest.fail_at = n;
		CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, GUEST_GPA, GUEST_ORDER),
			 -EFAULT);
		CHECK_EQ(next(), CHARIOT_RING_EMPTY);
		CHECK_EQ(chariot_ring_publish(&ring), 0);
	}
	ring_guest_init(&guest, 0);
	guest.read_only = true;
	CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, GUEST_GPA, GUEST_ORDER), -EFAULT);

	/* one page of records is there, the second is not */
	ring_guest_init(&guest, 0);
	CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, GUEST_GPA, 8), -EFAULT);
	CHECK(guest.strayed);
}

TEST(order_0_removes_the_ring)
{
	begin(0);
	post();
	CHECK_EQ(chariot_ring_set(&ring, NULL, NULL, 0, 0), 0);
	CHECK_EQ(next(), CHARIOT_RING_EMPTY);
	chariot_ring_skip(&ring);
	CHECK_EQ(ring.tail, 0);
	CHECK_EQ(chariot_ring_publish(&ring), 0);
}

TEST(a_ring_that_is_set_again_goes_on)
{
	begin(1000);
	post();
	post();
	CHECK_EQ(next(), CHARIOT_RING_RECORD);
	CHECK_EQ(chariot_ring_publish(&ring), 0);
	CHECK_EQ(chariot_ring_set(&ring, &ring_guest_io, &guest, GUEST_GPA, GUEST_ORDER), 0);
	CHECK_EQ(next(), CHARIOT_RING_RECORD);
	CHECK(is_record_of(1001));
	CHECK_EQ(next(), CHARIOT_RING_EMPTY);
}

TEST(a_full_ring_is_read_in_order)
{
	u64 i;

	begin(5);
	CHECK_EQ(next(), CHARIOT_RING_EMPTY);
	for (i = 0; i < GUEST_SLOTS; i++)
		post();
	for (i = 0; i < GUEST_SLOTS; i++) {
		CHECK_EQ(next(), CHARIOT_RING_RECORD);
		CHECK(is_record_of(5 + i));
		CHECK_EQ(guest.memory.header.tail, 5);
	}
	CHECK_EQ(next(), CHARIOT_RING_EMPTY);
	CHECK_EQ(chariot_ring_publish(&ring), 0);
	CHECK_EQ(guest.memory.header.tail, 5 + GUEST_SLOTS);
}

TEST(an_incomplete_slot_waits)
{
	begin(GUEST_SLOTS * 7);
	guest.memory.header.head += 2;
	fill(GUEST_SLOTS * 7);
	fill(GUEST_SLOTS * 7 + 1);
	complete(GUEST_SLOTS * 7 + 1);
	CHECK_EQ(next(), CHARIOT_RING_PENDING);
	CHECK_EQ(next(), CHARIOT_RING_PENDING);
	complete(GUEST_SLOTS * 7);
	CHECK_EQ(next(), CHARIOT_RING_RECORD);
	CHECK_EQ(next(), CHARIOT_RING_RECORD);
	CHECK_EQ(next(), CHARIOT_RING_EMPTY);
}

/* What a slot may hold while it is not complete, and what not. */
TEST(stale_and_impossible_sequences)
{
	const u64 at = GUEST_SLOTS * 100 + 3;
	const struct {
		u64 seq;
		enum chariot_ring_next expect;
	} cases[] = {
		{ 0, CHARIOT_RING_PENDING },
		{ at + 1 - GUEST_SLOTS, CHARIOT_RING_PENDING },
		{ at + 1 - 2 * GUEST_SLOTS, CHARIOT_RING_PENDING },
		{ at + 1, CHARIOT_RING_RECORD },
		{ at + 1 + GUEST_SLOTS, CHARIOT_RING_BAD },	/* a lap that cannot be yet */
		{ at, CHARIOT_RING_BAD },			/* another slot's */
		{ at + 2, CHARIOT_RING_BAD },
		{ at + 1 - GUEST_SLOTS + 1, CHARIOT_RING_BAD },
		{ at + 1 + (1u << 31) + GUEST_SLOTS, CHARIOT_RING_PENDING },	/* long ago */
		{ at + 1 + (1u << 31) - GUEST_SLOTS, CHARIOT_RING_BAD },	/* far ahead */
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(at);
		guest.memory.header.head++;
		fill(at);
		slot(at)->seq = (u32)cases[i].seq;
		post();
		CHECK_EQ(next(), cases[i].expect);
		if (cases[i].expect == CHARIOT_RING_PENDING)
			continue;
		if (cases[i].expect == CHARIOT_RING_BAD) {
			CHECK_EQ(bad, CHARIOT_BAD_SEQUENCE);
			/* what was there is handed on, for the report */
			CHECK_EQ(rec.seq, (u32)cases[i].seq);
		}
		/* it cost its slot only */
		CHECK_EQ(next(), CHARIOT_RING_RECORD);
		CHECK(is_record_of(at + 1));
	}
}

TEST(a_torn_record_is_skipped_and_may_come_late)
{
	u64 i;

	begin(0);
	guest.memory.header.head++;
	post();
	CHECK_EQ(next(), CHARIOT_RING_PENDING);
	chariot_ring_skip(&ring);
	CHECK_EQ(next(), CHARIOT_RING_RECORD);
	CHECK(is_record_of(1));
	CHECK_EQ(next(), CHARIOT_RING_EMPTY);
	CHECK_EQ(chariot_ring_publish(&ring), 0);
	/* its producer comes back after all: the slot looks like one of the lap before */
	complete(0);
	for (i = 2; i < GUEST_SLOTS; i++) {
		post();
		CHECK_EQ(next(), CHARIOT_RING_RECORD);
	}
	CHECK_EQ(chariot_ring_publish(&ring), 0);
	guest.memory.header.head++;
	CHECK_EQ(next(), CHARIOT_RING_PENDING);
	fill(GUEST_SLOTS);
	complete(GUEST_SLOTS);
	CHECK_EQ(next(), CHARIOT_RING_RECORD);
	CHECK(is_record_of(GUEST_SLOTS));
}

TEST(skip_never_passes_what_is_reserved)
{
	begin(7);
	chariot_ring_skip(&ring);
	CHECK_EQ(ring.tail, 7);
	CHECK_EQ(next(), CHARIOT_RING_EMPTY);
	chariot_ring_skip(&ring);
	CHECK_EQ(ring.tail, 7);
	guest.memory.header.head++;
	CHECK_EQ(next(), CHARIOT_RING_PENDING);
	chariot_ring_skip(&ring);
	chariot_ring_skip(&ring);
	CHECK_EQ(ring.tail, 8);

	begin(U64_MAX);
	chariot_ring_skip(&ring);
	CHECK_EQ(ring.tail, U64_MAX);
	guest.memory.header.head++;
	CHECK_EQ(next(), CHARIOT_RING_PENDING);
	chariot_ring_skip(&ring);
	chariot_ring_skip(&ring);
	CHECK_EQ(ring.tail, 0);
}

static void expect_broken(unsigned int why)
{
	CHECK_EQ(next(), CHARIOT_RING_BROKEN);
	CHECK_EQ(bad, why);
	CHECK(ring.broken);
	/* once; then nothing is read or written any more */
	guest.accesses = 0;
	CHECK_EQ(next(), CHARIOT_RING_EMPTY);
	CHECK_EQ(chariot_ring_publish(&ring), -EFAULT);
	CHECK_EQ(guest.accesses, 0);
	/* and a new ring starts afresh */
	begin(3);
	post();
	CHECK_EQ(next(), CHARIOT_RING_RECORD);
}

TEST(an_impossible_head_ends_the_ring)
{
	begin(100);
	guest.memory.header.head = 99;
	expect_broken(CHARIOT_BAD_SEQUENCE);

	begin(100);
	guest.memory.header.head = 100 + GUEST_SLOTS + 1;
	expect_broken(CHARIOT_BAD_SEQUENCE);

	begin(0);
	guest.memory.header.head = U64_MAX;
	expect_broken(CHARIOT_BAD_SEQUENCE);

	begin(U64_MAX);
	guest.memory.header.head = U64_MAX - 1;
	expect_broken(CHARIOT_BAD_SEQUENCE);

	/* full is possible */
	begin(100);
	guest.memory.header.head = 100 + GUEST_SLOTS;
	CHECK_EQ(next(), CHARIOT_RING_PENDING);
	begin(U64_MAX);
	guest.memory.header.head = U64_MAX + GUEST_SLOTS;
	CHECK_EQ(next(), CHARIOT_RING_PENDING);
}

/* The guest's view of tail is not the host's. */
TEST(a_tail_that_the_guest_writes_is_ignored)
{
	begin(100);
	post();
	guest.memory.header.tail = 5;
	CHECK_EQ(next(), CHARIOT_RING_RECORD);
	CHECK_EQ(chariot_ring_publish(&ring), 0);
	CHECK_EQ(guest.memory.header.tail, 101);
}

static void repair_head(struct ring_guest *g, u64 offset)
{
	if (offset == offsetof(struct chariot_ring_header, head) && !g->data)
		g->data = g;
	else if (offset == offsetof(struct chariot_ring_header, head))
		g->memory.header.head = 101;
}

TEST(a_head_caught_half_way_is_read_again)
{
	begin(100);
	guest.memory.header.head = 1ull << 32;
	guest.meanwhile = repair_head;
	CHECK_EQ(next(), CHARIOT_RING_PENDING);
	CHECK_EQ(ring.head, 101);
}

/* A vCPU's own record is found though another CPU's reservation is seen half done. */
TEST(a_complete_record_does_not_depend_on_head)
{
	begin(0xff);
	post();
	/* 0xff to 0x100, from the top: the carry is missing */
	guest.memory.header.head = 0;
	CHECK_EQ(next(), CHARIOT_RING_RECORD);
	CHECK(is_record_of(0xff));
}

TEST(memory_that_goes_away_ends_the_ring)
{
	u64 n;

	/* seq, record */
	for (n = 0; n < 2; n++) {
		begin(50);
		post();
		guest.accesses = 0;
		guest.fail_at = n;
		expect_broken(CHARIOT_BAD_UNMAPPED);
	}
	/* seq, head, seq again */
	for (n = 0; n < 3; n++) {
		begin(50);
		guest.memory.header.head++;
		guest.accesses = 0;
		guest.fail_at = n;
		expect_broken(CHARIOT_BAD_UNMAPPED);
	}
	begin(50);
	post();
	CHECK_EQ(next(), CHARIOT_RING_RECORD);
	guest.read_only = true;
	CHECK_EQ(chariot_ring_publish(&ring), -EFAULT);
	CHECK(ring.broken);
	CHECK_EQ(next(), CHARIOT_RING_EMPTY);
}

TEST(memory_that_comes_later_changes_nothing)
{
	struct chariot_ring_reader before;

	begin(50);
	post();
	guest.later = 1;
	before = ring;
	CHECK_EQ(next(), CHARIOT_RING_LATER);
	CHECK_EQ(memcmp(&before, &ring, sizeof(ring)), 0);
	guest.later = 0;
	CHECK_EQ(next(), CHARIOT_RING_RECORD);
	CHECK(is_record_of(50));

	guest.later = 1;
	CHECK_EQ(chariot_ring_publish(&ring), -EAGAIN);
	CHECK(!ring.broken && ring.unpublished);
	CHECK_EQ(guest.memory.header.tail, 50);
	guest.later = 0;
	CHECK_EQ(chariot_ring_publish(&ring), 0);
	CHECK(!ring.unpublished);
	CHECK_EQ(guest.memory.header.tail, 51);
}

static void change_seq(struct ring_guest *g, u64 offset)
{
	/* in the middle of the copy of record 50, which is complete */
	if (offset == CHARIOT_RING_RECORDS + 50 * sizeof(struct chariot_rec) && g->data)
		g->memory.rec[50].seq++;
	else if (offset >= CHARIOT_RING_RECORDS)
		g->data = g;
}

TEST(a_record_that_changes_while_it_is_read_is_bad)
{
	begin(50);
	post();
	guest.meanwhile = change_seq;
	CHECK_EQ(next(), CHARIOT_RING_BAD);
	CHECK_EQ(bad, CHARIOT_BAD_SEQUENCE);
	guest.meanwhile = NULL;
	post();
	CHECK_EQ(next(), CHARIOT_RING_RECORD);
	CHECK(is_record_of(51));
}

/*
 * Producers that follow the protocol, each a state machine. They step between
 * the consumer's calls and in the middle of its accesses.
 */
#define PRODUCERS 5

struct producer {
	enum { IDLE, RESERVED, FILLED } state;
	u64 position;
};

static struct producer producer[PRODUCERS];

static void step_producers(struct ring_guest *g, u64 offset)
{
	u64 n = ktap_below(8) ? 0 : 1 + ktap_below(3);

	while (n--) {
		struct producer *p = &producer[ktap_below(PRODUCERS)];

		switch (p->state) {
		case IDLE:
			if (g->memory.header.head - g->memory.header.tail >= GUEST_SLOTS)
				break;
			p->position = g->memory.header.head++;
			p->state = RESERVED;
			break;
		case RESERVED:
			fill(p->position);
			p->state = FILLED;
			break;
		case FILLED:
			complete(p->position);
			p->state = IDLE;
			break;
		}
	}
}

static bool is_incomplete(u64 position)
{
	unsigned int i;

	for (i = 0; i < PRODUCERS; i++) {
		if (producer[i].state != IDLE && producer[i].position == position)
			return true;
	}
	return false;
}

static void with_producers(u64 start, u32 later)
{
	u64 expect = start;
	u64 records = 0, empty = 0, pending = 0, laters = 0;
	unsigned int i;
	int ret;

	begin(start);
	guest.later = later;
	memset(producer, 0, sizeof(producer));
	guest.meanwhile = step_producers;
	for (i = 0; i < 100000; i++) {
		bool was_empty = guest.memory.header.head == expect;
		bool was_incomplete = is_incomplete(expect);

		switch (next()) {
		case CHARIOT_RING_EMPTY:
			empty++;
			CHECK(was_empty);
			break;
		case CHARIOT_RING_PENDING:
			pending++;
			/* it was, or it was reserved meanwhile */
			CHECK(was_incomplete || was_empty);
			break;
		case CHARIOT_RING_RECORD:
			records++;
			CHECK(is_record_of(expect));
			expect++;
			break;
		case CHARIOT_RING_LATER:
			laters++;
			CHECK(later);
			break;
		default:
			ktap_fail(__FILE__, __LINE__, "bad %u at %llu", bad, expect - start);
		}
		/* in bursts, so that the ring runs full and empty */
		if (ktap_below(512) == 0)
			guest.meanwhile = guest.meanwhile ? NULL : step_producers;
		if (ktap_below(i & 4096 ? 200 : 3) == 0) {
			ret = chariot_ring_publish(&ring);
			CHECK(!ret || (later && ret == -EAGAIN && ring.unpublished));
		}
	}
	CHECK(!guest.strayed);
	CHECK(records > 10000 && empty > 100 && pending > 100);
	CHECK(!later || laters > 1000);
	ktap_note("%llu records, %llu times empty, %llu pending, %llu later", records, empty, pending,
		  laters);
}

TEST(every_record_of_many_producers_arrives_once_in_order)
{
	with_producers(0, 0);
}

TEST(the_same_while_memory_comes_and_goes)
{
	with_producers(0, 19);
}

TEST(the_same_across_the_wrap_of_seq)
{
	with_producers((1ull << 32) - 5000, 0);
}

TEST(the_same_across_the_wrap_of_positions)
{
	with_producers(0 - 5000ull, 0);
}
