// SPDX-License-Identifier: GPL-2.0-only
/*
 * When a vCPU changes its view, counted exactly. The rule is lazy: into a
 * domain when its text is executed outside of its view, out of it only when
 * somebody else writes what the domain's view does not let be written.
 */
#include <sys/ioctl.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define N	50

FIXTURE(crossings)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
	struct chariot_stats before;
	struct chariot_domain_stats dom1, dom2;
};

FIXTURE_VARIANT(crossings)
{
	u32 flags;
};

FIXTURE_VARIANT_ADD(crossings, huge) { .flags = 0 };
FIXTURE_VARIANT_ADD(crossings, small) { .flags = VM_SMALL };

/* A domain's function that calls back into its own text and writes what it owns. */
GUEST_CODE(dom1, x_inner, "call 1f\n mov %rsi, (%rdi)\n ret\n 1: ret");
/* The core kernel's function that a domain calls n times: writes to rsi */
GUEST_CODE(core, x_core_store, "mov %rax, (%rdi)\n ret");
GUEST_CODE(core, x_core_leaf, "mov (%rdi), %rax\n imul $3, %rax, %rax\n ret");
/* dom1 -> dom2 -> dom1: each writes its own word. rdi, rsi: the words; rdx: turns */
GUEST_CODE(dom2, x_pong, "incq (%rsi)\n ret");
GUEST_CODE(dom1, x_ping, "1: incq (%rdi)\n call x_pong\n dec %rdx\n jnz 1b\n ret");
/* A copy of x_core_store at its low address: user half */
GUEST_CODE(core, x_jump_low, "lea 1f(%rip), %rax\n movabs $0xffffffff80000000, %rcx\n sub %rcx, %rax\n jmp *%rax\n"
	   "1: mov %rsi, (%rdi)\n ret");

/* Runs in user mode, at its low address */
GUEST_CODE(core, x_user, "push %rsi\n pop %rax\n mov %rax, (%rdi)\n out %al, $0xe1\n hlt");

FIXTURE_SETUP(crossings)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .domains = 2 };

	vm_create(&self->vm, 1, variant->flags);
	self->vcpu = &self->vm.vcpu[0];
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, GUEST_DOM1_DATA, 0x4000);
	chariot_grant(&self->c, 2, GUEST_DOM2_DATA, 0x4000);
}

