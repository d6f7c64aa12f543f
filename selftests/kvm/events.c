// SPDX-License-Identifier: GPL-2.0-only
/* The stream of events: order, reading, losing, joining, and what an event says beyond the target (see acl_edges). */
#include <fcntl.h>
#include <poll.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define FORBIDDEN	(GUEST_CORE_DATA + 0x1000)
#define OWN		(GUEST_DOM1_DATA + 0x8000)

FIXTURE(events)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
};

FIXTURE_VARIANT(events)
{
	u32 events_max;
};

FIXTURE_VARIANT_ADD(events, queue_of_8) { .events_max = 8 };
FIXTURE_VARIANT_ADD(events, queue_of_1024) { .events_max = 0 };

FIXTURE_SETUP(events)
{
	struct chariot_setup setup = {
		.policy = CHARIOT_POLICY_BLOCK, .domains = 2, .events_max = variant->events_max,
	};

	vm_create(&self->vm, 1, 0);
	self->vcpu = &self->vm.vcpu[0];
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_drain_events(&self->c);
}

FIXTURE_TEARDOWN(events)
{
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

/* n violations that do not continue each other */
static void violate(FIXTURE_DATA(events) *self, unsigned int first, unsigned int n)
{
	vcpu_call(self->vcpu, g_dom1_pages, dm(FORBIDDEN + 64 * first), n, 1, 64);
}

TEST_F(events, order)
{
	struct chariot_event event;
	u64 seq = 0, time = 0;
	unsigned int i;

	violate(self, 0, 6);
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(sizeof(event), read(self->c.fd, &event, sizeof(event)));
		EXPECT_EQ(CHARIOT_EVENT_VIOLATION, event.type);
		EXPECT_EQ(FORBIDDEN + 64 * i, event.violation.gpa);
		EXPECT_EQ(0, event.dropped);
		if (i) {
			EXPECT_EQ(seq + 1, event.seq);
		}
		EXPECT_LE(time, event.time_ns);
		seq = event.seq;
		time = event.time_ns;
	}
	EXPECT_EQ(-1, read(self->c.fd, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);
}

/* Domain up (of each), then nothing: the numbering starts at 1 and has no holes. */
TEST_F(events, numbering)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .domains = 2 };
	struct chariot_event event;

	close(self->c.fd);
	chariot_setup(&self->c, &self->vm, &setup);
	ASSERT_EQ(sizeof(event), read(self->c.fd, &event, sizeof(event)));
	EXPECT_EQ(1, event.seq);
	EXPECT_EQ(CHARIOT_EVENT_DOMAIN_UP, event.type);
	EXPECT_EQ(1, event.domain);
	ASSERT_EQ(sizeof(event), read(self->c.fd, &event, sizeof(event)));
	EXPECT_EQ(2, event.seq);
	EXPECT_EQ(CHARIOT_EVENT_DOMAIN_UP, event.type);
	EXPECT_EQ(2, event.domain);
}

TEST_F(events, reading)
{
	struct pollfd poll_fd = { .fd = self->c.fd, .events = POLLIN };
	struct chariot_event events[4];
	u8 byte;

	EXPECT_EQ(0, poll(&poll_fd, 1, 0));
	violate(self, 0, 5);
	EXPECT_EQ(1, poll(&poll_fd, 1, 0));
	EXPECT_EQ(POLLIN, poll_fd.revents & POLLIN);
	/* Too small a buffer takes nothing away. */
	EXPECT_EQ(-1, read(self->c.fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, read(self->c.fd, events, sizeof(events[0]) - 1));
	EXPECT_EQ(EINVAL, errno);
	/* Whole events only */
	EXPECT_EQ(2 * sizeof(events[0]), read(self->c.fd, events, 3 * sizeof(events[0]) - 1));
	EXPECT_EQ(FORBIDDEN, events[0].violation.gpa);
	EXPECT_EQ(FORBIDDEN + 64, events[1].violation.gpa);
	EXPECT_EQ(3 * sizeof(events[0]), read(self->c.fd, events, sizeof(events)));
	EXPECT_EQ(FORBIDDEN + 64 * 4, events[2].violation.gpa);
	EXPECT_EQ(-1, read(self->c.fd, events, sizeof(events)));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, poll(&poll_fd, 1, 0));
}

