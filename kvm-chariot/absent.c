// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory that is not there; see absent.h. */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "absent.h"
#include "compat.h"

#define TURNS_MAX	16	/* different pages that one judgement reads, more or less */

int chariot_absent_lock(struct chariot_vm *vm, struct kvm_vcpu *vcpu,
			struct chariot_absent *absent)
{
	int ret;

	/* A wait that a signal ended has brought nothing. */
	if (absent->turns && (vcpu ? signal_pending(current) : fatal_signal_pending(current)))
		return -EINTR;
	ret = vcpu ? mutex_lock_interruptible(&vm->lock) : mutex_lock_killable(&vm->lock);
	if (ret)
		return ret;
	vm->absent = CHARIOT_ABSENT_NONE;
	if (!absent->in_place)
		pagefault_disable();
	return 0;
}

/* Has the page come in, by the process' own page tables. 0, or an error that comes again. */
static int wait_for_page(struct kvm *kvm, u64 gpa, bool write, bool interruptible)
{
	unsigned int flags = (write ? FOLL_WRITE : 0) | (interruptible ? FOLL_INTERRUPTIBLE : 0);
	unsigned long hva = gfn_to_hva(kvm, gpa_to_gfn(gpa));

	if (kvm_is_error_hva(hva))
		return -EFAULT;
	return get_user_pages_unlocked(hva, 1, NULL, flags) == 1 ? 0 : -EFAULT;
}

bool chariot_absent_unlock(struct chariot_vm *vm, struct kvm_vcpu *vcpu,
			   struct chariot_absent *absent)
{
	enum chariot_absent_kind kind = vm->absent;
	u64 addr = vm->absent_addr;

	lockdep_assert_held(&vm->lock);
	vm->absent = CHARIOT_ABSENT_NONE;
	if (!absent->in_place)
		pagefault_enable();
	mutex_unlock(&vm->lock);
	if (kind == CHARIOT_ABSENT_NONE)
		return false;

	chariot_count(vm, absent_waits);
	absent->in_place = ++absent->turns == TURNS_MAX;
	if (kind == CHARIOT_ABSENT_VIRTUAL) {
		/* The guest's page tables may be what is missing. */
		addr = kvm_mmu_gva_to_gpa_read(vcpu, addr, NULL);
		if (addr == INVALID_GPA) {
			absent->in_place = true;
			return true;
		}
	}
	if (wait_for_page(vm->kvm, addr, kind == CHARIOT_ABSENT_WRITE, vcpu))
		absent->in_place = true;
	return true;
}

static void note(struct chariot_vm *vm, enum chariot_absent_kind kind, u64 addr)
{
	if (!pagefault_disabled())
		return;
	lockdep_assert_held(&vm->lock);
	if (vm->absent != CHARIOT_ABSENT_NONE)
		return;
	vm->absent = kind;
	vm->absent_addr = addr;
}

void chariot_absent_note_gpa(struct chariot_vm *vm, u64 gpa, bool write)
{
	note(vm, write ? CHARIOT_ABSENT_WRITE : CHARIOT_ABSENT_READ, gpa);
}

void chariot_absent_note_gva(struct chariot_vm *vm, u64 gva)
{
	note(vm, CHARIOT_ABSENT_VIRTUAL, gva);
}
