// SPDX-License-Identifier: GPL-2.0-only
/* Attaching to KVM's VMs and letting go of them; see vm.h. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "compat.h"
#include "crossing.h"
#include "hook.h"
#include "layout.h"
#include "mode.h"
#include "record.h"
#include "stack.h"
#include "vm.h"

#define CHARIOT_VMS_MAX		256
#define CHARIOT_THREAD_SIZE	16384		/* until the guest says otherwise */
#define CHARIOT_GRANTS_DEFAULT	BIT(20)
#define CHARIOT_VIEW_PAGES_DEFAULT 8192		/* 32 MB */
#define CHARIOT_VIEW_PAGES_MIN	64

static DEFINE_MUTEX(chariot_vms_lock);		/* writers of the table */
static DEFINE_HASHTABLE(chariot_vms, 6);
static unsigned int chariot_vms_nr;

struct chariot_vm *chariot_vm_find_rcu(struct kvm *kvm)
{
	struct chariot_vm *vm;

	hash_for_each_possible_rcu(chariot_vms, vm, node, (unsigned long)kvm,
				   lockdep_is_held(&chariot_vms_lock)) {
		if (vm->kvm == kvm)
			return vm;
	}
	return NULL;
}

struct chariot_vm *chariot_vm_get(struct kvm *kvm)
{
	struct chariot_vm *vm;

	rcu_read_lock();
	vm = chariot_vm_find_rcu(kvm);
	if (vm && !refcount_inc_not_zero(&vm->users))
		vm = NULL;
	rcu_read_unlock();
	return vm;
}

static void free_empty_root(struct chariot_vm *vm)
{
	if (vm->empty_root_pa)
		free_page((unsigned long)__va(vm->empty_root_pa));
}

static void vm_free(struct chariot_vm *vm)
{
	struct chariot_view *view, *next;
	struct chariot_vcpu *cv;
	struct chariot_cpu *cpu;
	unsigned long idx;
	u32 d;

	list_for_each_entry_safe(view, next, &vm->views.list, link)
		chariot_view_destroy(view);
	xa_for_each(&vm->vcpus, idx, cv) {
		chariot_view_cache_free(&cv->cache);
		kfree(cv);
	}
	xa_destroy(&vm->vcpus);
	free_empty_root(vm);
	xa_for_each(&vm->cpus, idx, cpu)
		kfree(cpu);
	xa_destroy(&vm->cpus);
	for (d = 1; d <= CHARIOT_DOMAINS_MAX; d++) {
		chariot_acl_clear(&vm->domains[d].acl);
		chariot_ranges_clear(&vm->domains[d].text);
	}
	chariot_ranges_clear(&vm->text_gpa);
	chariot_ranges_clear(&vm->library);
	chariot_ranges_clear(&vm->regions);
	chariot_events_free(&vm->events);
	kvm_put_kvm(vm->kvm);
	/* Hooks may still look at it under RCU. */
	kvfree_rcu(vm, rcu);
}

void chariot_vm_put(struct chariot_vm *vm)
{
	if (refcount_dec_and_test(&vm->users))
		vm_free(vm);
}

static bool has_long_mode(struct kvm_vcpu *vcpu)
{
	bool found = false, any = false;
	int i;

	/* A vCPU that runs cannot change its CPUID; its mode tells as much. */
	if (!mutex_trylock(&vcpu->mutex))
		return READ_ONCE(vcpu->arch.efer) & (EFER_LME | EFER_LMA);
	for (i = 0; i < vcpu->arch.cpuid_nent; i++) {
		struct kvm_cpuid_entry2 *e = &vcpu->arch.cpuid_entries[i];

		any = true;
		if (e->function == 0x80000001)
			found = e->edx & BIT(29);
	}
	mutex_unlock(&vcpu->mutex);
	return found || !any;	/* not configured yet: judged when it is armed */
}

/* 0 or the errno that CHARIOT_ATTACH promises, with one line that says what is wrong. */
static int check_kvm(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	if (kvm->mm != current->mm) {
		pr_info("attach refused: the VM belongs to another process\n");
		return -EPERM;
	}
	if (chariot_vm_is_confidential(kvm)) {
		pr_info("attach refused: the VM is confidential, its memory cannot be judged\n");
		return -EPROTOTYPE;
	}
	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (vcpu->arch.guest_state_protected) {
			pr_info("attach refused: vCPU %lu is confidential\n", i);
			return -EPROTOTYPE;
		}
		if (!has_long_mode(vcpu)) {
			pr_info("attach refused: vCPU %lu has no long mode; 64-bit guests only\n",
				i);
			return -ENOEXEC;
		}
	}
	return 0;
}

