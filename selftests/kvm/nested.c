// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest inside the guest, on an armed VM. The inner guest is the guest
 * kernel's business: it runs on KVM's own tables, while the domains outside of
 * it are as isolated before, between and after. It may be left in ways that
 * never make KVM load a root again; nothing of a view may be in use then.
 *
 * AMD's only: the inner guest needs a VMCB.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define EFER_SVME		(1u << 12)
#define MSR_VM_HSAVE_PA		0xc0010117
#define SVM_EXIT_VMMCALL	0x81

/* Guest physical: the test's */
#define VMCB			GUEST_FREE
#define HSAVE			(GUEST_FREE + 0x1000)
#define BITMAPS			(GUEST_FREE + 0x2000)	/* 3 pages for ports, 2 for MSRs */
#define INNER_TABLES		(GUEST_FREE + 0x8000)	/* the nested page tables of the guest's own making */
#define INNER_STACK		(GUEST_FREE + 0x10000)
#define INNER_DATA		(GUEST_CORE_DATA + 0x20000)
#define FORBIDDEN		(GUEST_CORE_DATA + 0x1000)
#define STOP			(GUEST_CORE_DATA + 0x10000)
#define OWN			GUEST_DOM1_DATA

/* Offsets in a VMCB: AMD APM volume 2, appendix B */
#define VMCB_INTERCEPTS_4	0x10	/* bit 0: VMRUN, bit 1: VMMCALL */
#define VMCB_IOPM		0x40
#define VMCB_MSRPM		0x48
#define VMCB_ASID		0x58
#define VMCB_EXIT_CODE		0x70
#define VMCB_NESTED_CTL		0x90
#define VMCB_NESTED_CR3		0xb0
#define VMCB_SAVE		0x400
#define SAVE_EFER		0xd0
#define SAVE_CR4		0x148
#define SAVE_CR3		0x150
#define SAVE_CR0		0x158
#define SAVE_DR7		0x160
#define SAVE_DR6		0x168
#define SAVE_RFLAGS		0x170
#define SAVE_RIP		0x178
#define SAVE_RSP		0x1d8
#define SAVE_PAT		0x268

/* n_run(VMCB's gpa, RDI and RSI of the inner guest, RIP, where its RIP is in the VMCB): runs it up to its VMMCALL. */
GUEST_CODE(core, n_run,
	   "	mov	%rcx, (%r8)\n"
	   "	mov	%rdi, %rax\n"
	   "	mov	%rsi, %rdi\n"
	   "	mov	%rdx, %rsi\n"
	   "	clgi\n"
	   "	vmrun	%rax\n"
	   "	stgi\n"
	   "	ret");

/* In rounds: the domain's own word, the inner guest, the domain's word again; until *r9 is not 0. rax: rounds. */
GUEST_CODE(core, n_rounds,
	   "	push	%rbx\n"
	   "	push	%r12\n"
	   "	push	%r13\n"
	   "	push	%r14\n"
	   "	push	%r15\n"
	   "	mov	%rdi, %rbx\n"		/* VMCB */
	   "	mov	%rsi, %r12\n"		/* the inner guest's word */
	   "	mov	%rdx, %r13\n"		/* the domain's word */
	   "	mov	%rcx, %r14\n"		/* the inner RIP */
	   "	mov	%r8, %r15\n"
	   "	push	%r9\n"
	   "	push	$0\n"
	   "1:	incq	(%rsp)\n"
	   "	mov	%r13, %rdi\n"
	   "	mov	(%rsp), %rsi\n"
	   "	call	g_dom1_store\n"
	   "	mov	%rbx, %rdi\n"
	   "	mov	%r12, %rsi\n"
	   "	mov	(%rsp), %rdx\n"
	   "	mov	%r14, %rcx\n"
	   "	mov	%r15, %r8\n"
	   "	call	n_run\n"
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
	   "1:	vmmcall\n"
	   "	jmp	1b");

/* ... and one that asks the host twice first. The guest does not intercept ports. */
GUEST_CODE(core, n_inner_sync,
	   "	out	%al, $0xe1\n"
	   "	mov	%rsi, (%rdi)\n"
	   "	out	%al, $0xe1\n"
	   "	mov	%rsi, 8(%rdi)\n"
	   "1:	vmmcall\n"
	   "	jmp	1b");

