// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow paging, on AMD (kvm-amd npt=0) and Intel (kvm-intel ept=0); see shadow.h.
 *
 * The TLB is tagged by ASID or VPID, and by the guest's PCID, never by root: a
 * crossing flushes. It calls the vendor's flush itself instead of asking KVM for
 * it, so that the hook does not see it: the guest's tables have not changed, and
 * nothing is to be compared.
 */
#include <linux/static_call.h>

#include "compat.h"
#include "hook.h"
#include "mode.h"
#include "shadow.h"

static void shadow_request_flush(struct kvm_vcpu *vcpu)
{
	kvm_make_request(KVM_REQ_TLB_FLUSH_CURRENT, vcpu);
}

DEFINE_STATIC_CALL(chariot_vendor_flush, shadow_request_flush);

static void shadow_flush_self(struct kvm_vcpu *vcpu)
{
	/* There the vendor's flush also forgets what the guest asked for but KVM has not done. */
	if (vcpu->arch.hyperv_enabled)
		shadow_request_flush(vcpu);
	else
		static_call(chariot_vendor_flush)(vcpu);
}

static bool shadow_will_flush(struct kvm_vcpu *vcpu)
{
	return false;	/* not asked: the hook on the flush itself tells */
}

/* Neither real mode and its like, for which KVM has a tree by gpa, nor 32-bit paging. */
static bool shadow_usable(struct kvm_vcpu *vcpu)
{
	union kvm_mmu_page_role role = vcpu->arch.root_mmu.root_role;

	return !role.direct && role.level >= 4 && (vcpu->arch.efer & EFER_LMA);
}

static void shadow_decode(u64 error_code, struct chariot_access *access)
{
	access->write = error_code & PFERR_WRITE_MASK;
	access->fetch = error_code & PFERR_FETCH_MASK;
	access->user = error_code & PFERR_USER_MASK;
}

static void on_flush(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct chariot_vm *vm = chariot_vm_find_rcu(vcpu->kvm);

	if (vm && chariot_vm_in_views(vm)) {
		chariot_count(vm, flushes_vcpu);
		chariot_shadow_flush(vm, vcpu);
	}
}

static void on_flush_gva(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct chariot_vm *vm = chariot_vm_find_rcu(vcpu->kvm);

	if (vm && chariot_vm_in_views(vm)) {
		chariot_count(vm, flushes_address);
		chariot_shadow_flush_gva(vm, vcpu, regs->si);
	}
}

/* What both vendors have; all but the hooks, and how an instruction is stepped over */
#define SHADOW_MODE						\
	.info_bit = CHARIOT_MODE_SHADOW,			\
	.entry = &chariot_entry_shadow,				\
	.by_gva = true,						\
	.crossing_flushes = true,				\
	.flush_self = shadow_flush_self,			\
	.flush_loaded = shadow_flush_self,			\
	.will_flush = shadow_will_flush,			\
	.usable = shadow_usable,				\
	.decode = shadow_decode,				\
	.error_for_kvm = chariot_mode_error_for_kvm

/* flush_tlb_all, _current and _guest all end in the first. */
static struct chariot_hook svm_hooks[] = {
	{ "svm_flush_tlb_asid", on_flush },
	{ "svm_flush_tlb_gva", on_flush_gva },
	{ "svm_load_mmu_pgd", chariot_hook_load_root },
	{ "svm_leave_nested", chariot_mode_reload },
};

static void svm_hooks_found(void)
{
	static_call_update(chariot_vendor_flush, (void *)svm_hooks[0].original);
}

const struct chariot_mode chariot_mode_svm_shadow = {
	SHADOW_MODE,
	.name = "shadow paging (SVM)",
	.hooks = svm_hooks,
	.nr_hooks = ARRAY_SIZE(svm_hooks),
	.hooks_found = svm_hooks_found,
	.skip = chariot_mode_skip,
};

static struct chariot_hook vmx_hooks[] = {
	{ "vmx_flush_tlb_guest", on_flush },
	{ "vmx_flush_tlb_current", on_flush },
	{ "vmx_flush_tlb_all", on_flush },
	{ "vmx_flush_tlb_gva", on_flush_gva },
	{ "vmx_load_mmu_pgd", chariot_hook_load_root },
	{ "vmx_leave_nested", chariot_mode_reload },
};

static void vmx_hooks_found(void)
{
	static_call_update(chariot_vendor_flush, (void *)vmx_hooks[0].original);
}

const struct chariot_mode chariot_mode_vmx_shadow = {
	SHADOW_MODE,
	.name = "shadow paging (VMX)",
	.hooks = vmx_hooks,
	.nr_hooks = ARRAY_SIZE(vmx_hooks),
	.hooks_found = vmx_hooks_found,
	/* VMX tells no length for the instruction that a page fault is due to. */
	.skip = chariot_mode_skip_decoded,
};
