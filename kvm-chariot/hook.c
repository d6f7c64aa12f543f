// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hooks on the stock KVM.
 *
 * ftrace attaches to functions by name, static ones too. A replacement that
 * calls KVM's function enters it at the top again; the callback recognises it
 * by the caller's address (hence no tail calls in this module, see Kbuild).
 *
 * Here are the hooks that every mode needs; a mode brings more, see mode.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/srcu.h>

#include "compat.h"
#include "crossing.h"
#include "hook.h"
#include "mode.h"
#include "symbol.h"
#include "vm.h"

/* Counts the tasks in replaced functions, for module exit. */
DEFINE_STATIC_SRCU(chariot_hook_srcu);

static DEFINE_MUTEX(chariot_hooks_lock);
static unsigned int chariot_hooks_users;

void chariot_hook_redirect(struct chariot_hook *hook, struct pt_regs *regs)
{
	regs->ip = (unsigned long)hook->replacement;
}

int chariot_hook_begin(void)
	__acquires(&chariot_hook_srcu)
{
	return srcu_read_lock(&chariot_hook_srcu);
}

void chariot_hook_end(int idx)
	__releases(&chariot_hook_srcu)
{
	srcu_read_unlock(&chariot_hook_srcu, idx);
}

static void on_page_fault(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct chariot_vm *vm = chariot_vm_find_rcu(vcpu->kvm);

	if (vm && chariot_vm_in_views(vm))
		chariot_hook_redirect(hook, regs);
}

void chariot_hook_load_root(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct chariot_vm *vm = chariot_vm_find_rcu(vcpu->kvm);

	if (vm && chariot_vm_in_views(vm))
		regs->si = chariot_load_root(vm, vcpu, regs->si, (int)regs->dx);
}

/*
 * KVM asks all vCPUs for something. For a flush it does so in kvm_flush_remote_tlbs(),
 * which is too small to be hooked: compilers copy it into its callers.
 */
static void on_request(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct chariot_vm *vm;

	if ((unsigned int)regs->si != KVM_REQ_TLB_FLUSH)
		return;
	vm = chariot_vm_find_rcu((struct kvm *)regs->di);
	if (!vm)
		return;
	chariot_count(vm, flushes_vm);
	/* By gva, each vCPU looks at its views when it flushes: see shadow.h. */
	if (!vm->mode->by_gva) {
		chariot_views_flush(&vm->views);
		chariot_count(vm, drops_all);
	}
}

static void on_flush_range(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct chariot_vm *vm = chariot_vm_find_rcu((struct kvm *)regs->di);

	if (vm && !vm->mode->by_gva)
		chariot_hook_redirect(hook, regs);
}

/*
 * The host looks for pages that are not in use: KVM clears accessed bits, with
 * no flush, for the CPU sets them when it walks the tables next. It walks ours,
 * so what is derived goes; deriving it anew sets them.
 */
static void on_age(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct chariot_vm *vm = chariot_vm_find_rcu((struct kvm *)regs->di);
	struct kvm_gfn_range *range = (struct kvm_gfn_range *)regs->si;

	if (vm)
		chariot_views_flush_range(&vm->views, range->start, range->end - range->start);
}

/*
 * KVM builds a new root for a vCPU. It replaces and frees roots without a
 * flush, and the page of a freed root may come back as the new one's: what
 * was derived so far cannot be told from what would be derived now. Dropping
 * here is too early, for KVM allocates the root later: see chariot_load_root().
 */
static void on_mmu_load(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct chariot_vm *vm = chariot_vm_find_rcu(vcpu->kvm);

	/* KVM flushes the vCPU's TLB when it loads it, which is all that views by gva need. */
	if (vm && !vm->mode->by_gva)
		set_bit(vcpu->vcpu_idx, vm->fresh_root);
}

/* The emulator writes for the running vCPU; only the view it is in decides. */
static void on_emulator_write(struct chariot_hook *hook, struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = kvm_get_running_vcpu();
	struct chariot_vcpu *cv;
	struct chariot_vm *vm;

	if (!vcpu)
		return;
	vm = chariot_vm_find_rcu(vcpu->kvm);
	if (!vm)
		return;
	cv = xa_load(&vm->vcpus, vcpu->vcpu_idx);
	if (!cv || cv->in_write)
		return;
	/* It was reset, in a domain perhaps. */
	if (!vm->mode->usable(vcpu))
		return;
	if (cv->judging ||
	    (chariot_vm_in_views(vm) && READ_ONCE(cv->cur) != CHARIOT_KERNEL_DOMAIN))
		chariot_hook_redirect(hook, regs);
}

