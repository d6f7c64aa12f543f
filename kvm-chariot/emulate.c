// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions of a domain that are run by emulation, because they write to a
 * page that the domain owns only in part or not at all, or because KVM
 * emulates them for a reason of its own (device registers). KVM's emulator
 * bypasses the views, so each of its writes is judged here, with the exact
 * bytes. A blocked write is dropped; the rest of the instruction happens.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/sched/signal.h>

#include "compat.h"
#include "guest.h"
#include "hook.h"
#include "judge.h"
#include "stack.h"
#include "trace.h"
#include "vector.h"

#define INSN_MAX	15
#define STRING_TURNS_MAX 1024	/* of 1024 iterations: the largest copy that makes sense */

/*
 * How many bytes of [gpa, gpa + len) in a row @domain may not write, the first
 * @skip bytes in; 0: it may write all.
 */
static u32 outside(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain, u64 gpa, u32 len,
		   u32 *skip)
{
	bool granted;
	u64 part;

	*skip = 0;
	while (len) {
		part = chariot_acl_span(&vm->domains[domain].acl, gpa, len, &granted);
		if (!granted && !chariot_stack_holds(vm, cv, gpa))
			return part;
		gpa += part;
		len -= part;
		*skip += part;
	}
	return 0;
}

bool chariot_judge_write(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain, u64 gva,
			 const void *val, unsigned int len)
{
	struct chariot_culprit culprit;
	struct chariot_write write;
	u32 done, part, skip;
	bool allowed = true;
	gpa_t gpa;

	lockdep_assert_held(&vm->lock);
	for (done = 0; done < len; done += part) {
		part = min_t(u32, len - done, PAGE_SIZE - offset_in_page(gva + done));
		gpa = kvm_mmu_gva_to_gpa_write(cv->vcpu, gva + done, NULL);
		if (gpa == INVALID_GPA)
			return allowed;	/* a page fault, unless the write is dropped */
		write.len = outside(vm, cv, domain, gpa, part, &skip);
		if (!write.len)
			continue;
		/* What follows in this page is looked at in the next turn. */
		part = skip + write.len;
		write.gva = gva + done + skip;
		write.gpa = gpa + skip;
		write.val = val ? val + done + skip : NULL;
		write.why = CHARIOT_WHY_WRITE;
		write.blocked = READ_ONCE(vm->domains[domain].policy) != CHARIOT_POLICY_AUDIT;
		culprit = chariot_attribute(vm, cv->vcpu, domain, kvm_get_linear_rip(cv->vcpu));
		culprit.domain = domain;
		chariot_report(vm, cv, &culprit, &write);
		if (write.blocked)
			allowed = false;
	}
	return allowed;
}

/*
 * Starts a write of the emulator for the running vCPU: NULL if nobody is to
 * be judged, ERR_PTR() if the vCPU's thread is being killed. Otherwise vm->lock is
 * held until end_write(), so that a revoke that has taken effect is never followed
 * by a write that was judged before.
 */
static struct chariot_vm *begin_write(u64 addr, const void *val, unsigned int bytes,
				      struct chariot_vcpu **cvp, bool *allowed)
{
	struct kvm_vcpu *vcpu = kvm_get_running_vcpu();
	struct chariot_culprit culprit;
	struct chariot_vcpu *cv;
	struct chariot_vm *vm;

	vm = chariot_vm_get(vcpu->kvm);
	if (!vm)
		return NULL;
	chariot_guest_fault_in(vcpu, addr, bytes);
	/* Not for lesser signals: what the instruction has done cannot be undone. */
	if (mutex_lock_killable(&vm->lock)) {
		chariot_vm_put(vm);
		return ERR_PTR(-EINTR);
	}
	cv = xa_load(&vm->vcpus, vcpu->vcpu_idx);
	/* What was judged to be a domain's stays it, even if the domain goes down meanwhile. */
	if (!cv || (!cv->judging && (!vm->armed || !cv->cur || chariot_in_nested_guest(vcpu) ||
				     chariot_in_smm(vcpu))))
		goto nobody;
	culprit.domain = cv->judging;
	if (!culprit.domain)
		culprit = chariot_attribute(vm, vcpu, cv->cur, kvm_get_linear_rip(vcpu));
	if (!culprit.domain)
		goto nobody;

	*cvp = cv;
	*allowed = chariot_judge_write(vm, cv, culprit.domain, addr, val, bytes);
	cv->in_write = true;
	return vm;

nobody:
	mutex_unlock(&vm->lock);
	chariot_vm_put(vm);
	return NULL;
}

static void end_write(struct chariot_vm *vm, struct chariot_vcpu *cv)
{
	cv->in_write = false;
	mutex_unlock(&vm->lock);
	chariot_vm_put(vm);
}

