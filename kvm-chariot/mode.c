// SPDX-License-Identifier: GPL-2.0-only
/* Which mode KVM runs in, and what modes share. */
#include <linux/cc_platform.h>
#include <asm/hypervisor.h>

#include "compat.h"
#include "mode.h"
#include "symbol.h"
#include "vm.h"

const struct chariot_mode *chariot_mode_current(void)
{
	/* KVM's entries carry the encryption bit then, which views do not know. */
	if (cc_platform_has(CC_ATTR_HOST_MEM_ENCRYPT))
		return NULL;
	/* KVM flushes its own root by a hypercall there, and never a view's. */
	if (hypervisor_is_type(X86_HYPER_MS_HYPERV))
		return NULL;
	if (chariot_symbol_find("svm_load_mmu_pgd"))
		return chariot_symbol_tdp_enabled() ? &chariot_mode_npt : &chariot_mode_svm_shadow;
	if (chariot_symbol_find("vmx_load_mmu_pgd"))
		return chariot_symbol_tdp_enabled() ? &chariot_mode_ept : &chariot_mode_vmx_shadow;
	return NULL;
}

const char *chariot_mode_wanted(void)
{
	return "kvm-amd or kvm-intel, no SME, not below Hyper-V";
}

void chariot_mode_decode_tdp(u64 error_code, struct chariot_access *access)
{
	access->write = error_code & PFERR_WRITE_MASK;
	access->fetch = error_code & PFERR_FETCH_MASK;
	access->walk = error_code & PFERR_GUEST_PAGE_MASK;
}

bool chariot_mode_usable_tdp(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.root_mmu.root_role.direct && (vcpu->arch.efer & EFER_LMA);
}

u64 chariot_mode_error_for_kvm(u64 error_code, bool present, bool mmio)
{
	error_code &= ~(u64)(PFERR_PRESENT_MASK | PFERR_RSVD_MASK);
	if (mmio)
		return error_code | PFERR_PRESENT_MASK | PFERR_RSVD_MASK;
	return present ? error_code | PFERR_PRESENT_MASK : error_code;
}

int chariot_mode_skip(struct kvm_vcpu *vcpu)
{
	return kvm_skip_emulated_instruction(vcpu);
}

int chariot_mode_skip_decoded(struct kvm_vcpu *vcpu)
{
	return kvm_emulate_instruction(vcpu, EMULTYPE_SKIP);
}

void chariot_mode_reload(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;

	if (chariot_vm_find_rcu(vcpu->kvm))
		kvm_make_request(KVM_REQ_LOAD_MMU_PGD, vcpu);
}
