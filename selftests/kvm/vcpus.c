// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs that come when the VM is armed already, and vCPUs that are taken out
 * of whatever they do by a system management interrupt: the handler is nobody's
 * driver and works in memory of its own, and the domain goes on as isolated
 * as it was.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define STOP		(GUEST_CORE_DATA + 0x10000)
#define FORBIDDEN	(GUEST_CORE_DATA + 0x1000)
#define OWN(n)		(GUEST_DOM1_DATA + 0x1000ul * (n))

FIXTURE(vcpus)
{
	struct vm vm;
	struct chariot c;
	unsigned int smis;
};

FIXTURE_SETUP(vcpus)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };

	vm_create(&self->vm, 1, 0);
	self->vm.context = self;
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, OWN(0), 0x40000);
}

FIXTURE_TEARDOWN(vcpus)
{
	chariot_drain_events(&self->c);
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

static volatile u64 *word(FIXTURE_DATA(vcpus) *self, u64 gpa)
{
	return (volatile u64 *)vm_at(&self->vm, gpa);
}

static void post_cpu(FIXTURE_DATA(vcpus) *self, u32 id)
{
	u64 block = GUEST_CPU + id * GUEST_CPU_SIZE;
	struct chariot_rec cpu = {
		.type = CHARIOT_REC_CPU, .domain = id,
		.gpa = dm(block + CPU_IRQ_STACK + GUEST_IRQ_STACK_SIZE), .len = GUEST_IRQ_STACK_SIZE,
		.va = dm(block + CPU_STACK_TOP),
	};

	chariot_post(&self->c, &cpu);
	chariot_kick(&self->c);
}

/* Each runs in the domain at once, is as isolated, and what others lose it loses. The host said nothing of it before. */
TEST_F_TIMEOUT(vcpus, come_when_armed, 600)
{
	unsigned int n, i;
	u64 last;

	*word(self, STOP) = 0;
	vcpu_start(&self->vm.vcpu[0], g_dom1_sweep, dm(OWN(0)), 4, 4096, dm(STOP));
	for (n = 1; n < 6; n++) {
		struct vcpu *vcpu;
		u64 swept;

		wait_change(word(self, OWN(3)), *word(self, OWN(3)));
		vcpu = vm_add_vcpu(&self->vm, n);
		/* Half of them run before the guest's agent has told of them. */
		if (n & 1)
			post_cpu(self, n);
		swept = chariot_stats(&self->c).crossings_in;
		*word(self, FORBIDDEN) = n;
		vcpu_call(vcpu, g_dom1_store, dm(FORBIDDEN), 99);
		EXPECT_EQ(n, *word(self, FORBIDDEN));
		EXPECT_EQ(1, chariot_drain_events(&self->c));
		vcpu_call(vcpu, g_dom1_store, dm(OWN(8 + n)), n);
		EXPECT_EQ(n, *word(self, OWN(8 + n)));
		vcpu_call(vcpu, g_core_store, dm(FORBIDDEN), 100 + n);
		EXPECT_EQ(100 + n, *word(self, FORBIDDEN));
		EXPECT_LT(swept, chariot_stats(&self->c).crossings_in);
		if (!(n & 1))
			post_cpu(self, n);
		EXPECT_EQ(0, chariot_drain_events(&self->c));

		/* A revoke reaches it, too. */
		chariot_revoke(&self->c, 1, OWN(8 + n), 4096);
		vcpu_call(vcpu, g_dom1_store, dm(OWN(8 + n)), 77);
		EXPECT_EQ(n, *word(self, OWN(8 + n)));
		EXPECT_EQ(1, chariot_drain_events(&self->c));
	}
	*word(self, STOP) = 1;
	last = vcpu_join(&self->vm.vcpu[0]);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(last, *word(self, OWN(i)));
}

/* Where KVM has a vCPU begin in SMM, and the end of the state that it saves there; in the unused end of the page tables. */
#define SMM_BASE	0x30000ul
#define SMM_ENTRY	(SMM_BASE + 0x8000)
#define SMM_COUNT	(GUEST_CORE_DATA + 0x3000)
#define SMM_SLOT	(1u << 16)	/* slot 0 of the address space that SMM sees */

/* The domain writes its own word (and tries another), asks for an SMI, and again; rdi: own, rsi: forbidden, rdx: times */
GUEST_CODE(dom1, v_smi,
	   "	xor	%eax, %eax\n"
	   "1:	inc	%rax\n"
	   "	mov	%rax, (%rdi)\n"
	   "	out	%al, $0xe1\n"
	   "	mov	%rax, 8(%rdi)\n"
	   "	mov	%rax, (%rsi)\n"
	   "	cmp	%rdx, %rax\n"
	   "	jne	1b\n"
	   "	ret");

static bool on_sync(struct vcpu *vcpu)
{
	FIXTURE_DATA(vcpus) *self = vcpu->vm->context;

	if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.port != PORT_SYNC)
		return false;
	if (ioctl(vcpu->fd, KVM_SMI))
		die("KVM_SMI: %m");
	self->smis++;
	return true;
}

