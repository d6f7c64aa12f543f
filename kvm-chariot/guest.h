/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The running vCPU's registers and memory. For the vCPU's own thread only,
 * between an exit and the next entry; may sleep.
 */
#ifndef CHARIOT_GUEST_H
#define CHARIOT_GUEST_H

#include <linux/pagemap.h>

#include "absent.h"
#include "compat.h"

/*
 * SVM saves all registers at every exit. On VMX RIP and RSP are in the VMCS until
 * KVM is asked for them.
 */
static inline u64 chariot_guest_reg(struct kvm_vcpu *vcpu, int reg)
{
	if (!chariot_reg_available(vcpu, reg))
		static_call(kvm_x86_cache_reg)(vcpu, reg);
	return vcpu->arch.regs[reg];
}

static inline u64 chariot_guest_rsp(struct kvm_vcpu *vcpu)
{
	return chariot_guest_reg(vcpu, VCPU_REGS_RSP);
}

/* Kernel addresses are the upper, negative half. */
static inline bool chariot_guest_kernel_address(u64 va)
{
	return (s64)va < 0;
}

/*
 * The guest's memory at @va as its kernel reads it; INVALID_GPA: there is none, or
 * where the caller must not wait for it, see absent.h, it is noted.
 */
static inline gpa_t chariot_guest_gpa(struct chariot_vm *vm, struct kvm_vcpu *vcpu, u64 va)
{
	gpa_t gpa = kvm_mmu_gva_to_gpa_read(vcpu, va, NULL);

	if (gpa == INVALID_GPA)
		chariot_absent_note_gva(vm, va);
	return gpa;
}

/* Copies from guest virtual memory as the guest's kernel reads it. 0 or -EFAULT, the same. */
static inline int chariot_guest_read(struct chariot_vm *vm, struct kvm_vcpu *vcpu, u64 va,
				     void *to, size_t len)
{
	while (len) {
		size_t part = min_t(size_t, len, PAGE_SIZE - offset_in_page(va));
		gpa_t gpa = chariot_guest_gpa(vm, vcpu, va);

		if (gpa == INVALID_GPA)
			return -EFAULT;
		if (kvm_vcpu_read_guest(vcpu, gpa, to, part)) {
			chariot_absent_note_gpa(vm, gpa, false);
			return -EFAULT;
		}
		va += part;
		to += part;
		len -= part;
	}
	return 0;
}

/*
 * Has the page or two that [va, va + len) is in come in. To be called before a
 * lock is taken under which they are written: who brings them may take any time
 * (userfaultfd, swap), and other vCPUs are to run on. Should it fail, so will
 * the write.
 */
static inline void chariot_guest_fault_in(struct kvm_vcpu *vcpu, u64 va, size_t len)
{
	u64 at;

	for (at = va; at < va + len; at = (at | ~PAGE_MASK) + 1) {
		gpa_t gpa = kvm_mmu_gva_to_gpa_write(vcpu, at, NULL);
		unsigned long hva;

		if (gpa == INVALID_GPA)
			return;
		hva = gfn_to_hva(vcpu->kvm, gpa_to_gfn(gpa));
		if (!kvm_is_error_hva(hva))
			fault_in_readable((const char __user *)hva + offset_in_page(gpa), 1);
	}
}

#endif
