// SPDX-License-Identifier: GPL-2.0-only
/*
 * AMD nested paging (NPT).
 *
 * The TLB is tagged by ASID only, so a crossing flushes the guest's ASID. The
 * CPU treats every access of its page walker to a guest page table as a
 * write (error code bit 33, AMD APM volume 2, 15.25.6): in a domain's view
 * the pages that it walks have to become writable, see judge.c.
 */
#include "compat.h"
#include "hook.h"
#include "mode.h"
#include "vm.h"
#include "../include/uapi/chariot.h"

/* Flushes the ASID, hence what the TLB holds of any view. */
static void npt_flush(struct kvm_vcpu *vcpu)
{
	kvm_make_request(KVM_REQ_TLB_FLUSH_CURRENT, vcpu);
}

static bool npt_will_flush(struct kvm_vcpu *vcpu)
{
	return kvm_test_request(KVM_REQ_TLB_FLUSH_CURRENT, vcpu) ||
	       kvm_test_request(KVM_REQ_TLB_FLUSH, vcpu);
}

/*
 * A vCPU has a VMCB for the guest and one for its nested guest, each with a root.
 * KVM loads a root into the one in use, and returns to the other without
 * loading one again where it thinks that nothing has changed. So the guest's
 * must not hold a view's root while the nested guest runs: the view may be
 * gone when KVM returns. KVM's own root is put there before KVM turns to the
 * nested guest's, and the view is loaded after it has returned.
 */
static void npt_enter_nested(struct chariot_hook *hook, struct pt_regs *regs);

static struct chariot_hook npt_hooks[] = {
	{ "svm_load_mmu_pgd", chariot_hook_load_root },
	{ "nested_svm_vmrun", npt_enter_nested },
	{ "svm_set_nested_state", npt_enter_nested },
	{ "svm_leave_nested", chariot_mode_reload },
};

static void npt_enter_nested(struct chariot_hook *hook, struct pt_regs *regs)
{
	void (*load)(struct kvm_vcpu *vcpu, hpa_t root, int level) = (void *)npt_hooks[0].original;
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct kvm_mmu *mmu = &vcpu->arch.root_mmu;

	/* Also if it is being detached, or is not armed any more: the VMCB may hold a view yet. */
	if (!chariot_vm_find_rcu(vcpu->kvm))
		return;
	/* Without a root of KVM's own, KVM loads one when it returns. */
	if (!chariot_in_nested_guest(vcpu) && VALID_PAGE(mmu->root.hpa))
		load(vcpu, mmu->root.hpa, mmu->root_role.level);
	/* Should it stay: the view again. */
	kvm_make_request(KVM_REQ_LOAD_MMU_PGD, vcpu);
}

const struct chariot_mode chariot_mode_npt = {
	.name = "NPT",
	.info_bit = CHARIOT_MODE_NPT,
	.entry = &chariot_entry_npt,
	.hooks = npt_hooks,
	.nr_hooks = ARRAY_SIZE(npt_hooks),
	.crossing_flushes = true,
	.flush_self = npt_flush,
	.flush_loaded = npt_flush,
	.will_flush = npt_will_flush,
	.usable = chariot_mode_usable_tdp,
	.decode = chariot_mode_decode_tdp,
	.error_for_kvm = chariot_mode_error_for_kvm,
	.skip = chariot_mode_skip,
};