static const u8 smm_handler[] = {
	0x67, 0x66, 0xff, 0x05,			/* addr32 incl SMM_COUNT, in 16-bit mode */
	SMM_COUNT & 0xff, SMM_COUNT >> 8 & 0xff, SMM_COUNT >> 16 & 0xff, SMM_COUNT >> 24,
	0x67, 0x66, 0xc7, 0x05,			/* addr32 movl $0x5a5a5a5a, SMM_COUNT + 4 */
	(SMM_COUNT + 4) & 0xff, SMM_COUNT >> 8 & 0xff, SMM_COUNT >> 16 & 0xff, SMM_COUNT >> 24,
	0x5a, 0x5a, 0x5a, 0x5a,
	0x0f, 0xaa,				/* rsm */
};

TEST_F_TIMEOUT(vcpus, smm, 600)
{
	const unsigned int turns = vm_turns(20);
	struct vcpu *vcpu = &self->vm.vcpu[0], *other;
	u64 last;

	if (ioctl(self->vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) <= 0)
		SKIP(return, "KVM has no SMM");
	if (self->vm.tables >= SMM_ENTRY)
		die("the guest's page tables are where the SMM handler should be");
	memcpy(vm_at(&self->vm, SMM_ENTRY), smm_handler, sizeof(smm_handler));
	ASSERT_EQ(0, vm_slot(&self->vm, SMM_SLOT, 0, 0, GUEST_MEMORY, self->vm.memory));
	self->vm.on_exit = on_sync;
	*word(self, SMM_COUNT) = 0;
	*word(self, FORBIDDEN) = 0;
	*word(self, STOP) = 0;

	/* Another vCPU is in the domain all the time, outside of SMM. */
	other = vm_add_vcpu(&self->vm, 1);
	post_cpu(self, 1);
	vcpu_start(other, g_dom1_sweep, dm(OWN(8)), 4, 4096, dm(STOP));
	wait_change(word(self, OWN(8)), 0);
	vcpu_call(vcpu, v_smi, dm(OWN(0)), dm(FORBIDDEN), turns);
	EXPECT_EQ(turns, self->smis);
	EXPECT_EQ(turns, *(volatile u32 *)word(self, SMM_COUNT));
	EXPECT_EQ(0x5a5a5a5a, *word(self, SMM_COUNT) >> 32);
	EXPECT_EQ(turns, *word(self, OWN(0)));
	EXPECT_EQ(turns, *word(self, OWN(0) + 8));
	EXPECT_EQ(0, *word(self, FORBIDDEN)) TH_LOG("not isolated after SMM");
	EXPECT_EQ(turns, chariot_stats(&self->c).violations);
	wait_change(word(self, OWN(8)), *word(self, OWN(8)));
	*word(self, STOP) = 1;
	last = vcpu_join(other);
	EXPECT_EQ(last, *word(self, OWN(8)));
	EXPECT_EQ(last, *word(self, OWN(11)));
}

/* Armed, revoked and flushed by others while the vCPU is in SMM: it finds all that when it comes back. */
static bool on_sync_in_smm(struct vcpu *vcpu)
{
	FIXTURE_DATA(vcpus) *self = vcpu->vm->context;
	struct kvm_run *run = vcpu->run;

	if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT_SYNC)
		return false;
	if (!(run->flags & KVM_RUN_X86_SMM)) {
		if (ioctl(vcpu->fd, KVM_SMI))
			die("KVM_SMI: %m");
		return true;
	}
	self->smis++;
	if (self->smis & 1)
		chariot_revoke(&self->c, 1, OWN(0) + 8, 8);
	else
		chariot_grant(&self->c, 1, OWN(0) + 8, 8);
	if (madvise(vm_at(&self->vm, GUEST_MEMORY - (2 << 20)), 2 << 20, MADV_DONTNEED))
		die("MADV_DONTNEED: %m");
	return true;
}

