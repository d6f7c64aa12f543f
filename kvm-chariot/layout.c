// SPDX-License-Identifier: GPL-2.0-only
/* KVM's private structures, compared with what this module takes them for; see layout.h. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "layout.h"
#include "leaf.h"

#define ENTRIES		512
#define CR3_ADDR	GENMASK_ULL(51, 12)

/* What is wrong with KVM's descriptor of the page at @table, or NULL. */
static const char *wrong_descriptor(u64 table, int level, struct chariot_kvm_mmu_page *sp)
{
	const void *at;

	if (!table || !pfn_valid(table >> PAGE_SHIFT))
		return "the address in an entry";
	at = (const void *)page_private(pfn_to_page(table >> PAGE_SHIFT));
	/* Whatever it points to, looking there does no harm. */
	if (copy_from_kernel_nofault(sp, at, sizeof(*sp)))
		return "what leads to struct kvm_mmu_page";
	if (sp->spt != __va(table))
		return "spt in struct kvm_mmu_page";
	if (sp->role.level != level)
		return "role in struct kvm_mmu_page";
	return NULL;
}

static const char *wrong_root(const struct kvm_mmu *mmu, struct chariot_kvm_mmu_page *sp)
{
	const char *wrong = wrong_descriptor(mmu->root.hpa, mmu->root_role.level, sp);
	gfn_t gfn = mmu->root_role.direct ? 0 : (mmu->root.pgd & CR3_ADDR) >> PAGE_SHIFT;

	if (wrong)
		return wrong;
	if (sp->role.direct != mmu->root_role.direct)
		return "role in struct kvm_mmu_page";
	return sp->gfn == gfn ? NULL : "gfn in struct kvm_mmu_page";
}

/* By gva: KVM says for each leaf of a table which of the guest's pages it maps. */
static const char *wrong_translation(struct kvm *kvm, const struct chariot_kvm_mmu_page *sp,
				     unsigned int index)
{
	u64 translation;

	if (sp->role.direct || sp->role.passthrough)
		return NULL;
	if (copy_from_kernel_nofault(&translation, sp->shadowed_translation + index,
				     sizeof(translation)) ||
	    !gfn_to_memslot(kvm, translation >> PAGE_SHIFT))
		return "shadowed_translation in struct kvm_mmu_page";
	return NULL;
}

/*
 * Down from the root, looking at each entry of a table, the way that leads to page
 * @index as far as there is one. @leaves: how many leaves were among them.
 */
static const char *wrong_tree(const struct chariot_mode *mode, struct kvm *kvm,
			      const struct kvm_mmu *mmu, u64 index, unsigned int *leaves)
{
	const struct chariot_entry_ops *ops = mode->entry;
	struct chariot_kvm_mmu_page sp, child, next;
	const char *wrong = wrong_root(mmu, &sp);
	int level = mmu->root_role.level;
	unsigned int i, tables, on_the_way;
	u64 entry;

	for (; !wrong; level--, sp = next) {
		on_the_way = index >> (9 * (level - 1)) & (ENTRIES - 1);
		tables = 0;
		for (i = 0; i < ENTRIES; i++) {
			entry = READ_ONCE(sp.spt[i]);
			/* An MMIO entry may look present to the CPU: there are none further up. */
			if (level > CHARIOT_LEVEL_4K && ops->own_present(entry) &&
			    !ops->present(entry))
				return "the bit of KVM's that says present";
			if (!ops->present(entry))
				continue;
			if (level == CHARIOT_LEVEL_4K || ops->large(entry)) {
				wrong = mode->by_gva ? wrong_translation(kvm, &sp, i) : NULL;
				if (wrong)
					return wrong;
				++*leaves;
				continue;
			}
			if (!ops->kvm_table(entry))
				return "the bits of KVM's in an entry for a table";
			wrong = wrong_descriptor(ops->addr(entry), level - 1, &child);
			if (wrong)
				return wrong;
			if (!tables++ || i == on_the_way)
				next = child;
		}
		if (!tables)
			break;
	}
	return wrong;
}

int chariot_layout_check(const struct chariot_mode *mode, struct kvm_vcpu *vcpu, u64 addr)
{
	const struct kvm_mmu *mmu = &vcpu->arch.root_mmu;
	u64 index = chariot_leaf_index(mode, addr, mmu->root_role.level);
	const char *wrong = NULL;
	unsigned int leaves = 0;

	/* Nobody frees a root or a table meanwhile, of whatever kind. */
	write_lock(&vcpu->kvm->mmu_lock);
	/* A root that is no page of KVM's stands for a CR3 that leads nowhere. */
	if (mode->usable(vcpu) && VALID_PAGE(mmu->root.hpa) &&
	    mmu->root.hpa != page_to_phys(ZERO_PAGE(0)))
		wrong = wrong_tree(mode, vcpu->kvm, mmu, index, &leaves);
	write_unlock(&vcpu->kvm->mmu_lock);
	if (wrong) {
		pr_err("not for this kernel: KVM's page tables are not as expected (%s)\n", wrong);
		return -ENXIO;
	}
	/* A root that leads to no leaf says nothing of what a leaf's table looks like. */
	return leaves > 0;
}

int chariot_layout_know(struct chariot_vm *vm, struct kvm_vcpu *vcpu, u64 addr)
{
	int ret;

	if (READ_ONCE(vm->layout_known))
		return 1;
	ret = chariot_layout_check(vm->mode, vcpu, addr);
	if (ret > 0)
		WRITE_ONCE(vm->layout_known, true);
	return ret;
}
