// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts and exceptions that arrive while a vCPU is in a domain's view.
 * What the CPU pushes is its own write, not the driver's, whatever RIP is; the
 * handler is the kernel's; then the domain goes on where it was.
 */
#include <sys/ioctl.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define OWN		GUEST_DOM1_DATA
#define STOP		(GUEST_CORE_DATA + 0x800)
#define VECTOR		0x40
#define TURNS		10

extern char g_irq_eoi[];

FIXTURE(delivery)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
	void (*inject)(struct vcpu *vcpu);
	unsigned int injected;
	unsigned int violations;	/* allowed for */
};

FIXTURE_VARIANT(delivery)
{
	unsigned int ist;	/* 1: the frame is pushed to a stack that the domain may not write */
	u32 flags;
};

FIXTURE_VARIANT_ADD(delivery, current_stack) { .ist = 0 };
FIXTURE_VARIANT_ADD(delivery, other_stack) { .ist = 1 };
FIXTURE_VARIANT_ADD(delivery, other_stack_small) { .ist = 1, .flags = VM_SMALL };

/* Writes its own word, lets the host inject something, counts: rdi: word, rsi: turns */
GUEST_CODE(dom1, d_sync,
	   "	sti\n"
	   "1:	incq (%rdi)\n"
	   "	out %al, $0xe1\n"
	   "	.globl d_sync_next\n"
	   "d_sync_next:\n"
	   "	incq 8(%rdi)\n"
	   "	dec %rsi\n"
	   "	jnz 1b\n"
	   "	cli\n"
	   "	ret");
extern char d_sync_next[];
/* Counts in rdi until rsi is not 0, with interrupts on */
GUEST_CODE(dom1, d_until,
	   "xor %eax, %eax\n sti\n 1: inc %rax\n mov %rax, (%rdi)\n cmpq $0, (%rsi)\n je 1b\n cli\n ret");
GUEST_CODE(dom1, d_int3, "incq (%rdi)\n int3\n incq (%rdi)\n ret");
GUEST_CODE(dom1, d_int, "incq (%rdi)\n int $0x40\n incq (%rdi)\n ret");
GUEST_CODE(dom1, d_ud2, "incq (%rdi)\n .globl d_ud2_at\n d_ud2_at: ud2\n incq (%rdi)\n ret");
GUEST_CODE(dom1, d_div, "incq (%rdi)\n xor %ecx, %ecx\n xor %edx, %edx\n mov $1, %eax\n .globl d_div_at\n"
	   "d_div_at: div %ecx\n incq (%rdi)\n ret");
GUEST_CODE(dom1, d_load, "incq (%rdi)\n .globl d_load_at\n d_load_at: mov (%rsi), %rax\n incq (%rdi)\n ret");
GUEST_CODE(dom1, d_store, "incq (%rdi)\n .globl d_store_at\n d_store_at: mov %rax, (%rsi)\n incq (%rdi)\n ret");
extern char d_ud2_at[], d_div_at[], d_load_at[], d_store_at[];

/* Handlers of the core kernel: count, note RIP (and CR2), step over the instruction */
#define HANDLER(name, first, skip)								\
	GUEST_CODE(core, name,									\
		   first									\
		   "	push %rax\n push %rcx\n"						\
		   "	movabs $0xffff888000200000, %rcx\n"					\
		   "	mov 16(%rsp), %rax\n mov %rax, 0x10(%rcx)\n"				\
		   "	mov %cr2, %rax\n mov %rax, 0x18(%rcx)\n"				\
		   "	incq 0x8(%rcx)\n"							\
		   "	pop %rcx\n pop %rax\n"							\
		   "	addq $" #skip ", (%rsp)\n"						\
		   "	iretq")
HANDLER(h_skip2, "", 2);
HANDLER(h_error_skip3, "add $8, %rsp\n", 3);

static u64 core(FIXTURE_DATA(delivery) *self, u64 offset)
{
	return *(volatile u64 *)vm_at(&self->vm, GUEST_CORE_DATA + offset);
}

static bool on_sync(struct vcpu *vcpu)
{
	FIXTURE_DATA(delivery) *self = vcpu->vm->context;

	if (vcpu->run->exit_reason == KVM_EXIT_IRQ_WINDOW_OPEN)
		return true;
	if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.port != PORT_SYNC || !self->inject)
		return false;
	self->inject(vcpu);
	self->injected++;
	return true;
}