static void *late_writer(void *data)
{
	FIXTURE_DATA(events) *self = data;

	sleep_ms(50);
	vcpu_call(self->vcpu, g_dom1_store, dm(FORBIDDEN), 1);
	return NULL;
}

/* A reader that blocks, and one that polls, are woken. */
TEST_F(events, waiting)
{
	struct pollfd poll_fd = { .fd = self->c.fd, .events = POLLIN };
	struct chariot_event event;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, late_writer, self));
	EXPECT_EQ(1, poll(&poll_fd, 1, 10000));
	ASSERT_EQ(sizeof(event), read(self->c.fd, &event, sizeof(event)));
	pthread_join(thread, NULL);

	ASSERT_EQ(0, fcntl(self->c.fd, F_SETFL, fcntl(self->c.fd, F_GETFL) & ~O_NONBLOCK));
	ASSERT_EQ(0, pthread_create(&thread, NULL, late_writer, self));
	EXPECT_EQ(sizeof(event), read(self->c.fd, &event, sizeof(event)));
	EXPECT_EQ(FORBIDDEN, event.violation.gpa);
	pthread_join(thread, NULL);
}

/* A slow reader: the oldest stay, the newest are lost, and the next one says how many. */
TEST_F(events, dropping)
{
	u32 max = variant->events_max ?: 1024, lost = 5;
	struct chariot_event event;
	unsigned int i;
	u64 seq = 0;

	if (max > 64)
		SKIP(return, "a long queue is filled by nothing here");
	violate(self, 0, max + lost);
	EXPECT_EQ(lost, chariot_stats(&self->c).events_dropped);
	EXPECT_EQ(max + lost, chariot_stats(&self->c).violations);
	for (i = 0; i < max; i++) {
		ASSERT_EQ(sizeof(event), read(self->c.fd, &event, sizeof(event)));
		EXPECT_EQ(FORBIDDEN + 64 * i, event.violation.gpa);
		EXPECT_EQ(0, event.dropped);
		seq = event.seq;
	}
	EXPECT_EQ(-1, read(self->c.fd, &event, sizeof(event)));
	violate(self, 100, 1);
	ASSERT_EQ(sizeof(event), read(self->c.fd, &event, sizeof(event)));
	EXPECT_EQ(lost, event.dropped);
	EXPECT_EQ(seq + lost + 1, event.seq);
	EXPECT_EQ(FORBIDDEN + 64 * 100, event.violation.gpa);
	violate(self, 102, 1);
	ASSERT_EQ(sizeof(event), read(self->c.fd, &event, sizeof(event)));
	EXPECT_EQ(0, event.dropped);
}

/* Many writes of one instruction in a row are one event, as long as it can say. */
TEST_F(events, joining)
{
	struct chariot_event event;
	u8 *source = vm_at(&self->vm, GUEST_CORE_DATA + 0x10000);
	unsigned int i;

	for (i = 0; i < 200; i++)
		source[i] = i;
	vcpu_call(self->vcpu, g_dom1_copy, dm(FORBIDDEN), dm(GUEST_CORE_DATA + 0x10000), 200);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(FORBIDDEN, event.violation.gpa);
	EXPECT_EQ(200, event.violation.size);
	EXPECT_EQ(chariot_stats(&self->c).violations, event.violation.count);
	EXPECT_EQ(CHARIOT_EVENT_DATA, event.violation.data_len);
	EXPECT_EQ(0, memcmp(source, event.violation.data, CHARIOT_EVENT_DATA));
	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));

	/* Another instruction that writes on from there is another event. */
	vcpu_call(self->vcpu, g_dom1_store, dm(FORBIDDEN), 1);
	vcpu_call(self->vcpu, g_dom1_store4, dm(FORBIDDEN + 8), 1);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(8, event.violation.size);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(4, event.violation.size);

	/* So is the same instruction somewhere else. */
	violate(self, 0, 2);
	EXPECT_EQ(2, chariot_drain_events(&self->c));
}

