// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices while armed. A view has no entries for them, and KVM emulates every
 * access: each must reach its device as on a VM that is not armed, and each
 * write of such an instruction to memory must be judged.
 */
#include <sys/ioctl.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define FORBIDDEN	(GUEST_CORE_DATA + 0x1000)
#define OWN		GUEST_DOM1_DATA
#define APIC_ID		0x20
#define APIC_LVR	0x30
#define APIC_SPIV	0xf0
#define APIC_LVT0	0x350
#define IOAPIC_SELECT	0x00
#define IOAPIC_WINDOW	0x10
#define IOAPIC_ARB	2

#define MMIO_FUNCTIONS(part)								\
	GUEST_CODE(part, m_##part##_load, "mov (%rdi), %eax\n ret");			\
	GUEST_WRITE(part, m_##part##_store, "", "mov %esi, (%rdi)", "");		\
	GUEST_WRITE(part, m_##part##_or, "", "orl %esi, (%rdi)", "");			\
	GUEST_WRITE(part, m_##part##_movs, "mov %rdx, %rcx", "rep movsl", "");		\
	GUEST_CODE(part, m_##part##_out, "mov $0x604, %edx\n mov $0x2000, %eax\n out %ax, %dx\n ret");	\
	GUEST_WRITE(part, m_##part##_ins, "mov $0x604, %edx\n mov %rsi, %rcx", "rep insb", "");	\
	GUEST_CODE(part, m_##part##_hlt, "hlt\n mov $5, %eax\n ret");			\
	GUEST_CODE(part, m_##part##_triple, "push $0\n push $0\n lidt (%rsp)\n ud2")

MMIO_FUNCTIONS(core);
MMIO_FUNCTIONS(dom1);

FIXTURE(mmio)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
	/* exits to user space */
	struct kvm_run exits[16];
	unsigned int nr_exits;
};

/* Who touches the device: the core kernel in its view, the domain, the core kernel in the domain's view */
FIXTURE_VARIANT(mmio)
{
	bool domain;		/* its text does it: needs grants */
	const char *via;	/* called through this */
	const char *load, *store, *or, *movs, *ins, *out, *hlt, *triple;
};

FIXTURE_VARIANT_ADD(mmio, core) {
	.load = m_core_load, .store = m_core_store, .or = m_core_or, .movs = m_core_movs,
	.ins = m_core_ins, .out = m_core_out, .hlt = m_core_hlt, .triple = m_core_triple,
};
FIXTURE_VARIANT_ADD(mmio, domain) {
	.domain = true,
	.load = m_dom1_load, .store = m_dom1_store, .or = m_dom1_or, .movs = m_dom1_movs,
	.ins = m_dom1_ins, .out = m_dom1_out, .hlt = m_dom1_hlt, .triple = m_dom1_triple,
};
/* m_via: rdi: function, then its arguments; nothing is written on the way */
GUEST_CODE(dom1, m_via, "mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n mov %rcx, %rdx\n call *%rax\n ret");
FIXTURE_VARIANT_ADD(mmio, called_by_domain) {
	.via = m_via,
	.load = m_core_load, .store = m_core_store, .or = m_core_or, .movs = m_core_movs,
	.ins = m_core_ins, .out = m_core_out, .hlt = m_core_hlt, .triple = m_core_triple,
};

/* What the device without a name answers: the low half of the address, and a mark */
static bool on_exit_to_user(struct vcpu *vcpu)
{
	FIXTURE_DATA(mmio) *self = vcpu->vm->context;
	struct kvm_run *run = vcpu->run;

	if (run->exit_reason == KVM_EXIT_IO && run->io.port != 0x604)
		return false;
	if (run->exit_reason != KVM_EXIT_IO && run->exit_reason != KVM_EXIT_MMIO && run->exit_reason != KVM_EXIT_HLT)
		return false;
	if (self->nr_exits == ARRAY_SIZE(self->exits))
		return false;
	memcpy(&self->exits[self->nr_exits++], run, sizeof(*run));
	if (run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_IN)
		memset((u8 *)run + run->io.data_offset, 0x66, run->io.size * run->io.count);
	if (run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write) {
		u32 value = 0xab000000 | (run->mmio.phys_addr & 0xffff);

		memcpy(run->mmio.data, &value, 4);
	}
	return true;
}

static void create(FIXTURE_DATA(mmio) *self, u32 flags)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };

	vm_create(&self->vm, 1, flags);
	self->vcpu = &self->vm.vcpu[0];
	self->vm.on_exit = on_exit_to_user;
	self->vm.context = self;
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, OWN, 0x4000);
}

FIXTURE_SETUP(mmio)
{
	create(self, VM_IRQCHIP);
}

FIXTURE_TEARDOWN(mmio)
{
	struct chariot_event event;

	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

static u64 call(FIXTURE_DATA(mmio) *self, const FIXTURE_VARIANT(mmio) *variant, const char *fn, u64 a, u64 b, u64 c)
{
	if (variant->via)
		return vcpu_call(self->vcpu, variant->via, guest_va(fn), a, b, c);
	return vcpu_call(self->vcpu, fn, a, b, c);
}

/* The domain's driver has mapped the device. */
static void grant_device(FIXTURE_DATA(mmio) *self, u64 gpa, u64 len)
{
	chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_MMIO, gpa, len);
	chariot_kick(&self->c);
}

TEST_F(mmio, local_apic)
{
	if (variant->domain)
		grant_device(self, GUEST_APIC, 4096);
	EXPECT_EQ(0, call(self, variant, variant->load, dm(GUEST_APIC + APIC_ID), 0, 0));
	EXPECT_EQ(0x14, call(self, variant, variant->load, dm(GUEST_APIC + APIC_LVR), 0, 0) & 0xff);
	call(self, variant, variant->store, dm(GUEST_APIC + APIC_SPIV), 0x1ef, 0);
	EXPECT_EQ(0x1ef, call(self, variant, variant->load, dm(GUEST_APIC + APIC_SPIV), 0, 0));
	call(self, variant, variant->store, dm(GUEST_APIC + APIC_LVT0), 0x10041, 0);
	EXPECT_EQ(0x10041, call(self, variant, variant->load, dm(GUEST_APIC + APIC_LVT0), 0, 0));
	call(self, variant, variant->or, dm(GUEST_APIC + APIC_LVT0), 0x8000, 0);
	EXPECT_EQ(0x18041, call(self, variant, variant->load, dm(GUEST_APIC + APIC_LVT0), 0, 0));
	EXPECT_EQ(0, self->nr_exits);
}

TEST_F(mmio, ioapic)
{
	if (variant->domain)
		grant_device(self, GUEST_IOAPIC, 4096);
	/* The low half of redirection entry 3 */
	call(self, variant, variant->store, dm(GUEST_IOAPIC + IOAPIC_SELECT), 0x10 + 2 * 3, 0);
	call(self, variant, variant->store, dm(GUEST_IOAPIC + IOAPIC_WINDOW), 0x10055, 0);
	EXPECT_EQ(0x10055, call(self, variant, variant->load, dm(GUEST_IOAPIC + IOAPIC_WINDOW), 0, 0));
	call(self, variant, variant->store, dm(GUEST_IOAPIC + IOAPIC_SELECT), 1, 0);
	EXPECT_EQ(0x11, call(self, variant, variant->load, dm(GUEST_IOAPIC + IOAPIC_WINDOW), 0, 0) & 0xff);
	EXPECT_EQ(0, self->nr_exits);
}

TEST_F(mmio, user_space_device)
{
	if (variant->domain)
		grant_device(self, GUEST_NOWHERE, 4096);
	EXPECT_EQ(0xab000010, call(self, variant, variant->load, dm(GUEST_NOWHERE + 0x10), 0, 0));
	ASSERT_EQ(1, self->nr_exits);
	EXPECT_EQ(GUEST_NOWHERE + 0x10, self->exits[0].mmio.phys_addr);
	EXPECT_EQ(4, self->exits[0].mmio.len);

	call(self, variant, variant->store, dm(GUEST_NOWHERE + 0x20), 0x12345678, 0);
	ASSERT_EQ(2, self->nr_exits);
	EXPECT_EQ(1, self->exits[1].mmio.is_write);
	EXPECT_EQ(GUEST_NOWHERE + 0x20, self->exits[1].mmio.phys_addr);
	EXPECT_EQ(0x12345678, *(u32 *)self->exits[1].mmio.data);

	call(self, variant, variant->or, dm(GUEST_NOWHERE + 0x30), 0x5, 0);
	ASSERT_EQ(4, self->nr_exits);
	EXPECT_EQ(0, self->exits[2].mmio.is_write);
	EXPECT_EQ(1, self->exits[3].mmio.is_write);
	EXPECT_EQ(0xab000035, *(u32 *)self->exits[3].mmio.data);
	EXPECT_LT(0, chariot_stats(&self->c).mmio_faults);
}

/* A device that the domain has not mapped is memory that it does not own: may be read, not written. */
TEST_F(mmio, foreign_device)
{
	struct chariot_event event;

	EXPECT_EQ(0xab000010, call(self, variant, variant->load, dm(GUEST_NOWHERE + 0x10), 0, 0));
	ASSERT_EQ(1, self->nr_exits);
	call(self, variant, variant->store, dm(GUEST_NOWHERE + 0x20), 0x12345678, 0);
	if (!variant->domain) {
		EXPECT_EQ(2, self->nr_exits);
		return;
	}
	EXPECT_EQ(1, self->nr_exits);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(guest_va(m_dom1_store_at), event.violation.rip);
	EXPECT_EQ(GUEST_NOWHERE + 0x20, event.violation.gpa);
	EXPECT_EQ(dm(GUEST_NOWHERE + 0x20), event.violation.gva);
	EXPECT_EQ(4, event.violation.size);
	EXPECT_EQ(CHARIOT_VF_BLOCKED, event.violation.flags & CHARIOT_VF_BLOCKED);
	EXPECT_EQ(0x12345678, *(u32 *)event.violation.data);

	call(self, variant, variant->store, dm(GUEST_APIC + APIC_SPIV), 0x1ee, 0);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(GUEST_APIC + APIC_SPIV, event.violation.gpa);
	EXPECT_NE(0x1ee, call(self, variant, variant->load, dm(GUEST_APIC + APIC_SPIV), 0, 0));

	/* A read-modify-write reads, and does not write. */
	self->nr_exits = 0;
	call(self, variant, variant->or, dm(GUEST_NOWHERE + 0x30), 5, 0);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_LE(self->nr_exits, 1);
	if (self->nr_exits) {
		EXPECT_EQ(0, self->exits[0].mmio.is_write);
	}

	/* A grant of a part is a grant of a part. */
	grant_device(self, GUEST_NOWHERE + 0x40, 8);
	self->nr_exits = 0;
	call(self, variant, variant->store, dm(GUEST_NOWHERE + 0x44), 9, 0);
	EXPECT_EQ(1, self->nr_exits);
	call(self, variant, variant->store, dm(GUEST_NOWHERE + 0x48), 9, 0);
	EXPECT_EQ(1, self->nr_exits);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(GUEST_NOWHERE + 0x48, event.violation.gpa);
}

/* From a device to memory: KVM's emulator writes the memory, past all views. */
TEST_F(mmio, device_to_memory)
{
	u32 *own = vm_at(&self->vm, OWN), *other = vm_at(&self->vm, FORBIDDEN);
	struct chariot_event event;
	unsigned int i;

	memset(own, 0, 64);
	memset(other, 0, 64);
	call(self, variant, variant->movs, dm(OWN), dm(GUEST_NOWHERE), 4);
	EXPECT_EQ(4, self->nr_exits);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0xab000000 + 4 * i, own[i]);

	self->nr_exits = 0;
	call(self, variant, variant->movs, dm(FORBIDDEN), dm(GUEST_NOWHERE), 4);
	EXPECT_EQ(4, self->nr_exits);
	if (!variant->domain) {
		for (i = 0; i < 4; i++)
			EXPECT_EQ(0xab000000 + 4 * i, other[i]);
		return;
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, other[i]);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(guest_va(m_dom1_movs_at), event.violation.rip);
	EXPECT_EQ(FORBIDDEN, event.violation.gpa);
	EXPECT_EQ(16, event.violation.size);
	EXPECT_EQ(0xab000004, ((u32 *)event.violation.data)[1]);

	/* Over the end of what is granted */
	chariot_grant(&self->c, 1, FORBIDDEN + 0x100, 8);
	self->nr_exits = 0;
	other = vm_at(&self->vm, FORBIDDEN + 0x100);
	memset(other, 0, 64);
	call(self, variant, variant->movs, dm(FORBIDDEN + 0x100), dm(GUEST_NOWHERE), 4);
	EXPECT_EQ(0xab000000, other[0]);
	EXPECT_EQ(0xab000004, other[1]);
	EXPECT_EQ(0, other[2]);
	EXPECT_EQ(0, other[3]);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(FORBIDDEN + 0x108, event.violation.gpa);
	EXPECT_EQ(8, event.violation.size);
}

TEST_F(mmio, memory_to_device)
{
	u32 *source = vm_at(&self->vm, GUEST_CORE_DATA + 0x10000);
	unsigned int i;

	if (variant->domain)
		grant_device(self, GUEST_NOWHERE, 4096);
	for (i = 0; i < 4; i++)
		source[i] = 0x55000000 + i;
	call(self, variant, variant->movs, dm(GUEST_NOWHERE), dm(GUEST_CORE_DATA + 0x10000), 4);
	ASSERT_EQ(4, self->nr_exits);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(1, self->exits[i].mmio.is_write);
		EXPECT_EQ(0x55000000 + i, *(u32 *)self->exits[i].mmio.data);
	}
}

/* From a port to memory: user space brings the data, and KVM writes it afterwards. */
TEST_F(mmio, port_to_memory)
{
	u8 *own = vm_at(&self->vm, OWN), *other = vm_at(&self->vm, FORBIDDEN);
	struct chariot_event event;
	unsigned int i;

	memset(own, 0, 64);
	memset(other, 0, 64);
	call(self, variant, variant->ins, dm(OWN), 16, 0);
	EXPECT_LT(0, self->nr_exits);
	for (i = 0; i < 32; i++)
		EXPECT_EQ(i < 16 ? 0x66 : 0, own[i]);
	call(self, variant, variant->ins, dm(FORBIDDEN), 16, 0);
	for (i = 0; i < 32; i++)
		EXPECT_EQ(i < 16 && !variant->domain ? 0x66 : 0, other[i]);
	if (!variant->domain)
		return;
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(guest_va(m_dom1_ins_at), event.violation.rip);
	EXPECT_EQ(FORBIDDEN, event.violation.gpa);
	EXPECT_EQ(16, event.violation.size);
	EXPECT_EQ(0x66, event.violation.data[15]);
}

/* Powering off: a port that user space sees */
TEST_F(mmio, power_off)
{
	call(self, variant, variant->out, 0, 0, 0);
	ASSERT_EQ(1, self->nr_exits);
	EXPECT_EQ(KVM_EXIT_IO, self->exits[0].exit_reason);
	EXPECT_EQ(0x604, self->exits[0].io.port);
	/* and the guest runs on if user space does not stop it */
	EXPECT_EQ(0, call(self, variant, variant->load, dm(GUEST_APIC + APIC_ID), 0, 0));
}

TEST_F(mmio, halt)
{
	close(self->c.fd);
	vm_destroy(&self->vm);
	create(self, 0);
	EXPECT_EQ(5, call(self, variant, variant->hlt, 0, 0, 0));
	ASSERT_EQ(1, self->nr_exits);
	EXPECT_EQ(KVM_EXIT_HLT, self->exits[0].exit_reason);
}

/* A triple fault */
TEST_F(mmio, shutdown)
{
	struct kvm_regs regs = { 0 };

	ioctl(self->vcpu->fd, KVM_GET_REGS, &regs);
	memset(&regs, 0, sizeof(regs));
	regs.rip = guest_va(variant->via ?: variant->triple);
	regs.rdi = guest_va(variant->triple);
	regs.rsp = dm(GUEST_CPU + CPU_THREAD + GUEST_THREAD_SIZE - 256);
	regs.rflags = 2;
	ASSERT_EQ(0, ioctl(self->vcpu->fd, KVM_SET_REGS, &regs));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, vcpu_run(self->vcpu));
	EXPECT_EQ(1, chariot_stats(&self->c).armed);
}

TEST_HARNESS_MAIN
