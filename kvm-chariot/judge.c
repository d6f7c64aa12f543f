// SPDX-License-Identifier: GPL-2.0-only
/*
 * Judging the faults of an armed VM, before KVM's handler sees them: that
 * handler may complete an access by emulation, so what a domain may not do
 * must be stopped first. What is left is KVM's to resolve and ours to derive.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>

#include "compat.h"
#include "crossing.h"
#include "guest.h"
#include "hook.h"
#include "judge.h"
#include "mode.h"
#include "record.h"
#include "stack.h"
#include "trace.h"

struct chariot_fault {
	struct chariot_vm *vm;
	struct kvm_vcpu *vcpu;
	struct chariot_vcpu *cv;
	gpa_t gpa;
	u64 error_code;
	void *insn;
	int insn_len;
	struct chariot_access access;
	u64 rip;
	/* read before anything was judged: see chariot_view_install() */
	u64 gen;
	u64 base;
	u32 domain;		/* of the view that the access was made in */
	bool writable;		/* judged: the whole page may be written */
	bool kernel;		/* to emulate: an instruction of the kernel's, not the domain's */
};

enum chariot_verdict {
	CHARIOT_AGAIN,		/* the vCPU runs on: it crossed, or looks again */
	CHARIOT_DOORBELL,	/* the instruction was a doorbell */
	CHARIOT_EMULATE,	/* byte by byte */
	CHARIOT_RESOLVE,	/* KVM, then derive */
	CHARIOT_FAIL,		/* the VM cannot go on: no memory for a view */
};

bool chariot_page_writable(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain, u64 gpa)
{
	return chariot_acl_cover(&vm->domains[domain].acl, gpa & PAGE_MASK, PAGE_SIZE) ==
	       CHARIOT_COVER_ALL || chariot_stack_holds(vm, cv, gpa);
}

/*
 * KVM's entry for @gfn and its level, as KVM's tree has it now. The fault
 * stands for a walk of the CPU's, which would set the accessed and dirty bits
 * on its way: so does this, by the same atomic update. KVM clears accessed bits
 * to see pages age, and makes some entries writable without the dirty bit.
 */
static u64 kvm_entry(struct chariot_fault *f, u64 gfn, int *level)
{
	const struct chariot_entry_ops *ops = f->vm->mode->entry;
	struct kvm *kvm = f->vcpu->kvm;
	hpa_t table = f->vcpu->arch.mmu->root.hpa;
	u64 entry, walked, *slot;
	bool dirtied = false;

	*level = f->vcpu->arch.mmu->root_role.level;
	/* KVM's handler may have run an instruction that made it drop the root. */
	if (!VALID_PAGE(table) || chariot_in_nested_guest(f->vcpu) || chariot_in_smm(f->vcpu))
		return 0;
	/* The TDP MMU frees its tables after RCU, the legacy one under the lock for writing. */
	read_lock(&kvm->mmu_lock);
	rcu_read_lock();
	for (;;) {
		slot = (u64 *)__va(table) + (gfn >> (9 * (*level - 1)) & 511);
		entry = READ_ONCE(*slot);
		if (!ops->present(entry))
			break;
		if (*level == CHARIOT_LEVEL_4K || ops->large(entry)) {
			walked = ops->walked(entry, f->access.write);
			if (walked == entry)
				break;
			if (try_cmpxchg64(slot, &entry, walked)) {
				dirtied = f->access.write && (ops->rights(walked) & CHARIOT_W);
				entry = walked;
				break;
			}
			continue;	/* KVM changed it meanwhile */
		}
		table = ops->addr(entry);
		--*level;
	}
	rcu_read_unlock();
	read_unlock(&kvm->mmu_lock);
	/*
	 * Where KVM logs by the dirty bit, the CPU that sets it logs the page (PML).
	 * After it was set: KVM clears it again for what it finds in the log.
	 */
	if (dirtied)
		kvm_vcpu_mark_page_dirty(f->vcpu, gfn);
	return entry;
}

/* Largest level at which the whole region of @gfn has the same rights in the view. */
static int uniform_level(struct chariot_fault *f, u64 gfn, int level)
{
	struct chariot_vm *vm = f->vm;

	for (; level > CHARIOT_LEVEL_4K; level--) {
		u64 pages = 1ull << (9 * (level - 1));
		u64 start = (gfn & ~(pages - 1)) << PAGE_SHIFT, len = pages << PAGE_SHIFT;
		enum chariot_cover cover;

		if (chariot_ranges_meets(&vm->text_gpa, start, len))
			continue;
		if (f->domain == CHARIOT_KERNEL_DOMAIN)
			break;
		cover = chariot_acl_cover(&vm->domains[f->domain].acl, start, len);
		/* Single writable pages (stacks, walks) split the region when they come. */
		if (cover == CHARIOT_COVER_ALL || (cover == CHARIOT_COVER_NONE && !f->writable))
			break;
	}
	return level;
}

