/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shadow paging: what is different where KVM's tree translates guest virtual
 * addresses.
 *
 * - A vCPU has views for each of KVM's roots that it uses (roots.h), made when it
 *   first faults for want of one: until then it runs on an empty table.
 * - Whatever makes KVM flush the vCPU's TLB, the guest or KVM itself, is a hook on
 *   the vendor's flush. KVM has changed its tree by then (the flush of one address
 *   is the exception: it comes before), so the vCPU compares its leaves with KVM's.
 *   A flush of the whole VM becomes one of each vCPU's before it enters the guest
 *   again: nothing has to be dropped from afar.
 * - KVM's roots are freed without a word once it holds on to them no more: trees
 *   of such roots are given up at the flush.
 *
 * Everything here is for the vCPU's own thread, outside of the guest.
 */
#ifndef CHARIOT_SHADOW_H
#define CHARIOT_SHADOW_H

#include "vm.h"

/* chariot_load_root(). Under RCU; never sleeps. */
unsigned long chariot_shadow_load_root(struct chariot_vm *vm, struct kvm_vcpu *vcpu,
				       unsigned long root, int level);

/*
 * Makes the view of @domain for the root that KVM has loaded, if there is none. The
 * caller sees to it that the root is loaded anew. 0, -ENOMEM, -ENOSPC, or -EAGAIN:
 * KVM has no root now. Needs vm->lock.
 */
int chariot_shadow_view(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain);

/* KVM flushes the vCPU's TLB, of everything or of one address. Under RCU; never sleep. */
void chariot_shadow_flush(struct chariot_vm *vm, struct kvm_vcpu *vcpu);
void chariot_shadow_flush_gva(struct chariot_vm *vm, struct kvm_vcpu *vcpu, u64 gva);

#endif
