// SPDX-License-Identifier: GPL-2.0-only
/*
 * Judging the faults of an armed VM, before KVM's handler sees them: that
 * handler may complete an access by emulation, so what a domain may not do
 * must be stopped first. What is left is KVM's to resolve and ours to derive.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>

#include "absent.h"
#include "compat.h"
#include "crossing.h"
#include "guest.h"
#include "hook.h"
#include "judge.h"
#include "layout.h"
#include "leaf.h"
#include "mode.h"
#include "record.h"
#include "shadow.h"
#include "stack.h"
#include "trace.h"

struct chariot_fault {
	struct chariot_vm *vm;
	struct kvm_vcpu *vcpu;
	struct chariot_vcpu *cv;
	u64 addr;		/* as the CPU told it: what KVM's tree and views translate */
	gpa_t gpa;		/* INVALID_GPA: not known, KVM has to look first */
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
	u8 kind;		/* to emulate: CHARIOT_KIND_* of the range at @gpa */
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

/* What KVM's tree has now at the access's address. Sets the bits that a CPU's @walk would. */
static void kvm_leaf(struct chariot_fault *f, const struct chariot_access *walk,
		     struct chariot_leaf *leaf)
{
	struct kvm_mmu *mmu = f->vcpu->arch.mmu;
	struct kvm *kvm = f->vcpu->kvm;
	int level = mmu->root_role.level;
	u64 index = chariot_leaf_index(f->vm->mode, f->addr, level);
	bool dirtied;

	/* KVM's handler may have run an instruction that made it drop the root. */
	if (!VALID_PAGE(mmu->root.hpa) || chariot_in_nested_guest(f->vcpu) ||
	    chariot_in_smm(f->vcpu) || !f->vm->mode->usable(f->vcpu) ||
	    /* KVM's handler may have made the first entries: what they look like is not known. */
	    chariot_layout_know(f->vm, f->vcpu, f->addr) <= 0) {
		*leaf = (struct chariot_leaf) { .level = level };
		return;
	}
	/* The TDP MMU frees its tables after RCU, the legacy one under the lock for writing. */
	read_lock(&kvm->mmu_lock);
	rcu_read_lock();
	dirtied = chariot_leaf_find(f->vm->mode, mmu->root.hpa, level, index, walk, leaf);
	rcu_read_unlock();
	read_unlock(&kvm->mmu_lock);
	/*
	 * Where KVM logs by the dirty bit, the CPU that sets it logs the page (PML).
	 * After it was set: KVM clears it again for what it finds in the log.
	 */
	if (dirtied)
		kvm_vcpu_mark_page_dirty(f->vcpu, leaf->gfn);
}

/* By gva: the page that is accessed, by @leaf of KVM's tree. */
static void take_gpa(struct chariot_fault *f, const struct chariot_leaf *leaf)
{
	if (chariot_leaf_allows(f->vm->mode, leaf->entry, &f->access))
		f->gpa = gfn_to_gpa(leaf->gfn) | offset_in_page(f->addr);
	else
		f->gpa = INVALID_GPA;
}

/*
 * By gva: to which page is the access? KVM's leaf tells if it allows the access.
 * Otherwise the fault may be the guest's own business, as its tables tell; a write
 * is to be judged before KVM looks at it, for KVM may run it by emulation. Whatever
 * cannot be told here faults again when KVM has a leaf.
 */
static void locate(struct chariot_fault *f)
{
	struct chariot_access look = {};
	struct chariot_leaf leaf;

	if (!f->vm->mode->by_gva)
		return;
	/* Nothing is written yet: no page gets dirty by it. */
	kvm_leaf(f, &look, &leaf);
	take_gpa(f, &leaf);
	if (f->gpa == INVALID_GPA && f->access.write)
		f->gpa = kvm_mmu_gva_to_gpa_write(f->vcpu, f->addr, NULL);
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
	DERIVED,	/* done, or the vCPU has to look again, or a signal is pending */
	DERIVE_MISSING,	/* KVM's entry does not allow the access yet */
};

/* By gva: is it not for want of a right in the view that the CPU faulted? */
static bool sated(struct chariot_fault *f, struct chariot_view *view, u64 index)
{
	const struct chariot_entry_ops *ops = f->vm->mode->entry;
	int level;
	u64 entry = chariot_view_lookup(view, index, &level);

	return (ops->own_rights(entry) & chariot_access_right(&f->access)) &&
	       (!f->access.user || ops->user(entry));
}