/* What the view allows for the page. vm->lock must be held. */
static unsigned int view_rights(struct chariot_fault *f, u64 gfn)
{
	const struct chariot_span *text;
	unsigned int rights = CHARIOT_R | CHARIOT_X;

	lockdep_assert_held(&f->vm->lock);
	if (f->domain == CHARIOT_KERNEL_DOMAIN || f->writable)
		rights |= CHARIOT_W;
	text = chariot_ranges_find(&f->vm->text_gpa, gfn << PAGE_SHIFT);
	if (text && text->data != f->domain)
		rights &= ~CHARIOT_X;
	return rights;
}

enum chariot_derive {
	DERIVED,	/* done, or the vCPU has to look again */
	DERIVE_MISSING,	/* KVM's entry does not allow the access yet */
};

static enum chariot_derive derive(struct chariot_fault *f, u64 entry, int kvm_level)
{
	struct chariot_vm *vm = f->vm;
	u64 gfn = f->gpa >> PAGE_SHIFT;
	struct chariot_view *view;
	unsigned int needed, rights;
	enum chariot_install done;
	int level;

	needed = f->access.write ? CHARIOT_W : f->access.fetch ? CHARIOT_X : CHARIOT_R;
	if (!vm->mode->entry->present(entry))
		return DERIVE_MISSING;

	mutex_lock(&vm->lock);
	if (!vm->armed || f->cv->cur != f->domain || chariot_view_topup(&f->cv->cache)) {
		mutex_unlock(&vm->lock);
		return DERIVED;
	}
	rights = view_rights(f, gfn) & vm->mode->entry->rights(entry);
	if ((rights & needed) != needed) {
		mutex_unlock(&vm->lock);
		return DERIVE_MISSING;
	}
	level = uniform_level(f, gfn, kvm_level);
	view = f->domain ? f->cv->view[f->domain] : vm->kernel_view;
	done = chariot_view_install(view, &f->cv->cache, f->gen, f->base, gfn, level, entry,
				    kvm_level, rights);
	trace_chariot_fill(f->vcpu->vcpu_id, f->domain, f->gpa, level, rights, done);
	switch (done) {
	case CHARIOT_INSTALL_FLUSH:
		if (f->domain)
			vm->mode->flush_loaded(f->vcpu);
		else
			kvm_make_all_cpus_request(vm->kvm, KVM_REQ_TLB_FLUSH);
		fallthrough;
	case CHARIOT_INSTALL_DONE:
		chariot_count(vm, fills);
		if (f->domain)
			atomic64_inc(&vm->domains[f->domain].fills);
		break;
	case CHARIOT_INSTALL_STALE:
		chariot_count(vm, refused_fills);
		/* Should KVM have another root by now, the load hook learns of it. */
		kvm_make_request(KVM_REQ_LOAD_MMU_PGD, f->vcpu);
		break;
	case CHARIOT_INSTALL_FULL:
		chariot_reset_views(vm);
		break;
	case CHARIOT_INSTALL_REFUSED:
		mutex_unlock(&vm->lock);
		return DERIVE_MISSING;
	}
	mutex_unlock(&vm->lock);
	return DERIVED;
}

/* Reads what an install is checked against. To be called before anything is judged. */
static void sample(struct chariot_fault *f)
{
	f->gen = chariot_views_gen(&f->vm->views);
	f->base = f->vcpu->arch.mmu->root.hpa;
}

/* Gives the access to KVM, then derives. vm->lock must not be held. */
static int resolve(struct chariot_fault *f)
{
	const struct chariot_mode *mode = f->vm->mode;
	struct kvm_vcpu *vcpu = f->vcpu;
	u64 gfn = f->gpa >> PAGE_SHIFT, entry;
	bool mmio, present;
	int level, ret;

	entry = kvm_entry(f, gfn, &level);
	mmio = mode->entry->special(entry) && !gfn_to_memslot(vcpu->kvm, gfn);
	if (!mmio && derive(f, entry, level) == DERIVED)
		return 1;

	chariot_count(f->vm, delegated);
	if (mmio)
		chariot_count(f->vm, mmio_faults);
	/*
	 * An entry without rights, such as one whose accessed bit KVM cleared
	 * to see the page age, must not look like a spurious fault to KVM.
	 */
	present = mode->entry->present(entry) && mode->entry->rights(entry);
	ret = kvm_mmu_page_fault(vcpu, f->gpa, mode->error_for_kvm(f->error_code, present, mmio),
				 f->insn, f->insn_len);
	/* What is above 0 tells how KVM fixed it (a kernel's own matter): the guest goes on. */
	if (ret <= 0 || mmio)
		return ret;

	/* KVM may have slept: what was judged before may not hold any more. */
	sample(f);
	if (f->domain && f->writable && !f->access.walk) {
		mutex_lock(&f->vm->lock);
		f->writable = chariot_page_writable(f->vm, f->cv, f->domain, f->gpa);
		mutex_unlock(&f->vm->lock);
	}
	entry = kvm_entry(f, gfn, &level);
	derive(f, entry, level);
	return 1;
}

