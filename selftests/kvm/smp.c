// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several vCPUs in one domain, and rights that change while they write.
 *
 * Not shown here: a missing TLB invalidation that this machine hides, because
 * it flushes more than the architecture asks for. The unit tests have a model
 * TLB for that.
 */
#include <sys/ioctl.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define WORD(vm, gpa)	((volatile u64 *)vm_at(vm, gpa))

/* Per vCPU: a page of the domain, a stop word of the kernel */
#define PAGE_OF(n)	(GUEST_DOM1_DATA + 0x1000 * (n))
#define STOP		(GUEST_CORE_DATA + 0x800)
#define FORBIDDEN(n)	(GUEST_CORE_DATA + 0x4000 + 0x1000 * (n))
/* After a revoke has returned, a write that was on its way would have landed by now. */
#define SETTLE_MS	30

/* More vCPUs than CPUs, all of them busy, take their time on a machine that is loaded. */
#define TEST_SMP(name)	TEST_F_TIMEOUT(smp, name, 90)

FIXTURE(smp)
{
	struct vm vm;
	struct chariot c;
};

FIXTURE_VARIANT(smp)
{
	u32 vcpus;
	u32 flags;
};

FIXTURE_VARIANT_ADD(smp, one) { .vcpus = 1 };
FIXTURE_VARIANT_ADD(smp, two) { .vcpus = 2 };
FIXTURE_VARIANT_ADD(smp, two_small) { .vcpus = 2, .flags = VM_SMALL };
FIXTURE_VARIANT_ADD(smp, four) { .vcpus = 4 };

FIXTURE_SETUP(smp)
{
	struct chariot_setup setup = {
		.policy = CHARIOT_POLICY_BLOCK, .domains = 2, .doorbell_gpa = GUEST_DOORBELL, .order = 12,
	};

	vm_create(&self->vm, variant->vcpus, variant->flags);
	chariot_setup(&self->c, &self->vm, &setup);
}

