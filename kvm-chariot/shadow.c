// SPDX-License-Identifier: GPL-2.0-only
/* Shadow paging; see shadow.h. */
#include "compat.h"
#include "leaf.h"
#include "mode.h"
#include "shadow.h"

struct tree {
	const struct chariot_mode *mode;
	u64 root;
	int level;
};

static void find(void *ctx, u64 index, struct chariot_leaf *leaf)
{
	struct tree *tree = ctx;

	chariot_leaf_find(tree->mode, tree->root, tree->level, index, NULL, leaf);
}

/* @view->base must be a root that KVM holds on to. */
static void revalidate(struct chariot_vm *vm, struct chariot_view *view)
{
	struct tree tree = { .mode = vm->mode, .root = view->base, .level = view->level };

	read_lock(&vm->kvm->mmu_lock);
	chariot_view_revalidate(view, find, &tree);
	read_unlock(&vm->kvm->mmu_lock);
}

unsigned long chariot_shadow_load_root(struct chariot_vm *vm, struct kvm_vcpu *vcpu,
				       unsigned long root, int level)
{
	struct chariot_vcpu *cv = xa_load(&vm->vcpus, vcpu->vcpu_idx);
	struct chariot_view *view;
	bool given_up;

	if (!cv)
		return vm->empty_root_pa;
	if (!cv->roots.cur || cv->roots.cur->base != root)
		chariot_count(vm, roots_changed);
	view = chariot_roots_load(&cv->roots, root, &given_up)->view[READ_ONCE(cv->cur)];
	if (given_up)
		kvm_make_request(KVM_REQ_TLB_FLUSH, vcpu);
	if (!view || view->level != level)
		return vm->empty_root_pa;
	if (view->stale)
		revalidate(vm, view);
	return view->root_pa;
}

int chariot_shadow_view(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain)
{
	struct kvm_vcpu *vcpu = cv->vcpu;
	u64 base = vcpu->arch.root_mmu.root.hpa;
	int level = vcpu->arch.root_mmu.root_role.level;
	struct chariot_root *root;
	struct chariot_view *view;
	bool given_up;

	lockdep_assert_held(&vm->lock);
	if (!VALID_PAGE(base))
		return -EAGAIN;
	root = chariot_roots_load(&cv->roots, base, &given_up);
	if (given_up)
		kvm_make_request(KVM_REQ_TLB_FLUSH, vcpu);
	view = root->view[domain];
	if (view && view->level == level)
		return 0;
	if (view) {
		/* The guest has another number of levels than it had. No other vCPU walks it. */
		vm->mode->flush_self(vcpu);
		root->view[domain] = NULL;
		chariot_view_destroy(view);
	}
	view = chariot_view_create(&vm->views, domain, vcpu->vcpu_idx, level);
	if (IS_ERR(view))
		return PTR_ERR(view);
	chariot_roots_add(root, view);
	return 0;
}

static unsigned int held_roots(struct kvm_mmu *mmu, u64 *bases)
{
	unsigned int nr = 0;
	int i;

	if (VALID_PAGE(mmu->root.hpa))
		bases[nr++] = mmu->root.hpa;
	for (i = 0; i < KVM_MMU_NUM_PREV_ROOTS; i++) {
		if (VALID_PAGE(mmu->prev_roots[i].hpa))
			bases[nr++] = mmu->prev_roots[i].hpa;
	}
	return nr;
}

void chariot_shadow_flush(struct chariot_vm *vm, struct kvm_vcpu *vcpu)
{
	struct chariot_vcpu *cv = xa_load(&vm->vcpus, vcpu->vcpu_idx);
	u64 bases[1 + KVM_MMU_NUM_PREV_ROOTS], gen;
	struct chariot_view *view;

	if (!cv)
		return;
	/* A nested guest's flush may leave this guest's entries in the TLB. */
	if (chariot_in_nested_guest(vcpu) || chariot_in_smm(vcpu) || !vm->mode->usable(vcpu)) {
		chariot_roots_flush(&cv->roots, NULL, 0);
		return;
	}
	gen = chariot_views_gen(&vm->views);
	chariot_roots_flush(&cv->roots, bases, held_roots(&vcpu->arch.root_mmu, bases));
	view = cv->roots.cur ? cv->roots.cur->view[READ_ONCE(cv->cur)] : NULL;
	if (view)
		revalidate(vm, view);
	chariot_views_flushed(&vm->views, vcpu->vcpu_idx, gen);
	chariot_count(vm, drops_all);
}

void chariot_shadow_flush_gva(struct chariot_vm *vm, struct kvm_vcpu *vcpu, u64 gva)
{
	struct chariot_vcpu *cv = xa_load(&vm->vcpus, vcpu->vcpu_idx);
	int level = vcpu->arch.root_mmu.root_role.level;

	if (!cv || level < 4)
		return;
	/* KVM changes its entry afterwards: there is nothing to compare with. */
	chariot_views_flush_gva(&vm->views, vcpu->vcpu_idx,
				chariot_leaf_index(vm->mode, gva, level));
	chariot_count(vm, drops_range);
}