/* Maps what the first instructions in @domain need anyway, if KVM has it. */
static void prefill(struct chariot_fault *f, u32 domain, u64 gpa, bool write)
{
	struct chariot_fault fill = *f;
	u64 entry;
	int level;

	sample(&fill);
	fill.gpa = gpa;
	fill.domain = domain;
	fill.access = (struct chariot_access) { .write = write, .fetch = !write };
	fill.writable = write;
	entry = chariot_view_lookup(f->cv->view[domain], gpa >> PAGE_SHIFT, &level);
	if (f->vm->mode->entry->own_rights(entry) & (write ? CHARIOT_W : CHARIOT_X))
		return;
	/* Nothing is written yet: no page gets dirty by it. */
	fill.access.write = false;
	entry = kvm_entry(&fill, gpa >> PAGE_SHIFT, &level);
	fill.access.write = write;
	derive(&fill, entry, level);
}

static enum chariot_verdict cross(struct chariot_fault *f, u32 to)
{
	int ret;

	if (to) {
		chariot_stack_enter(f->vm, f->cv);
		chariot_note_call(f->vm, f->cv, to);
	}
	ret = chariot_cross(f->vm, f->cv, to);
	if (ret == -ENOSPC) {
		chariot_reset_views(f->vm);
		ret = chariot_cross(f->vm, f->cv, to);
	}
	if (!ret)
		return CHARIOT_AGAIN;
	pr_warn_ratelimited("no memory for the view of domain %u (%d)\n", to, ret);
	return CHARIOT_FAIL;
}

static enum chariot_verdict judge_kernel_view(struct chariot_fault *f)
{
	const struct chariot_span *text;

	if (!f->access.fetch || f->access.walk)
		return CHARIOT_RESOLVE;
	text = chariot_ranges_find(&f->vm->text_gpa, f->gpa);
	return text ? cross(f, text->data) : CHARIOT_RESOLVE;
}

/* The ACL does not settle it and what may settle it is not readable yet: let the guest go on. */
static bool wait_for_ring(struct chariot_fault *f, enum chariot_drain drained)
{
	if (drained == CHARIOT_DRAINED) {
		f->cv->pending_waits = 0;
		return false;
	}
	if (drained == CHARIOT_DRAIN_MORE)
		return true;
	if (++f->cv->pending_waits > CHARIOT_PENDING_WAITS) {
		f->cv->pending_waits = 0;
		chariot_drain_skip(f->vm, f->vcpu);
	}
	chariot_count(f->vm, ring_waits);
	return true;
}

static enum chariot_verdict judge_write(struct chariot_fault *f, enum chariot_drain drained)
{
	struct chariot_vm *vm = f->vm;
	const struct chariot_range *range;
	struct chariot_culprit culprit;

	if (f->access.walk) {
		/* The walker, not the driver. */
		if (vm->mode->complete_walk && vm->mode->complete_walk(f->vcpu, f->gpa)) {
			chariot_count(vm, walks_completed);
			return CHARIOT_AGAIN;
		}
		f->writable = true;
		chariot_count(vm, walk_pages);
		return CHARIOT_RESOLVE;
	}
	if (chariot_page_writable(vm, f->cv, f->domain, f->gpa)) {
		f->writable = true;
		return CHARIOT_RESOLVE;
	}
	if (chariot_delivering_event(f->vcpu)) {
		chariot_count(vm, event_deliveries);
		return cross(f, CHARIOT_KERNEL_DOMAIN);
	}

