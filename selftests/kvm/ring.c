// SPDX-License-Identifier: GPL-2.0-only
/*
 * The report ring: what is posted takes effect in time, and nothing that a
 * guest writes there hurts more than the guest itself.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define FORBIDDEN	(GUEST_CORE_DATA + 0x1000)
#define OWN		GUEST_DOM1_DATA

FIXTURE(ring)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
};

FIXTURE_SETUP(ring)
{
	struct chariot_setup setup = {
		.policy = CHARIOT_POLICY_BLOCK, .domains = 2, .order = 6, .doorbell_gpa = GUEST_DOORBELL,
	};

	vm_create(&self->vm, 1, 0);
	self->vcpu = &self->vm.vcpu[0];
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_drain_events(&self->c);
}

FIXTURE_TEARDOWN(ring)
{
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

static bool may_write(FIXTURE_DATA(ring) *self, u64 gpa)
{
	u64 *word = vm_at(&self->vm, gpa);
	static u64 value;

	value++;
	*word = ~value;
	vcpu_call(self->vcpu, g_dom1_store, dm(gpa), value);
	return *word == value;
}

/* The module, the VM and the domain work as before. */
static void check_works(struct __test_metadata *_metadata, FIXTURE_DATA(ring) *self)
{
	chariot_drain_events(&self->c);
	EXPECT_FALSE(may_write(self, FORBIDDEN + 0x800));
	EXPECT_EQ(1, chariot_drain_events(&self->c));
	chariot_grant(&self->c, 1, OWN + 0x8000, 4096);
	EXPECT_TRUE(may_write(self, OWN + 0x8000));
	chariot_revoke(&self->c, 1, OWN + 0x8000, 4096);
	EXPECT_FALSE(may_write(self, OWN + 0x8000));
	EXPECT_EQ(1, chariot_drain_events(&self->c));
}

/* No doorbell, no ioctl: the host looks before it judges. */
TEST_F(ring, drained_before_judging)
{
	chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_SLAB, OWN + 64, 64);
	EXPECT_TRUE(may_write(self, OWN + 64));
	chariot_range(&self->c, CHARIOT_REC_REVOKE, 1, 0, OWN + 64, 0);
	EXPECT_FALSE(may_write(self, OWN + 64));
	EXPECT_EQ(1, chariot_drain_events(&self->c));
	EXPECT_EQ(chariot_header(&self->c)->head, chariot_header(&self->c)->tail);
}

TEST_F(ring, full)
{
	unsigned int i;

	for (i = 0; i < 64; i++)
		chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_SLAB, OWN + 64 * i, 32);
	EXPECT_TRUE(may_write(self, OWN + 64 * 63));
	EXPECT_EQ(64, chariot_stats(&self->c).grants);
	check_works(_metadata, self);
}

/* Many laps */
TEST_F(ring, laps)
{
	u64 records = chariot_stats(&self->c).records;
	unsigned int i, k;

	for (i = 0; i < 100; i++) {
		for (k = 0; k < 12; k++)
			chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_SLAB, OWN + 64 * k, 16);
		for (k = 0; k < 11; k++)
			chariot_range(&self->c, CHARIOT_REC_REVOKE, 1, 0, OWN + 64 * k, k & 1 ? 0 : 16);
		chariot_kick(&self->c);
		EXPECT_EQ(1, chariot_stats(&self->c).grants);
		chariot_range(&self->c, CHARIOT_REC_REVOKE, 1, 0, OWN + 64 * 11, 16);
	}
	chariot_kick(&self->c);
	EXPECT_EQ(records + 100 * 24, chariot_stats(&self->c).records);
	EXPECT_EQ(0, chariot_stats(&self->c).grants);
	EXPECT_EQ(chariot_header(&self->c)->head, chariot_header(&self->c)->tail);
	check_works(_metadata, self);
}

