/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Symbols of KVM and of the core kernel that are not exported to modules.
 * This is the one file that finds them another way.
 *
 * Kernels from the end of 2025 on export KVM's functions to KVM's vendor
 * modules only. Those that this module calls are therefore found by name on
 * every kernel: below, each name stands for a static call of its own. What is
 * exported everywhere (kvm_get_kvm(), kvm_put_kvm()) stays as it is, which also
 * keeps kvm.ko from being unloaded under the addresses found here.
 */
#ifndef CHARIOT_SYMBOL_H
#define CHARIOT_SYMBOL_H

#include <linux/kvm_host.h>
#include <linux/static_call.h>
#include <asm/fpu/api.h>

/* -ENOENT: kallsyms_lookup_name cannot be found (no kprobes). */
int chariot_symbol_init(void);

/* Address of a symbol, 0 if there is none. */
unsigned long chariot_symbol_find(const char *name);

/*
 * Finds KVM's functions; before the first of them is called. May sleep.
 * -ENXIO (with a log line that names the function): this KVM has not all of them.
 */
int chariot_symbol_find_kvm(void);

/* Whether KVM uses two-dimensional paging; false while KVM is not loaded. */
bool chariot_symbol_tdp_enabled(void);

#define CHARIOT_KVM_FUNCTIONS(F)	\
	F(file_is_kvm)			\
	F(gfn_to_hva)			\
	F(gfn_to_memslot)		\
	F(kvm_emulate_instruction)	\
	F(kvm_flush_remote_tlbs)	\
	F(kvm_get_linear_rip)		\
	F(kvm_get_running_vcpu)		\
	F(kvm_make_all_cpus_request)	\
	F(kvm_mmu_gva_to_gpa_read)	\
	F(kvm_mmu_gva_to_gpa_write)	\
	F(kvm_mmu_page_fault)		\
	F(kvm_read_guest)		\
	F(kvm_skip_emulated_instruction) \
	F(kvm_vcpu_gfn_to_hva)		\
	F(kvm_vcpu_mark_page_dirty)	\
	F(kvm_vcpu_read_guest)		\
	F(kvm_vcpu_write_guest)		\
	F(kvm_write_guest)		\
	F(switch_fpu_return)

#define CHARIOT_DECLARE(name)	DECLARE_STATIC_CALL(chariot_##name, name);
CHARIOT_KVM_FUNCTIONS(CHARIOT_DECLARE)
#undef CHARIOT_DECLARE

#define file_is_kvm			static_call(chariot_file_is_kvm)
#define gfn_to_hva			static_call(chariot_gfn_to_hva)
#define gfn_to_memslot			static_call(chariot_gfn_to_memslot)
#define kvm_emulate_instruction		static_call(chariot_kvm_emulate_instruction)
#define kvm_flush_remote_tlbs		static_call(chariot_kvm_flush_remote_tlbs)
#define kvm_get_linear_rip		static_call(chariot_kvm_get_linear_rip)
#define kvm_get_running_vcpu		static_call(chariot_kvm_get_running_vcpu)
#define kvm_make_all_cpus_request	static_call(chariot_kvm_make_all_cpus_request)
#define kvm_mmu_gva_to_gpa_read		static_call(chariot_kvm_mmu_gva_to_gpa_read)
#define kvm_mmu_gva_to_gpa_write	static_call(chariot_kvm_mmu_gva_to_gpa_write)
#define kvm_mmu_page_fault		static_call(chariot_kvm_mmu_page_fault)
#define kvm_read_guest			static_call(chariot_kvm_read_guest)
#define kvm_skip_emulated_instruction	static_call(chariot_kvm_skip_emulated_instruction)
#define kvm_vcpu_gfn_to_hva		static_call(chariot_kvm_vcpu_gfn_to_hva)
#define kvm_vcpu_mark_page_dirty	static_call(chariot_kvm_vcpu_mark_page_dirty)
#define kvm_vcpu_read_guest		static_call(chariot_kvm_vcpu_read_guest)
#define kvm_vcpu_write_guest		static_call(chariot_kvm_vcpu_write_guest)
#define kvm_write_guest			static_call(chariot_kvm_write_guest)
#define switch_fpu_return		static_call(chariot_switch_fpu_return)

#endif