static int replace_page_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 error_code, void *insn,
			      int insn_len)
{
	int idx = chariot_hook_begin();
	int ret = chariot_page_fault(vcpu, gpa, error_code, insn, insn_len);

	chariot_hook_end(idx);
	return ret;
}

static void replace_flush_range(struct kvm *kvm, gfn_t gfn, u64 nr_pages)
{
	struct chariot_vm *vm;

	rcu_read_lock();
	vm = chariot_vm_find_rcu(kvm);
	if (vm) {
		chariot_views_flush_range(&vm->views, gfn, nr_pages);
		chariot_count(vm, flushes_vm);
		chariot_count(vm, drops_range);
	}
	rcu_read_unlock();
	/* More than KVM asked for, which is always correct; our own hook ignores it. */
	kvm_make_all_cpus_request(kvm, KVM_REQ_TLB_FLUSH);
}

static int replace_write_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr,
				  const void *val, unsigned int bytes,
				  struct x86_exception *exception)
{
	int idx = chariot_hook_begin();
	int ret = chariot_write_emulated(ctxt, addr, val, bytes, exception);

	chariot_hook_end(idx);
	return ret;
}

static int replace_cmpxchg_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr,
				    const void *old, const void *new, unsigned int bytes,
				    struct x86_exception *exception)
{
	int idx = chariot_hook_begin();
	int ret = chariot_cmpxchg_emulated(ctxt, addr, old, new, bytes, exception);

	chariot_hook_end(idx);
	return ret;
}

static int replace_write_std(struct x86_emulate_ctxt *ctxt, unsigned long addr, void *val,
			     unsigned int bytes, struct x86_exception *exception, bool system)
{
	int idx = chariot_hook_begin();
	int ret = chariot_write_std(ctxt, addr, val, bytes, exception, system);

	chariot_hook_end(idx);
	return ret;
}

enum {
	HOOK_REQUEST, HOOK_AGE, HOOK_MMU_LOAD, HOOK_PAGE_FAULT, HOOK_FLUSH_RANGE, HOOK_WRITE,
	HOOK_CMPXCHG, HOOK_WRITE_STD,
	HOOKS
};

static struct chariot_hook hooks[HOOKS] = {
	[HOOK_REQUEST] = { "kvm_make_all_cpus_request", on_request },
	[HOOK_AGE] = { "kvm_age_gfn", on_age },
	[HOOK_MMU_LOAD] = { "kvm_mmu_load", on_mmu_load },
	[HOOK_PAGE_FAULT] = { "kvm_mmu_page_fault", on_page_fault, replace_page_fault },
	[HOOK_FLUSH_RANGE] = { CHARIOT_KVM_FLUSH_RANGE, on_flush_range,
			       replace_flush_range },
	[HOOK_WRITE] = { "emulator_write_emulated", on_emulator_write, replace_write_emulated },
	[HOOK_CMPXCHG] = { "emulator_cmpxchg_emulated", on_emulator_write,
			   replace_cmpxchg_emulated },
	[HOOK_WRITE_STD] = { "emulator_write_std", on_emulator_write, replace_write_std },
};

/*
 * What is hooked now: the observed ones, then those that are replaced, of which
 * the first is number @chariot_observed. Does not change while a hook is installed.
 */
static struct chariot_hook *chariot_hooked[HOOKS + CHARIOT_MODE_HOOKS_MAX];
static unsigned int chariot_hooked_nr, chariot_observed;

static void on_call(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		    struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);
	unsigned int i;

	/* A replacement that calls KVM's own function. */
	if (within_module(parent_ip, THIS_MODULE) || !regs)
		return;
	for (i = 0; i < chariot_hooked_nr; i++) {
		/* The traced site is at the start, or behind the landing pad. */
		if (ip - chariot_hooked[i]->original > ENDBR_INSN_SIZE)
			continue;
		rcu_read_lock();
		chariot_hooked[i]->enter(chariot_hooked[i], regs);
		rcu_read_unlock();
		return;
	}
}

/*
 * One ftrace_ops for each kind: the kernel lets a function have one user that
 * changes its IP (live patching is another), so only those that need it ask.
 * Permanent: with hooks off (sysctl kernel.ftrace_enabled) views would go stale.
 */
static struct ftrace_ops observe_ops = {
	.func = on_call,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_PERMANENT,
};

static struct ftrace_ops replace_ops = {
	.func = on_call,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
};

/* The original is set before its hook is installed and does not change while it is. */
typedef int (*write_fn)(struct x86_emulate_ctxt *, unsigned long, const void *, unsigned int,
			struct x86_exception *);