/* The position is 32 bits in the record, 64 in the header. */
TEST_F(ring, position_wraps)
{
	u64 near = (1ull << 32) - 20;
	unsigned int i;

	chariot_ring(&self->c, GUEST_RING, 6, ~0ull);
	chariot_header(&self->c)->head = near;
	chariot_header(&self->c)->tail = near;
	/* What the lap before left */
	for (i = 1; i <= 64; i++)
		chariot_slot(&self->c, near - i)->seq = near - i + 1;
	{
		struct chariot_ring ring = { .gpa = GUEST_RING, .order = 6, .doorbell_gpa = ~0ull };

		ASSERT_EQ(0, ioctl(self->c.fd, CHARIOT_SET_RING, &ring));
	}
	for (i = 0; i < 40; i++) {
		chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_SLAB, OWN + 64 * i, 16);
		chariot_kick(&self->c);
	}
	EXPECT_EQ(near + 40, chariot_header(&self->c)->tail);
	EXPECT_EQ(40, chariot_stats(&self->c).grants);
	check_works(_metadata, self);
}

/* The doorbell drains without a trip to user space (vcpu_call() would end at one). */
TEST_F(ring, doorbell)
{
	u64 doorbells = chariot_stats(&self->c).doorbells;

	chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_SLAB, OWN, 64);
	vcpu_call(self->vcpu, g_core_doorbell, dm(GUEST_DOORBELL), dm(OWN), 1);
	EXPECT_EQ(doorbells + 1, chariot_stats(&self->c).doorbells);
	EXPECT_EQ(chariot_header(&self->c)->head, chariot_header(&self->c)->tail);
	EXPECT_EQ(1, chariot_stats(&self->c).grants);
	/* Also from a domain's view, by code that the domain called */
	chariot_range(&self->c, CHARIOT_REC_REVOKE, 1, 0, OWN, 64);
	vcpu_call(self->vcpu, g_dom1_call, guest_va(g_core_store), dm(GUEST_DOORBELL), 1);
	EXPECT_EQ(doorbells + 2, chariot_stats(&self->c).doorbells);
	EXPECT_EQ(0, chariot_stats(&self->c).grants);
	check_works(_metadata, self);
}

TEST_F(ring, revoke_of_nothing)
{
	struct chariot_event event;

	chariot_revoke(&self->c, 1, OWN, 64);
	chariot_revoke(&self->c, 1, OWN, 0);
	EXPECT_EQ(2, chariot_stats(&self->c).revoke_misses);
	/* The start of a grant is named, but not exactly. */
	chariot_grant(&self->c, 1, OWN, 64);
	chariot_revoke(&self->c, 1, OWN + 8, 0);
	EXPECT_EQ(3, chariot_stats(&self->c).revoke_misses);
	EXPECT_EQ(1, chariot_stats(&self->c).grants);
	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_BAD_RECORD, &event, 0));
}

TEST_F(ring, removed)
{
	struct chariot_ring none = { .order = 0, .doorbell_gpa = ~0ull };
	u64 records = chariot_stats(&self->c).records;

	ASSERT_EQ(0, ioctl(self->c.fd, CHARIOT_SET_RING, &none));
	chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_SLAB, OWN, 64);
	EXPECT_FALSE(may_write(self, OWN));
	EXPECT_EQ(records, chariot_stats(&self->c).records);
	chariot_ring(&self->c, GUEST_RING, 6, ~0ull);
	check_works(_metadata, self);
}

/* A slot that is reserved and never filled: the guest waits for a bounded time, then goes on. */
TEST_F(ring, torn)
{
	struct chariot_event event;

	__atomic_fetch_add(&chariot_header(&self->c)->head, 1, __ATOMIC_SEQ_CST);
	chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_SLAB, OWN, 64);
	/* What it may write is behind the torn slot. */
	EXPECT_TRUE(may_write(self, OWN));
	EXPECT_LT(0, chariot_stats(&self->c).ring_waits);
	EXPECT_EQ(1, chariot_stats(&self->c).bad_records[CHARIOT_BAD_TORN]);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_BAD_RECORD, &event, 0));
	EXPECT_EQ(CHARIOT_BAD_TORN, event.bad.bad_kind);
	check_works(_metadata, self);
}

/* A kick is over when all that was in the ring has taken effect: it waits as a fault does. */
TEST_F(ring, torn_kick)
{
	__atomic_fetch_add(&chariot_header(&self->c)->head, 1, __ATOMIC_SEQ_CST);
	chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_SLAB, OWN, 64);
	chariot_kick(&self->c);
	EXPECT_EQ(1, chariot_stats(&self->c).grants);
	EXPECT_EQ(1, chariot_stats(&self->c).bad_records[CHARIOT_BAD_TORN]);
	check_works(_metadata, self);
}