/* A copy that runs out of its grant: what is inside lands, one event for the rest. */
TEST_F(events, overrun)
{
	u8 *to = vm_at(&self->vm, GUEST_DOM1_DATA + 0x100), *source = vm_at(&self->vm, GUEST_CORE_DATA + 0x10000);
	struct chariot_event event;
	unsigned int i;

	chariot_grant(&self->c, 1, GUEST_DOM1_DATA + 0x100, 96);
	for (i = 0; i < 128; i++)
		source[i] = i + 1;
	memset(to, 0, 128);
	vcpu_call(self->vcpu, g_dom1_copy, dm(GUEST_DOM1_DATA + 0x100), dm(GUEST_CORE_DATA + 0x10000), 112);
	EXPECT_EQ(0, memcmp(to, source, 96));
	for (i = 96; i < 128; i++)
		EXPECT_EQ(0, to[i]);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(dm(GUEST_DOM1_DATA + 0x100 + 96), event.violation.gva);
	EXPECT_EQ(16, event.violation.size);
	EXPECT_EQ(96, event.violation.near_len);
	EXPECT_EQ(0, event.violation.near_distance);
	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
}

/* A function that starts as a kernel's do, so that the call into the domain is recognised. */
GUEST_WRITE(dom1, e_entry, "endbr64", "mov %rsi, (%rdi)", "");

TEST_F(events, call_record)
{
	struct chariot_event event;
	struct kvm_regs regs = {
		.rdi = dm(FORBIDDEN), .rsi = 2, .rdx = 3, .rcx = 4, .r8 = 5, .r9 = 6,
	};

	vcpu_call_regs(self->vcpu, e_entry, &regs);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	ASSERT_EQ(CHARIOT_VF_CALL, event.violation.flags & CHARIOT_VF_CALL);
	EXPECT_EQ(guest_va(e_entry), event.violation.call_entry);
	EXPECT_EQ(guest_va(g_enter) + 3, event.violation.call_return);
	EXPECT_EQ(regs.rsp - 8, event.violation.call_rsp);
	EXPECT_EQ(regs.rsp - 8, event.violation.rsp);
	EXPECT_EQ(dm(FORBIDDEN), event.violation.call_args[0]);
	EXPECT_EQ(2, event.violation.call_args[1]);
	EXPECT_EQ(3, event.violation.call_args[2]);
	EXPECT_EQ(4, event.violation.call_args[3]);
	EXPECT_EQ(5, event.violation.call_args[4]);
	EXPECT_EQ(6, event.violation.call_args[5]);
}

GUEST_CODE(dom1, e_copy, ".globl e_copy_at\n e_copy_at: mov %rsi, (%rdi)\n ret\n .globl e_copy_end\n e_copy_end:");
GUEST_CODE(dom1, e_caller, "call e_copy\n .globl e_caller_ret\n e_caller_ret: ret");
extern char e_copy_at[], e_copy_end[], e_caller_ret[];

/* A library function writes for its caller: the domain's, if the domain called it. */
TEST_F(events, library)
{
	u8 *own = vm_at(&self->vm, GUEST_DOM1_DATA), *other = vm_at(&self->vm, FORBIDDEN);
	struct chariot_event event;

	memset(vm_at(&self->vm, GUEST_CORE_DATA + 0x10000), 0x77, 64);
	chariot_grant(&self->c, 1, GUEST_DOM1_DATA, 32);
	memset(own, 0, 64);
	memset(other, 0, 64);

	vcpu_call(self->vcpu, g_dom1_lib_copy, dm(GUEST_DOM1_DATA), dm(GUEST_CORE_DATA + 0x10000), 32);
	EXPECT_EQ(0x77, own[0]);
	EXPECT_EQ(0x77, own[31]);
	EXPECT_EQ(0, chariot_stats(&self->c).violations);

	vcpu_call(self->vcpu, g_dom1_lib_copy, dm(GUEST_DOM1_DATA), dm(GUEST_CORE_DATA + 0x10000), 40);
	EXPECT_EQ(0, own[32]);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(CHARIOT_VF_LIBRARY, event.violation.flags & CHARIOT_VF_LIBRARY);
	EXPECT_EQ(guest_va(g_lib_copy_at), event.violation.rip);
	EXPECT_EQ(guest_va(g_dom1_lib_copy_ret), event.violation.caller);
	EXPECT_EQ(8, event.violation.size);
	EXPECT_EQ(1, event.domain);

	vcpu_call(self->vcpu, g_dom1_lib_store, dm(FORBIDDEN), 1);
	EXPECT_EQ(0, *(u64 *)other);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(guest_va(g_lib_store_at), event.violation.rip);
	EXPECT_EQ(guest_va(g_dom1_lib_store_ret), event.violation.caller);

	/* The kernel's own use of it is the kernel's. */
	vcpu_call(self->vcpu, g_lib_store, dm(FORBIDDEN), 2);
	EXPECT_EQ(2, *(u64 *)other);
	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
}

