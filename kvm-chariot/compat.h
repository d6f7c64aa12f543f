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
#include <linux/version.h>
#include <asm/msr.h>

/* In arch/x86/kvm/{mmu,regs,x86}.h since 7.3, before in the public header: the same. */
#ifndef EMULTYPE_SKIP
#define EMULTYPE_SKIP			BIT(2)
#endif
int kvm_emulate_instruction(struct kvm_vcpu *vcpu, int emulation_type);
unsigned long kvm_get_linear_rip(struct kvm_vcpu *vcpu);
gpa_t kvm_mmu_gva_to_gpa_read(struct kvm_vcpu *vcpu, gva_t gva, struct x86_exception *exception);
gpa_t kvm_mmu_gva_to_gpa_write(struct kvm_vcpu *vcpu, gva_t gva, struct x86_exception *exception);
int kvm_mmu_page_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 error_code, void *insn, int insn_len);
int kvm_skip_emulated_instruction(struct kvm_vcpu *vcpu);

#include "symbol.h"

/* Since 6.2: signals end a wait for a page. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define FOLL_INTERRUPTIBLE		0
#endif

/* The name of newer kernels */
#ifndef rdmsrl
#define rdmsrl(msr, val)		rdmsrq(msr, val)
#endif

/* The function by which KVM flushes a range: (kvm, first gfn, number of pages) */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define CHARIOT_KVM_FLUSH_RANGE		"kvm_flush_remote_tlbs_range"
#else
#define CHARIOT_KVM_FLUSH_RANGE		"kvm_flush_remote_tlbs_with_address"
#endif

/* In arch/x86/kvm/x86.h since 7.3: its place in enum kvm_apicv_inhibit */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
#define CHARIOT_INHIBIT_SEV		10
#else
#define CHARIOT_INHIBIT_SEV		APICV_INHIBIT_REASON_SEV
#endif

/* arch/x86/kvm/kvm_emulate.h: what the emulator's memory callbacks return */
#define CHARIOT_X86EMUL_CONTINUE	0
#define CHARIOT_X86EMUL_RETRY_INSTR	3

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

/* RIP is no longer one of vcpu->arch.regs[] since 7.3. */
static inline void chariot_rip_write(struct kvm_vcpu *vcpu, unsigned long rip)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
	vcpu->arch.rip = rip;
	chariot_reg_mark_dirty(vcpu, VCPU_REG_RIP);
#else
	vcpu->arch.regs[VCPU_REGS_RIP] = rip;
	chariot_reg_mark_dirty(vcpu, VCPU_REGS_RIP);
#endif
}

/*
 * arch/x86/kvm/mmu/mmu_internal.h: how struct kvm_mmu_page begins, from 6.1 to
 * 7.3. KVM's descriptor of a page of its page tables.
 */
struct chariot_kvm_mmu_page {
	struct list_head link;
	struct hlist_node hash_link;
	bool tdp_mmu_page;
	bool unsync;
	u8 mmu_valid_gen;
	bool nx_huge_page_disallowed;
	union kvm_mmu_page_role role;
	gfn_t gfn;
	u64 *spt;
	u64 *shadowed_translation;	/* gfn << PAGE_SHIFT and access, for each entry */
};

/* mmu.c, kvm_mmu_page_get_gfn(): the guest's page that the shadow leaf at @slot maps. */
static inline gfn_t chariot_shadow_gfn(u64 *slot)
{
	struct page *page = virt_to_page(slot);
	struct chariot_kvm_mmu_page *sp = (void *)page_private(page);
	unsigned int index = offset_in_page(slot) / sizeof(*slot);

	if (sp->role.passthrough)
		return sp->gfn;
	if (sp->shadowed_translation)
		return sp->shadowed_translation[index] >> PAGE_SHIFT;
	return sp->gfn + ((gfn_t)index << ((sp->role.level - 1) * 9));
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
	return test_bit(CHARIOT_INHIBIT_SEV, &kvm->arch.apicv_inhibit_reasons);
}

#endif