GUEST_CODE(core, n_done,
	   "	out	%al, $0xe0\n"
	   "	ud2");

FIXTURE(nested)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
	unsigned int syncs;
	void (*on_sync[2])(FIXTURE_DATA(nested) *self);
};

FIXTURE_VARIANT(nested)
{
	bool npt;		/* the guest gives its guest nested page tables */
};

FIXTURE_VARIANT_ADD(nested, own_tables) { .npt = true };
FIXTURE_VARIANT_ADD(nested, same_tables) { .npt = false };

static u32 cpuid_word(u32 function, bool edx)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	u32 i, word = 0;

	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid))
		die("KVM_GET_SUPPORTED_CPUID: %m");
	for (i = 0; i < cpuid.head.nent; i++) {
		if (cpuid.entries[i].function == function)
			word = edx ? cpuid.entries[i].edx : cpuid.entries[i].ecx;
	}
	close(kvm);
	return word;
}

static bool have_svm(void)
{
	return cpuid_word(0x80000001, false) & (1u << 2);
}

/* Nested page tables for guests: not where KVM itself runs without (npt=0). */
static bool have_npt(void)
{
	return cpuid_word(0x8000000a, true) & 1;
}

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

static void set_segment(u8 *save, unsigned int offset, u16 selector, u16 attributes)
{
	*(u16 *)(save + offset) = selector;
	*(u16 *)(save + offset + 2) = attributes;
	*(u32 *)(save + offset + 4) = ~0u;
}

/* The inner guest sees the guest's own address space: same CR3. */
static void make_vmcb(struct vm *vm, bool npt)
{
	u8 *vmcb = vm_at(vm, VMCB), *save = vmcb + VMCB_SAVE;
	u64 *tables = vm_at(vm, INNER_TABLES);
	struct kvm_sregs sregs;
	unsigned int i;

	if (ioctl(vm->vcpu[0].fd, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS: %m");
	*(u32 *)(vmcb + VMCB_INTERCEPTS_4) = 3;
	*(u64 *)(vmcb + VMCB_IOPM) = BITMAPS;
	*(u64 *)(vmcb + VMCB_MSRPM) = BITMAPS + 0x3000;
	*(u32 *)(vmcb + VMCB_ASID) = 1;
	if (npt) {
		/* Identity, 16 MiB in pages of 2 MiB, present, writable, user, accessed, dirty */
		tables[0] = (INNER_TABLES + 0x1000) | 0x27;
		tables[512] = (INNER_TABLES + 0x2000) | 0x27;
		for (i = 0; i < 8; i++)
			tables[1024 + i] = (u64)i << 21 | 0xe7;
		*(u64 *)(vmcb + VMCB_NESTED_CTL) = 1;
		*(u64 *)(vmcb + VMCB_NESTED_CR3) = INNER_TABLES;
	}
	for (i = 0; i < 6; i++)
		set_segment(save, i * 16, i == 1 ? SEL_CODE : SEL_DATA, i == 1 ? 0xa9b : 0xc93);
	*(u32 *)(save + 0x64) = sregs.gdt.limit;
	*(u64 *)(save + 0x68) = sregs.gdt.base;
	*(u32 *)(save + 0x84) = sregs.idt.limit;
	*(u64 *)(save + 0x88) = sregs.idt.base;
	*(u64 *)(save + SAVE_EFER) = sregs.efer;
	*(u64 *)(save + SAVE_CR4) = sregs.cr4;
	*(u64 *)(save + SAVE_CR3) = sregs.cr3;
	*(u64 *)(save + SAVE_CR0) = sregs.cr0;
	*(u64 *)(save + SAVE_DR7) = 0x400;
	*(u64 *)(save + SAVE_DR6) = 0xffff0ff0;
	*(u64 *)(save + SAVE_RFLAGS) = 2;
	*(u64 *)(save + SAVE_RSP) = dm(INNER_STACK);
	*(u64 *)(save + SAVE_PAT) = 0x0007040600070406ull;
}

static void enable_svm(struct vcpu *vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = MSR_VM_HSAVE_PA, .data = HSAVE } };
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS: %m");
	sregs.efer |= EFER_SVME;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
		die("KVM_SET_SREGS: %m");
	if (ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) != 1)
		die("KVM_SET_MSRS of VM_HSAVE_PA: %m");
}