/* 1, -ENXIO, or 0: no vCPU has touched memory yet, it will be seen when one does. */
static int check_layout(struct kvm *kvm, const struct chariot_mode *mode)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	int ret = 0, idx;

	idx = srcu_read_lock(&kvm->srcu);
	kvm_for_each_vcpu(i, vcpu, kvm) {
		ret = chariot_layout_check(mode, vcpu, 0);
		if (ret)
			break;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	if (ret < 0)
		pr_info("attach refused: see above\n");
	return ret;
}

static int vm_insert(struct chariot_vm *vm)
{
	int ret = 0;

	mutex_lock(&chariot_vms_lock);
	if (chariot_vm_find_rcu(vm->kvm)) {
		pr_info("attach refused: the VM is attached already\n");
		ret = -EBUSY;
	} else if (chariot_vms_nr == CHARIOT_VMS_MAX) {
		pr_info("attach refused: %u VMs are attached, the most that there can be\n",
			chariot_vms_nr);
		ret = -ENOSPC;
	} else {
		hash_add_rcu(chariot_vms, &vm->node, (unsigned long)vm->kvm);
		chariot_vms_nr++;
	}
	mutex_unlock(&chariot_vms_lock);
	return ret;
}

/* What nobody but its maker has seen. */
static void vm_release(struct chariot_vm *vm)
{
	free_empty_root(vm);
	kvfree(vm);
}

static struct chariot_vm *vm_alloc(struct kvm *kvm, const struct chariot_mode *mode,
				   const struct chariot_attach *req)
{
	struct chariot_vm *vm;
	int i, ret;

	vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	if (mode->by_gva) {
		unsigned long page = get_zeroed_page(GFP_KERNEL_ACCOUNT);

		if (!page) {
			kvfree(vm);
			return ERR_PTR(-ENOMEM);
		}
		vm->empty_root_pa = __pa(page);
	}
	ret = chariot_events_init(&vm->events, req->events_max);
	if (ret) {
		vm_release(vm);
		return ERR_PTR(ret);
	}
	refcount_set(&vm->users, 1);
	vm->kvm = kvm;
	vm->mode = mode;
	mutex_init(&vm->lock);
	for (i = 1; i <= CHARIOT_DOMAINS_MAX; i++) {
		vm->domains[i].id = i;
		chariot_acl_init(&vm->domains[i].acl);
		chariot_ranges_init(&vm->domains[i].text, CHARIOT_TEXT_SPANS_MAX,
				    CHARIOT_DATA_MOVES);
	}
	chariot_ranges_init(&vm->text_gpa, CHARIOT_TEXT_SPANS_MAX * CHARIOT_DOMAINS_MAX,
			    CHARIOT_DATA_FIXED);
	chariot_ranges_init(&vm->library, CHARIOT_LIBRARY_MAX, CHARIOT_DATA_FIXED);
	chariot_ranges_init(&vm->regions, CHARIOT_REGIONS_MAX, CHARIOT_DATA_FIXED);
	xa_init(&vm->cpus);
	xa_init(&vm->vcpus);
	vm->doorbell_gpa = INVALID_GPA;
	vm->thread_size = CHARIOT_THREAD_SIZE;
	vm->grants_max = req->grants_max ?: CHARIOT_GRANTS_DEFAULT;
	chariot_views_init(&vm->views, mode->entry,
			   req->view_pages_max ?: CHARIOT_VIEW_PAGES_DEFAULT);
	vm->views.by_gva = mode->by_gva;
	return vm;
}

static int check_request(const struct chariot_attach *req)
{
	if (req->abi != CHARIOT_ABI_VERSION) {
		pr_info("attach refused: user space speaks ABI %u, this module %u\n", req->abi,
			CHARIOT_ABI_VERSION);
		return -EPROTO;
	}
	if (req->flags || memchr_inv(req->reserved, 0, sizeof(req->reserved)) ||
	    req->events_max > CHARIOT_EVENTS_LIMIT || req->grants_max > CHARIOT_GRANTS_LIMIT ||
	    req->view_pages_max > CHARIOT_VIEW_PAGES_LIMIT ||
	    (req->view_pages_max && req->view_pages_max < CHARIOT_VIEW_PAGES_MIN)) {
		pr_info("attach refused: a flag or a limit is out of range\n");
		return -EINVAL;
	}
	return 0;
}

/*
 * Compilers copy functions into their callers, and a hook does not see the copies.
 * Without the one on KVM's flushes views would go stale in silence: it is tried.
 */
