// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must leave nothing behind: detach, the death of the VM's process,
 * resets, domains that go and come, views that outgrow their bound.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define STOP		(GUEST_CORE_DATA + 0x800)
#define FORBIDDEN	(GUEST_CORE_DATA + 0x1000)

FIXTURE(lifecycle)
{
	int references;
};

FIXTURE_SETUP(lifecycle)
{
	self->references = module_references();
}

FIXTURE_TEARDOWN(lifecycle)
{
	EXPECT_TRUE(module_references_fall(self->references));
	EXPECT_EQ(0, host_complaints());
}

/* Where the parent and the process that it kills meet */
struct meeting {
	volatile u32 ready;
};

enum busy { SPIN_IN_DOMAIN, WRITE_OWN, VIOLATE, CROSS, BUSY_KINDS };

/* A process that owns a VM with two vCPUs that are busy for ever. */
static void victim(struct meeting *meeting, enum busy busy)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .events_max = 64 };
	struct chariot c;
	struct vm vm;
	unsigned int i;

	vm_create(&vm, 2, 0);
	chariot_setup(&c, &vm, &setup);
	chariot_grant(&c, 1, GUEST_DOM1_DATA, 0x10000);
	*(u64 *)vm_at(&vm, STOP) = 0;
	for (i = 0; i < 2; i++) {
		u64 own = dm(GUEST_DOM1_DATA + 0x1000 * i);

		switch (busy) {
		case SPIN_IN_DOMAIN:
			vcpu_start(&vm.vcpu[i], g_dom1_spin, 0, dm(STOP));
			break;
		case WRITE_OWN:
			vcpu_start(&vm.vcpu[i], g_dom1_until, own, dm(STOP));
			break;
		case VIOLATE:
			vcpu_start(&vm.vcpu[i], g_dom1_until, dm(FORBIDDEN), dm(STOP));
			break;
		default:
			vcpu_start(&vm.vcpu[i], g_core_call_n_store, guest_va(g_dom1_store), ~0ull, own, 1,
				   dm(FORBIDDEN + 0x1000 * i));
		}
	}
	while (chariot_stats(&c).crossings_in < 2)
		sleep_ms(1);
	meeting->ready = 1;
	for (;;)
		pause();
}

static void kill_victim(struct __test_metadata *_metadata, enum busy busy, unsigned int ms)
{
	struct meeting *meeting = mmap(NULL, sizeof(*meeting), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				       -1, 0);
	unsigned int i;
	int status;
	pid_t pid = fork();

	if (!pid)
		victim(meeting, busy);
	for (i = 0; i < 10000 && !meeting->ready; i++)
		sleep_ms(1);
	EXPECT_EQ(1, meeting->ready);
	sleep_ms(ms);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) TH_LOG("status 0x%x", status);
	munmap(meeting, sizeof(*meeting));
}

/* A VM of this process works: the module and KVM are as they were. */
static void check_works(struct __test_metadata *_metadata)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };
	struct chariot_event event;
	struct chariot c;
	struct vm vm;
	u64 *word;

	vm_create(&vm, 1, 0);
	chariot_setup(&c, &vm, &setup);
	word = vm_at(&vm, FORBIDDEN);
	*word = 5;
	vcpu_call(&vm.vcpu[0], g_dom1_store, dm(FORBIDDEN), 6);
	EXPECT_EQ(5, *word);
	EXPECT_TRUE(chariot_event(&c, CHARIOT_EVENT_VIOLATION, &event, 0));
	close(c.fd);
	vcpu_call(&vm.vcpu[0], g_dom1_store, dm(FORBIDDEN), 6);
	EXPECT_EQ(6, *word);
	vm_destroy(&vm);
}

TEST_F(lifecycle, kill)
{
	unsigned int busy;

	for (busy = 0; busy < BUSY_KINDS; busy++) {
		kill_victim(_metadata, busy, 20);
		EXPECT_TRUE(module_references_fall(self->references)) TH_LOG("busy kind %u", busy);
	}
	check_works(_metadata);
}

/* Killed sooner or later after the start, so that the death finds it at different places. */
TEST_F(lifecycle, kill_at_any_moment)
{
	unsigned int i;

	for (i = 0; i < 12; i++)
		kill_victim(_metadata, i % BUSY_KINDS, i / 2);
	EXPECT_TRUE(module_references_fall(self->references));
	check_works(_metadata);
}