FIXTURE_TEARDOWN(smp)
{
	chariot_drain_events(&self->c);
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

/* Every vCPU counts up in the word at gpa + n * step until STOP. */
static void start_all(FIXTURE_DATA(smp) *self, u64 gpa, u64 step)
{
	unsigned int i;

	*WORD(&self->vm, STOP) = 0;
	for (i = 0; i < self->vm.vcpus; i++) {
		*WORD(&self->vm, gpa + i * step) = 0;
		vcpu_start(&self->vm.vcpu[i], g_dom1_until, dm(gpa + i * step), dm(STOP));
	}
}

static void stop_all(FIXTURE_DATA(smp) *self, u64 *last)
{
	unsigned int i;

	*WORD(&self->vm, STOP) = 1;
	for (i = 0; i < self->vm.vcpus; i++) {
		u64 rax = vcpu_join(&self->vm.vcpu[i]);

		if (last)
			last[i] = rax;
	}
}

TEST_SMP(own_pages)
{
	u64 last[GUEST_CPU_MAX];
	unsigned int i;

	chariot_grant(&self->c, 1, PAGE_OF(0), 4096 * self->vm.vcpus);
	start_all(self, PAGE_OF(0), 4096);
	for (i = 0; i < self->vm.vcpus; i++)
		wait_change(WORD(&self->vm, PAGE_OF(i)), 0);
	sleep_ms(50);
	stop_all(self, last);
	for (i = 0; i < self->vm.vcpus; i++)
		EXPECT_EQ(last[i], *WORD(&self->vm, PAGE_OF(i)));
	EXPECT_EQ(0, chariot_stats(&self->c).violations);
	EXPECT_EQ(0, chariot_stats(&self->c).emulated);
	EXPECT_EQ(self->vm.vcpus, chariot_stats(&self->c).crossings_in);
}

/* All in one page, each at its own granted word: every write is emulated, none is lost. */
TEST_SMP(shared_page)
{
	u64 last[GUEST_CPU_MAX];
	unsigned int i;

	for (i = 0; i < self->vm.vcpus; i++)
		chariot_grant(&self->c, 1, PAGE_OF(0) + 64 * i, 8);
	start_all(self, PAGE_OF(0), 64);
	for (i = 0; i < self->vm.vcpus; i++)
		wait_change(WORD(&self->vm, PAGE_OF(0) + 64 * i), 0);
	sleep_ms(50);
	stop_all(self, last);
	for (i = 0; i < self->vm.vcpus; i++)
		EXPECT_EQ(last[i], *WORD(&self->vm, PAGE_OF(0) + 64 * i));
	EXPECT_EQ(0, chariot_stats(&self->c).violations);
	EXPECT_LT(0, chariot_stats(&self->c).emulated);
}

/* Locked additions by all vCPUs to one word that is granted in a shared page. */
GUEST_WRITE(dom1, s_add, "1:", "lock incq (%rdi)", "dec %rsi\n jnz 1b");

TEST_SMP(atomic)
{
	const u64 turns = 300;
	unsigned int i;

	chariot_grant(&self->c, 1, PAGE_OF(0) + 0x100, 8);
	*WORD(&self->vm, PAGE_OF(0) + 0x100) = 0;
	for (i = 0; i < self->vm.vcpus; i++)
		vcpu_start(&self->vm.vcpu[i], s_add, dm(PAGE_OF(0) + 0x100), turns);
	for (i = 0; i < self->vm.vcpus; i++)
		vcpu_join(&self->vm.vcpu[i]);
	EXPECT_EQ(turns * self->vm.vcpus, *WORD(&self->vm, PAGE_OF(0) + 0x100));
	EXPECT_EQ(0, chariot_stats(&self->c).violations);
}

static void expect_revoked(struct __test_metadata *_metadata, FIXTURE_DATA(smp) *self, u64 gpa, u64 step,
			   const char *what)
{
	u64 seen[GUEST_CPU_MAX];
	unsigned int i;

	for (i = 0; i < self->vm.vcpus; i++)
		seen[i] = *WORD(&self->vm, gpa + i * step);
	sleep_ms(SETTLE_MS);
	for (i = 0; i < self->vm.vcpus; i++)
		EXPECT_EQ(seen[i], *WORD(&self->vm, gpa + i * step)) TH_LOG("%s: vCPU %u wrote on", what, i);
}

/* When KICK returns after a revoke, no further write lands, though all vCPUs go on trying. */
TEST_SMP(revoke_page)
{
	unsigned int i, turn;

	for (turn = 0; turn < 10; turn++) {
		chariot_grant(&self->c, 1, PAGE_OF(0), 4096 * self->vm.vcpus);
		start_all(self, PAGE_OF(0), 4096);
		for (i = 0; i < self->vm.vcpus; i++)
			wait_change(WORD(&self->vm, PAGE_OF(i)), 0);
		chariot_revoke(&self->c, 1, PAGE_OF(0), 4096 * self->vm.vcpus);
		expect_revoked(_metadata, self, PAGE_OF(0), 4096, "page");
		stop_all(self, NULL);
		EXPECT_LT(0, chariot_drain_events(&self->c));
	}
	EXPECT_EQ(0, chariot_stats(&self->c).grants);
}

TEST_SMP(revoke_part)
{
	unsigned int i, turn;

	for (turn = 0; turn < 10; turn++) {
		chariot_grant(&self->c, 1, PAGE_OF(0) + 128, 64 * self->vm.vcpus);
		start_all(self, PAGE_OF(0) + 128, 64);
		for (i = 0; i < self->vm.vcpus; i++)
			wait_change(WORD(&self->vm, PAGE_OF(0) + 128 + 64 * i), 0);
		chariot_revoke(&self->c, 1, PAGE_OF(0) + 128, 64 * self->vm.vcpus);
		expect_revoked(_metadata, self, PAGE_OF(0) + 128, 64, "part");
		stop_all(self, NULL);
		EXPECT_LT(0, chariot_drain_events(&self->c));
	}
}

/* A revoke of one page in the middle: the pages beside it stay writable. */
TEST_SMP(revoke_one_of_many)
{
	u64 seen;

	chariot_grant(&self->c, 1, PAGE_OF(0), 4096 * 16);
	*WORD(&self->vm, STOP) = 0;
	vcpu_start(&self->vm.vcpu[0], g_dom1_until, dm(PAGE_OF(5)), dm(STOP));
	wait_change(WORD(&self->vm, PAGE_OF(5)), 0);
	chariot_revoke(&self->c, 1, PAGE_OF(4), 4096);
	chariot_revoke(&self->c, 1, PAGE_OF(6), 8);
	seen = *WORD(&self->vm, PAGE_OF(5));
	wait_change(WORD(&self->vm, PAGE_OF(5)), seen);
	chariot_revoke(&self->c, 1, PAGE_OF(5) + 8, 4096 - 8);
	seen = *WORD(&self->vm, PAGE_OF(5));
	wait_change(WORD(&self->vm, PAGE_OF(5)), seen);
	EXPECT_EQ(0, chariot_drain_events(&self->c));
	chariot_revoke(&self->c, 1, PAGE_OF(5), 8);
	seen = *WORD(&self->vm, PAGE_OF(5));
	sleep_ms(SETTLE_MS);
	EXPECT_EQ(seen, *WORD(&self->vm, PAGE_OF(5)));
	*WORD(&self->vm, STOP) = 1;
	vcpu_join(&self->vm.vcpu[0]);
	EXPECT_EQ((16 - 2) * 4096 - 8, chariot_domain_stats(&self->c, 1).granted_bytes);
}

/* The guest's own way: a vCPU that rings the doorbell finds no write of the others after it. */
TEST_SMP(revoke_by_doorbell)
{
	struct vcpu *ringer = &self->vm.vcpu[self->vm.vcpus - 1];
	struct kvm_regs regs;
	unsigned int turn;

	if (self->vm.vcpus < 2)
		SKIP(return, "needs a second vCPU");
	for (turn = 0; turn < 10; turn++) {
		u64 doorbells;

		chariot_grant(&self->c, 1, PAGE_OF(0), 4096);
		doorbells = chariot_stats(&self->c).doorbells;
		*WORD(&self->vm, STOP) = 0;
		*WORD(&self->vm, PAGE_OF(0)) = 0;
		vcpu_start(&self->vm.vcpu[0], g_dom1_until, dm(PAGE_OF(0)), dm(STOP));
		wait_change(WORD(&self->vm, PAGE_OF(0)), 0);
		chariot_range(&self->c, CHARIOT_REC_REVOKE, 1, 0, PAGE_OF(0), 4096);
		memset(&regs, 0, sizeof(regs));
		regs.rdi = dm(GUEST_DOORBELL);
		regs.rsi = dm(PAGE_OF(0));
		regs.rdx = 200000;
		vcpu_call_regs(ringer, g_core_doorbell, &regs);
		EXPECT_NE(0, regs.rax);
		EXPECT_EQ(regs.rax, regs.rdx) TH_LOG("a write landed after the doorbell");
		EXPECT_EQ(doorbells + 1, chariot_stats(&self->c).doorbells);
		*WORD(&self->vm, STOP) = 1;
		vcpu_join(&self->vm.vcpu[0]);
		chariot_drain_events(&self->c);
	}
}

/* Grants and revokes as fast as they go, around pages that stay granted all the time. */
TEST_SMP(storm)
{
	u64 last[GUEST_CPU_MAX];
	unsigned int turn, i;

	chariot_grant(&self->c, 1, PAGE_OF(0), 4096 * self->vm.vcpus);
	start_all(self, PAGE_OF(0), 4096);
	for (turn = 0; turn < 200; turn++) {
		for (i = 0; i < 4; i++)
			chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_HEAP, PAGE_OF(32 + 2 * i),
				      turn & 1 ? 4096 : 100);
		chariot_kick(&self->c);
		for (i = 0; i < 4; i++)
			chariot_range(&self->c, CHARIOT_REC_REVOKE, 1, 0, PAGE_OF(32 + 2 * i), turn & 2 ? 0 : 4096);
		if (turn & 4)
			chariot_kick(&self->c);
	}
	chariot_kick(&self->c);
	for (i = 0; i < self->vm.vcpus; i++) {
		u64 seen = *WORD(&self->vm, PAGE_OF(i));

		wait_change(WORD(&self->vm, PAGE_OF(i)), seen);
	}
	stop_all(self, last);
	for (i = 0; i < self->vm.vcpus; i++)
		EXPECT_EQ(last[i], *WORD(&self->vm, PAGE_OF(i)));
	EXPECT_EQ(0, chariot_stats(&self->c).violations);
	EXPECT_EQ(1, chariot_stats(&self->c).grants);
	EXPECT_EQ(0, chariot_stats(&self->c).revoke_misses);
}