static void *late_producer(void *data)
{
	FIXTURE_DATA(ring) *self = data;
	u64 pos = chariot_header(&self->c)->head - 1;
	struct chariot_rec *slot = chariot_slot(&self->c, pos);

	while (!chariot_stats(&self->c).ring_waits)
		sleep_ms(1);
	slot->type = CHARIOT_REC_GRANT;
	slot->kind = CHARIOT_KIND_SLAB;
	slot->domain = 1;
	slot->gpa = OWN;
	slot->va = dm(OWN);
	slot->len = 64;
	__atomic_store_n(&slot->seq, (u32)(pos + 1), __ATOMIC_RELEASE);
	return NULL;
}

/* ... and one that is filled late is waited for: the write is no violation. */
TEST_F(ring, late)
{
	struct chariot_event event;
	pthread_t thread;

	__atomic_fetch_add(&chariot_header(&self->c)->head, 1, __ATOMIC_SEQ_CST);
	ASSERT_EQ(0, pthread_create(&thread, NULL, late_producer, self));
	EXPECT_TRUE(may_write(self, OWN));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, chariot_stats(&self->c).violations);
	EXPECT_EQ(0, chariot_stats(&self->c).bad_records[CHARIOT_BAD_TORN]);
	EXPECT_LT(0, chariot_stats(&self->c).ring_waits);
	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_BAD_RECORD, &event, 0));
	check_works(_metadata, self);
}

TEST_F(ring, wrong_sequence)
{
	struct chariot_event event;
	u64 pos;

	pos = __atomic_fetch_add(&chariot_header(&self->c)->head, 1, __ATOMIC_SEQ_CST);
	chariot_slot(&self->c, pos)->seq = pos + 5;
	chariot_grant(&self->c, 1, OWN, 64);
	EXPECT_EQ(1, chariot_stats(&self->c).bad_records[CHARIOT_BAD_SEQUENCE]);
	EXPECT_EQ(1, chariot_stats(&self->c).grants);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_BAD_RECORD, &event, 0));
	EXPECT_EQ(CHARIOT_BAD_SEQUENCE, event.bad.bad_kind);
	EXPECT_EQ(pos, event.bad.position);
	check_works(_metadata, self);
}

/* A head that cannot be: the ring is given up, until it is set again. */
TEST_F(ring, impossible_head)
{
	const s64 offsets[] = { 65, -1, 1ll << 40, -(1ll << 40) };
	struct chariot_event event;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		chariot_header(&self->c)->head = chariot_header(&self->c)->tail + offsets[i];
		chariot_kick(&self->c);
		ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_RING_BROKEN, &event, 0)) TH_LOG("offset %ld",
													  offsets[i]);
		/* Said once */
		chariot_kick(&self->c);
		EXPECT_FALSE(may_write(self, FORBIDDEN));
		EXPECT_EQ(1, chariot_drain_events(&self->c));
		chariot_ring(&self->c, GUEST_RING, 6, ~0ull);
		check_works(_metadata, self);
	}
}

/* The memory that holds the ring goes away and comes back. */
TEST_F(ring, unmapped)
{
	const u64 gpa = 0x10000000;
	void *memory = vm_memory(2 << 20, true);
	struct chariot_ring ring = { .gpa = gpa, .order = 6, .doorbell_gpa = ~0ull };
	struct chariot_event event;
	u64 bad;

	ASSERT_EQ(0, vm_slot(&self->vm, 1, 0, gpa, 2 << 20, memory));
	ASSERT_EQ(0, ioctl(self->c.fd, CHARIOT_SET_RING, &ring));
	chariot_kick(&self->c);
	ASSERT_EQ(0, vm_slot(&self->vm, 1, 0, gpa, 0, memory));
	bad = chariot_stats(&self->c).bad_records[CHARIOT_BAD_UNMAPPED];
	chariot_kick(&self->c);
	EXPECT_LT(bad, chariot_stats(&self->c).bad_records[CHARIOT_BAD_UNMAPPED]);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_RING_BROKEN, &event, 0));
	EXPECT_EQ(CHARIOT_BAD_UNMAPPED, event.bad.bad_kind);
	EXPECT_FALSE(may_write(self, FORBIDDEN));
	EXPECT_EQ(EFAULT, ioctl(self->c.fd, CHARIOT_SET_RING, &ring) ? errno : 0);
	ASSERT_EQ(0, vm_slot(&self->vm, 1, 0, gpa, 2 << 20, memory));
	EXPECT_EQ(0, ioctl(self->c.fd, CHARIOT_SET_RING, &ring));
	chariot_ring(&self->c, GUEST_RING, 6, ~0ull);
	check_works(_metadata, self);
}

