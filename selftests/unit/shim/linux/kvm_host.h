/* SPDX-License-Identifier: GPL-2.0-only */
/* Of KVM's structures what compat.h and layout.c touch, under the kernel's names. */
#ifndef SHIM_LINUX_KVM_HOST_H
#define SHIM_LINUX_KVM_HOST_H

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/spinlock.h>

#define KVM_MAX_VCPUS		4096
#define INVALID_PAGE		(~(hpa_t)0)
#define VALID_PAGE(x)		((x) != INVALID_PAGE)
#define INVALID_GPA		(~(gpa_t)0)

#define HF_GUEST_MASK		BIT(0)
#define HF_SMM_MASK		BIT(1)
#define VCPU_REGS_RIP		16
#define APICV_INHIBIT_REASON_SEV	0

typedef unsigned long gva_t;

struct x86_exception;
struct pt_regs;

union kvm_mmu_page_role {
	u32 word;
	struct {
		unsigned int level:4;
		unsigned int has_4_byte_gpte:1;
		unsigned int quadrant:2;
		unsigned int direct:1;
		unsigned int access:3;
		unsigned int invalid:1;
		unsigned int efer_nx:1;
		unsigned int cr0_wp:1;
		unsigned int smep_andnot_wp:1;
		unsigned int smap_andnot_wp:1;
		unsigned int ad_disabled:1;
		unsigned int guest_mode:1;
		unsigned int passthrough:1;
		unsigned int:5;
		unsigned int smm:8;
	};
};

struct kvm_mmu {
	struct {
		hpa_t hpa;
		gpa_t pgd;
	} root;
	union kvm_mmu_page_role root_role;
};

struct kvm {
	spinlock_t mmu_lock;
	gfn_t shim_memory;	/* gfns below it have a memslot */
	struct {
		unsigned long apicv_inhibit_reasons;
	} arch;
};

struct kvm_vcpu {
	struct kvm *kvm;
	struct {
		struct kvm_mmu root_mmu;
		unsigned long regs[17];
		unsigned long regs_avail, regs_dirty;
		unsigned int hflags;
		bool nmi_injected;
		struct {
			bool injected;
		} exception, interrupt;
	} arch;
};

#define write_lock(lock)	spin_lock(lock)
#define write_unlock(lock)	spin_unlock(lock)

/* See static_call.h there. */
static inline bool chariot_gfn_to_memslot(struct kvm *kvm, gfn_t gfn)
{
	return gfn < kvm->shim_memory;
}

#endif
