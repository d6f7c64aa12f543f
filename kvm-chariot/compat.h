/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything that differs between kernel versions, and the few definitions of
 * KVM that Debian's headers package does not carry (arch/x86/kvm/ is private
 * to KVM). No other file looks at the kernel's version.
 */
#ifndef CHARIOT_COMPAT_H
#define CHARIOT_COMPAT_H

#include <linux/ftrace.h>
#include <linux/kvm_host.h>

/* arch/x86/kvm/kvm_emulate.h: what the emulator's memory callbacks return */
#define CHARIOT_X86EMUL_CONTINUE	0

/* arch/x86/kvm/kvm_cache_regs.h: whether vcpu->arch.regs[] holds the register */
static inline bool chariot_reg_available(struct kvm_vcpu *vcpu, int reg)
{
	return test_bit(reg, (unsigned long *)&vcpu->arch.regs_avail);
}

/* The register in vcpu->arch.regs[] was changed: to be loaded at the next entry. */
static inline void chariot_reg_mark_dirty(struct kvm_vcpu *vcpu, int reg)
{
	__set_bit(reg, (unsigned long *)&vcpu->arch.regs_avail);
	__set_bit(reg, (unsigned long *)&vcpu->arch.regs_dirty);
}

/* arch/x86/kvm/kvm_cache_regs.h, smm.h */
static inline bool chariot_in_nested_guest(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.hflags & HF_GUEST_MASK;
}

static inline bool chariot_in_smm(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.hflags & HF_SMM_MASK;
}

/* An event is being re-injected: the exit happened while the CPU delivered it. */
static inline bool chariot_delivering_event(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.exception.injected || vcpu->arch.interrupt.injected ||
	       vcpu->arch.nmi_injected;
}

static inline bool chariot_vm_is_confidential(struct kvm *kvm)
{
#ifdef KVM_X86_DEFAULT_VM
	if (kvm->arch.vm_type != KVM_X86_DEFAULT_VM)
		return true;
#endif
	/* KVM_SEV_INIT leaves no other public trace on a VM of the default type. */
	return test_bit(APICV_INHIBIT_REASON_SEV, &kvm->arch.apicv_inhibit_reasons);
}

#endif