/* The domain's own copy of a library function: its text, and yet it has a caller to name. */
TEST_F(events, library_copy)
{
	struct chariot_rec library = {
		.type = CHARIOT_REC_LIBRARY, .va = guest_va(e_copy), .len = e_copy_end - e_copy,
	};
	u64 *word = vm_at(&self->vm, FORBIDDEN);
	struct chariot_event event;

	chariot_post(&self->c, &library);
	chariot_kick(&self->c);
	*word = 5;
	vcpu_call(self->vcpu, e_caller, dm(FORBIDDEN), 6);
	EXPECT_EQ(5, *word);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(guest_va(e_copy_at), event.violation.rip);
	EXPECT_EQ(CHARIOT_VF_LIBRARY, event.violation.flags & CHARIOT_VF_LIBRARY);
	EXPECT_EQ(guest_va(e_caller_ret), event.violation.caller);

	/* Called by the kernel it is still the domain's code. */
	vcpu_call(self->vcpu, e_copy, dm(FORBIDDEN), 6);
	EXPECT_EQ(5, *word);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(1, event.domain);
}

/* A write around a grant: outside on both sides, and both sides are told. */
GUEST_WRITE(dom1, e_wide, "movdqu (%rsi), %xmm1", "movdqu %xmm1, (%rdi)", "");

TEST_F(events, both_sides)
{
	u8 *to = vm_at(&self->vm, FORBIDDEN);
	struct chariot_event event;
	unsigned int i;

	chariot_grant(&self->c, 1, FORBIDDEN + 4, 8);
	memset(to, 1, 16);
	memset(vm_at(&self->vm, GUEST_CORE_DATA + 0x10000), 2, 16);
	vcpu_call(self->vcpu, e_wide, dm(FORBIDDEN), dm(GUEST_CORE_DATA + 0x10000));
	for (i = 0; i < 16; i++)
		EXPECT_EQ(1, to[i]);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(FORBIDDEN, event.violation.gpa);
	EXPECT_EQ(4, event.violation.size);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(FORBIDDEN + 12, event.violation.gpa);
	EXPECT_EQ(4, event.violation.size);
}

/* What nobody can emulate: told as such, memory unchanged, and the guest's kernel gets an invalid opcode. */
GUEST_WRITE(dom1, e_stmxcsr, "", "stmxcsr (%rdi)", "");
GUEST_CODE(core, e_skip_stmxcsr, "addq $3, (%rsp)\n iretq");

TEST_F(events, undecoded)
{
	u64 *word = vm_at(&self->vm, FORBIDDEN);
	struct chariot_event event;

	vm_idt(&self->vm, 6, e_skip_stmxcsr, 0);
	*word = 5;
	vcpu_call(self->vcpu, e_stmxcsr, dm(FORBIDDEN));
	EXPECT_EQ(5, *word);
	EXPECT_EQ(1, chariot_stats(&self->c).unemulatable);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(CHARIOT_WHY_UNDECODED, event.violation.why);
	EXPECT_EQ(guest_va(e_stmxcsr_at), event.violation.rip);
	EXPECT_EQ(FORBIDDEN, event.violation.gpa);
	EXPECT_EQ(0, event.violation.size);
	EXPECT_EQ(0, event.violation.flags & CHARIOT_VF_DATA);
	EXPECT_EQ(CHARIOT_VF_BLOCKED, event.violation.flags & CHARIOT_VF_BLOCKED);
	/* In a page of its own nobody needs to emulate it. */
	chariot_grant(&self->c, 1, GUEST_DOM1_DATA, 4096);
	*(u32 *)vm_at(&self->vm, GUEST_DOM1_DATA) = 0;
	vcpu_call(self->vcpu, e_stmxcsr, dm(GUEST_DOM1_DATA));
	/* Without the exception flags: Bochs' XRSTORS does not clear them in a fresh guest. */
	EXPECT_EQ(0x1f80, *(u32 *)vm_at(&self->vm, GUEST_DOM1_DATA) & ~0x3fu);
}