static enum chariot_derive derive(struct chariot_fault *f, const struct chariot_leaf *leaf)
{
	struct chariot_vm *vm = f->vm;
	struct chariot_view *view;
	enum chariot_install done;
	unsigned int rights;
	u64 index;
	int level;

	if (!chariot_leaf_allows(vm->mode, leaf->entry, &f->access))
		return DERIVE_MISSING;

	if (mutex_lock_interruptible(&vm->lock))
		return DERIVED;
	view = chariot_view_of(vm, f->cv, f->domain);
	if (!vm->armed || f->cv->cur != f->domain || !view ||
	    chariot_view_topup(&f->cv->cache)) {
		mutex_unlock(&vm->lock);
		return DERIVED;
	}
	index = chariot_leaf_index(vm->mode, f->addr, view->level);
	rights = view_rights(f, leaf->gfn) & vm->mode->entry->rights(leaf->entry);
	if (!(rights & chariot_access_right(&f->access)) ||
	    (vm->mode->by_gva && sated(f, view, index))) {
		mutex_unlock(&vm->lock);
		return DERIVE_MISSING;
	}
	level = uniform_level(f, leaf->gfn, leaf->level);
	done = chariot_view_install_gva(view, &f->cv->cache, f->gen, f->base, index, level, leaf,
					rights);
	trace_chariot_fill(f->vcpu->vcpu_id, f->domain, gfn_to_gpa(leaf->gfn), level, rights, done);
	switch (done) {
	case CHARIOT_INSTALL_FLUSH:
		/*
		 * By gva the law would not ask for it: what the TLB still has is what the
		 * guest, which has not flushed either, would have in it on stock KVM, and a
		 * revoke finds that the view dropped something. But a leaf that is split
		 * must go: CPUs with Intel's erratum of two page sizes for one address
		 * (INTEL-SA-00210) stop when they fetch instructions by both.
		 */
		if (f->domain || vm->mode->by_gva)
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

/* Judges once more whether the page may be written, f->writable. False: a signal is pending. */
static bool still_writable(struct chariot_fault *f)
{
	struct chariot_absent absent = {};

	do {
		if (chariot_absent_lock(f->vm, f->vcpu, &absent))
			return false;
		f->writable = f->gpa != INVALID_GPA &&
			      chariot_page_writable(f->vm, f->cv, f->domain, f->gpa);
	} while (chariot_absent_unlock(f->vm, f->vcpu, &absent));
	return true;
}

/* Gives the access to KVM, then derives. vm->lock must not be held. */
static int resolve(struct chariot_fault *f)
{
	const struct chariot_mode *mode = f->vm->mode;
	struct kvm_vcpu *vcpu = f->vcpu;
	struct chariot_leaf leaf;
	bool mmio, present;
	int ret;

	kvm_leaf(f, &f->access, &leaf);
	/* A slot may have come where there was a device. KVM's shadow entries tell themselves. */
	mmio = mode->entry->special(leaf.entry) &&
	       (mode->by_gva || !gfn_to_memslot(vcpu->kvm, f->gpa >> PAGE_SHIFT));
	/* Another page than what was judged: again. */
	if (mode->by_gva && chariot_leaf_allows(mode, leaf.entry, &f->access) &&
	    leaf.gfn != f->gpa >> PAGE_SHIFT)
		return 1;
	if (!mmio && derive(f, &leaf) == DERIVED)
		return 1;

	chariot_count(f->vm, delegated);
	if (mmio)
		chariot_count(f->vm, mmio_faults);
	/*
	 * An entry without rights, such as one whose accessed bit KVM cleared
	 * to see the page age, must not look like a spurious fault to KVM.
	 */
	present = mode->entry->present(leaf.entry) && mode->entry->rights(leaf.entry);
	ret = kvm_mmu_page_fault(vcpu, f->addr, mode->error_for_kvm(f->error_code, present, mmio),
				 f->insn, f->insn_len);
	/* What is above 0 tells how KVM fixed it (a kernel's own matter): the guest goes on. */
	if (ret <= 0 || mmio)
		return ret;

	/* KVM may have slept: what was judged before may not hold any more. */
	sample(f);
	kvm_leaf(f, &f->access, &leaf);
	if (mode->by_gva)
		take_gpa(f, &leaf);
	if (f->domain && f->writable && !f->access.walk && !still_writable(f))
		return 1;
	derive(f, &leaf);
	return 1;
}

/* Maps what the first instructions in @domain need anyway, if KVM has it: @addr, which is @gpa. */
static void prefill(struct chariot_fault *f, u32 domain, u64 addr, u64 gpa, bool write)
{
	const struct chariot_mode *mode = f->vm->mode;
	struct chariot_fault fill = *f;
	struct chariot_access look = {};
	struct chariot_view *view;
	struct chariot_leaf leaf;
	u64 entry = 0;
	int level;

	sample(&fill);
	fill.addr = addr;
	fill.gpa = gpa;
	fill.domain = domain;
	fill.access = (struct chariot_access) { .write = write, .fetch = !write };
	fill.writable = write;

	if (mutex_lock_interruptible(&f->vm->lock))
		return;
	view = chariot_view_of(f->vm, f->cv, domain);
	if (view)
		entry = chariot_view_lookup(view, chariot_leaf_index(mode, addr, view->level),
					    &level);
	mutex_unlock(&f->vm->lock);
	if (!view || (mode->entry->own_rights(entry) & chariot_access_right(&fill.access)))
		return;
	/* Nothing is written yet: no page gets dirty by it. */
	kvm_leaf(&fill, &look, &leaf);
	if (leaf.gfn == gpa >> PAGE_SHIFT)
		derive(&fill, &leaf);
}

/*
 * Calls @make, which makes the view of @domain if there is none: where the bound on
 * page tables is reached, all views give theirs back first.
 */
static int with_room(struct chariot_fault *f,
		     int (*make)(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain),
		     u32 domain)
{
	int ret = make(f->vm, f->cv, domain);

	if (ret == -ENOSPC) {
		chariot_reset_views(f->vm);
		ret = make(f->vm, f->cv, domain);
	}
	if (ret && ret != -EAGAIN)
		pr_warn_ratelimited("no memory for the view of domain %u (%d)\n", domain, ret);
	return ret;
}

static enum chariot_verdict cross(struct chariot_fault *f, u32 to)
{
	if (to) {
		chariot_stack_enter(f->vm, f->cv);
		chariot_note_call(f->vm, f->cv, to);
	}
	if (chariot_absent_noted(f->vm))
		return CHARIOT_AGAIN;
	return with_room(f, chariot_cross, to) ? CHARIOT_FAIL : CHARIOT_AGAIN;
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
	struct chariot_culprit culprit;
	const struct chariot_range *range;

	if (f->access.walk) {
		/* The walker, not the driver. */
		if (vm->mode->complete_walk) {
			if (vm->mode->complete_walk(f->vcpu, f->gpa)) {
				chariot_count(vm, walks_completed);
				return CHARIOT_AGAIN;
			}
			chariot_absent_note_gpa(vm, f->gpa, true);
		}
		f->writable = true;
		chariot_count(vm, walk_pages);
		return CHARIOT_RESOLVE;
	}
	/* By gva, and not the guest's address either: for KVM to tell the guest. */
	if (f->gpa == INVALID_GPA)
		return CHARIOT_RESOLVE;
	if (chariot_page_writable(vm, f->cv, f->domain, f->gpa)) {
		f->writable = true;
		return CHARIOT_RESOLVE;
	}
	if (chariot_delivering_event(f->vcpu)) {
		chariot_count(vm, event_deliveries);
		return cross(f, CHARIOT_KERNEL_DOMAIN);
	}

	range = chariot_acl_find(&vm->domains[f->domain].acl, f->gpa);
	f->kind = range ? range->kind : CHARIOT_KIND_UNKNOWN;
	culprit = chariot_attribute(vm, f->vcpu, f->domain, f->rip);
	if (!culprit.domain) {
		/*
		 * The kernel's own write. A counter that a rule grants (such
		 * as preempt_count) is cheaper done here than by going to the
		 * kernel view and back; anything else comes in groups.
		 */
		if (f->kind == CHARIOT_KIND_RULE && chariot_guest_kernel_address(f->rip)) {
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

/*
 * vm->lock must be held. What memory that cannot be read now leads to is no verdict:
 * the vCPU stays where it is, and nothing is reported.
 */
static enum chariot_verdict judge(struct chariot_fault *f)
{
	struct chariot_vm *vm = f->vm;
	enum chariot_drain drained;

	f->writable = false;
	f->kernel = false;
	f->domain = f->cv->cur;
	drained = chariot_drain(vm, f->vcpu);
	if (drained == CHARIOT_DRAIN_LATER)
		return CHARIOT_AGAIN;
	/* The ring may have sent the vCPU back. */
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
	u64 gfn, va = chariot_guest_rsp(f->vcpu) - 1;
	struct chariot_absent absent = {};

	if (f->access.fetch)
		prefill(f, domain, f->addr, f->gpa, false);
	if (chariot_absent_lock(f->vm, f->vcpu, &absent))
		return;
	gfn = chariot_stack_gfn(f->vm, f->cv, va);
	/* Should it not be there, the fault will bring it. */
	if (chariot_absent_unlock(f->vm, f->vcpu, &absent))
		return;
	if (gfn != ~0ull)
		prefill(f, domain, f->vm->mode->by_gva ? va : gfn << PAGE_SHIFT,
			gfn << PAGE_SHIFT, true);
}

/*
 * By gva: makes the view that the vCPU is in for KVM's root, if it is the first time:
 * then it had none to walk, and looks again with it. CHARIOT_RESOLVE: it has one.
 */
static enum chariot_verdict make_missing_view(struct chariot_fault *f)
{
	struct chariot_vm *vm = f->vm;
	struct chariot_view *view = chariot_view_of(vm, f->cv, f->cv->cur);
	int ret;

	if (!vm->armed || !vm->mode->by_gva || (view && view->base == f->base))
		return CHARIOT_RESOLVE;
	ret = with_room(f, chariot_shadow_view, f->cv->cur);
	if (ret && ret != -EAGAIN)
		return CHARIOT_FAIL;
	kvm_make_request(KVM_REQ_LOAD_MMU_PGD, f->vcpu);
	return CHARIOT_AGAIN;
}

static int handle(struct chariot_fault *f)
{
	struct chariot_absent absent = {};
	struct chariot_vm *vm = f->vm;
	enum chariot_verdict verdict;
	u32 entered;
	int ret;

	/* An error ends the VM. */
	ret = chariot_layout_know(vm, f->vcpu, f->addr);
	if (ret < 0)
		return ret;

	chariot_count(vm, faults);
	vm->mode->decode(f->error_code, &f->access);
	f->rip = kvm_get_linear_rip(f->vcpu);
	do {
		sample(f);
		locate(f);
		/* With the signal pending KVM returns to user space, the access not made. */
		if (chariot_absent_lock(vm, f->vcpu, &absent))
			return 1;
		entered = 0;
		f->cv = chariot_vm_vcpu(vm, f->vcpu);
		verdict = f->cv ? make_missing_view(f) : CHARIOT_FAIL;
		if (verdict == CHARIOT_RESOLVE) {
			verdict = judge(f);
			if (verdict == CHARIOT_AGAIN && f->cv->cur != f->domain)
				entered = f->cv->cur;
		}
	} while (chariot_absent_unlock(vm, f->vcpu, &absent));

	switch (verdict) {
	case CHARIOT_DOORBELL:
		chariot_count(vm, doorbells);
		return vm->mode->skip(f->vcpu);
	case CHARIOT_EMULATE:
		atomic64_inc(&vm->domains[f->domain].emulated[f->kind]);
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

int chariot_page_fault(struct kvm_vcpu *vcpu, gpa_t addr, u64 error_code, void *insn, int insn_len)
{
	struct chariot_fault f = {
		.vcpu = vcpu,
		.addr = addr,
		.gpa = addr,
		.error_code = error_code,
		.insn = insn,
		.insn_len = insn_len,
	};
	int ret;

	/* Such a vCPU runs on KVM's own root. */
	if (chariot_in_nested_guest(vcpu) || chariot_in_smm(vcpu))
		return kvm_mmu_page_fault(vcpu, addr, error_code, insn, insn_len);

	f.vm = chariot_vm_get(vcpu->kvm);
	if (f.vm && !f.vm->mode->usable(vcpu)) {
		chariot_vm_put(f.vm);
		f.vm = NULL;
	}
	if (!f.vm)
		return kvm_mmu_page_fault(vcpu, addr, error_code, insn, insn_len);
	ret = handle(&f);
	chariot_vm_put(f.vm);
	return ret;
}