FIXTURE_SETUP(nested)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };

	if (!have_svm())
		SKIP(return, "no SVM for guests: an Intel processor, or kvm-amd nested=0");
	if (variant->npt && !have_npt())
		SKIP(return, "no nested paging for guests: KVM runs with npt=0");
	vm_create(&self->vm, 2, 0);
	self->vcpu = &self->vm.vcpu[0];
	self->vm.context = self;
	self->vm.on_exit = on_sync;
	enable_svm(self->vcpu);
	make_vmcb(&self->vm, variant->npt);
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

static void run_inner(FIXTURE_DATA(nested) *self, const char *inner, u64 gpa, u64 value)
{
	vcpu_call(self->vcpu, n_run, VMCB, dm(gpa), value, guest_va(inner), dm(VMCB + VMCB_SAVE + SAVE_RIP));
}

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
		run_inner(self, n_inner_store, INNER_DATA, turn);
		EXPECT_EQ(SVM_EXIT_VMMCALL, *word(self, VMCB + VMCB_EXIT_CODE));
		EXPECT_EQ(turn, *word(self, INNER_DATA));
		expect_isolated(_metadata, self, true);
		/* The inner guest is the kernel's: what the domain may not write, it may. */
		run_inner(self, n_inner_store, FORBIDDEN, turn);
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
	vcpu_start(self->vcpu, n_rounds, VMCB, dm(INNER_DATA), dm(OWN), guest_va(n_inner_store),
		   dm(VMCB + VMCB_SAVE + SAVE_RIP), dm(STOP));
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
	struct kvm_nested_state state = {
		.size = sizeof(state), .format = KVM_STATE_NESTED_FORMAT_SVM, .flags = KVM_STATE_NESTED_GIF_SET,
		.hdr.svm.vmcb_pa = ~0ull,
	};
	struct kvm_regs regs = { .rflags = 2, .rip = guest_va(n_done), .rsp = dm(INNER_STACK) };

	if (ioctl(self->vcpu->fd, KVM_SET_NESTED_STATE, &state))
		die("KVM_SET_NESTED_STATE: %m");
	if (ioctl(self->vcpu->fd, KVM_SET_REGS, &regs))
		die("KVM_SET_REGS: %m");
}

static void after_detach(struct __test_metadata *_metadata, FIXTURE_DATA(nested) *self)
{
	void *other = vm_memory(2 << 20, true);

	expect_isolated(_metadata, self, false);
	run_inner(self, n_inner_store, FORBIDDEN, 7);
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
	if (!variant->npt)
		SKIP(return, "KVM itself needs more of user space then");
	expect_isolated(_metadata, self, true);
	self->on_sync[0] = detach;
	self->on_sync[1] = leave;
	run_inner(self, n_inner_sync, INNER_DATA, 5);
	EXPECT_EQ(2, self->syncs);
	EXPECT_EQ(5, *word(self, INNER_DATA));
	EXPECT_EQ(0, *word(self, INNER_DATA + 8));
	after_detach(_metadata, self);
}

/* The inner guest is left by force: the domain is as isolated as before. */
TEST_F(nested, left)
{
	if (!variant->npt)
		SKIP(return, "KVM itself needs more of user space then");
	expect_isolated(_metadata, self, true);
	self->on_sync[1] = leave;
	run_inner(self, n_inner_sync, INNER_DATA, 5);
	expect_isolated(_metadata, self, true);
	run_inner(self, n_inner_store, INNER_DATA, 6);
	EXPECT_EQ(6, *word(self, INNER_DATA));
	expect_isolated(_metadata, self, true);
}

/* A driver is loaded by another vCPU while this one is in the inner guest, however it leaves that. */
TEST_F(nested, armed_inside)
{
	unsigned int turn;

	for (turn = 0; turn < (variant->npt ? 2 : 1); turn++) {
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