static void expect_blocked(struct __test_metadata *_metadata, FIXTURE_DATA(smp) *self)
{
	unsigned int i;

	for (i = 0; i < self->vm.vcpus; i++)
		EXPECT_EQ(0, *WORD(&self->vm, FORBIDDEN(i)));
}

/* The domain's text is taken away while it runs: its code is the kernel's then, and may write. */
TEST_SMP(text_gone)
{
	unsigned int i;

	start_all(self, FORBIDDEN(0), 4096);
	chariot_wait_violations(&self->c, 10);
	expect_blocked(_metadata, self);
	chariot_text_gone(&self->c, 1);
	chariot_text_gone(&self->c, 2);
	chariot_kick(&self->c);
	EXPECT_EQ(0, chariot_stats(&self->c).armed);
	for (i = 0; i < self->vm.vcpus; i++)
		wait_change(WORD(&self->vm, FORBIDDEN(i)), 0);
	stop_all(self, NULL);
}

/* ... and the domain, while another one stays */
TEST_SMP(domain_down)
{
	struct chariot_rec down = { .type = CHARIOT_REC_DOMAIN_DOWN, .domain = 1 };
	unsigned int i;

	start_all(self, FORBIDDEN(0), 4096);
	chariot_wait_violations(&self->c, 10);
	expect_blocked(_metadata, self);
	chariot_post(&self->c, &down);
	chariot_kick(&self->c);
	EXPECT_EQ(1, chariot_stats(&self->c).armed);
	EXPECT_EQ(0, chariot_domain_stats(&self->c, 1).up);
	for (i = 0; i < self->vm.vcpus; i++)
		wait_change(WORD(&self->vm, FORBIDDEN(i)), 0);
	stop_all(self, NULL);
}

