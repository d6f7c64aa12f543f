// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest inside the guest, on an armed VM. The inner guest is the guest
 * kernel's business: it runs on KVM's own tables, while the domains outside of
 * it are as isolated before, between and after. It may be left in ways that
 * never make KVM load a root again; nothing of a view may be in use then.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "lib/device.h"
#include "lib/inner.h"

/* Guest physical: the test's */
#define INNER_DATA		(GUEST_CORE_DATA + 0x20000)
#define FORBIDDEN		(GUEST_CORE_DATA + 0x1000)
#define STOP			(GUEST_CORE_DATA + 0x10000)
#define OWN			GUEST_DOM1_DATA

/*
 * n_rounds(run, the inner guest's word, the domain's word, the inner RIP, the context, until when). In rounds: the
 * domain's own word, the inner guest, the domain's word again; until *r9 is not 0. rax: rounds.
 */
GUEST_CODE(core, n_rounds,
	   "	push	%rbx\n"
	   "	push	%r12\n"
	   "	push	%r13\n"
	   "	push	%r14\n"
	   "	push	%r15\n"
	   "	mov	%rdi, %rbx\n"
	   "	mov	%rsi, %r12\n"
	   "	mov	%rdx, %r13\n"
	   "	mov	%rcx, %r14\n"
	   "	mov	%r8, %r15\n"
	   "	push	%r9\n"
	   "	push	$0\n"
	   "1:	incq	(%rsp)\n"
	   "	mov	%r13, %rdi\n"
	   "	mov	(%rsp), %rsi\n"
	   "	call	g_dom1_store\n"
	   "	mov	%r12, %rdi\n"
	   "	mov	(%rsp), %rsi\n"
	   "	mov	%r14, %rdx\n"
	   "	mov	%r15, %rcx\n"
	   "	call	*%rbx\n"
	   "	lea	8(%r13), %rdi\n"
	   "	mov	(%rsp), %rsi\n"
	   "	call	g_dom1_store\n"
	   "	mov	8(%rsp), %rax\n"
	   "	cmpq	$0, (%rax)\n"
	   "	je	1b\n"
	   "	pop	%rax\n"
	   "	pop	%r9\n"
	   "	pop	%r15\n"
	   "	pop	%r14\n"
	   "	pop	%r13\n"
	   "	pop	%r12\n"
	   "	pop	%rbx\n"
	   "	ret");

/* The inner guest */
GUEST_CODE(core, n_inner_store,
	   "	mov	%rsi, (%rdi)\n"
	   "1:	cpuid\n"
	   "	jmp	1b");

/* ... and one that asks the host twice first. The guest lets it have the ports. */
GUEST_CODE(core, n_inner_sync,
	   "	out	%al, $0xe1\n"
	   "	mov	%rsi, (%rdi)\n"
	   "	out	%al, $0xe1\n"
	   "	mov	%rsi, 8(%rdi)\n"
	   "1:	cpuid\n"
	   "	jmp	1b");

GUEST_CODE(core, n_done,
	   "	out	%al, $0xe0\n"
	   "	ud2");

FIXTURE(nested)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
	const struct inner *inner;
	bool can_leave;		/* by inner->leave() */
	unsigned int syncs;
	void (*on_sync[2])(FIXTURE_DATA(nested) *self);
};

FIXTURE_VARIANT(nested)
{
	bool own_tables;	/* the guest gives its guest nested page tables */
};

FIXTURE_VARIANT_ADD(nested, own_tables) { .own_tables = true };
FIXTURE_VARIANT_ADD(nested, same_tables) { .own_tables = false };

static bool on_sync(struct vcpu *vcpu)
{
	FIXTURE_DATA(nested) *self = vcpu->vm->context;

	if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.port != PORT_SYNC)
		return false;
	if (self->syncs < 2 && self->on_sync[self->syncs])
		self->on_sync[self->syncs](self);
	self->syncs++;
	return true;
}

FIXTURE_SETUP(nested)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };

	self->inner = inner_svm.offered() ? &inner_svm : &inner_vmx;
	if (!self->inner->offered())
		SKIP(return, "no guests for guests: %s or %s", inner_svm.needed, inner_vmx.needed);
	if (variant->own_tables && !self->inner->tables_offered())
		SKIP(return, "no nested paging for guests: needs %s", self->inner->tables_needed);
	self->can_leave = variant->own_tables || self->inner->leaves_same_tables;
	vm_create(&self->vm, 2, 0);
	self->vcpu = &self->vm.vcpu[0];
	self->vm.context = self;
	self->vm.on_exit = on_sync;
	self->inner->prepare(self->vcpu, variant->own_tables);
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, OWN, 0x20000);
}