FIXTURE(life)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
};

FIXTURE_SETUP(life)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .domains = 2 };

	vm_create(&self->vm, 1, 0);
	self->vcpu = &self->vm.vcpu[0];
	chariot_setup(&self->c, &self->vm, &setup);
}

FIXTURE_TEARDOWN(life)
{
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

static bool may_write(FIXTURE_DATA(life) *self, u64 gpa)
{
	u64 *word = vm_at(&self->vm, gpa);
	static u64 value;

	value++;
	*word = ~value;
	vcpu_call(self->vcpu, g_dom1_store, dm(gpa), value);
	return *word == value;
}

/* The guest reboots: what it said is forgotten, what the operator said is not. */
TEST_F(life, reset)
{
	struct chariot_stats before, after;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		chariot_grant(&self->c, 1, GUEST_DOM1_DATA, 4096);
		EXPECT_TRUE(may_write(self, GUEST_DOM1_DATA));
		EXPECT_FALSE(may_write(self, FORBIDDEN));
		EXPECT_EQ(1, chariot_drain_events(&self->c));
		before = chariot_stats(&self->c);
		chariot_reset(&self->c);
		after = chariot_stats(&self->c);
		EXPECT_EQ(0, after.armed);
		EXPECT_EQ(2, after.domains);
		EXPECT_EQ(0, after.grants);
		EXPECT_EQ(before.violations, after.violations);
		EXPECT_EQ(before.records, after.records);
		EXPECT_EQ(0, chariot_domain_stats(&self->c, 1).text_bytes);
		EXPECT_EQ(0, chariot_domain_stats(&self->c, 1).up);
		EXPECT_STREQ("dom1", chariot_domain_stats(&self->c, 1).name);
		EXPECT_TRUE(may_write(self, FORBIDDEN));

		/* The ring is gone, too: what is posted there is not read. */
		chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_SLAB, GUEST_DOM1_DATA, 8);
		chariot_kick(&self->c);
		EXPECT_EQ(after.records, chariot_stats(&self->c).records);

		chariot_ring(&self->c, GUEST_RING, 8, ~0ull);
		chariot_hello(&self->c);
		chariot_text(&self->c, 1);
		chariot_kick(&self->c);
		EXPECT_EQ(1, chariot_stats(&self->c).armed);
	}
}

/* What was granted at a time: a cut in the middle of a range makes two of it. */
TEST_F(life, peaks)
{
	struct chariot_domain_stats stats;

	chariot_grant(&self->c, 1, GUEST_DOM1_DATA, 4096);
	chariot_range(&self->c, CHARIOT_REC_REVOKE, 1, 0, GUEST_DOM1_DATA + 512, 512);
	chariot_kick(&self->c);
	stats = chariot_domain_stats(&self->c, 1);
	EXPECT_EQ(2, stats.grants);
	EXPECT_EQ(2, stats.grants_peak);
	EXPECT_EQ(3584, stats.granted_bytes);
	EXPECT_EQ(4096, stats.granted_bytes_peak);
	chariot_range(&self->c, CHARIOT_REC_REVOKE, 1, 0, GUEST_DOM1_DATA, 0);
	chariot_kick(&self->c);
	stats = chariot_domain_stats(&self->c, 1);
	EXPECT_EQ(1, stats.grants);
	EXPECT_EQ(2, stats.grants_peak);
}

