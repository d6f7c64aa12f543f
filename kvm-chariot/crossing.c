// SPDX-License-Identifier: GPL-2.0-only
/* Which view a vCPU runs in; see crossing.h. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "compat.h"
#include "crossing.h"
#include "layout.h"
#include "mode.h"
#include "shadow.h"
#include "stack.h"
#include "trace.h"

unsigned long chariot_load_root(struct chariot_vm *vm, struct kvm_vcpu *vcpu, unsigned long root,
				int level)
{
	struct chariot_view *view;
	struct chariot_vcpu *cv;
	bool fresh, changed;
	u64 gen;
	u32 cur;

	/*
	 * Neither a nested guest's memory nor SMRAM is what the views describe. And a
	 * vCPU on its way to long mode (it was plugged in, or reset) runs no driver; KVM
	 * builds a root anew, hence comes here, when it gets there.
	 */
	if (chariot_in_nested_guest(vcpu) || chariot_in_smm(vcpu) || !vm->mode->usable(vcpu))
		return root;
	if (vm->mode->by_gva)
		return chariot_shadow_load_root(vm, vcpu, root, level);

	/*
	 * KVM serves this request after the load and before it enters the
	 * guest: what was dropped from the views so far is in no TLB then.
	 */
	gen = chariot_views_gen(&vm->views);
	if (vm->mode->will_flush(vcpu))
		chariot_views_flushed(&vm->views, vcpu->vcpu_idx, gen);

	fresh = test_and_clear_bit(vcpu->vcpu_idx, vm->fresh_root);
	changed = chariot_views_set_base(&vm->views, root);
	/* Another root, perhaps, in the same page. */
	if (fresh && !changed)
		chariot_views_flush(&vm->views);
	if (fresh || changed) {
		/* What KVM did without a flush; for its new root alone it makes one. */
		vm->mode->flush_self(vcpu);
		chariot_count(vm, roots_changed);
	}

	cv = xa_load(&vm->vcpus, vcpu->vcpu_idx);
	cur = cv ? READ_ONCE(cv->cur) : CHARIOT_KERNEL_DOMAIN;
	/* Pairs with the release in chariot_arm() and chariot_cross(). */
	view = cur ? smp_load_acquire(&cv->view[cur]) : smp_load_acquire(&vm->kernel_view);
	if (WARN_ON_ONCE(!view || view->level != level))
		return root;
	return view->root_pa;
}

struct chariot_view *chariot_view_of(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain)
{
	lockdep_assert_held(&vm->lock);
	if (vm->mode->by_gva)
		return cv->roots.cur ? cv->roots.cur->view[domain] : NULL;
	return domain ? cv->view[domain] : vm->kernel_view;
}

static int make_view(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain)
{
	struct chariot_view *view;

	if (vm->mode->by_gva)
		return chariot_shadow_view(vm, cv, domain);
	if (!domain || cv->view[domain])
		return 0;
	view = chariot_view_create(&vm->views, domain, cv->vcpu->vcpu_idx,
				   vm->kernel_view->level);
	if (IS_ERR(view))
		return PTR_ERR(view);
	/*
	 * Its root's page may have been another root before: of a VM that
	 * is gone, of a view. What the CPU remembers under its address goes.
	 */
	if (vm->mode->flush_view)
		vm->mode->flush_view(cv->vcpu, view->root_pa);
	else
		vm->mode->flush_self(cv->vcpu);
	/* Pairs with the acquire in chariot_load_root(). */
	smp_store_release(&cv->view[domain], view);
	return 0;
}

int chariot_cross(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 to)
{
	u32 from = cv->cur;
	int ret;

	lockdep_assert_held(&vm->lock);
	ret = make_view(vm, cv, to);
	if (ret)
		return ret;
	if (from)
		atomic64_inc(&vm->domains[from].crossings_out);
	if (to) {
		atomic64_inc(&vm->domains[to].crossings_in);
		chariot_count(vm, crossings_in);
	} else {
		chariot_count(vm, crossings_out);
	}
	trace_chariot_crossing(cv->vcpu->vcpu_id, from, to, kvm_get_linear_rip(cv->vcpu));

	WRITE_ONCE(cv->cur, to);
	kvm_make_request(KVM_REQ_LOAD_MMU_PGD, cv->vcpu);
	if (vm->mode->crossing_flushes)
		vm->mode->flush_self(cv->vcpu);
	return 0;
}

