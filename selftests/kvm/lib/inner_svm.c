// SPDX-License-Identifier: GPL-2.0-only
/* The inner guest on AMD: a VMCB, with nested page tables or without. */
#include <stddef.h>
#include <sys/ioctl.h>

#include "inner.h"

#define EFER_SVME		(1u << 12)
#define MSR_VM_HSAVE_PA		0xc0010117
#define SVM_EXIT_CPUID		0x72

#define VMCB			INNER_CONTROL
#define HSAVE			(INNER_CONTROL + 0x1000)
#define BITMAPS			(INNER_CONTROL + 0x2000)	/* 3 pages for ports, 2 for MSRs */

/* Offsets in a VMCB: AMD APM volume 2, appendix B */
#define VMCB_INTERCEPTS_3	0x0c	/* bit 18: CPUID */
#define VMCB_INTERCEPTS_4	0x10	/* bit 0: VMRUN */
#define VMCB_IOPM		0x40
#define VMCB_MSRPM		0x48
#define VMCB_ASID		0x58
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
#define SAVE_RSP		0x1d8
#define SAVE_PAT		0x268

/* context: the VMCB's gpa, where the guest has it mapped, too. 0x578: its RIP; 0x70: the exit code */
GUEST_CODE(core, n_svm_run,
	   "	mov	%rdx, 0x578(%rcx)\n"
	   "	mov	%rcx, %rax\n"
	   "	clgi\n"
	   "	vmrun	%rax\n"
	   "	stgi\n"
	   "	mov	0x70(%rax), %rax\n"
	   "	ret");

static bool svm_offered(void)
{
	return inner_cpuid(0x80000001, false) & (1u << 2);
}

/* Not where KVM itself runs without nested paging (npt=0). */
static bool svm_tables_offered(void)
{
	return inner_cpuid(0x8000000a, true) & 1;
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

static void set_segment(u8 *save, unsigned int offset, u16 selector, u16 attributes)
{
	*(u16 *)(save + offset) = selector;
	*(u16 *)(save + offset + 2) = attributes;
	*(u32 *)(save + offset + 4) = ~0u;
}

static void svm_prepare(struct vcpu *vcpu, bool own_tables)
{
	struct vm *vm = vcpu->vm;
	u8 *vmcb = vm_at(vm, VMCB), *save = vmcb + VMCB_SAVE;
	struct kvm_sregs sregs;
	unsigned int i;

	enable_svm(vcpu);
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS: %m");
	*(u32 *)(vmcb + VMCB_INTERCEPTS_3) = 1u << 18;
	*(u32 *)(vmcb + VMCB_INTERCEPTS_4) = 1;
	*(u64 *)(vmcb + VMCB_IOPM) = BITMAPS;
	*(u64 *)(vmcb + VMCB_MSRPM) = BITMAPS + 0x3000;
	*(u32 *)(vmcb + VMCB_ASID) = 1;
	if (own_tables) {
		/* Present, writable, user, accessed; dirty, large */
		inner_tables(vm, 0x27, 0xe7);
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

static void svm_leave(struct vcpu *vcpu)
{
	struct kvm_nested_state state = {
		.size = sizeof(state), .format = KVM_STATE_NESTED_FORMAT_SVM, .flags = KVM_STATE_NESTED_GIF_SET,
		.hdr.svm.vmcb_pa = ~0ull,
	};

	if (ioctl(vcpu->fd, KVM_SET_NESTED_STATE, &state))
		die("KVM_SET_NESTED_STATE: %m");
}

const struct inner inner_svm = {
	.needed = "kvm-amd nested=1",
	.tables_needed = "kvm-amd npt=1",
	.offered = svm_offered,
	.tables_offered = svm_tables_offered,
	.prepare = svm_prepare,
	.run = n_svm_run,
	.context = VMCB,
	.left_by_cpuid = SVM_EXIT_CPUID,
	.leave = svm_leave,
};