int chariot_write_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr, const void *val,
			   unsigned int bytes, struct x86_exception *exception)
{
	int ret = CHARIOT_X86EMUL_CONTINUE;
	struct chariot_vcpu *cv;
	struct chariot_vm *vm;
	bool allowed;

	vm = begin_write(addr, val, bytes, &cv, &allowed);
	if (!vm)
		return chariot_orig_write_emulated(ctxt, addr, val, bytes, exception);
	if (IS_ERR(vm))
		return CHARIOT_X86EMUL_RETRY_INSTR;
	if (allowed)
		ret = chariot_orig_write_emulated(ctxt, addr, val, bytes, exception);
	end_write(vm, cv);
	return ret;
}

int chariot_cmpxchg_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr, const void *old,
			     const void *new, unsigned int bytes,
			     struct x86_exception *exception)
{
	int ret = CHARIOT_X86EMUL_CONTINUE;
	struct chariot_vcpu *cv;
	struct chariot_vm *vm;
	bool allowed;

	vm = begin_write(addr, new, bytes, &cv, &allowed);
	if (!vm)
		return chariot_orig_cmpxchg_emulated(ctxt, addr, old, new, bytes, exception);
	if (IS_ERR(vm))
		return CHARIOT_X86EMUL_RETRY_INSTR;
	if (allowed)
		ret = chariot_orig_cmpxchg_emulated(ctxt, addr, old, new, bytes, exception);
	end_write(vm, cv);
	return ret;
}

int chariot_write_std(struct x86_emulate_ctxt *ctxt, unsigned long addr, void *val,
		      unsigned int bytes, struct x86_exception *exception, bool system)
{
	int ret = CHARIOT_X86EMUL_CONTINUE;
	struct chariot_vcpu *cv;
	struct chariot_vm *vm = NULL;
	bool allowed;

	/* A write by the CPU itself: accessed bits of descriptors and the like. */
	if (!system)
		vm = begin_write(addr, val, bytes, &cv, &allowed);
	if (!vm)
		return chariot_orig_write_std(ctxt, addr, val, bytes, exception, system);
	if (IS_ERR(vm))
		return CHARIOT_X86EMUL_RETRY_INSTR;
	if (allowed)
		ret = chariot_orig_write_std(ctxt, addr, val, bytes, exception, system);
	end_write(vm, cv);
	return ret;
}

/*
 * Neither KVM nor this module can run the instruction. It is reported; the
 * guest's kernel gets an invalid-opcode exception, as KVM has queued it.
 */
static int give_up(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain, u64 gpa)
{
	struct chariot_culprit culprit = { .domain = domain };
	struct chariot_write write = {
		.gpa = gpa,
		.why = CHARIOT_WHY_UNDECODED,
		.blocked = true,
	};

	if (mutex_lock_killable(&vm->lock))
		return 1;
	chariot_count(vm, unemulatable);
	chariot_report(vm, cv, &culprit, &write);
	mutex_unlock(&vm->lock);
	cv->vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	return 1;
}

int chariot_emulate(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain, u64 gpa,
		    bool driver)
{
	struct kvm_vcpu *vcpu = cv->vcpu;
	u64 rip = kvm_get_linear_rip(vcpu);
	u8 code[INSN_MAX] = {};
	int ret, len, turns;

	chariot_count(vm, emulated);
	trace_chariot_emulate(vcpu->vcpu_id, domain, rip, gpa);

	/* Fewer bytes may be readable: the instruction can end at the end of its page. */
	len = min_t(int, INSN_MAX, PAGE_SIZE - offset_in_page(rip));
	if (chariot_guest_read(vm, vcpu, rip, code, len) ||
	    (len < INSN_MAX &&
	     chariot_guest_read(vm, vcpu, rip + len, code + len, INSN_MAX - len)))
		memset(code + len, 0, INSN_MAX - len);
	if (driver && chariot_is_vector_store(code)) {
		ret = chariot_emulate_vector(vm, cv, domain, code, gpa);
		if (ret > 0)
			return ret;
		/* KVM knows some of them, and raises what is to be raised for the rest. */
	}

	cv->judging = driver ? domain : 0;
	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	/*
	 * KVM leaves a string instruction every 1024 turns. A library function
	 * that is interrupted then would go on in the kernel view, unjudged.
	 */
	for (turns = 0; turns < STRING_TURNS_MAX; turns++) {
		ret = kvm_emulate_instruction(vcpu, 0);
		if (ret != 1 || kvm_get_linear_rip(vcpu) != rip ||
		    vcpu->arch.exception.pending || signal_pending(current))
			break;
		cond_resched();
	}
	cv->judging = 0;
	if (driver && !ret && vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return give_up(vm, cv, domain, gpa);
	return ret;
}
