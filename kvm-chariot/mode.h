/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs by CPU vendor and paging mode. The judge, the ACL and the views
 * know only this structure; each mode is one file, mode_*.c.
 */
#ifndef CHARIOT_MODE_H
#define CHARIOT_MODE_H

#include <linux/kvm_host.h>

#include "view.h"

/* A guest access that faulted in a view. */
struct chariot_access {
	bool write;
	bool fetch;
	bool walk;	/* made by the CPU's page walker, not by the instruction */
};

struct chariot_mode {
	const char *name;
	u32 info_bit;				/* CHARIOT_MODE_* */
	const char *load_mmu_pgd;		/* the vendor's function to hook */
	const struct chariot_entry_ops *entry;
	/*
	 * A crossing leaves no usable TLB entry of the old view, so a vCPU that
	 * is not in a domain's view holds none of that view's entries.
	 */
	bool crossing_flushes;
	void (*decode)(u64 error_code, struct chariot_access *access);
	/* The error code for KVM's handler, whose own entry is @present or @mmio. */
	u64 (*error_for_kvm)(u64 error_code, bool present, bool mmio);
};

extern const struct chariot_mode chariot_mode_npt;

/* The mode in which KVM runs on this host now; NULL: not supported, or KVM is not loaded. */
const struct chariot_mode *chariot_mode_current(void);

#endif
