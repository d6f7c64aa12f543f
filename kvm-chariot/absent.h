/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory that is not there: swapped out, or still at the other end of a
 * migration (userfaultfd). It may take any time to come, or never come.
 *
 * Nobody waits for it with chariot_vm.lock held, for every vCPU would wait for the
 * lock then. Who has to read guest memory holds the lock with page faults disabled;
 * whatever cannot be read is noted; and the holder lets go of the lock, waits for
 * that page, and begins again:
 *
 *	struct chariot_absent absent = {};
 *
 *	do {
 *		if (chariot_absent_lock(vm, vcpu, &absent))
 *			return;		a signal is pending
 *		... which changes nothing for good once chariot_absent_noted(vm)
 *	} while (chariot_absent_unlock(vm, vcpu, &absent));
 *
 * What is not there although it came, because nobody can read it or because it was
 * taken away again at once, is read with page faults enabled in the end.
 */
#ifndef CHARIOT_ABSENT_H
#define CHARIOT_ABSENT_H

#include "vm.h"

struct chariot_absent {
	unsigned int turns;
	bool in_place;		/* wait with the lock held */
};

/*
 * Takes vm->lock. -EINTR: a signal came first. Any signal for a vCPU, as in KVM's
 * own waits: KVM returns to user space when its exit handler returns 1. In ioctls
 * (@vcpu NULL) only one that kills.
 */
int chariot_absent_lock(struct chariot_vm *vm, struct kvm_vcpu *vcpu,
			struct chariot_absent *absent);
/* Drops vm->lock. True: something was missing and was waited for; begin again. */
bool chariot_absent_unlock(struct chariot_vm *vm, struct kvm_vcpu *vcpu,
			   struct chariot_absent *absent);

/*
 * Guest memory cannot be read or, with @write, written. Of no effect where page
 * faults are enabled: then there is none.
 */
void chariot_absent_note_gpa(struct chariot_vm *vm, u64 gpa, bool write);
void chariot_absent_note_gva(struct chariot_vm *vm, u64 gva);

/* Has anything been noted since the lock was taken? Needs vm->lock. */
static inline bool chariot_absent_noted(struct chariot_vm *vm)
{
	return vm->absent != CHARIOT_ABSENT_NONE;
}

#endif