TEST_SMP(reset)
{
	unsigned int i;

	start_all(self, FORBIDDEN(0), 4096);
	chariot_wait_violations(&self->c, 10);
	expect_blocked(_metadata, self);
	chariot_reset(&self->c);
	EXPECT_EQ(0, chariot_stats(&self->c).armed);
	EXPECT_EQ(2, chariot_stats(&self->c).domains);
	for (i = 0; i < self->vm.vcpus; i++)
		wait_change(WORD(&self->vm, FORBIDDEN(i)), 0);
	stop_all(self, NULL);
}

TEST_SMP(set_policy)
{
	unsigned int i, turn;

	start_all(self, FORBIDDEN(0), 4096);
	chariot_wait_violations(&self->c, 10);
	expect_blocked(_metadata, self);
	for (turn = 0; turn < 5; turn++) {
		u64 violations = chariot_stats(&self->c).violations;

		chariot_policy(&self->c, 1, CHARIOT_POLICY_AUDIT);
		for (i = 0; i < self->vm.vcpus; i++) {
			u64 seen = *WORD(&self->vm, FORBIDDEN(i));

			wait_change(WORD(&self->vm, FORBIDDEN(i)), seen);
		}
		EXPECT_LT(violations, chariot_stats(&self->c).violations);
		chariot_policy(&self->c, 1, CHARIOT_POLICY_BLOCK);
		expect_revoked(_metadata, self, FORBIDDEN(0), 4096, "policy");
	}
	stop_all(self, NULL);
}

static void *kicker(void *data)
{
	FIXTURE_DATA(smp) *self = data;

	while (!*WORD(&self->vm, STOP))
		ioctl(self->c.fd, CHARIOT_KICK);
	return NULL;
}

