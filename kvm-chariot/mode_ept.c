// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intel extended page tables (EPT).
 *
 * Root. KVM's vmx_load_mmu_pgd() writes its own root into the VMCS; ours replaces
 * it there afterwards (KVM looks at what it knows of its roots, so it never
 * gets to see another). With it the EPT's accessed and dirty bits are switched
 * off: with them on, the CPU treats each access of its page walker to a guest
 * page table as a write; without, only those that set a bit in it, and these
 * are done here in the CPU's stead. So no view needs guest page tables to be
 * writable. Under KVM's own root (SMM, nested guests) the bits are as KVM wants.
 *
 * Dirty logging. KVM does it by the dirty bit and the CPU's log of those that it
 * sets (PML), or by write protection. Neither is the views' concern: a
 * view's entry is writable only after KVM's is dirty, and when it is this
 * module that sets that bit, standing for the walk that the CPU did not make,
 * it logs the page as the CPU would (judge.c). PML stays enabled in the VMCS; it
 * logs nothing while the bits are off.
 *
 * TLB (SDM volume 3, 29.4). What is cached from an EPT is tagged by its root's
 * address. So a crossing needs no flush. Added rights do not either, for an EPT
 * violation invalidates what led to it. What the guest itself invalidates (INVLPG,
 * CR3, or by INVVPID if KVM does it for it) it invalidates for every root.
 * What a view loses must be flushed by INVEPT for that view's root. Where the vCPU's own
 * thread takes it away, that is done at once, on the CPU that it is on: no other CPU
 * walks a domain's view, and what one remembers of it from an earlier stay goes when the
 * vCPU comes there again, for KVM then makes KVM_REQ_TLB_FLUSH, an INVEPT of all roots.
 * From afar that request is the way. KVM_REQ_TLB_FLUSH_CURRENT concerns KVM's root,
 * and here also the view's that is loaded.
 */
#include <asm/vmx.h>
#include <linux/rcupdate.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "crossing.h"
#include "hook.h"
#include "mode.h"
#include "vm.h"
#include "../include/uapi/chariot.h"

#define PTE_PRESENT	BIT_ULL(0)	/* in the guest's page tables */
#define PTE_ACCESSED	BIT_ULL(5)
#define PTE_DIRTY	BIT_ULL(6)

/* The VMCS of the running vCPU is the CPU's current one, in whose thread this is called. */
static u64 vmcs_read(unsigned long field)
{
	u64 value = 0;
	bool failed;

	asm volatile("vmread %2, %1; setna %0" : "=qm" (failed), "=r" (value) : "r" (field) : "cc");
	WARN_ON_ONCE(failed);
	return value;
}

static void vmcs_write(unsigned long field, u64 value)
{
	bool failed;

	asm volatile("vmwrite %1, %2; setna %0" : "=qm" (failed) : "r" (value), "r" (field) : "cc");
	WARN_ON_ONCE(failed);
}

/* What INVEPT takes: one root's entries, or where the CPU cannot do that, all roots'. */
static unsigned long invept_extent = VMX_EPT_EXTENT_GLOBAL;

static void ept_hooks_found(void)
{
	u64 capabilities;

	rdmsrl(MSR_IA32_VMX_EPT_VPID_CAP, capabilities);
	if (capabilities & VMX_EPT_EXTENT_CONTEXT_BIT)
		invept_extent = VMX_EPT_EXTENT_CONTEXT;
}

static void ept_invalidate(u64 eptp)
{
	struct {
		u64 eptp;
		u64 zero;
	} descriptor = { eptp };
	bool failed;

	asm volatile("invept %1, %2; setna %0"
		     : "=qm" (failed) : "m" (descriptor), "r" (invept_extent) : "cc", "memory");
	WARN_ON_ONCE(failed);
}

/*
 * As KVM's vmx.c makes its error codes: bit 0 tells of any right in the entry, so
 * that a write to a page that is not filled yet lacks it.
 */