/* Memory of another domain is as forbidden as the kernel's, and the event says whose it is. */
TEST_F(events, owner)
{
	u64 *word = vm_at(&self->vm, GUEST_DOM2_DATA + 16);
	struct chariot_event event;

	chariot_grant(&self->c, 2, GUEST_DOM2_DATA, 4096);
	*word = 0;
	vcpu_call(self->vcpu, g_dom1_store, dm(GUEST_DOM2_DATA + 16), 1);
	EXPECT_EQ(0, *word);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(1, event.domain);
	EXPECT_EQ(CHARIOT_VF_OWNER | CHARIOT_VF_NEAR,
		  event.violation.flags & (CHARIOT_VF_OWNER | CHARIOT_VF_NEAR));
	EXPECT_EQ(2, event.violation.near_domain);
	EXPECT_EQ(0, event.violation.near_distance);
	vcpu_call(self->vcpu, g_dom2_store, dm(GUEST_DOM2_DATA + 16), 2);
	EXPECT_EQ(2, *word);

	/* Granted to all by a rule */
	chariot_range(&self->c, CHARIOT_REC_GRANT_ALL, 0, CHARIOT_KIND_RULE, GUEST_CORE_DATA + 0x2000, 8);
	chariot_kick(&self->c);
	vcpu_call(self->vcpu, g_dom1_store, dm(GUEST_CORE_DATA + 0x2000), 11);
	EXPECT_EQ(11, *(u64 *)vm_at(&self->vm, GUEST_CORE_DATA + 0x2000));
	vcpu_call(self->vcpu, g_dom2_store, dm(GUEST_CORE_DATA + 0x2000), 12);
	EXPECT_EQ(12, *(u64 *)vm_at(&self->vm, GUEST_CORE_DATA + 0x2000));
	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
}

/* A free that the guest reports is a violation, of its own kind; the report changes nothing. */
TEST_F(events, bad_free)
{
	struct chariot_rec rec = {
		.type = CHARIOT_REC_BAD_FREE, .domain = 1, .kind = CHARIOT_KIND_SLAB, .gpa = dm(OWN + 64),
		.va = GUEST_TX + 0x1234, .len = CHARIOT_FREE_REFUSED | 64ull << 32 | 192,
	};
	struct chariot_stats before = chariot_stats(&self->c), after;
	struct chariot_event event;
	u64 why;

	chariot_grant(&self->c, 1, OWN, 4096);
	for (why = CHARIOT_FREE_TWICE; why <= CHARIOT_FREE_WHY_MAX; why++) {
		rec.len = (rec.len & ~(127ull << 56)) | why << 56;
		chariot_post(&self->c, &rec);
		chariot_kick(&self->c);
		/* Each is an event of its own. */
		ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
		EXPECT_EQ(CHARIOT_WHY_FREE_TWICE + why - 1, event.violation.why);
		EXPECT_EQ(1, event.domain);
		EXPECT_EQ(~0u, event.vcpu);
		EXPECT_EQ(rec.va, event.violation.rip);
		EXPECT_EQ(rec.gpa, event.violation.gva);
		EXPECT_EQ(OWN + 64, event.violation.gpa);
		EXPECT_EQ(0, event.violation.size);
		EXPECT_EQ(1, event.violation.count);
		EXPECT_EQ(CHARIOT_KIND_SLAB, event.violation.free_kind);
		EXPECT_EQ(dm(OWN), event.violation.object_va);
		EXPECT_EQ(192, event.violation.object_len);
		EXPECT_EQ(CHARIOT_VF_BLOCKED | CHARIOT_VF_GPA | CHARIOT_VF_NEAR | CHARIOT_VF_OWNER,
			  event.violation.flags);
		EXPECT_EQ(4096, event.violation.near_len);
	}

	/* An address that is nowhere, and done all the same */
	rec.gpa = 0x123456789;
	rec.len = (u64)CHARIOT_FREE_INVALID << 56;
	chariot_post(&self->c, &rec);
	chariot_kick(&self->c);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(0, event.violation.flags);
	EXPECT_EQ(0, event.violation.object_len);
	EXPECT_EQ(CHARIOT_REGION_USER, event.violation.region);

	after = chariot_stats(&self->c);
	EXPECT_EQ(5, after.bad_frees - before.bad_frees);
	EXPECT_EQ(5, after.violations - before.violations);
	EXPECT_EQ(0, chariot_bad_records(&after));
	EXPECT_EQ(5, chariot_domain_stats(&self->c, 1).bad_frees);
	vcpu_call(self->vcpu, g_dom1_store, dm(OWN + 64), 1);
	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
}

