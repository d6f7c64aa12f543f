/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What compat.h and compat_spte.h repeat of KVM's private structures is compared with
 * what KVM has made, before anything relies on it: a kernel that lays them out in
 * another way is refused.
 */
#ifndef CHARIOT_LAYOUT_H
#define CHARIOT_LAYOUT_H

#include "mode.h"
#include "vm.h"

/*
 * Looks at the vCPU's root and at the tables on the way to what is accessed at @addr.
 * 1: they are as expected; 0: there is nothing to tell it by: no root for the vCPU now,
 * none that views are made from, or no leaf. -ENXIO (with a log line that names the
 * field): they are not. Needs kvm->srcu; takes kvm->mmu_lock.
 */
int chariot_layout_check(const struct chariot_mode *mode, struct kvm_vcpu *vcpu, u64 addr);

/* The same until it is known for the VM, then 1 at once. */
int chariot_layout_know(struct chariot_vm *vm, struct kvm_vcpu *vcpu, u64 addr);

#endif