static void create(FIXTURE_DATA(delivery) *self, const FIXTURE_VARIANT(delivery) *variant, u32 flags)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };

	vm_create(&self->vm, 1, flags | variant->flags);
	self->vcpu = &self->vm.vcpu[0];
	self->vm.context = self;
	self->vm.on_exit = on_sync;
	vm_idt(&self->vm, VECTOR, g_irq, variant->ist);
	*(u8 *)vm_at(&self->vm, guest_gpa(g_irq_eoi)) = !!(flags & VM_IRQCHIP);
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, OWN, 4096);
}

FIXTURE_SETUP(delivery)
{
	create(self, variant, 0);
}

FIXTURE_TEARDOWN(delivery)
{
	struct chariot_event event;

	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_LE(chariot_stats(&self->c).violations, self->violations);
	if (variant->ist) {
		EXPECT_LT(0, chariot_stats(&self->c).event_deliveries);
	} else {
		EXPECT_EQ(0, chariot_stats(&self->c).event_deliveries);
	}
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

static void inject_interrupt(struct vcpu *vcpu)
{
	struct kvm_interrupt interrupt = { .irq = VECTOR };

	if (ioctl(vcpu->fd, KVM_INTERRUPT, &interrupt))
		die("KVM_INTERRUPT: %m");
}

static void inject_nmi(struct vcpu *vcpu)
{
	if (ioctl(vcpu->fd, KVM_NMI))
		die("KVM_NMI: %m");
}

static void check_sync(struct __test_metadata *_metadata, FIXTURE_DATA(delivery) *self)
{
	u64 *word = vm_at(&self->vm, OWN);

	word[0] = word[1] = 0;
	vcpu_call(self->vcpu, d_sync, dm(OWN), TURNS);
	EXPECT_EQ(TURNS, self->injected);
	EXPECT_EQ(TURNS, core(self, CORE_IRQS));
	EXPECT_EQ(guest_va(d_sync_next), core(self, CORE_IRQ_RIP));
	EXPECT_EQ(TURNS, word[0]);
	EXPECT_EQ(TURNS, word[1]);
}

/* Injected by KVM at the entry to the guest, in the domain's view */
TEST_F(delivery, injected_interrupt)
{
	self->inject = inject_interrupt;
	check_sync(_metadata, self);
	/* into the domain, and back into it after each interrupt */
	EXPECT_EQ(TURNS + 1, chariot_stats(&self->c).crossings_in);
}

TEST_F(delivery, nmi)
{
	vm_idt(&self->vm, 2, g_irq, variant->ist);
	self->inject = inject_nmi;
	check_sync(_metadata, self);
	EXPECT_EQ(TURNS + 1, chariot_stats(&self->c).crossings_in);
}

static void check_exception(struct __test_metadata *_metadata, FIXTURE_DATA(delivery) *self, const char *fn,
			    u64 address, const char *at)
{
	u64 *word = vm_at(&self->vm, OWN);
	unsigned int i;

	*word = 0;
	for (i = 1; i <= 3; i++) {
		vcpu_call(self->vcpu, fn, dm(OWN), address);
		EXPECT_EQ(i, core(self, CORE_IRQS));
		EXPECT_EQ(2 * i, *word);
		if (at) {
			EXPECT_EQ(guest_va(at), core(self, CORE_IRQ_RIP));
		}
	}
}

TEST_F(delivery, breakpoint)
{
	vm_idt(&self->vm, 3, g_irq, variant->ist);
	check_exception(_metadata, self, d_int3, 0, NULL);
}

TEST_F(delivery, software_interrupt)
{
	check_exception(_metadata, self, d_int, 0, NULL);
}

TEST_F(delivery, invalid_opcode)
{
	vm_idt(&self->vm, 6, h_skip2, variant->ist);
	check_exception(_metadata, self, d_ud2, 0, d_ud2_at);
}

TEST_F(delivery, divide_error)
{
	vm_idt(&self->vm, 0, h_skip2, variant->ist);
	check_exception(_metadata, self, d_div, 0, d_div_at);
}

/* The guest's own page fault: its CR2 and error code must survive what the host does in between. */
TEST_F(delivery, page_fault)
{
	vm_idt(&self->vm, 14, h_error_skip3, variant->ist);
	check_exception(_metadata, self, d_load, GUEST_VM + 0x123000, d_load_at);
	EXPECT_EQ(GUEST_VM + 0x123000, core(self, 0x18));
}

/* A store that the guest's own tables refuse is the guest's affair, not a violation. */
TEST_F(delivery, store_page_fault)
{
	vm_idt(&self->vm, 14, h_error_skip3, variant->ist);
	vm_map(&self->vm, GUEST_VM, OWN + 0x1000, 4096, 0);
	check_exception(_metadata, self, d_store, GUEST_VM + 0x40, d_store_at);
	EXPECT_EQ(GUEST_VM + 0x40, core(self, 0x18));
}

/*
 * A store across two pages, of which the guest has not mapped the second and
 * has not granted the first. A page fault of the guest or a blocked write,
 * whichever is found first; no byte of the first page is written on the way.
 */
TEST_F(delivery, page_fault_in_the_middle)
{
	u64 *word = vm_at(&self->vm, GUEST_CORE_DATA + 0x2000 + 0xff8);
	struct chariot_event event;
	bool told;

	vm_idt(&self->vm, 14, h_error_skip3, variant->ist);
	vm_map(&self->vm, GUEST_VM, GUEST_CORE_DATA + 0x2000, 4096, VM_PAGE_WRITE);
	*word = 0x1111111111111111;
	vcpu_call(self->vcpu, d_store, dm(OWN), GUEST_VM + 0xffc);
	EXPECT_EQ(0x1111111111111111, *word);
	told = chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0);
	if (told) {
		EXPECT_EQ(GUEST_VM + 0xffc, event.violation.gva);
		EXPECT_EQ(GUEST_CORE_DATA + 0x2ffc, event.violation.gpa);
		EXPECT_EQ(4, event.violation.size);
	}
	EXPECT_TRUE(told || core(self, CORE_IRQS) == 1);
	self->violations = 1;

	/* The first page granted: nothing to block, so it is the guest's fault and nothing else. */
	chariot_grant(&self->c, 1, GUEST_CORE_DATA + 0x2000, 4096);
	*(u64 *)vm_at(&self->vm, GUEST_CORE_DATA + CORE_IRQS) = 0;
	vcpu_call(self->vcpu, d_store, dm(OWN), GUEST_VM + 0xffc);
	EXPECT_EQ(1, core(self, CORE_IRQS));
	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
}

