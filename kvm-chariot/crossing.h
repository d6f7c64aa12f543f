/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which view a vCPU runs in: arming, crossings, and how every vCPU is brought
 * to load another root. All but chariot_load_root() need chariot_vm.lock.
 */
#ifndef CHARIOT_CROSSING_H
#define CHARIOT_CROSSING_H

#include "vm.h"

#define CHARIOT_VCPU_BITS	KVM_MAX_VCPUS

/*
 * The root that the vCPU shall load instead of KVM's @root. Called by the
 * hook on KVM's load_mmu_pgd, under RCU; never sleeps.
 */
unsigned long chariot_load_root(struct chariot_vm *vm, struct kvm_vcpu *vcpu, unsigned long root,
				int level);

/*
 * The view of @domain that the vCPU uses under KVM's root of now; NULL: not made
 * yet. Needs vm->lock; for the vCPU's own thread.
 */
struct chariot_view *chariot_view_of(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain);

/* The running vCPU changes to domain @to (0: kernel view). 0, -ENOMEM or -ENOSPC. */
int chariot_cross(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 to);

/*
 * The first domain got text. -EINVAL: no vCPU has a paging mode that has views. -ENXIO:
 * KVM's tables are not as expected. Needs kvm->srcu.
 */
int chariot_arm(struct chariot_vm *vm);
/* The last domain lost its text: KVM's own roots again. */
void chariot_disarm(struct chariot_vm *vm);
/* vCPUs that are in @domain go to the kernel view. Returns true if there were any. */
bool chariot_leave_domain(struct chariot_vm *vm, u32 domain);
/* Throws all views away and starts with empty ones: the bound on their memory was reached. */
void chariot_reset_views(struct chariot_vm *vm);
/* Every vCPU leaves the guest, loads its root anew and flushes before it enters again. */
void chariot_reload_all(struct kvm *kvm);
/*
 * Flushes what the running vCPU's own views dropped, before it enters the guest. For its
 * own thread.
 */
void chariot_flush_own(struct chariot_vm *vm, struct kvm_vcpu *self);
/* Flushes the TLBs of the vCPUs whose index is set in @dirty. @self: the calling vCPU or NULL. */
void chariot_flush_vcpus(struct chariot_vm *vm, struct kvm_vcpu *self, const unsigned long *dirty);

#endif
