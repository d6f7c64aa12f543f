// SPDX-License-Identifier: GPL-2.0-only
/* The inner guest on Intel: a VMCS that the guest's kernel fills in by VMWRITE, with EPT or without. */
#include <asm/vmx.h>
#include <sys/ioctl.h>

#include "inner.h"

#define CR4_VMXE			(1u << 13)
#define MSR_FEATURE_CONTROL		0x3a
#define MSR_VMX_BASIC			0x480
#define MSR_VMX_PINBASED_CTLS		0x481
#define MSR_VMX_PROCBASED_CTLS		0x482
#define MSR_VMX_EXIT_CTLS		0x483
#define MSR_VMX_ENTRY_CTLS		0x484
#define MSR_VMX_PROCBASED_CTLS2		0x48b

#define VMCS				INNER_CONTROL
#define VMXON				(INNER_CONTROL + 0x1000)
#define POINTERS			(INNER_CONTROL + 0x2000)	/* the operands of VMXON and VMPTRLD */
#define FIELDS				(INNER_CONTROL + 0x3000)	/* pairs: field, value */
#define FIELDS_MAX			(4096 / 16)

/* Fields of a VMCS, by their encodings: SDM volume 3, appendix B. Those that are not named are 0. */
#define GUEST_SELECTOR(n)		(0x800 + 2 * (n))	/* ES, CS, SS, DS, FS, GS, LDTR, TR */
#define HOST_SELECTOR(n)		(0xc00 + 2 * (n))	/* ..., FS, GS, TR */
#define EPT_POINTER			0x201a
#define GUEST_LINK_POINTER		0x2800
#define PIN_CONTROLS			0x4000
#define PROCESSOR_CONTROLS		0x4002
#define EXIT_CONTROLS			0x400c
#define ENTRY_CONTROLS			0x4012
#define PROCESSOR_CONTROLS_2		0x401e
#define GUEST_LIMIT(n)			(0x4800 + 2 * (n))	/* ..., LDTR, TR, GDTR, IDTR */
#define GUEST_RIGHTS(n)			(0x4814 + 2 * (n))
#define GUEST_CR(n)			(0x6800 + 2 * (n))	/* CR0, CR3, CR4 */
#define GUEST_BASE(n)			(0x6806 + 2 * (n))
#define GUEST_DR7			0x681a
#define GUEST_RSP			0x681c
#define GUEST_RFLAGS			0x6820
#define HOST_CR(n)			(0x6c00 + 2 * (n))
#define HOST_TR_BASE			0x6c0a
#define HOST_GDTR_BASE			0x6c0c
#define HOST_IDTR_BASE			0x6c0e
#define HOST_RIP			0x6c16

enum { ES, CS, SS, DS, FS, GS, LDTR, TR, GDTR, IDTR };

#define SECONDARY_CONTROLS		(1u << 31)
#define ENABLE_EPT			(1u << 1)
#define HOST_IS_64_BIT			(1u << 9)
#define GUEST_IS_64_BIT			(1u << 9)

/* begin(&pointers, fields, how many): rax is 0, or how many are left. The fields are in the VMCS afterwards. */
GUEST_CODE(core, n_vmx_begin,
	   "	lea	1(%rdx), %rax\n"
	   "	vmxon	(%rdi)\n"
	   "	jbe	2f\n"
	   "	vmclear	8(%rdi)\n"
	   "	jbe	2f\n"
	   "	vmptrld	8(%rdi)\n"
	   "	jbe	2f\n"
	   "1:	mov	(%rsi), %rcx\n"
	   "	vmwrite	8(%rsi), %rcx\n"
	   "	jbe	3f\n"
	   "	add	$16, %rsi\n"
	   "	dec	%rdx\n"
	   "	jnz	1b\n"
	   "3:	mov	%rdx, %rax\n"
	   "2:	ret");

extern char n_vmx_left[];