static u64 ept_error_for_kvm(u64 error_code, bool present, bool mmio)
{
	/* A misconfiguration, as which KVM marks MMIO, tells nothing else. */
	if (mmio)
		return PFERR_RSVD_MASK;
	error_code &= ~(u64)PFERR_PRESENT_MASK;
	return present ? error_code | PFERR_PRESENT_MASK : error_code;
}

/* Sets @bit in the guest's page-table entry at @gpa, which is in use as it is. */
static bool set_in_entry(struct kvm_vcpu *vcpu, gpa_t gpa, u64 bit)
{
	unsigned long hva = kvm_vcpu_gfn_to_hva(vcpu, gpa >> PAGE_SHIFT);
	u64 __user *slot;
	u64 entry;
	int ret;

	if (kvm_is_error_hva(hva))
		return false;
	slot = (u64 __user *)(hva + offset_in_page(gpa));
	if (get_user(entry, slot))
		return false;
	do {
		/* No walker gets past it any more: the CPU looks again. */
		if (!(entry & PTE_PRESENT))
			return true;
		ret = __try_cmpxchg_user(slot, &entry, entry | bit, fault);
	} while (ret > 0);
	if (ret)
		return false;
	kvm_vcpu_mark_page_dirty(vcpu, gpa >> PAGE_SHIFT);
	return true;
}

/*
 * The walker wants to set accessed, or if that is set dirty, in the entry at @gpa.
 * KVM's walker does so on all levels at once, where the access is allowed; the
 * CPU may also do it on its way to an entry that does not allow it.
 */
static bool ept_complete_walk(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	gpa_t page;
	u64 entry, bit;
	gva_t gva;

	if (!(vmcs_read(EXIT_QUALIFICATION) & EPT_VIOLATION_GVA_IS_VALID))
		return false;
	gpa &= ~(gpa_t)(sizeof(entry) - 1);
	gva = vmcs_read(GUEST_LINEAR_ADDRESS);
	if (kvm_vcpu_read_guest(vcpu, gpa, &entry, sizeof(entry)))
		return false;
	if (entry & PTE_ACCESSED) {
		bit = PTE_DIRTY;
		page = kvm_mmu_gva_to_gpa_write(vcpu, gva, NULL);
	} else {
		bit = PTE_ACCESSED;
		page = kvm_mmu_gva_to_gpa_read(vcpu, gva, NULL);
	}
	return page != INVALID_GPA || set_in_entry(vcpu, gpa, bit);
}

static void ept_flush_self(struct kvm_vcpu *vcpu)
{
	kvm_make_request(KVM_REQ_TLB_FLUSH, vcpu);
}

static void ept_flush_loaded(struct kvm_vcpu *vcpu)
{
	kvm_make_request(KVM_REQ_TLB_FLUSH_CURRENT, vcpu);
}

/* As the root is loaded: the address is what counts, the rest must be valid. */
static u64 ept_pointer(u64 root_pa)
{
	return (vmcs_read(EPT_POINTER) & ~(PAGE_MASK | VMX_EPTP_AD_ENABLE_BIT)) | root_pa;
}

static void ept_flush_view(struct kvm_vcpu *vcpu, u64 root_pa)
{
	ept_invalidate(ept_pointer(root_pa));
}

static bool ept_will_flush(struct kvm_vcpu *vcpu)
{
	return kvm_test_request(KVM_REQ_TLB_FLUSH, vcpu);
}

static void on_load_mmu_pgd(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct chariot_vm *vm = chariot_vm_find_rcu(vcpu->kvm);

	if (vm && chariot_vm_in_views(vm))
		chariot_hook_redirect(hook, regs);
}

static void replace_load_mmu_pgd(struct kvm_vcpu *vcpu, hpa_t root, int level);

/* INVEPT for KVM's root follows: for the view that is in its place as well. */
static void on_flush_current(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct chariot_vm *vm = chariot_vm_find_rcu(vcpu->kvm);
	u64 eptp;

	if (!vm || !chariot_vm_in_views(vm))
		return;
	chariot_count(vm, flushes_vcpu);
	if (chariot_in_nested_guest(vcpu))
		return;
	eptp = vmcs_read(EPT_POINTER);
	/* 0: KVM flushes before it has ever loaded a root; no CPU takes that for one. */
	if (eptp && (eptp & PAGE_MASK) != vcpu->arch.mmu->root.hpa)
		ept_invalidate(eptp);
}