TEST_F_TIMEOUT(vcpus, changes_in_smm, 600)
{
	static const u8 handler[] = { 0xe6, PORT_SYNC, 0x0f, 0xaa };	/* out %al, rsm */
	struct vcpu *vcpu = &self->vm.vcpu[0];
	unsigned int turn;

	if (ioctl(self->vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) <= 0)
		SKIP(return, "KVM has no SMM");
	memcpy(vm_at(&self->vm, SMM_ENTRY), handler, sizeof(handler));
	ASSERT_EQ(0, vm_slot(&self->vm, SMM_SLOT, 0, 0, GUEST_MEMORY, self->vm.memory));
	self->vm.on_exit = on_sync_in_smm;
	*word(self, FORBIDDEN) = 0;
	for (turn = 1; turn <= vm_turns(10); turn++) {
		*word(self, OWN(0) + 8) = 1000;
		/* One round: the SMI comes between the two stores. */
		vcpu_call(vcpu, v_smi, dm(OWN(0)), dm(FORBIDDEN), 1);
		EXPECT_EQ(turn, self->smis);
		EXPECT_EQ(1, *word(self, OWN(0)));
		EXPECT_EQ(turn & 1 ? 1000 : 1, *word(self, OWN(0) + 8)) TH_LOG("turn %u", turn);
		EXPECT_EQ(turn & 1 ? 2 : 1, chariot_drain_events(&self->c));
	}
	EXPECT_EQ(0, *word(self, FORBIDDEN));
}

/* Stores 0x5a at DS:0x100. */
static const u8 real_mode_code[] = { 0xb0, 0x5a, 0xa2, 0x00, 0x01, 0xe6, PORT_SYNC };

#define REAL_MODE	(GUEST_CPU + GUEST_CPU_SIZE + CPU_USER_STACK)

static void to_real_mode(struct vcpu *vcpu, const struct kvm_sregs *long_mode)
{
	struct kvm_segment data = {
		.selector = REAL_MODE >> 4, .base = REAL_MODE, .limit = 0xffff, .type = 3, .present = 1, .s = 1,
	};
	struct kvm_segment code = data;
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs = *long_mode;

	code.type = 11;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 = 0x10;
	sregs.cr3 = sregs.cr4 = sregs.efer = 0;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) || ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		die("no real mode: %m");
}

/*
 * A vCPU begins in real mode, and is reset into it, from a domain's view, too. It
 * gets its way there, as on any VM; in long mode it is as isolated as others.
 */
TEST_F(vcpus, start_in_real_mode)
{
	struct vcpu *vcpu = vm_add_vcpu(&self->vm, 1);
	struct kvm_sregs long_mode;
	unsigned int turn;

	ASSERT_EQ(0, ioctl(vcpu->fd, KVM_GET_SREGS, &long_mode));
	memcpy(vm_at(&self->vm, REAL_MODE), real_mode_code, sizeof(real_mode_code));
	post_cpu(self, 1);
	for (turn = 1; turn <= vm_turns(5); turn++) {
		volatile u8 *stored = vm_at(&self->vm, REAL_MODE + 0x100);

		*stored = 0;
		to_real_mode(vcpu, &long_mode);
		vm_alive();
		ASSERT_EQ(KVM_EXIT_IO, vcpu_run(vcpu));
		ASSERT_EQ(PORT_SYNC, vcpu->run->io.port);
		EXPECT_EQ(0x5a, *stored);
		EXPECT_EQ(0, chariot_drain_events(&self->c));

		ASSERT_EQ(0, ioctl(vcpu->fd, KVM_SET_SREGS, &long_mode));
		*word(self, FORBIDDEN) = 1;
		vcpu_call(vcpu, g_dom1_store, dm(FORBIDDEN), 2);
		EXPECT_EQ(1, *word(self, FORBIDDEN));
		EXPECT_EQ(1, chariot_drain_events(&self->c));
		vcpu_call(vcpu, g_dom1_store, dm(OWN(0)), turn);
		EXPECT_EQ(turn, *word(self, OWN(0)));
	}
}

TEST_HARNESS_MAIN