/*
 * 0x681e: guest RIP; 0x6c14: host RSP; 0x4402: exit reason; 0x4400: why an instruction failed, returned with bit 63.
 * VMRESUME fails the first time.
 */
GUEST_CODE(core, n_vmx_run,
	   "	mov	$0x681e, %eax\n"
	   "	vmwrite	%rdx, %rax\n"
	   "	mov	$0x6c14, %eax\n"
	   "	vmwrite	%rsp, %rax\n"
	   "	vmresume\n"
	   "	vmlaunch\n"
	   "	mov	$0x4400, %ecx\n"
	   "	vmread	%rcx, %rax\n"
	   "	bts	$63, %rax\n"
	   "	ret\n"
	   "	.globl	n_vmx_left\n"
	   "n_vmx_left:\n"
	   "	mov	$0x4402, %ecx\n"
	   "	vmread	%rcx, %rax\n"
	   "	ret");

static bool vmx_offered(void)
{
	return inner_cpuid(1, false) & (1u << 5);
}

/* MSRs that say what a VMCS may hold: in the lower half what must be set, in the upper half what may be. */
static u64 capability(int fd, u32 index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = index };

	if (ioctl(fd, KVM_GET_MSRS, &msrs) != 1)
		die("KVM_GET_MSRS of 0x%x: %m", index);
	return msrs.entry.data;
}

/* Not where KVM itself runs without EPT (ept=0). */
static bool vmx_tables_offered(void)
{
	int kvm = vm_kvm_fd();

	return (capability(kvm, MSR_VMX_PROCBASED_CTLS) >> 32 & SECONDARY_CONTROLS) &&
	       (capability(kvm, MSR_VMX_PROCBASED_CTLS2) >> 32 & ENABLE_EPT);
}

static void enable_vmx(struct vcpu *vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = MSR_FEATURE_CONTROL, .data = 5 /* locked, VMXON */ } };
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) != 1)
		die("KVM_SET_MSRS of FEATURE_CONTROL: %m");
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS: %m");
	sregs.cr4 |= CR4_VMXE;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
		die("KVM_SET_SREGS: %m");
}

struct fields {
	u64 *next;
	unsigned int nr;
};

static void set(struct fields *fields, u64 field, u64 value)
{
	if (fields->nr == FIELDS_MAX)
		die("too many fields of a VMCS");
	fields->next[2 * fields->nr] = field;
	fields->next[2 * fields->nr + 1] = value;
	fields->nr++;
}

static void set_segments(struct fields *fields, const struct kvm_sregs *sregs)
{
	unsigned int i;

	for (i = ES; i <= GS; i++) {
		set(fields, GUEST_SELECTOR(i), i == CS ? SEL_CODE : SEL_DATA);
		set(fields, GUEST_LIMIT(i), ~0u);
		set(fields, GUEST_RIGHTS(i), i == CS ? 0xa09b : 0xc093);
		set(fields, HOST_SELECTOR(i), i == CS ? SEL_CODE : SEL_DATA);
	}
	set(fields, GUEST_RIGHTS(LDTR), 0x10000);	/* unusable */
	set(fields, GUEST_SELECTOR(TR), SEL_TSS);
	set(fields, GUEST_LIMIT(TR), sregs->tr.limit);
	set(fields, GUEST_RIGHTS(TR), 0x8b);
	set(fields, GUEST_BASE(TR), sregs->tr.base);
	set(fields, GUEST_LIMIT(GDTR), sregs->gdt.limit);
	set(fields, GUEST_BASE(GDTR), sregs->gdt.base);
	set(fields, GUEST_LIMIT(IDTR), sregs->idt.limit);
	set(fields, GUEST_BASE(IDTR), sregs->idt.base);
	set(fields, HOST_SELECTOR(6), SEL_TSS);
	set(fields, HOST_TR_BASE, sregs->tr.base);
	set(fields, HOST_GDTR_BASE, sregs->gdt.base);
	set(fields, HOST_IDTR_BASE, sregs->idt.base);
}

