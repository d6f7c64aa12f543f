// SPDX-License-Identifier: GPL-2.0-only
/*
 * AMD nested paging (NPT).
 *
 * The TLB is tagged by ASID only, so a crossing flushes the guest's ASID. The
 * CPU treats every access of its page walker to a guest page table as a
 * write (error code bit 33, AMD APM volume 2, 15.25.6): in a domain's view
 * the pages that it walks have to become writable, see judge.c.
 */
#include <linux/cc_platform.h>
#include <asm/hypervisor.h>

#include "compat.h"
#include "mode.h"
#include "symbol.h"
#include "../include/uapi/chariot.h"

static void npt_decode(u64 error_code, struct chariot_access *access)
{
	access->write = error_code & PFERR_WRITE_MASK;
	access->fetch = error_code & PFERR_FETCH_MASK;
	access->walk = error_code & PFERR_GUEST_PAGE_MASK;
}

static u64 npt_error_for_kvm(u64 error_code, bool present, bool mmio)
{
	error_code &= ~(u64)(PFERR_PRESENT_MASK | PFERR_RSVD_MASK);
	if (mmio)
		return error_code | PFERR_PRESENT_MASK | PFERR_RSVD_MASK;
	return present ? error_code | PFERR_PRESENT_MASK : error_code;
}

const struct chariot_mode chariot_mode_npt = {
	.name = "NPT",
	.info_bit = CHARIOT_MODE_NPT,
	.load_mmu_pgd = "svm_load_mmu_pgd",
	.entry = &chariot_entry_npt,
	.crossing_flushes = true,
	.decode = npt_decode,
	.error_for_kvm = npt_error_for_kvm,
};

const struct chariot_mode *chariot_mode_current(void)
{
	if (!boot_cpu_has(X86_FEATURE_SVM) || !chariot_symbol_tdp_enabled())
		return NULL;
	/* KVM's entries carry the encryption bit then, which views do not know. */
	if (cc_platform_has(CC_ATTR_HOST_MEM_ENCRYPT))
		return NULL;
	/* KVM flushes its own root by a hypercall there, and never a view's. */
	if (hypervisor_is_type(X86_HYPER_MS_HYPERV))
		return NULL;
	return &chariot_mode_npt;
}