/* The host cannot write the tail: the ring lies in read-only memory. */
TEST_F(ring, read_only)
{
	const u64 gpa = 0x10000000;
	void *memory = vm_memory(2 << 20, true);
	struct chariot_ring ring = { .gpa = gpa, .order = 6, .doorbell_gpa = ~0ull };

	ASSERT_EQ(0, vm_slot(&self->vm, 1, KVM_MEM_READONLY, gpa, 2 << 20, memory));
	EXPECT_EQ(EFAULT, ioctl(self->c.fd, CHARIOT_SET_RING, &ring) ? errno : 0);
	chariot_ring(&self->c, GUEST_RING, 6, ~0ull);
	check_works(_metadata, self);
}

/* Random records, valid ones among them, in random sizes of heap; all must be accounted for. */
TEST_F(ring, garbage)
{
	struct chariot_stats stats;
	u64 records, events = 0, state = 1;
	unsigned int i, k;

	records = chariot_stats(&self->c).records;
	for (i = 0; i < 100; i++) {
		for (k = 0; k < 50; k++) {
			struct chariot_rec rec;
			u64 words[4], w;

			for (w = 0; w < 4; w++) {
				state = state * 6364136223846793005ull + 1442695040888963407ull;
				words[w] = state ^ state >> 29;
			}
			memcpy(&rec, words, sizeof(rec));
			/* Mostly near to what is right, lest nothing passes the first check */
			if (words[0] & 0x700)
				rec.type = 1 + rec.type % 12;
			if (words[0] & 0x3000)
				rec.kind = 0;
			if (words[0] & 0xc000)
				rec.domain %= 4;
			if (words[1] & 0x7000000000000000)
				rec.gpa %= GUEST_MEMORY * 2;
			if (words[1] & 0x0c00000000000000)
				rec.gpa &= ~0xfffull;
			if (words[2] & 0x3)
				rec.va = rec.gpa + GUEST_DM;
			if (words[3] & 0x7000000000000000)
				rec.len %= 0x3000;
			if (words[3] & 0x0800000000000000)
				rec.len &= ~0xfffull;
			/* These two take a hand in what the guest needs to run. */
			if (rec.type == CHARIOT_REC_TEXT && rec.gpa < GUEST_CORE_DATA)
				rec.gpa += GUEST_FREE;
			if (rec.type == CHARIOT_REC_CPU && !rec.domain)
				rec.domain = 7;
			chariot_post(&self->c, &rec);
		}
		chariot_kick(&self->c);
		if (i % 10 == 0)
			vcpu_call(self->vcpu, g_dom1_store, dm(FORBIDDEN), i);
		{
			struct chariot_event event;

			while (read(self->c.fd, &event, sizeof(event)) == sizeof(event)) {
				ASSERT_NE(CHARIOT_EVENT_RING_BROKEN, event.type);
				if (event.type == CHARIOT_EVENT_BAD_RECORD)
					events += event.bad.count;
				events += event.dropped;
			}
		}
	}
	stats = chariot_stats(&self->c);
	EXPECT_EQ(records + 100 * 50, stats.records);
	EXPECT_EQ(chariot_bad_records(&stats), events);
	EXPECT_LT(1000, events);
	EXPECT_LE(stats.grants, 1u << 20);

	chariot_reset(&self->c);
	EXPECT_EQ(0, chariot_stats(&self->c).grants);
	chariot_ring(&self->c, GUEST_RING, 6, ~0ull);
	chariot_hello(&self->c);
	chariot_text(&self->c, 1);
	chariot_kick(&self->c);
	check_works(_metadata, self);
}