void chariot_reload_all(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	/*
	 * In this order: whoever acknowledges the flush by leaving the guest
	 * finds the other request too before it enters again.
	 */
	kvm_for_each_vcpu(i, vcpu, kvm)
		kvm_make_request(KVM_REQ_LOAD_MMU_PGD, vcpu);
	kvm_make_all_cpus_request(kvm, KVM_REQ_TLB_FLUSH);
}

int chariot_arm(struct chariot_vm *vm)
{
	struct chariot_view *view;
	struct kvm_vcpu *vcpu;
	unsigned long i;
	int level = 0, ret;

	lockdep_assert_held(&vm->lock);
	if (vm->armed)
		return 0;

	kvm_for_each_vcpu(i, vcpu, vm->kvm) {
		if (vm->mode->usable(vcpu)) {
			level = vcpu->arch.root_mmu.root_role.level;
			break;
		}
	}
	if (level != 4 && level != 5)
		return -EINVAL;
	/* A vCPU that has no memory yet is looked at when it faults. */
	ret = chariot_layout_know(vm, vcpu, 0);
	if (ret < 0)
		return ret;

	if (!vm->kernel_view && !vm->mode->by_gva) {
		view = chariot_view_create(&vm->views, CHARIOT_KERNEL_DOMAIN, -1, level);
		if (IS_ERR(view))
			return PTR_ERR(view);
		/* Pairs with the acquire in chariot_load_root(). */
		smp_store_release(&vm->kernel_view, view);
	}
	WRITE_ONCE(vm->armed, true);
	chariot_reload_all(vm->kvm);
	pr_debug("armed, %s, %d levels\n", vm->mode->name, level);
	return 0;
}

bool chariot_leave_domain(struct chariot_vm *vm, u32 domain)
{
	struct chariot_vcpu *cv;
	unsigned long idx;
	bool any = false;

	lockdep_assert_held(&vm->lock);
	xa_for_each(&vm->vcpus, idx, cv) {
		if (cv->cur != domain)
			continue;
		WRITE_ONCE(cv->cur, CHARIOT_KERNEL_DOMAIN);
		any = true;
	}
	return any;
}

void chariot_disarm(struct chariot_vm *vm)
{
	struct chariot_vcpu *cv;
	unsigned long idx;

	lockdep_assert_held(&vm->lock);
	if (!vm->armed)
		return;
	xa_for_each(&vm->vcpus, idx, cv)
		WRITE_ONCE(cv->cur, CHARIOT_KERNEL_DOMAIN);
	WRITE_ONCE(vm->armed, false);
	/* The load hook that still saw "armed" ends before the requests are made. */
	synchronize_rcu();
	chariot_reload_all(vm->kvm);
	/* No vCPU is in the views, nothing is derived now: empty when armed again. */
	chariot_views_flush(&vm->views);
}

void chariot_reset_views(struct chariot_vm *vm)
{
	struct chariot_view *view;
	struct chariot_vcpu *cv;
	LIST_HEAD(tables);
	unsigned long idx;

	lockdep_assert_held(&vm->lock);
	chariot_count(vm, view_resets);
	/* vm->lock keeps views from being added meanwhile; none is ever removed. */
	list_for_each_entry(view, &vm->views.list, link)
		chariot_view_unlink(view, &tables);
	xa_for_each(&vm->vcpus, idx, cv)
		chariot_stack_forget(cv);
	/* Paging-structure caches lead to the tables until every vCPU has flushed. */
	chariot_reload_all(vm->kvm);
	chariot_view_free_tables(&vm->views, &tables);
}

static void flush_view(void *ctx, const struct chariot_view *view)
{
	struct chariot_vm *vm = container_of(view->views, struct chariot_vm, views);

	vm->mode->flush_view(ctx, view->root_pa);
}

void chariot_flush_own(struct chariot_vm *vm, struct kvm_vcpu *self)
{
	if (vm->mode->flush_view)
		chariot_views_flush_own(&vm->views, self->vcpu_idx, flush_view, self);
	else
		vm->mode->flush_self(self);
}

void chariot_flush_vcpus(struct chariot_vm *vm, struct kvm_vcpu *self, const unsigned long *dirty)
{
	unsigned int first = find_first_bit(dirty, CHARIOT_VCPU_BITS);

	if (first == CHARIOT_VCPU_BITS)
		return;
	if (self && first == self->vcpu_idx &&
	    find_next_bit(dirty, CHARIOT_VCPU_BITS, first + 1) == CHARIOT_VCPU_BITS) {
		/* What all share would be in others' TLBs too. */
		chariot_flush_own(vm, self);
		return;
	}
	/* Returns when every vCPU has left the guest; each flushes before it enters again. */
	kvm_make_all_cpus_request(vm->kvm, KVM_REQ_TLB_FLUSH);
}