FIXTURE_TEARDOWN(nested)
{
	if (!self->vcpu)
		return;
	if (self->c.fd >= 0) {
		chariot_drain_events(&self->c);
		close(self->c.fd);
	}
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

static volatile u64 *word(FIXTURE_DATA(nested) *self, u64 gpa)
{
	return (volatile u64 *)vm_at(&self->vm, gpa);
}

/* Returns why the inner guest was left; nothing of use if that was by force. */
static u64 run_inner(FIXTURE_DATA(nested) *self, const char *code, u64 gpa, u64 value)
{
	return vcpu_call(self->vcpu, self->inner->run, dm(gpa), value, guest_va(code), self->inner->context);
}

#define expect_inner(self, code, gpa, value) \
	EXPECT_EQ((self)->inner->left_by_cpuid, run_inner(self, code, gpa, value))

static void expect_isolated(struct __test_metadata *_metadata, FIXTURE_DATA(nested) *self, bool isolated)
{
	static u64 value = 1000;
	u64 before = *word(self, FORBIDDEN);

	value++;
	vcpu_call(self->vcpu, g_dom1_store, dm(FORBIDDEN), value);
	EXPECT_EQ(isolated ? before : value, *word(self, FORBIDDEN));
	vcpu_call(self->vcpu, g_dom1_store, dm(OWN), value);
	EXPECT_EQ(value, *word(self, OWN));
}

TEST_F(nested, in_turns)
{
	unsigned int turn;

	for (turn = 1; turn <= vm_turns(10); turn++) {
		u64 crossings = chariot_stats(&self->c).crossings_in;

		expect_isolated(_metadata, self, true);
		vcpu_call(self->vcpu, g_core_store, dm(INNER_DATA), 0);
		expect_inner(self, n_inner_store, INNER_DATA, turn);
		EXPECT_EQ(turn, *word(self, INNER_DATA));
		expect_isolated(_metadata, self, true);
		/* The inner guest is the kernel's: what the domain may not write, it may. */
		expect_inner(self, n_inner_store, FORBIDDEN, turn);
		EXPECT_EQ(turn, *word(self, FORBIDDEN));
		EXPECT_LT(crossings, chariot_stats(&self->c).crossings_in);
		EXPECT_EQ(2, chariot_drain_events(&self->c));
	}
}

/* ... while another vCPU is in the domain, memory comes and goes, and rights, too. */
TEST_F_TIMEOUT(nested, under_load, 600)
{
	void *other = vm_memory(2 << 20, true);
	unsigned int turn;
	u64 last, swept;

	*word(self, STOP) = 0;
	vcpu_start(&self->vm.vcpu[1], g_dom1_sweep, dm(OWN + 0x10000), 16, 4096, dm(STOP));
	vcpu_start(self->vcpu, n_rounds, guest_va(self->inner->run), dm(INNER_DATA), dm(OWN), guest_va(n_inner_store),
		   self->inner->context, dm(STOP));
	for (turn = 0; turn < vm_turns(10); turn++) {
		ASSERT_EQ(0, vm_slot(&self->vm, 3, 0, 0x20000000, 2 << 20, other));
		chariot_grant(&self->c, 1, GUEST_DOM2_DATA, 4096);
		wait_change(word(self, INNER_DATA), *word(self, INNER_DATA));
		ASSERT_EQ(0, vm_slot(&self->vm, 3, 0, 0x20000000, 0, other));
		chariot_revoke(&self->c, 1, GUEST_DOM2_DATA, 4096);
		ASSERT_EQ(0, madvise(vm_at(&self->vm, GUEST_MEMORY - (2 << 20)), 2 << 20, MADV_DONTNEED));
		wait_change(word(self, OWN + 0x1f000), *word(self, OWN + 0x1f000));
	}
	*word(self, STOP) = 1;
	last = vcpu_join(self->vcpu);
	swept = vcpu_join(&self->vm.vcpu[1]);
	EXPECT_EQ(last, *word(self, INNER_DATA));
	EXPECT_EQ(last, *word(self, OWN));
	EXPECT_EQ(last, *word(self, OWN + 8));
	EXPECT_EQ(swept, *word(self, OWN + 0x1f000));
	EXPECT_EQ(0, chariot_drain_events(&self->c));
	expect_isolated(_metadata, self, true);
	munmap(other, 2 << 20);
}

static void detach(FIXTURE_DATA(nested) *self)
{
	close(self->c.fd);
	self->c.fd = -1;
}

static void arm(FIXTURE_DATA(nested) *self)
{
	chariot_text(&self->c, 1);
	chariot_kick(&self->c);
}

/* User space puts the vCPU out of the inner guest, as for a reset; the guest goes on where it says. */
static void leave(FIXTURE_DATA(nested) *self)
{
	struct kvm_regs regs = { .rflags = 2, .rip = guest_va(n_done), .rsp = dm(INNER_STACK) };

	self->inner->leave(self->vcpu);
	if (ioctl(self->vcpu->fd, KVM_SET_REGS, &regs))
		die("KVM_SET_REGS: %m");
}

static void after_detach(struct __test_metadata *_metadata, FIXTURE_DATA(nested) *self)
{
	void *other = vm_memory(2 << 20, true);

	expect_isolated(_metadata, self, false);
	expect_inner(self, n_inner_store, FORBIDDEN, 7);
	EXPECT_EQ(7, *word(self, FORBIDDEN));
	ASSERT_EQ(0, vm_slot(&self->vm, 3, 0, 0x20000000, 2 << 20, other));
	expect_isolated(_metadata, self, false);
	ASSERT_EQ(0, vm_slot(&self->vm, 3, 0, 0x20000000, 0, other));
	munmap(other, 2 << 20);
}

/* The file is closed while the vCPU is in the inner guest. */
TEST_F(nested, detached_inside)
{
	expect_isolated(_metadata, self, true);
	self->on_sync[0] = detach;
	run_inner(self, n_inner_sync, INNER_DATA, 5);
	EXPECT_EQ(2, self->syncs);
	EXPECT_EQ(5, *word(self, INNER_DATA));
	EXPECT_EQ(5, *word(self, INNER_DATA + 8));
	after_detach(_metadata, self);
}

/* ... and the inner guest is then left in a way that has KVM load no root. */
TEST_F(nested, detached_inside_and_left)
{
	if (!self->can_leave)
		SKIP(return, "KVM itself needs more of user space then");
	expect_isolated(_metadata, self, true);
	self->on_sync[0] = detach;
	self->on_sync[1] = leave;
	run_inner(self, n_inner_sync, INNER_DATA, 5);
	EXPECT_EQ(2, self->syncs);
	EXPECT_EQ(5, *word(self, INNER_DATA));
	EXPECT_EQ(0, *word(self, INNER_DATA + 8));
	self->inner->prepare(self->vcpu, variant->own_tables);
	after_detach(_metadata, self);
}

/* The inner guest is left by force: the domain is as isolated as before. */
TEST_F(nested, left)
{
	if (!self->can_leave)
		SKIP(return, "KVM itself needs more of user space then");
	expect_isolated(_metadata, self, true);
	self->on_sync[1] = leave;
	run_inner(self, n_inner_sync, INNER_DATA, 5);
	expect_isolated(_metadata, self, true);
	self->inner->prepare(self->vcpu, variant->own_tables);
	expect_inner(self, n_inner_store, INNER_DATA, 6);
	EXPECT_EQ(6, *word(self, INNER_DATA));
	expect_isolated(_metadata, self, true);
}

/* A driver is loaded by another vCPU while this one is in the inner guest, however it leaves that. */
TEST_F(nested, armed_inside)
{
	unsigned int turn;

	for (turn = 0; turn < (self->can_leave ? 2 : 1); turn++) {
		chariot_text_gone(&self->c, 1);
		chariot_kick(&self->c);
		EXPECT_EQ(0, chariot_stats(&self->c).armed);
		expect_isolated(_metadata, self, false);
		self->on_sync[0] = arm;
		self->on_sync[1] = turn ? leave : NULL;
		self->syncs = 0;
		run_inner(self, n_inner_sync, INNER_DATA, 5);
		EXPECT_EQ(2, self->syncs);
		EXPECT_EQ(1, chariot_stats(&self->c).armed);
		chariot_grant(&self->c, 1, OWN, 0x20000);
		expect_isolated(_metadata, self, true);
		self->on_sync[1] = NULL;
	}
}

TEST_HARNESS_MAIN
