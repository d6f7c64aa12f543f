/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs by CPU vendor and paging mode. The judge, the ACL and the views
 * know only this structure; each mode is one file, mode_*.c.
 */
#ifndef CHARIOT_MODE_H
#define CHARIOT_MODE_H

#include "compat.h"

#include "view.h"

struct chariot_hook;
struct pt_regs;

/* A guest access that faulted in a view. */
struct chariot_access {
	bool write;
	bool fetch;
	bool walk;	/* made by the CPU's page walker, not by the instruction */
	bool user;	/* made in user mode; only where faults tell */
};

struct chariot_mode {
	const char *name;
	u32 info_bit;				/* CHARIOT_MODE_* */
	const struct chariot_entry_ops *entry;
	/*
	 * KVM's tree, hence every view, translates guest virtual addresses, and
	 * so does a fault: shadow.h has what follows from it.
	 */
	bool by_gva;
	/*
	 * What is hooked in this mode beside what every mode needs (hook.c):
	 * the vendor's load_mmu_pgd, and the functions by which it flushes.
	 */
	struct chariot_hook *hooks;
	unsigned int nr_hooks;
	void (*hooks_found)(void);	/* or NULL; called before they are installed */
	/*
	 * A crossing leaves no usable TLB entry of the old view, so a vCPU that
	 * is not in a domain's view holds none of that view's entries.
	 */
	bool crossing_flushes;
	/*
	 * Before the running vCPU enters the guest again its TLB is flushed of what
	 * it holds of all its views, or at least of the view that it loads then.
	 */
	void (*flush_self)(struct kvm_vcpu *vcpu);
	void (*flush_loaded)(struct kvm_vcpu *vcpu);
	/*
	 * TLBs that are tagged by root: flushes, now, what the CPU holds of one view of
	 * the running vCPU's. KVM flushes all when a vCPU comes to another CPU. NULL: what
	 * concerns one view is flush_self()'s.
	 */
	void (*flush_view)(struct kvm_vcpu *vcpu, u64 root_pa);
	/* Is a flush of all its views certain to happen before the next entry? */
	bool (*will_flush)(struct kvm_vcpu *vcpu);
	/* Has the vCPU, as it is now, a paging mode that views can be made for? */
	bool (*usable)(struct kvm_vcpu *vcpu);
	void (*decode)(u64 error_code, struct chariot_access *access);
	/* The error code for KVM's handler, whose own entry is @present or @mmio. */
	u64 (*error_for_kvm)(u64 error_code, bool present, bool mmio);
	/*
	 * Does what the page walker wanted to write into the guest's page table
	 * at @gpa, which the view does not let it write. False: it cannot be
	 * done. NULL: no mode of the CPU's lets the page stay read-only.
	 */
	bool (*complete_walk)(struct kvm_vcpu *vcpu, gpa_t gpa);
	/* Steps over the instruction at RIP, on which the vCPU faulted; as KVM's own does. */
	int (*skip)(struct kvm_vcpu *vcpu);
};

extern const struct chariot_mode chariot_mode_npt;
extern const struct chariot_mode chariot_mode_ept;
extern const struct chariot_mode chariot_mode_svm_shadow;
extern const struct chariot_mode chariot_mode_vmx_shadow;

/* What more than one mode uses for the members above: */

/* Nested paging: the walker is told of. The bits are AMD's; KVM makes Intel's alike. */
void chariot_mode_decode_tdp(u64 error_code, struct chariot_access *access);
bool chariot_mode_usable_tdp(struct kvm_vcpu *vcpu);
/* What the CPU would have said with KVM's own tree, where faults are told as #PF's are. */
u64 chariot_mode_error_for_kvm(u64 error_code, bool present, bool mmio);
/* By the length that the CPU told; by KVM's decoder, where it tells none. */
int chariot_mode_skip(struct kvm_vcpu *vcpu);
int chariot_mode_skip_decoded(struct kvm_vcpu *vcpu);
/*
 * KVM may turn to another of the vCPU's VMCBs or VMCSs, with the root of then: the
 * view is loaded before the guest is entered. For hooks.
 */
void chariot_mode_reload(struct chariot_hook *hook, struct pt_regs *regs);

/* The mode in which KVM runs on this host now; NULL: not supported, or KVM is not loaded. */
const struct chariot_mode *chariot_mode_current(void);
/* What attach says when there is none. */
const char *chariot_mode_wanted(void);

#endif