/* The local APIC, from another thread, while the domain writes */
TEST_F(delivery, message)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR };
	u64 *word = vm_at(&self->vm, OWN);
	unsigned int i;

	close(self->c.fd);
	vm_destroy(&self->vm);
	create(self, variant, VM_IRQCHIP);
	word = vm_at(&self->vm, OWN);
	vcpu_call(self->vcpu, g_core_store4, dm(GUEST_APIC + 0xf0), 0x1ff);
	*(u64 *)vm_at(&self->vm, STOP) = 0;
	*word = 0;
	vcpu_start(self->vcpu, d_until, dm(OWN), dm(STOP));
	wait_change(word, 0);
	for (i = 0; i < 20; i++) {
		u64 irqs = core(self, CORE_IRQS);

		ASSERT_LE(0, ioctl(self->vm.fd, KVM_SIGNAL_MSI, &msi));
		wait_change(vm_at(&self->vm, GUEST_CORE_DATA + CORE_IRQS), irqs);
		wait_change(word, *(volatile u64 *)word);
	}
	*(u64 *)vm_at(&self->vm, STOP) = 1;
	EXPECT_EQ(vcpu_join(self->vcpu), *word);
	EXPECT_EQ(20, core(self, CORE_IRQS));
}

/* Its timer */
TEST_F(delivery, timer)
{
	u64 *word;

	close(self->c.fd);
	vm_destroy(&self->vm);
	create(self, variant, VM_IRQCHIP);
	word = vm_at(&self->vm, OWN);
	vcpu_call(self->vcpu, g_core_store4, dm(GUEST_APIC + 0xf0), 0x1ff);
	vcpu_call(self->vcpu, g_core_store4, dm(GUEST_APIC + 0x3e0), 0xb);
	vcpu_call(self->vcpu, g_core_store4, dm(GUEST_APIC + 0x320), 0x20000 | VECTOR);
	/* 20 ms: a cycle is a nanosecond in KVM. No interrupt is taken before the domain allows it. */
	vcpu_call(self->vcpu, g_core_store4, dm(GUEST_APIC + 0x380), 20000000);
	*(u64 *)vm_at(&self->vm, STOP) = 0;
	*word = 0;
	vcpu_start(self->vcpu, d_until, dm(OWN), dm(STOP));
	wait_change(word, 0);
	while (core(self, CORE_IRQS) < 10)
		sleep_ms(1);
	*(u64 *)vm_at(&self->vm, STOP) = 1;
	EXPECT_EQ(vcpu_join(self->vcpu), *word);
}

TEST_HARNESS_MAIN