static void set_controls(struct fields *fields, int fd, bool own_tables)
{
	set(fields, PIN_CONTROLS, (u32)capability(fd, MSR_VMX_PINBASED_CTLS));
	set(fields, PROCESSOR_CONTROLS, (u32)capability(fd, MSR_VMX_PROCBASED_CTLS) |
	    (own_tables ? SECONDARY_CONTROLS : 0));
	set(fields, EXIT_CONTROLS, (u32)capability(fd, MSR_VMX_EXIT_CTLS) | HOST_IS_64_BIT);
	set(fields, ENTRY_CONTROLS, (u32)capability(fd, MSR_VMX_ENTRY_CTLS) | GUEST_IS_64_BIT);
	if (!own_tables)
		return;
	set(fields, PROCESSOR_CONTROLS_2, (u32)capability(fd, MSR_VMX_PROCBASED_CTLS2) | ENABLE_EPT);
	/* 4 levels, write-back */
	set(fields, EPT_POINTER, INNER_TABLES | 3 << 3 | 6);
}

static void vmx_prepare(struct vcpu *vcpu, bool own_tables)
{
	struct vm *vm = vcpu->vm;
	struct fields fields = { .next = vm_at(vm, FIELDS) };
	u64 *pointers = vm_at(vm, POINTERS);
	struct kvm_sregs sregs;
	unsigned int i;
	u32 revision;
	u64 left;

	enable_vmx(vcpu);
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS: %m");
	revision = (u32)capability(vcpu->fd, MSR_VMX_BASIC) & ~(1u << 31);
	*(u32 *)vm_at(vm, VMXON) = revision;
	*(u32 *)vm_at(vm, VMCS) = revision;
	pointers[0] = VMXON;
	pointers[1] = VMCS;
	if (own_tables)
		/* Read, write, execute; write-back, large */
		inner_tables(vm, 7, 0x80 | 6 << 3 | 7);
	set_controls(&fields, vcpu->fd, own_tables);
	set_segments(&fields, &sregs);
	for (i = 0; i < 3; i++) {
		u64 value = i == 0 ? sregs.cr0 : i == 1 ? sregs.cr3 : sregs.cr4;

		set(&fields, GUEST_CR(i), value);
		set(&fields, HOST_CR(i), value);
	}
	set(&fields, GUEST_LINK_POINTER, ~0ull);
	set(&fields, GUEST_DR7, 0x400);
	set(&fields, GUEST_RFLAGS, 2);
	set(&fields, GUEST_RSP, dm(INNER_STACK));
	set(&fields, HOST_RIP, guest_va(n_vmx_left));
	left = vcpu_call(vcpu, n_vmx_begin, dm(POINTERS), dm(FIELDS), fields.nr);
	if (left)
		die("no VMCS: %lu of %u fields left", left, fields.nr);
}

/* ... and out of VMX operation */
static void vmx_leave(struct vcpu *vcpu)
{
	struct kvm_nested_state state = {
		.size = sizeof(state), .format = KVM_STATE_NESTED_FORMAT_VMX,
		.hdr.vmx = { .vmxon_pa = ~0ull, .vmcs12_pa = ~0ull },
	};

	if (ioctl(vcpu->fd, KVM_SET_NESTED_STATE, &state))
		die("KVM_SET_NESTED_STATE: %m");
}

const struct inner inner_vmx = {
	.needed = "kvm-intel nested=1",
	.tables_needed = "kvm-intel ept=1",
	.offered = vmx_offered,
	.tables_offered = vmx_tables_offered,
	.prepare = vmx_prepare,
	.run = n_vmx_run,
	.left_by_cpuid = EXIT_REASON_CPUID,
	.leave = vmx_leave,
	.leaves_same_tables = true,
};
