/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernel versions in KVM's own page table entries
 * (arch/x86/kvm/mmu/spte.h). Apart from compat.h, for the unit tests build
 * the entry formats too.
 */
#ifndef CHARIOT_COMPAT_SPTE_H
#define CHARIOT_COMPAT_SPTE_H

#include <linux/bits.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#error "not known for this kernel: compare its arch/x86/kvm/mmu/spte.h with 6.12's and 7.2's"
#endif

/* How accessed and dirty are tracked; 1: not by the hardware's bits. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
#define SPTE_AD_SHIFT		60
#else
#define SPTE_AD_SHIFT		52
#endif
#define SPTE_AD_TYPE		(3ull << SPTE_AD_SHIFT)
#define SPTE_AD_DISABLED	BIT_ULL(SPTE_AD_SHIFT)

#endif