/* Kernel memory has kinds. */
TEST_F(events, regions)
{
	struct chariot_rec data = {
		.type = CHARIOT_REC_REGION, .kind = CHARIOT_REGION_DATA, .va = dm(FORBIDDEN), .len = 0x100,
	};
	struct chariot_rec map = {
		.type = CHARIOT_REC_REGION, .kind = CHARIOT_REGION_DIRECTMAP, .va = dm(FORBIDDEN + 0x100), .len = 0x100,
	};
	struct chariot_event event;

	chariot_post(&self->c, &data);
	chariot_post(&self->c, &map);
	chariot_kick(&self->c);
	vcpu_call(self->vcpu, g_dom1_store, dm(FORBIDDEN + 0xf8), 1);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(CHARIOT_REGION_DATA, event.violation.region);
	vcpu_call(self->vcpu, g_dom1_store, dm(FORBIDDEN + 0x108), 1);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(CHARIOT_REGION_DIRECTMAP, event.violation.region);
	vcpu_call(self->vcpu, g_dom1_store, dm(FORBIDDEN + 0x208), 1);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(CHARIOT_REGION_OTHER, event.violation.region);
	/* The user half of the address space, seen from the kernel */
	vcpu_call(self->vcpu, g_dom1_store, FORBIDDEN, 1);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(CHARIOT_REGION_USER, event.violation.region);
	EXPECT_EQ(FORBIDDEN, event.violation.gva);
	EXPECT_EQ(FORBIDDEN, event.violation.gpa);
}

/* Writes into shared pages are told apart by what they write to. */
TEST_F(events, emulated_by_kind)
{
	static const struct {
		u64 gpa;
		u8 kind;
		u64 times;
	} ranges[] = {
		{ FORBIDDEN, CHARIOT_KIND_SKB, 3 },
		{ FORBIDDEN + 0x10, CHARIOT_KIND_OBJECT, 1 },
		{ FORBIDDEN + 0x20, CHARIOT_KIND_RULE, 2 },
		/* Nobody's: a violation */
		{ FORBIDDEN + 0x30, CHARIOT_KIND_UNKNOWN, 1 },
	};
	struct chariot_domain_stats before = chariot_domain_stats(&self->c, 1), after;
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		if (ranges[i].kind)
			chariot_range(&self->c, CHARIOT_REC_GRANT, 1, ranges[i].kind, ranges[i].gpa, 8);
	chariot_kick(&self->c);
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		for (n = 0; n < ranges[i].times; n++)
			vcpu_call(self->vcpu, g_dom1_store, dm(ranges[i].gpa), n);
	after = chariot_domain_stats(&self->c, 1);
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		EXPECT_EQ(ranges[i].times, after.emulated_kinds[ranges[i].kind] -
			  before.emulated_kinds[ranges[i].kind]) TH_LOG("kind %d", ranges[i].kind);
	EXPECT_EQ(7, after.emulated - before.emulated);
	EXPECT_EQ(1, after.violations - before.violations);
}

TEST_HARNESS_MAIN