FIXTURE_TEARDOWN(crossings)
{
	struct chariot_event event;
	struct chariot_stats stats = chariot_stats(&self->c);
	struct chariot_domain_stats dom1 = chariot_domain_stats(&self->c, 1), dom2 = chariot_domain_stats(&self->c, 2);

	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(0, stats.violations);
	EXPECT_EQ(0, chariot_bad_records(&stats));
	EXPECT_EQ(stats.crossings_in, dom1.crossings_in + dom2.crossings_in);
	EXPECT_EQ(stats.emulated, dom1.emulated + dom2.emulated);
	EXPECT_EQ(2, stats.grants);
	EXPECT_EQ(stats.grants, dom1.grants + dom2.grants);
	EXPECT_EQ(0x4000, dom1.granted_bytes);
	EXPECT_EQ(1, dom1.up);
	EXPECT_EQ(guest_dom1_end - guest_dom1, dom1.text_bytes);
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

/* The vCPU is in the kernel view afterwards: the core kernel has just written its own memory. */
static void settle(FIXTURE_DATA(crossings) *self)
{
	vcpu_call(self->vcpu, g_core_store, dm(GUEST_CORE_DATA), 1);
}

static void begin(FIXTURE_DATA(crossings) *self)
{
	settle(self);
	self->before = chariot_stats(&self->c);
	self->dom1 = chariot_domain_stats(&self->c, 1);
	self->dom2 = chariot_domain_stats(&self->c, 2);
}

#define EXPECT_CROSSINGS(in, out)								\
	do {											\
		struct chariot_stats now_ = chariot_stats(&self->c);				\
		EXPECT_EQ(in, now_.crossings_in - self->before.crossings_in);			\
		EXPECT_EQ(out, now_.crossings_out - self->before.crossings_out);		\
	} while (0)

TEST_F(crossings, none_without_domain_code)
{
	begin(self);
	vcpu_call(self->vcpu, g_core_pages, dm(GUEST_FREE), 64, 1, 4096);
	vcpu_call(self->vcpu, g_core_call_n, guest_va(g_core_ret), N);
	EXPECT_CROSSINGS(0, 0);
}

/* The domain writes only what it owns, the caller only its stack: one crossing for all. */
TEST_F(crossings, lazy)
{
	begin(self);
	vcpu_call(self->vcpu, g_core_call_n, guest_va(g_dom1_store), N, dm(GUEST_DOM1_DATA), 5);
	EXPECT_CROSSINGS(1, 0);
	settle(self);
	EXPECT_CROSSINGS(1, 1);
}

/* The caller writes its own memory after each call. */
TEST_F(crossings, each_call)
{
	u64 *count = vm_at(&self->vm, GUEST_CORE_DATA + 0x100);

	*count = 0;
	begin(self);
	vcpu_call(self->vcpu, g_core_call_n_store, guest_va(g_dom1_store), N, dm(GUEST_DOM1_DATA), 5,
		  dm(GUEST_CORE_DATA + 0x100));
	EXPECT_CROSSINGS(N, N);
	EXPECT_EQ(N, *count);
	EXPECT_EQ(N, chariot_domain_stats(&self->c, 1).crossings_in - self->dom1.crossings_in);
	EXPECT_EQ(N, chariot_domain_stats(&self->c, 1).crossings_out - self->dom1.crossings_out);
	EXPECT_EQ(0, chariot_domain_stats(&self->c, 2).crossings_in - self->dom2.crossings_in);
}

TEST_F(crossings, inside_a_domain)
{
	begin(self);
	vcpu_call(self->vcpu, g_core_call_n, guest_va(x_inner), N, dm(GUEST_DOM1_DATA), 5);
	EXPECT_CROSSINGS(1, 0);
}

/* The domain calls a kernel function that writes nothing. */
TEST_F(crossings, leaf)
{
	begin(self);
	vcpu_call(self->vcpu, g_dom1_call_n, guest_va(x_core_leaf), N, dm(GUEST_CORE_DATA));
	EXPECT_CROSSINGS(1, 0);
}

/* ... that writes the domain's own memory */
TEST_F(crossings, kernel_writes_domain_memory)
{
	begin(self);
	vcpu_call(self->vcpu, g_dom1_call_n, guest_va(x_core_store), N, dm(GUEST_DOM1_DATA + 0x1000));
	EXPECT_CROSSINGS(1, 0);
}

/* ... that writes the kernel's: out and back each time */
TEST_F(crossings, kernel_writes)
{
	begin(self);
	vcpu_call(self->vcpu, g_dom1_call_n, guest_va(x_core_store), N, dm(GUEST_CORE_DATA + 0x200));
	/* The first way in is the call from the kernel, the others are returns. */
	EXPECT_CROSSINGS(N + 1, N);
}

/* Two domains that call each other; from domain to domain counts as a way into the second. */
TEST_F(crossings, two_domains)
{
	struct chariot_domain_stats dom1, dom2;
	u64 *words[2] = { vm_at(&self->vm, GUEST_DOM1_DATA), vm_at(&self->vm, GUEST_DOM2_DATA) };

	*words[0] = *words[1] = 0;
	begin(self);
	vcpu_call(self->vcpu, x_ping, dm(GUEST_DOM1_DATA), dm(GUEST_DOM2_DATA), N);
	EXPECT_EQ(N, *words[0]);
	EXPECT_EQ(N, *words[1]);
	/* 1 from the kernel, then to and fro each turn */
	EXPECT_CROSSINGS(2 * N + 1, 0);
	dom1 = chariot_domain_stats(&self->c, 1);
	dom2 = chariot_domain_stats(&self->c, 2);
	EXPECT_EQ(N + 1, dom1.crossings_in - self->dom1.crossings_in);
	EXPECT_EQ(N, dom1.crossings_out - self->dom1.crossings_out);
	EXPECT_EQ(N, dom2.crossings_in - self->dom2.crossings_in);
	EXPECT_EQ(N, dom2.crossings_out - self->dom2.crossings_out);
}

/* What is not the domain's text is not the domain, wherever it was called from. */
TEST_F(crossings, kernel_called_by_domain_may_write)
{
	u64 *word = vm_at(&self->vm, GUEST_CORE_DATA + 0x300);

	*word = 0;
	begin(self);
	vcpu_call(self->vcpu, g_dom1_call, guest_va(g_core_store), dm(GUEST_CORE_DATA + 0x300), 77);
	EXPECT_EQ(77, *word);
	EXPECT_CROSSINGS(2, 1);
}

/* Code in the user half is user mode, even if a kernel that is not sane jumps there. */
TEST_F(crossings, user_half)
{
	u64 *word = vm_at(&self->vm, GUEST_CORE_DATA + 0x300);

	*word = 0;
	begin(self);
	vcpu_call(self->vcpu, g_dom1_call, guest_va(x_jump_low), dm(GUEST_CORE_DATA + 0x300), 78);
	EXPECT_EQ(78, *word);
	EXPECT_CROSSINGS(2, 1);
}

/* User mode, in the view that the kernel left the vCPU in: its writes are not the domain's. */
TEST_F(crossings, user_mode)
{
	u64 *word = vm_at(&self->vm, GUEST_CORE_DATA + 0x300);
	struct kvm_sregs kernel, user;
	struct kvm_regs regs = {
		.rip = guest_gpa(x_user), .rsp = GUEST_CPU + CPU_USER_STACK + 0x2000, .rflags = 0x3002,
		.rdi = GUEST_CORE_DATA + 0x300, .rsi = 79,
	};

	*word = 0;
	begin(self);
	vcpu_call(self->vcpu, g_dom1_store, dm(GUEST_DOM1_DATA), 5);
	EXPECT_CROSSINGS(1, 0);
	ASSERT_EQ(0, ioctl(self->vcpu->fd, KVM_GET_SREGS, &kernel));
	user = kernel;
	user.cs.selector = SEL_USER_CODE;
	user.ss.selector = SEL_USER_DATA;
	user.cs.dpl = user.ss.dpl = 3;
	ASSERT_EQ(0, ioctl(self->vcpu->fd, KVM_SET_SREGS, &user));
	ASSERT_EQ(0, ioctl(self->vcpu->fd, KVM_SET_REGS, &regs));
	ASSERT_EQ(KVM_EXIT_IO, vcpu_run(self->vcpu));
	EXPECT_EQ(PORT_SYNC, self->vcpu->run->io.port);
	EXPECT_EQ(79, *word);
	EXPECT_CROSSINGS(1, 1);
	ASSERT_EQ(0, ioctl(self->vcpu->fd, KVM_SET_SREGS, &kernel));
	vcpu_call(self->vcpu, g_dom1_store, dm(GUEST_DOM1_DATA), 6);
	EXPECT_CROSSINGS(2, 1);
}

/* In the domain's own pages nothing leaves the guest: no fault after the first round. */
TEST_F(crossings, no_faults_in_own_pages)
{
	struct chariot_stats stats;

	/* The first round brings in the code, the stack and the pages. */
	vcpu_call(self->vcpu, g_core_call_n, guest_va(g_dom1_store), 1, dm(GUEST_DOM1_DATA), 6);
	vcpu_call(self->vcpu, g_dom1_pages, dm(GUEST_DOM1_DATA), 4, 1, 4096);
	self->before = chariot_stats(&self->c);
	vcpu_call(self->vcpu, g_core_call_n, guest_va(g_dom1_store), N, dm(GUEST_DOM1_DATA), 6);
	vcpu_call(self->vcpu, g_dom1_pages, dm(GUEST_DOM1_DATA), 4, 2, 4096);
	stats = chariot_stats(&self->c);
	EXPECT_EQ(self->before.crossings_in, stats.crossings_in);
	EXPECT_EQ(self->before.faults, stats.faults);
	EXPECT_EQ(self->before.fills, stats.fills);
	EXPECT_EQ(0, stats.emulated);
}

TEST_HARNESS_MAIN
