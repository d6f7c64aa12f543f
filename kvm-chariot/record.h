/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest's reports do to a VM's state. All need vm->lock and
 * kvm->srcu, may sleep, and run in the process that owns the VM.
 */
#ifndef CHARIOT_RECORD_H
#define CHARIOT_RECORD_H

#include "vm.h"

/* Drains take at least one record each: as many empty any ring that was full. */
#define CHARIOT_DRAINS_MAX	BIT(CHARIOT_RING_ORDER_MAX)

/*
 * A reserved slot whose producer does not run may hide what decides a write.
 * The guest gets this many chances to complete it, each after a pause; about a
 * second in all.
 */
#define CHARIOT_PENDING_WAITS	5000
#define CHARIOT_PENDING_US	200

enum chariot_drain {
	CHARIOT_DRAINED,
	CHARIOT_DRAIN_PENDING,	/* a reserved slot is not complete: what is behind it is unknown */
	CHARIOT_DRAIN_MORE,	/* enough for one call: there may be more */
	CHARIOT_DRAIN_LATER,	/* the ring is not in memory, and noted (absent.h): again */
};

/*
 * Consumes the ring, up to a bound, and flushes what revokes took
 * away from every vCPU. @self: the calling vCPU, or NULL in an ioctl.
 */
enum chariot_drain chariot_drain(struct chariot_vm *vm, struct kvm_vcpu *self);
/* Gives up waiting for the slot that is pending. */
void chariot_drain_skip(struct chariot_vm *vm, struct kvm_vcpu *self);

/* CHARIOT_SET_RING */
int chariot_set_ring(struct chariot_vm *vm, const struct chariot_ring *req);

/* Drops all text and grants of @domain; no vCPU is in its view afterwards. */
void chariot_forget_domain(struct chariot_vm *vm, struct chariot_dom *domain);

#endif