	culprit = chariot_attribute(vm, f->vcpu, f->domain, f->rip);
	if (!culprit.domain) {
		/*
		 * The kernel's own write. A counter that a rule grants (such
		 * as preempt_count) is cheaper done here than by going to the
		 * kernel view and back; anything else comes in groups.
		 */
		range = chariot_acl_find(&vm->domains[f->domain].acl, f->gpa);
		if (range && range->kind == CHARIOT_KIND_RULE &&
		    chariot_guest_kernel_address(f->rip)) {
			f->kernel = true;
			return CHARIOT_EMULATE;
		}
		return cross(f, CHARIOT_KERNEL_DOMAIN);
	}
	if (wait_for_ring(f, drained))
		return CHARIOT_AGAIN;
	/* A device's registers: KVM emulates the access, and each write is judged then. */
	if (!gfn_to_memslot(f->vcpu->kvm, f->gpa >> PAGE_SHIFT))
		return CHARIOT_RESOLVE;
	return CHARIOT_EMULATE;
}

static enum chariot_verdict judge_domain_view(struct chariot_fault *f, enum chariot_drain drained)
{
	const struct chariot_span *text;

	if (f->access.write)
		return judge_write(f, drained);
	if (f->access.fetch) {
		text = chariot_ranges_find(&f->vm->text_gpa, f->gpa);
		if (text && text->data != f->domain)
			return cross(f, text->data);
	}
	return CHARIOT_RESOLVE;
}

static enum chariot_verdict judge(struct chariot_fault *f)
{
	struct chariot_vm *vm = f->vm;
	enum chariot_drain drained;

	drained = chariot_drain(vm, f->vcpu);
	f->domain = f->cv->cur;
	if (f->access.write && !f->access.walk && !chariot_delivering_event(f->vcpu) &&
	    (f->gpa & PAGE_MASK) == vm->doorbell_gpa) {
		/* The write is over when all that was in the ring has taken effect. */
		return wait_for_ring(f, drained) ? CHARIOT_AGAIN : CHARIOT_DOORBELL;
	}
	if (!vm->armed)
		return CHARIOT_RESOLVE;
	if (f->domain == CHARIOT_KERNEL_DOMAIN)
		return judge_kernel_view(f);
	return judge_domain_view(f, drained);
}

/*
 * After a crossing into @domain: its code and the top of its stack. Another
 * vCPU may have sent this one back meanwhile; derive() looks.
 */
static void prefill_domain(struct chariot_fault *f, u32 domain)
{
	u64 gfn;

	if (f->access.fetch)
		prefill(f, domain, f->gpa, false);
	mutex_lock(&f->vm->lock);
	gfn = chariot_stack_gfn(f->vm, f->cv, chariot_guest_rsp(f->vcpu) - 1);
	mutex_unlock(&f->vm->lock);
	if (gfn != ~0ull)
		prefill(f, domain, gfn << PAGE_SHIFT, true);
}

static int handle(struct chariot_fault *f)
{
	struct chariot_vm *vm = f->vm;
	enum chariot_verdict verdict;
	u32 entered = 0;

	chariot_count(vm, faults);
	vm->mode->decode(f->error_code, &f->access);
	f->rip = kvm_get_linear_rip(f->vcpu);
	sample(f);

	mutex_lock(&vm->lock);
	f->cv = chariot_vm_vcpu(vm, f->vcpu);
	if (!f->cv) {
		mutex_unlock(&vm->lock);
		return -ENOMEM;
	}
	verdict = judge(f);
	if (verdict == CHARIOT_AGAIN && f->cv->cur != f->domain)
		entered = f->cv->cur;
	mutex_unlock(&vm->lock);

	switch (verdict) {
	case CHARIOT_DOORBELL:
		chariot_count(vm, doorbells);
		return vm->mode->skip(f->vcpu);
	case CHARIOT_EMULATE:
		return chariot_emulate(vm, f->cv, f->domain, f->gpa, !f->kernel);
	case CHARIOT_FAIL:
		return -ENOMEM;
	case CHARIOT_RESOLVE:
		return resolve(f);
	case CHARIOT_AGAIN:
		break;
	}
	if (entered)
		prefill_domain(f, entered);
	else if (f->cv->pending_waits)
		usleep_range(CHARIOT_PENDING_US, 2 * CHARIOT_PENDING_US);
	return 1;
}

int chariot_page_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 error_code, void *insn, int insn_len)
{
	struct chariot_fault f = {
		.vcpu = vcpu,
		.gpa = gpa,
		.error_code = error_code,
		.insn = insn,
		.insn_len = insn_len,
	};
	int ret;

	/* Such a vCPU runs on KVM's own root. */
	if (chariot_in_nested_guest(vcpu) || chariot_in_smm(vcpu))
		return kvm_mmu_page_fault(vcpu, gpa, error_code, insn, insn_len);

	f.vm = chariot_vm_get(vcpu->kvm);
	if (!f.vm)
		return kvm_mmu_page_fault(vcpu, gpa, error_code, insn, insn_len);
	ret = handle(&f);
	chariot_vm_put(f.vm);
	return ret;
}