static void *asker(void *data)
{
	FIXTURE_DATA(smp) *self = data;
	struct chariot_domain_stats domain = { .id = 1 };
	struct chariot_policy policy = { .id = 2 };
	struct chariot_stats stats;

	while (!*WORD(&self->vm, STOP)) {
		ioctl(self->c.fd, CHARIOT_GET_STATS, &stats);
		ioctl(self->c.fd, CHARIOT_GET_DOMAIN_STATS, &domain);
		policy.policy ^= 1;
		ioctl(self->c.fd, CHARIOT_SET_POLICY, &policy);
	}
	return NULL;
}

static void *reader(void *data)
{
	FIXTURE_DATA(smp) *self = data;

	while (!*WORD(&self->vm, STOP))
		chariot_drain_events(&self->c);
	return NULL;
}

/* All ioctls at once, while vCPUs cross, write what they may and what they may not, and memory comes and goes. */
TEST_SMP(everything)
{
	void *(*const threads[])(void *) = { kicker, asker, reader };
	void *other = vm_memory(2 << 20, true);
	pthread_t ids[ARRAY_SIZE(threads)];
	unsigned int i, turn;

	chariot_grant(&self->c, 1, PAGE_OF(0), 4096 * self->vm.vcpus);
	*WORD(&self->vm, STOP) = 0;
	for (i = 0; i < self->vm.vcpus; i++) {
		*WORD(&self->vm, FORBIDDEN(i)) = 0;
		if (i & 1)
			vcpu_start(&self->vm.vcpu[i], g_dom1_until, dm(FORBIDDEN(i)), dm(STOP));
		else
			vcpu_start(&self->vm.vcpu[i], g_core_call_n_store, guest_va(g_dom1_store), 300, dm(PAGE_OF(i)),
				   77, dm(GUEST_CORE_DATA + 0x400 + 8 * i));
	}
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&ids[i], NULL, threads[i], self));
	for (turn = 0; turn < 20; turn++) {
		for (i = 0; i < 8; i++)
			chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_HEAP, PAGE_OF(32 + i), 4096);
		ASSERT_EQ(0, vm_slot(&self->vm, 3, 0, 0x20000000, 2 << 20, other));
		for (i = 0; i < 8; i++)
			chariot_range(&self->c, CHARIOT_REC_REVOKE, 1, 0, PAGE_OF(32 + i), i & 1 ? 4096 : 0);
		ASSERT_EQ(0, vm_slot(&self->vm, 3, 0, 0x20000000, 0, other));
		vm_alive();
	}
	/* The odd vCPUs stop at STOP, the even ones on their own. */
	for (i = 0; i < self->vm.vcpus; i += 2)
		vcpu_join(&self->vm.vcpu[i]);
	*WORD(&self->vm, STOP) = 1;
	for (i = 1; i < self->vm.vcpus; i += 2)
		vcpu_join(&self->vm.vcpu[i]);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(ids[i], NULL);
	chariot_kick(&self->c);
	for (i = 0; i < self->vm.vcpus; i++)
		EXPECT_EQ(i & 1 ? 0 : 77, *WORD(&self->vm, i & 1 ? FORBIDDEN(i) : PAGE_OF(i)));
	EXPECT_EQ(1, chariot_stats(&self->c).grants);
	EXPECT_EQ(0, chariot_stats(&self->c).revoke_misses);
	EXPECT_EQ(1, chariot_stats(&self->c).armed);
}

/* Closing the file while all vCPUs are in the domain. */
TEST_SMP(detach)
{
	unsigned int i, turn;

	for (turn = 0; turn < 5; turn++) {
		struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .domains = 2 };

		start_all(self, FORBIDDEN(0), 4096);
		chariot_wait_violations(&self->c, 4);
		close(self->c.fd);
		for (i = 0; i < self->vm.vcpus; i++)
			wait_change(WORD(&self->vm, FORBIDDEN(i)), 0);
		stop_all(self, NULL);
		chariot_setup(&self->c, &self->vm, &setup);
	}
}

TEST_HARNESS_MAIN
