// SPDX-License-Identifier: GPL-2.0-only
/* Which mode KVM runs in. */
#include <linux/cc_platform.h>
#include <asm/hypervisor.h>

#include "compat.h"
#include "mode.h"
#include "symbol.h"

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