/* The whole ring memory, head and records, scribbled over while vCPUs fault. */
TEST_F(ring, scribble)
{
	u64 *words = vm_at(&self->vm, GUEST_RING);
	u64 state = 7;
	unsigned int i, k;

	for (i = 0; i < 30; i++) {
		for (k = 0; k < (4096 + 64 * 32) / 8; k++) {
			state = state * 6364136223846793005ull + 1442695040888963407ull;
			if (k < 16 && k != 0 && k != 8)
				continue;
			words[k] = k < 16 ? state >> 61 : state;
		}
		chariot_kick(&self->c);
		chariot_drain_events(&self->c);
		chariot_ring(&self->c, GUEST_RING, 6, ~0ull);
	}
	chariot_reset(&self->c);
	chariot_ring(&self->c, GUEST_RING, 6, ~0ull);
	chariot_hello(&self->c);
	chariot_text(&self->c, 1);
	chariot_kick(&self->c);
	check_works(_metadata, self);
}

/* One kind of bad record a variant */
FIXTURE(bad)
{
	struct vm vm;
	struct chariot c;
};

FIXTURE_VARIANT(bad)
{
	struct chariot_rec rec;
	struct chariot_rec first;	/* posted before, and sound */
	u32 kind;
};

#define BAD(name, kind_, ...) \
	FIXTURE_VARIANT_ADD(bad, name) { .kind = CHARIOT_BAD_##kind_, .rec = { __VA_ARGS__ } }
#define BAD_AFTER(name, kind_, first_, ...) \
	FIXTURE_VARIANT_ADD(bad, name) { .kind = CHARIOT_BAD_##kind_, .first = first_, .rec = { __VA_ARGS__ } }
#define GRANT(gpa_, len_) \
	{ .type = CHARIOT_REC_GRANT, .kind = CHARIOT_KIND_SLAB, .domain = 1, .gpa = gpa_, .va = GUEST_DM + (gpa_), \
	  .len = len_ }
#define TEXT_AT(domain_, gpa_, len_) \
	{ .type = CHARIOT_REC_TEXT, .domain = domain_, .gpa = gpa_, .va = GUEST_TX + (gpa_), .len = len_ }

BAD(type_0, TYPE, .type = 0);
BAD(type_13, TYPE, .type = 13);
BAD(type_255, TYPE, .type = 255);
BAD(grant_no_domain, DOMAIN, .type = CHARIOT_REC_GRANT, .domain = 0, .gpa = OWN, .va = GUEST_DM + OWN, .len = 8);
BAD(grant_undeclared, DOMAIN, .type = CHARIOT_REC_GRANT, .domain = 3, .gpa = OWN, .va = GUEST_DM + OWN, .len = 8);
BAD(grant_domain_17, DOMAIN, .type = CHARIOT_REC_GRANT, .domain = 17, .gpa = OWN, .va = GUEST_DM + OWN, .len = 8);
BAD(grant_domain_ffff, DOMAIN, .type = CHARIOT_REC_GRANT, .domain = 0xffff, .gpa = OWN, .va = GUEST_DM + OWN,
    .len = 8);
BAD(grant_nowhere, ADDRESS, .type = CHARIOT_REC_GRANT, .domain = 1, .gpa = GUEST_NOWHERE, .len = 8);
BAD(grant_past_memory, ADDRESS, .type = CHARIOT_REC_GRANT, .domain = 1, .gpa = GUEST_MEMORY - 8, .len = 16);
BAD(grant_no_gpa, ADDRESS, .type = CHARIOT_REC_GRANT, .domain = 1, .gpa = ~0ull - 4095, .len = 8);
BAD(grant_empty, LENGTH, .type = CHARIOT_REC_GRANT, .domain = 1, .gpa = OWN, .len = 0);
BAD(grant_wraps, LENGTH, .type = CHARIOT_REC_GRANT, .domain = 1, .gpa = OWN, .len = ~0ull);
BAD(grant_long, LENGTH, .type = CHARIOT_REC_GRANT, .domain = 1, .gpa = OWN, .len = 1ull << 62);
BAD(grant_mmio_huge, ADDRESS, .type = CHARIOT_REC_GRANT, .kind = CHARIOT_KIND_MMIO, .domain = 1,
    .gpa = 1ull << 40, .len = 1ull << 40);
BAD(grant_stack, TYPE, .type = CHARIOT_REC_GRANT, .kind = CHARIOT_KIND_STACK, .domain = 1, .gpa = OWN, .len = 8);
BAD(grant_kind_200, TYPE, .type = CHARIOT_REC_GRANT, .kind = 200, .domain = 1, .gpa = OWN, .len = 8);
BAD_AFTER(grant_twice, OVERLAP, GRANT(OWN, 64), .type = CHARIOT_REC_GRANT, .kind = CHARIOT_KIND_SLAB, .domain = 1,
	  .gpa = OWN, .len = 64);
BAD_AFTER(grant_last_byte, OVERLAP, GRANT(OWN, 64), .type = CHARIOT_REC_GRANT, .kind = CHARIOT_KIND_SLAB,
	  .domain = 1, .gpa = OWN + 63, .len = 64);
BAD_AFTER(grant_around, OVERLAP, GRANT(OWN + 64, 64), .type = CHARIOT_REC_GRANT, .kind = CHARIOT_KIND_SLAB,
	  .domain = 1, .gpa = OWN, .len = 4096);
BAD(grant_all_domain, DOMAIN, .type = CHARIOT_REC_GRANT_ALL, .kind = CHARIOT_KIND_RULE, .domain = 1, .gpa = OWN,
    .len = 8);
BAD(revoke_undeclared, DOMAIN, .type = CHARIOT_REC_REVOKE, .domain = 9, .gpa = OWN, .len = 8);
BAD(revoke_wraps, LENGTH, .type = CHARIOT_REC_REVOKE, .domain = 1, .gpa = OWN, .len = ~0ull - 16);
BAD(text_unaligned, ADDRESS, .type = CHARIOT_REC_TEXT, .domain = 1, .gpa = GUEST_FREE + 8,
    .va = GUEST_TX + GUEST_FREE, .len = 4096);
BAD(text_va_unaligned, ADDRESS, .type = CHARIOT_REC_TEXT, .domain = 1, .gpa = GUEST_FREE,
    .va = GUEST_TX + GUEST_FREE + 8, .len = 4096);
BAD(text_length, LENGTH, .type = CHARIOT_REC_TEXT, .domain = 1, .gpa = GUEST_FREE, .va = GUEST_TX + GUEST_FREE,
    .len = 100);
BAD(text_user_half, ADDRESS, .type = CHARIOT_REC_TEXT, .domain = 1, .gpa = GUEST_FREE, .va = GUEST_FREE,
    .len = 4096);
BAD(text_nowhere, ADDRESS, .type = CHARIOT_REC_TEXT, .domain = 1, .gpa = GUEST_NOWHERE,
    .va = GUEST_TX + GUEST_FREE, .len = 4096);
BAD(text_undeclared, DOMAIN, .type = CHARIOT_REC_TEXT, .domain = 5, .gpa = GUEST_FREE,
    .va = GUEST_TX + GUEST_FREE, .len = 4096);
BAD_AFTER(text_of_another, OVERLAP, TEXT_AT(2, GUEST_FREE, 8192), .type = CHARIOT_REC_TEXT, .domain = 1,
	  .gpa = GUEST_FREE + 4096, .va = GUEST_TX + GUEST_FREE + 4096, .len = 4096);
BAD(up_with_range, ADDRESS, .type = CHARIOT_REC_DOMAIN_UP, .domain = 1, .gpa = OWN);
BAD(up_undeclared, DOMAIN, .type = CHARIOT_REC_DOMAIN_UP, .domain = 16);
BAD(down_undeclared, DOMAIN, .type = CHARIOT_REC_DOMAIN_DOWN, .domain = 0);
BAD(hello_stack_size, LENGTH, .type = CHARIOT_REC_HELLO, .gpa = 5000, .va = GUEST_DM, .len = 1);
BAD(hello_huge_stack, LENGTH, .type = CHARIOT_REC_HELLO, .gpa = 1ull << 40, .va = GUEST_DM, .len = 1);
BAD(hello_version, STATE, .type = CHARIOT_REC_HELLO, .gpa = GUEST_THREAD_SIZE, .va = GUEST_DM, .len = 77);
BAD(cpu_user_half, ADDRESS, .type = CHARIOT_REC_CPU, .domain = 1, .gpa = GUEST_DM + 0x8000, .va = 0x1000,
    .len = 0x4000);
BAD(cpu_stack_size, LENGTH, .type = CHARIOT_REC_CPU, .domain = 1, .gpa = GUEST_DM + 0x8000, .va = GUEST_DM,
    .len = 3);
BAD(library_user_half, ADDRESS, .type = CHARIOT_REC_LIBRARY, .va = 0x1000, .len = 16);
BAD(library_empty, LENGTH, .type = CHARIOT_REC_LIBRARY, .va = GUEST_TX, .len = 0);
BAD(library_wraps, LENGTH, .type = CHARIOT_REC_LIBRARY, .va = GUEST_TX, .len = 1ull << 63);
BAD(free_kind, TYPE, .type = CHARIOT_REC_BAD_FREE, .kind = CHARIOT_KIND_MMIO, .domain = 1, .gpa = GUEST_DM,
    .va = GUEST_TX, .len = 1ull << 56);
BAD(free_why_0, TYPE, .type = CHARIOT_REC_BAD_FREE, .kind = CHARIOT_KIND_SLAB, .domain = 1, .gpa = GUEST_DM,
    .va = GUEST_TX, .len = 64);
BAD(free_why_5, TYPE, .type = CHARIOT_REC_BAD_FREE, .kind = CHARIOT_KIND_SLAB, .domain = 1, .gpa = GUEST_DM,
    .va = GUEST_TX, .len = 5ull << 56);
BAD(free_caller, ADDRESS, .type = CHARIOT_REC_BAD_FREE, .kind = CHARIOT_KIND_SLAB, .domain = 1, .gpa = GUEST_DM,
    .va = 0x1000, .len = 1ull << 56);
BAD(free_outside, LENGTH, .type = CHARIOT_REC_BAD_FREE, .kind = CHARIOT_KIND_SLAB, .domain = 1, .gpa = GUEST_DM,
    .va = GUEST_TX, .len = 1ull << 56 | 64ull << 32 | 64);
BAD(free_undeclared, DOMAIN, .type = CHARIOT_REC_BAD_FREE, .kind = CHARIOT_KIND_SLAB, .domain = 3, .gpa = GUEST_DM,
    .va = GUEST_TX, .len = 1ull << 56);
#define DOWN(domain_)	{ .type = CHARIOT_REC_DOMAIN_DOWN, .domain = domain_ }
BAD_AFTER(free_not_up, STATE, DOWN(2), .type = CHARIOT_REC_BAD_FREE, .kind = CHARIOT_KIND_SLAB, .domain = 2,
	  .gpa = GUEST_DM, .va = GUEST_TX, .len = 1ull << 56);
BAD(region_kind, TYPE, .type = CHARIOT_REC_REGION, .kind = 77, .va = GUEST_DM, .len = 16);

FIXTURE_SETUP(bad)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .domains = 2 };

	vm_create(&self->vm, 1, 0);
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_drain_events(&self->c);
}