static int check_flush(struct chariot_vm *vm)
{
	u64 seen = READ_ONCE(vm->stats.flushes_vm);

	kvm_flush_remote_tlbs(vm->kvm);
	if (READ_ONCE(vm->stats.flushes_vm) != seen)
		return 0;
	pr_info("attach refused: this KVM flushes TLBs past the function that is hooked for it\n");
	return -ENXIO;
}

struct chariot_vm *chariot_vm_attach(const struct chariot_attach *req)
{
	const struct chariot_mode *mode;
	struct chariot_vm *vm;
	struct file *file;
	struct kvm *kvm;
	int ret;

	ret = check_request(req);
	if (!ret)
		ret = chariot_symbol_find_kvm();
	if (ret)
		return ERR_PTR(ret);

	file = fget(req->vm_fd);
	if (!file) {
		pr_info("attach refused: %d is no open file\n", req->vm_fd);
		return ERR_PTR(-EBADF);
	}
	if (!file_is_kvm(file)) {
		pr_info("attach refused: file %d is no KVM VM\n", req->vm_fd);
		ret = -ENOTTY;
		goto put_file;
	}
	kvm = file->private_data;
	ret = check_kvm(kvm);
	if (ret)
		goto put_file;

	mode = chariot_mode_current();
	if (!mode) {
		pr_info("attach refused: needs %s\n", chariot_mode_wanted());
		ret = -EOPNOTSUPP;
		goto put_file;
	}

	ret = check_layout(kvm, mode);
	if (ret < 0)
		goto put_file;

	vm = vm_alloc(kvm, mode, req);
	if (IS_ERR(vm)) {
		ret = PTR_ERR(vm);
		goto put_file;
	}
	vm->layout_known = ret;
	ret = chariot_hooks_get(mode);
	if (ret)
		goto free_vm;
	kvm_get_kvm(kvm);
	ret = vm_insert(vm);
	if (ret)
		goto put_kvm;
	fput(file);
	ret = check_flush(vm);
	if (ret) {
		chariot_vm_detach(vm);
		return ERR_PTR(ret);
	}
	return vm;

put_kvm:
	kvm_put_kvm(kvm);
	chariot_hooks_put();
free_vm:
	chariot_events_free(&vm->events);
	vm_release(vm);
put_file:
	fput(file);
	return ERR_PTR(ret);
}

void chariot_vm_detach(struct chariot_vm *vm)
{
	WRITE_ONCE(vm->dead, true);
	/* Hooks that saw it alive are done choosing roots: none loads a view from here on. */
	synchronize_rcu();
	chariot_reload_all(vm->kvm);
	/*
	 * vCPUs that were on their way into a nested guest, which leaves a root
	 * behind (see mode_npt.c): KVM handles exits under this lock.
	 */
	synchronize_srcu_expedited(&vm->kvm->srcu);

	/* Until now vCPUs ran in views, and KVM's flushes had to find the VM. */
	mutex_lock(&chariot_vms_lock);
	hash_del_rcu(&vm->node);
	chariot_vms_nr--;
	mutex_unlock(&chariot_vms_lock);
	synchronize_rcu();
	chariot_hooks_put();
	chariot_vm_put(vm);
}

struct chariot_vcpu *chariot_vm_vcpu(struct chariot_vm *vm, struct kvm_vcpu *vcpu)
{
	struct chariot_vcpu *cv = xa_load(&vm->vcpus, vcpu->vcpu_idx);

	lockdep_assert_held(&vm->lock);
	if (cv)
		return cv;
	cv = kzalloc(sizeof(*cv), GFP_KERNEL_ACCOUNT);
	if (!cv)
		return NULL;
	cv->vcpu = vcpu;
	chariot_roots_init(&cv->roots);
	cv->cache.by_gva = vm->mode->by_gva;
	if (xa_err(xa_store(&vm->vcpus, vcpu->vcpu_idx, cv, GFP_KERNEL_ACCOUNT))) {
		kfree(cv);
		return NULL;
	}
	return cv;
}

int chariot_vm_add_domain(struct chariot_vm *vm, const struct chariot_domain *req)
{
	struct chariot_dom *domain;
	int ret = -EEXIST;

	if (!req->id || req->id > CHARIOT_DOMAINS_MAX)
		return -ERANGE;
	if (req->policy > CHARIOT_POLICY_BLOCK || !req->name[0] ||
	    strnlen(req->name, sizeof(req->name)) == sizeof(req->name) ||
	    memchr_inv(req->reserved, 0, sizeof(req->reserved)))
		return -EINVAL;

	mutex_lock(&vm->lock);
	domain = &vm->domains[req->id];
	if (!domain->declared) {
		domain->declared = true;
		domain->policy = req->policy;
		strscpy(domain->name, req->name, sizeof(domain->name));
		vm->declared |= BIT(req->id);
		ret = 0;
	}
	mutex_unlock(&vm->lock);
	return ret;
}

