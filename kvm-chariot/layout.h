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
 * Looks at the vCPU's root and at tables below it. 1: they are as expected; 0: KVM has
 * no root for the vCPU now, or none that views are made from. -ENXIO (with a log line
 * that names the field): they are not. Needs kvm->srcu; takes kvm->mmu_lock.
 */
int chariot_layout_check(const struct chariot_mode *mode, struct kvm_vcpu *vcpu);

/* The same until it is known for the VM, then nothing more. 0: known, or no root yet; -ENXIO. */
int chariot_layout_know(struct chariot_vm *vm, struct kvm_vcpu *vcpu);

#endif