typedef int (*cmpxchg_fn)(struct x86_emulate_ctxt *, unsigned long, const void *, const void *,
			  unsigned int, struct x86_exception *);
typedef int (*write_std_fn)(struct x86_emulate_ctxt *, unsigned long, void *, unsigned int,
			    struct x86_exception *, bool);

int chariot_orig_write_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr,
				const void *val, unsigned int bytes,
				struct x86_exception *exception)
{
	return ((write_fn)hooks[HOOK_WRITE].original)(ctxt, addr, val, bytes, exception);
}

int chariot_orig_cmpxchg_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr,
				  const void *old, const void *new, unsigned int bytes,
				  struct x86_exception *exception)
{
	return ((cmpxchg_fn)hooks[HOOK_CMPXCHG].original)(ctxt, addr, old, new, bytes, exception);
}

int chariot_orig_write_std(struct x86_emulate_ctxt *ctxt, unsigned long addr, void *val,
			   unsigned int bytes, struct x86_exception *exception, bool system)
{
	return ((write_std_fn)hooks[HOOK_WRITE_STD].original)(ctxt, addr, val, bytes, exception,
							      system);
}

static int find_functions(struct chariot_hook *list, unsigned int nr, bool replaced)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!list[i].replacement == replaced)
			continue;
		list[i].original = chariot_symbol_find(list[i].name);
		if (!list[i].original) {
			pr_err("cannot hook %s: this KVM has no such function\n", list[i].name);
			return -ENXIO;
		}
		chariot_hooked[chariot_hooked_nr++] = &list[i];
	}
	return 0;
}

static int find_all(const struct chariot_mode *mode)
{
	int ret;

	if (WARN_ON_ONCE(mode->nr_hooks > CHARIOT_MODE_HOOKS_MAX))
		return -ENXIO;
	/* Where there is this one, too, as in 6.1, it is in this one that all of them end. */
	if (chariot_symbol_find("kvm_make_all_cpus_request_except"))
		hooks[HOOK_REQUEST].name = "kvm_make_all_cpus_request_except";
	chariot_hooked_nr = 0;
	ret = find_functions(hooks, HOOKS, false);
	if (!ret)
		ret = find_functions(mode->hooks, mode->nr_hooks, false);
	chariot_observed = chariot_hooked_nr;
	if (!ret)
		ret = find_functions(hooks, HOOKS, true);
	if (!ret)
		ret = find_functions(mode->hooks, mode->nr_hooks, true);
	return ret;
}

static int install(struct ftrace_ops *ops, unsigned int first, unsigned int end)
{
	unsigned long ips[ARRAY_SIZE(chariot_hooked)];
	unsigned int i;
	int ret;

	for (i = first; i < end; i++)
		ips[i - first] = chariot_hooked[i]->original;
	/* Anew: an earlier user may have been in another mode. */
	ret = ftrace_set_filter_ips(ops, ips, end - first, 0, 1);
	if (!ret)
		ret = register_ftrace_function(ops);
	if (ret) {
		pr_err("cannot hook %s and %d more functions (%d): not traceable, live-patched, or kernel.ftrace_enabled is 0\n",
		       chariot_hooked[first]->name, end - first - 1, ret);
		return -ENXIO;
	}
	return 0;
}

int chariot_hooks_get(const struct chariot_mode *mode)
{
	int ret = 0;

	mutex_lock(&chariot_hooks_lock);
	if (chariot_hooks_users)
		goto out;

	ret = find_all(mode);
	if (ret)
		goto out;
	if (mode->hooks_found)
		mode->hooks_found();
	ret = install(&observe_ops, 0, chariot_observed);
	if (ret)
		goto out;
	ret = install(&replace_ops, chariot_observed, chariot_hooked_nr);
	if (ret)
		unregister_ftrace_function(&observe_ops);
out:
	if (!ret)
		chariot_hooks_users++;
	mutex_unlock(&chariot_hooks_lock);
	return ret;
}

void chariot_hooks_put(void)
{
	mutex_lock(&chariot_hooks_lock);
	if (!--chariot_hooks_users) {
		/* The filters stay until the end: freeing them leaves their pointers behind. */
		unregister_ftrace_function(&replace_ops);
		unregister_ftrace_function(&observe_ops);
	}
	mutex_unlock(&chariot_hooks_lock);
}

void chariot_hooks_exit(void)
{
	ftrace_free_filter(&replace_ops);
	ftrace_free_filter(&observe_ops);
	/* Tasks that were redirected but have not taken the SRCU lock yet. */
	synchronize_rcu_tasks();
	synchronize_srcu(&chariot_hook_srcu);
	/* Tasks between dropping it and returning to KVM. */
	synchronize_rcu_tasks();
}