/* INVEPT for all roots follows, and no entry before it. */
static void on_flush_all(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct chariot_vm *vm = chariot_vm_find_rcu(vcpu->kvm);

	if (!vm)
		return;
	if (chariot_vm_in_views(vm))
		chariot_count(vm, flushes_vcpu);
	chariot_views_flushed(&vm->views, vcpu->vcpu_idx, chariot_views_gen(&vm->views));
}

static void on_enter_nested(struct chariot_hook *hook, struct pt_regs *regs);

enum { HOOK_LOAD, HOOK_FLUSH_CURRENT, HOOK_FLUSH_ALL, HOOK_ENTER_NESTED, HOOK_NEW_PGD };

static struct chariot_hook ept_hooks[] = {
	[HOOK_LOAD] = { "vmx_load_mmu_pgd", on_load_mmu_pgd, replace_load_mmu_pgd },
	[HOOK_FLUSH_CURRENT] = { "vmx_flush_tlb_current", on_flush_current },
	[HOOK_FLUSH_ALL] = { "vmx_flush_tlb_all", on_flush_all },
	[HOOK_ENTER_NESTED] = { "nested_vmx_enter_non_root_mode", on_enter_nested },
	/* KVM turns to the guest's VMCS, or has done so. */
	[HOOK_NEW_PGD] = { "kvm_mmu_new_pgd", chariot_mode_reload },
};

static void load_original(struct kvm_vcpu *vcpu, hpa_t root, int level)
{
	void (*load)(struct kvm_vcpu *vcpu, hpa_t root, int level) =
		(void *)ept_hooks[HOOK_LOAD].original;

	load(vcpu, root, level);
}

/*
 * The guest has a VMCS, and its nested guest another. KVM goes back to the first
 * without loading a root, and a view that was in it may be gone by then. So
 * KVM's own root is put there before; see mode_npt.c, where it is the same.
 */
static void on_enter_nested(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct kvm_mmu *mmu = &vcpu->arch.root_mmu;

	/* Also if it is being detached, or is not armed any more: a view may be there yet. */
	if (!chariot_vm_find_rcu(vcpu->kvm))
		return;
	if (!chariot_in_nested_guest(vcpu) && VALID_PAGE(mmu->root.hpa))
		load_original(vcpu, mmu->root.hpa, mmu->root_role.level);
	/* Should it not get there: the view again. */
	kvm_make_request(KVM_REQ_LOAD_MMU_PGD, vcpu);
}

static void replace_load_mmu_pgd(struct kvm_vcpu *vcpu, hpa_t root, int level)
{
	int idx = chariot_hook_begin();
	struct chariot_vm *vm;
	unsigned long ours;

	load_original(vcpu, root, level);
	/* Until the VMCS is written: who disarms waits for it. */
	rcu_read_lock();
	vm = chariot_vm_find_rcu(vcpu->kvm);
	ours = vm && chariot_vm_in_views(vm) ? chariot_load_root(vm, vcpu, root, level) : root;
	if (ours != root)
		vmcs_write(EPT_POINTER, ept_pointer(ours));
	rcu_read_unlock();
	chariot_hook_end(idx);
}

const struct chariot_mode chariot_mode_ept = {
	.name = "EPT",
	.info_bit = CHARIOT_MODE_EPT,
	.entry = &chariot_entry_ept,
	.hooks = ept_hooks,
	.nr_hooks = ARRAY_SIZE(ept_hooks),
	.hooks_found = ept_hooks_found,
	.flush_self = ept_flush_self,
	.flush_loaded = ept_flush_loaded,
	.flush_view = ept_flush_view,
	.will_flush = ept_will_flush,
	.usable = chariot_mode_usable_tdp,
	.decode = chariot_mode_decode_tdp,
	.error_for_kvm = ept_error_for_kvm,
	.complete_walk = ept_complete_walk,
	/* The length that the CPU reports with an EPT violation is not defined. */
	.skip = chariot_mode_skip_decoded,
};
