// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stacks that a domain may write: that of the task that runs, and the
 * CPU's interrupt stack; no other task's, no other CPU's, and no byte beside.
 */
#include <kselftest_harness.h>

#include "lib/device.h"

#define PAGE		4096ul
#define BLOCK(cpu)	(GUEST_CPU + (cpu) * GUEST_CPU_SIZE)
#define THREAD(cpu)	(BLOCK(cpu) + CPU_THREAD)
#define OTHER_TASK	(GUEST_FREE + 0x10000)	/* aligned as stacks are */
#define BESIDE		(GUEST_FREE + 0x40000)

FIXTURE(stack)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
};

FIXTURE_VARIANT(stack)
{
	u32 flags;
};

FIXTURE_VARIANT_ADD(stack, huge) { .flags = 0 };
FIXTURE_VARIANT_ADD(stack, small) { .flags = VM_SMALL };

FIXTURE_SETUP(stack)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .domains = 2 };

	vm_create(&self->vm, 2, variant->flags);
	self->vcpu = &self->vm.vcpu[0];
	chariot_setup(&self->c, &self->vm, &setup);
}

FIXTURE_TEARDOWN(stack)
{
	chariot_drain_events(&self->c);
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

/* Does the domain's store of a word at @gpa, seen at @va, land? Exactly one violation if not. */
static bool may_write_at(struct __test_metadata *_metadata, FIXTURE_DATA(stack) *self, u64 va, u64 gpa)
{
	u64 *word = vm_at(&self->vm, gpa);
	struct chariot_event event;
	static u64 value;
	bool landed;

	value++;
	*word = ~value;
	vcpu_call(self->vcpu, g_dom1_store, va, value);
	landed = *word == value;
	if (!landed) {
		EXPECT_EQ(~value, *word);
		EXPECT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
		EXPECT_EQ(va, event.violation.gva);
	}
	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	return landed;
}

#define may_write(gpa)	may_write_at(_metadata, self, dm(gpa), gpa)

/* The kernel puts another task's stack top into its word: a switch of tasks. */
static void switch_to(FIXTURE_DATA(stack) *self, u64 top)
{
	vcpu_call(self->vcpu, g_core_store, dm(BLOCK(0) + CPU_STACK_TOP), top);
	self->vcpu->rsp = top - 256;
}

TEST_F(stack, bounds)
{
	EXPECT_TRUE(may_write(THREAD(0)));
	EXPECT_TRUE(may_write(THREAD(0) + PAGE));
	EXPECT_TRUE(may_write(THREAD(0) + GUEST_THREAD_SIZE - 8));
	EXPECT_FALSE(may_write(THREAD(0) + GUEST_THREAD_SIZE));
	EXPECT_TRUE(may_write(BLOCK(0) + CPU_IRQ_STACK));
	EXPECT_TRUE(may_write(BLOCK(0) + CPU_IRQ_STACK + GUEST_IRQ_STACK_SIZE - 8));
	EXPECT_FALSE(may_write(BLOCK(0) + CPU_IRQ_STACK - 8));
	EXPECT_FALSE(may_write(BLOCK(0) + CPU_IST + 0xff0));
	EXPECT_FALSE(may_write(BLOCK(0) + CPU_STACK_TOP));
	EXPECT_FALSE(may_write(THREAD(1) + 0x100));
	EXPECT_FALSE(may_write(BLOCK(1) + CPU_IRQ_STACK));
	EXPECT_EQ(0, chariot_stats(&self->c).grants);
}

/* Half in the stack, half above it */
TEST_F(stack, over_the_top)
{
	u64 *word = vm_at(&self->vm, THREAD(0) + GUEST_THREAD_SIZE);
	struct chariot_event event;

	word[-1] = 0x1111111111111111;
	word[0] = 0x2222222222222222;
	vcpu_call(self->vcpu, g_dom1_store, dm(THREAD(0) + GUEST_THREAD_SIZE - 4), ~0ull);
	EXPECT_EQ(0x1111111111111111, word[-1]);
	EXPECT_EQ(0x2222222222222222, word[0]);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(THREAD(0) + GUEST_THREAD_SIZE, event.violation.gpa);
	EXPECT_EQ(4, event.violation.size);
}

/* After a switch the new task's stack is the domain's, and the old one is not. */
TEST_F(stack, task_switch)
{
	unsigned int i;

	for (i = 0; i < 5; i++) {
		EXPECT_TRUE(may_write(THREAD(0) + 0x100));
		EXPECT_TRUE(may_write(THREAD(0) + 0x2100));
		EXPECT_FALSE(may_write(OTHER_TASK + 0x100));
		switch_to(self, dm(OTHER_TASK + GUEST_THREAD_SIZE));
		EXPECT_TRUE(may_write(OTHER_TASK + 0x100));
		EXPECT_TRUE(may_write(OTHER_TASK + 0x2100));
		EXPECT_FALSE(may_write(THREAD(0) + 0x100));
		EXPECT_FALSE(may_write(THREAD(0) + 0x2100));
		switch_to(self, dm(THREAD(0) + GUEST_THREAD_SIZE));
	}
}

/* A stack of pages that are neighbours in virtual memory only, and that change behind the same address. */
TEST_F(stack, mapped_stack)
{
	const u64 va = GUEST_VM + 0x10000;
	const u64 first[] = { BESIDE, BESIDE + 0x3000, BESIDE + 0x1000, BESIDE + 0x7000 };
	const u64 second[] = { BESIDE + 0x9000, BESIDE + 0x3000, BESIDE + 0xb000, BESIDE + 0xf000 };
	unsigned int i;

	for (i = 0; i < 4; i++)
		vm_map(&self->vm, va + i * PAGE, first[i], PAGE, VM_PAGE_WRITE);
	switch_to(self, va + GUEST_THREAD_SIZE);
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(may_write_at(_metadata, self, va + i * PAGE + 0x10, first[i] + 0x10));
	EXPECT_FALSE(may_write(BESIDE + 0x2000));
	EXPECT_FALSE(may_write(second[0] + 0x10));

	/* Another task, then a third one at the first one's address */
	switch_to(self, dm(THREAD(0) + GUEST_THREAD_SIZE));
	EXPECT_FALSE(may_write_at(_metadata, self, va + 0x10, first[0] + 0x10));
	switch_to(self, dm(OTHER_TASK + GUEST_THREAD_SIZE));
	for (i = 0; i < 4; i++)
		vm_map(&self->vm, va + i * PAGE, second[i], PAGE, VM_PAGE_WRITE);
	switch_to(self, va + GUEST_THREAD_SIZE);
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(may_write_at(_metadata, self, va + i * PAGE + 0x10, second[i] + 0x10));
	EXPECT_FALSE(may_write(first[0] + 0x10));
	EXPECT_FALSE(may_write(first[2] + 0x10));
	EXPECT_FALSE(may_write(first[3] + 0x10));
	EXPECT_TRUE(may_write(first[1] + 0x10));

	/* The pages change while the address stays: the kernel freed and mapped a stack anew between two calls. */
	vm_map(&self->vm, va, first[0], PAGE, VM_PAGE_WRITE);
	switch_to(self, va + GUEST_THREAD_SIZE);
	EXPECT_TRUE(may_write_at(_metadata, self, va + 0x10, first[0] + 0x10));
	EXPECT_FALSE(may_write(second[0] + 0x10));
}

/* The size that HELLO gave */
TEST_F(stack, size)
{
	struct chariot_rec hello = {
		.type = CHARIOT_REC_HELLO, .gpa = 0x2000, .va = GUEST_DM, .len = CHARIOT_VERSION,
	};

	EXPECT_TRUE(may_write(THREAD(0) + 0x1000));
	chariot_post(&self->c, &hello);
	chariot_kick(&self->c);
	/* into the kernel and back */
	switch_to(self, dm(THREAD(0) + GUEST_THREAD_SIZE));
	EXPECT_FALSE(may_write(THREAD(0) + 0x1000));
	EXPECT_TRUE(may_write(THREAD(0) + 0x2000));
}

/* Without a record of the CPU the stack is what RSP is in. */
TEST_F(stack, unknown_cpu)
{
	chariot_reset(&self->c);
	chariot_ring(&self->c, GUEST_RING, 8, ~0ull);
	chariot_text(&self->c, 1);
	chariot_kick(&self->c);
	EXPECT_TRUE(may_write(THREAD(0)));
	EXPECT_TRUE(may_write(THREAD(0) + GUEST_THREAD_SIZE - 8));
	EXPECT_FALSE(may_write(THREAD(0) + GUEST_THREAD_SIZE));
	EXPECT_FALSE(may_write(BLOCK(0) + CPU_IRQ_STACK + GUEST_IRQ_STACK_SIZE - 8));
}

/* The word is nowhere: then the domain has no stack, which the guest has brought upon itself; the host lives. */
TEST_F(stack, word_is_nowhere)
{
	struct chariot_rec cpu = {
		.type = CHARIOT_REC_CPU, .domain = 0, .gpa = dm(BLOCK(0) + CPU_IRQ_STACK + GUEST_IRQ_STACK_SIZE),
		.len = GUEST_IRQ_STACK_SIZE, .va = GUEST_VM + 0x100000,
	};

	vcpu_call(self->vcpu, g_core_store, dm(GUEST_CORE_DATA), 1);
	chariot_post(&self->c, &cpu);
	chariot_kick(&self->c);
	EXPECT_FALSE(may_write(OTHER_TASK));
	EXPECT_FALSE(may_write(THREAD(1)));
}

/* Two vCPUs, each on its own stack, in one domain */
TEST_F(stack, two_vcpus)
{
	EXPECT_TRUE(may_write(THREAD(0)));
	EXPECT_FALSE(may_write(THREAD(1)));
	self->vcpu = &self->vm.vcpu[1];
	EXPECT_TRUE(may_write(THREAD(1)));
	EXPECT_FALSE(may_write(THREAD(0)));
	self->vcpu = &self->vm.vcpu[0];
	EXPECT_TRUE(may_write(THREAD(0)));
	EXPECT_FALSE(may_write(THREAD(1)));
}

/* Two domains on one stack: the second was called by the first. */
TEST_F(stack, two_domains)
{
	u64 *word = vm_at(&self->vm, THREAD(0) + 0x800);

	vcpu_call(self->vcpu, g_dom1_call, guest_va(g_dom2_store), dm(THREAD(0) + 0x800), 17);
	EXPECT_EQ(17, *word);
	EXPECT_EQ(0, chariot_stats(&self->c).violations);
}

TEST_HARNESS_MAIN