int chariot_vm_set_policy(struct chariot_vm *vm, const struct chariot_policy *req)
{
	int ret = 0;

	if (req->policy > CHARIOT_POLICY_BLOCK)
		return -EINVAL;
	mutex_lock(&vm->lock);
	if (!req->id || req->id > CHARIOT_DOMAINS_MAX || !vm->domains[req->id].declared)
		ret = -ENOENT;
	else
		WRITE_ONCE(vm->domains[req->id].policy, req->policy);
	mutex_unlock(&vm->lock);
	return ret;
}

int chariot_vm_reset(struct chariot_vm *vm)
{
	struct chariot_cpu *cpu;
	struct chariot_vcpu *cv;
	unsigned long idx;
	u32 d;

	mutex_lock(&vm->lock);
	chariot_ring_set(&vm->ring, NULL, NULL, 0, 0);
	vm->doorbell_gpa = INVALID_GPA;
	for (d = 1; d <= CHARIOT_DOMAINS_MAX; d++)
		chariot_forget_domain(vm, &vm->domains[d]);
	chariot_disarm(vm);
	xa_for_each(&vm->vcpus, idx, cv) {
		chariot_stack_forget(cv);
		memset(cv->call, 0, sizeof(cv->call));
		cv->cpu = NULL;
	}
	xa_for_each(&vm->cpus, idx, cpu) {
		xa_erase(&vm->cpus, idx);
		kfree(cpu);
	}
	chariot_ranges_clear(&vm->library);
	chariot_ranges_clear(&vm->regions);
	vm->thread_size = CHARIOT_THREAD_SIZE;
	vm->page_offset = 0;
	mutex_unlock(&vm->lock);
	return 0;
}

/* The counters among the statistics: each by itself, for none waits for another. */
static void read_counters(const struct chariot_stats *stats, struct chariot_stats *out)
{
	size_t at;

	memset(out, 0, sizeof(*out));
	for (at = offsetof(struct chariot_stats, faults);
	     at < offsetof(struct chariot_stats, reserved); at += sizeof(u64))
		*(u64 *)((void *)out + at) = atomic64_read((void *)stats + at);
}

void chariot_vm_get_stats(struct chariot_vm *vm, struct chariot_stats *out)
{
	mutex_lock(&vm->lock);
	read_counters(&vm->stats, out);
	out->armed = vm->armed;
	out->domains = hweight32(vm->declared);
	out->grants = vm->grants;
	spin_lock(&vm->views.lock);
	out->view_pages = vm->views.pages;
	out->view_pages_peak = vm->views.pages_peak;
	spin_unlock(&vm->views.lock);
	mutex_unlock(&vm->lock);
}

int chariot_vm_get_domain_stats(struct chariot_vm *vm, struct chariot_domain_stats *out)
{
	struct chariot_dom *domain;
	unsigned int kind;
	u32 id = out->id;

	if (!id || id > CHARIOT_DOMAINS_MAX)
		return -ENOENT;

	memset(out, 0, sizeof(*out));
	mutex_lock(&vm->lock);
	domain = &vm->domains[id];
	if (!domain->declared) {
		mutex_unlock(&vm->lock);
		return -ENOENT;
	}
	out->id = id;
	out->policy = domain->policy;
	out->up = domain->up;
	strscpy(out->name, domain->name, sizeof(out->name));
	out->crossings_in = atomic64_read(&domain->crossings_in);
	out->crossings_out = atomic64_read(&domain->crossings_out);
	out->fills = atomic64_read(&domain->fills);
	for (kind = 0; kind < ARRAY_SIZE(out->emulated_kinds); kind++) {
		out->emulated_kinds[kind] = atomic64_read(&domain->emulated[kind]);
		out->emulated += out->emulated_kinds[kind];
	}
	out->violations = atomic64_read(&domain->violations);
	out->bad_frees = atomic64_read(&domain->bad_frees);
	out->grants = domain->acl.ranges;
	out->granted_bytes = domain->acl.bytes;
	out->grants_peak = domain->grants_peak;
	out->granted_bytes_peak = domain->granted_bytes_peak;
	out->text_bytes = domain->text_bytes;
	mutex_unlock(&vm->lock);
	return 0;
}