/* A driver is unloaded and loaded again, elsewhere in memory each time. */
TEST_F(life, reload)
{
	struct chariot_rec down = { .type = CHARIOT_REC_DOMAIN_DOWN, .domain = 1 };
	u64 pages = 0, pages_peak = 0;
	struct chariot_event event;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		u64 own = GUEST_DOM1_DATA + 0x1000 * (i % 16), past = GUEST_DOM1_DATA + 0x1000 * ((i + 15) % 16);

		if (i)
			chariot_text(&self->c, 1);
		chariot_grant(&self->c, 1, own, 4096);
		EXPECT_TRUE(may_write(self, own));
		if (i % 4 == 0) {
			EXPECT_FALSE(may_write(self, past));
		}
		chariot_post(&self->c, &down);
		chariot_kick(&self->c);
		EXPECT_EQ(0, chariot_domain_stats(&self->c, 1).grants);
		EXPECT_EQ(0, chariot_domain_stats(&self->c, 1).text_bytes);
		EXPECT_TRUE(may_write(self, past));
		chariot_drain_events(&self->c);
		if (i == 50)
			pages = chariot_stats(&self->c).view_pages;
		pages_peak = chariot_stats(&self->c).view_pages;
	}
	EXPECT_EQ(pages, pages_peak) TH_LOG("the views grow with each reload");
	EXPECT_EQ(1, chariot_domain_stats(&self->c, 1).grants_peak);
	EXPECT_EQ(4096, chariot_domain_stats(&self->c, 1).granted_bytes_peak);
	EXPECT_EQ(0, chariot_stats(&self->c).grants);
	EXPECT_EQ(25, chariot_stats(&self->c).violations);

	/* Down and up are told. */
	chariot_text(&self->c, 1);
	chariot_post(&self->c, &down);
	chariot_kick(&self->c);
	ASSERT_EQ(sizeof(event), read(self->c.fd, &event, sizeof(event)));
	EXPECT_EQ(CHARIOT_EVENT_DOMAIN_UP, event.type);
	EXPECT_EQ(1, event.domain);
	EXPECT_EQ(~0u, event.vcpu);
	ASSERT_EQ(sizeof(event), read(self->c.fd, &event, sizeof(event)));
	EXPECT_EQ(CHARIOT_EVENT_DOMAIN_DOWN, event.type);
	EXPECT_EQ(1, event.domain);
}

/* DOMAIN_UP without a DOWN before it (the guest's kernel crashed half way): starts afresh. */
TEST_F(life, up_again)
{
	chariot_grant(&self->c, 1, GUEST_DOM1_DATA, 4096);
	EXPECT_TRUE(may_write(self, GUEST_DOM1_DATA));
	chariot_text(&self->c, 1);
	chariot_kick(&self->c);
	EXPECT_EQ(0, chariot_stats(&self->c).grants);
	EXPECT_FALSE(may_write(self, GUEST_DOM1_DATA));
	chariot_drain_events(&self->c);
}

/* Text that was named in parts, and taken back in parts */
TEST_F(life, text_in_parts)
{
	u64 size = guest_dom1_end - guest_dom1;
	struct chariot_rec gone = {
		.type = CHARIOT_REC_TEXT_GONE, .domain = 1, .va = guest_va(guest_dom1), .gpa = guest_gpa(guest_dom1),
		.len = size,
	};

	chariot_post(&self->c, &gone);
	chariot_kick(&self->c);
	EXPECT_TRUE(may_write(self, FORBIDDEN));
	EXPECT_EQ(0, chariot_domain_stats(&self->c, 1).text_bytes);
	gone.type = CHARIOT_REC_TEXT;
	chariot_post(&self->c, &gone);
	chariot_kick(&self->c);
	EXPECT_EQ(size, chariot_domain_stats(&self->c, 1).text_bytes);
	EXPECT_FALSE(may_write(self, FORBIDDEN));
	EXPECT_EQ(1, chariot_drain_events(&self->c));
}

/*
 * Views that need more page tables than they may have: one page granted in
 * each 2 MiB, so that each needs a table of its own.
 */
#define SPARSE_SLOT	1
#define SPARSE_GPA	0x10000000ul
#define SPARSE_REGIONS	96ul
#define SPARSE_SIZE	(SPARSE_REGIONS << 21)