FIXTURE_TEARDOWN(bad)
{
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

TEST_F(bad, told)
{
	struct chariot_stats before, after;
	struct chariot_event event;
	unsigned int i;
	u64 pos;

	if (variant->first.type)
		chariot_post(&self->c, &variant->first);
	chariot_kick(&self->c);
	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_BAD_RECORD, &event, 0));
	before = chariot_stats(&self->c);
	pos = chariot_post(&self->c, &variant->rec);
	chariot_kick(&self->c);
	after = chariot_stats(&self->c);
	EXPECT_EQ(before.records + 1, after.records);
	EXPECT_EQ(before.grants, after.grants);
	EXPECT_EQ(1, after.armed);
	for (i = 0; i < CHARIOT_BAD_KINDS; i++)
		EXPECT_EQ(i == variant->kind, after.bad_records[i] - before.bad_records[i]) TH_LOG("kind %u", i);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_BAD_RECORD, &event, 0));
	EXPECT_EQ(variant->kind, event.bad.bad_kind);
	EXPECT_EQ(1, event.bad.count);
	EXPECT_EQ(pos, event.bad.position);
	EXPECT_EQ(0, memcmp(&variant->rec.type, &event.bad.rec[4], 28));
	EXPECT_EQ(pos + 1, *(u32 *)event.bad.rec);

	/* Nothing is different: what follows is taken as before. */
	chariot_grant(&self->c, 2, GUEST_DOM2_DATA, 64);
	EXPECT_EQ(after.grants + 1, chariot_stats(&self->c).grants);
	vcpu_call(&self->vm.vcpu[0], g_dom1_store, dm(FORBIDDEN), 1);
	EXPECT_EQ(1, chariot_drain_events(&self->c));
}

TEST_HARNESS_MAIN