TEST_F(life, view_bound)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .view_pages_max = 64, .order = 9 };
	void *memory = vm_memory(SPARSE_SIZE, true);
	struct chariot_stats stats;
	unsigned int i, turn;

	close(self->c.fd);
	ASSERT_EQ(0, vm_slot(&self->vm, SPARSE_SLOT, 0, SPARSE_GPA, SPARSE_SIZE, memory));
	chariot_setup(&self->c, &self->vm, &setup);
	for (i = 0; i < SPARSE_REGIONS; i++)
		chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_HEAP, SPARSE_GPA + (i << 21), 4096);
	chariot_kick(&self->c);
	for (turn = 0; turn < 3; turn++) {
		vcpu_call(self->vcpu, g_dom1_pages, dm(SPARSE_GPA), SPARSE_REGIONS, turn + 1, 1 << 21);
		for (i = 0; i < SPARSE_REGIONS; i++)
			EXPECT_EQ(turn + 1, *(u64 *)((u8 *)memory + (i << 21)));
		/* and its neighbours are as forbidden as ever */
		vcpu_call(self->vcpu, g_dom1_pages, dm(SPARSE_GPA + 4096), 4, 99, 1 << 21);
		for (i = 0; i < 4; i++)
			EXPECT_EQ(0, *(u64 *)((u8 *)memory + (i << 21) + 4096));
		EXPECT_EQ(4, chariot_drain_events(&self->c));
	}
	stats = chariot_stats(&self->c);
	EXPECT_LT(0, stats.view_resets);
	EXPECT_LT(stats.view_resets, SPARSE_REGIONS);
	EXPECT_LE(stats.view_pages_peak, 64);
	EXPECT_LE(stats.view_pages, stats.view_pages_peak);
	EXPECT_EQ(12, stats.violations);
	close(self->c.fd);
	self->c.fd = chariot_open();
	munmap(memory, SPARSE_SIZE);
}

/* As many grants as the bound allows; the next is refused and told, and there is room again after a revoke. */
TEST_F(life, grants_bound)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .grants_max = 100 };
	struct chariot_event event;
	unsigned int i;

	close(self->c.fd);
	chariot_setup(&self->c, &self->vm, &setup);
	for (i = 0; i < 101; i++)
		chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_SLAB, GUEST_DOM1_DATA + 64 * i, 32);
	chariot_kick(&self->c);
	EXPECT_EQ(100, chariot_stats(&self->c).grants);
	EXPECT_EQ(1, chariot_stats(&self->c).bad_records[CHARIOT_BAD_LIMIT]);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_BAD_RECORD, &event, 0));
	EXPECT_EQ(CHARIOT_BAD_LIMIT, event.bad.bad_kind);
	EXPECT_FALSE(may_write(self, GUEST_DOM1_DATA + 64 * 100));
	EXPECT_TRUE(may_write(self, GUEST_DOM1_DATA + 64 * 99));
	chariot_revoke(&self->c, 1, GUEST_DOM1_DATA, 32);
	chariot_grant(&self->c, 1, GUEST_DOM1_DATA + 64 * 100, 32);
	EXPECT_TRUE(may_write(self, GUEST_DOM1_DATA + 64 * 100));
	EXPECT_EQ(100, chariot_stats(&self->c).grants);
	chariot_drain_events(&self->c);
}

/*
 * At the bound a revoke that would cut a grant in two cannot keep both halves:
 * it takes more than was asked for, never less, and says so.
 */
TEST_F(life, grants_bound_cut)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .grants_max = 2 };
	struct chariot_event event;

	close(self->c.fd);
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, GUEST_DOM1_DATA, 8192);
	chariot_grant(&self->c, 1, GUEST_DOM1_DATA + 0x10000, 8);
	EXPECT_TRUE(may_write(self, GUEST_DOM1_DATA + 4096));
	chariot_revoke(&self->c, 1, GUEST_DOM1_DATA + 64, 64);
	EXPECT_LE(chariot_stats(&self->c).grants, 2);
	EXPECT_EQ(1, chariot_stats(&self->c).bad_records[CHARIOT_BAD_LIMIT]);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_BAD_RECORD, &event, 0));
	EXPECT_EQ(CHARIOT_BAD_LIMIT, event.bad.bad_kind);
	EXPECT_TRUE(may_write(self, GUEST_DOM1_DATA));
	EXPECT_FALSE(may_write(self, GUEST_DOM1_DATA + 64));
	EXPECT_FALSE(may_write(self, GUEST_DOM1_DATA + 128));
	EXPECT_FALSE(may_write(self, GUEST_DOM1_DATA + 4096));
	EXPECT_TRUE(may_write(self, GUEST_DOM1_DATA + 0x10000));
	chariot_drain_events(&self->c);
}

TEST_HARNESS_MAIN
