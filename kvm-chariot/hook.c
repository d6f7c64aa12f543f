// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hooks on the stock KVM.
 *
 * ftrace attaches to functions by name, static ones too. Three kinds:
 *  - observed: the callback acts, KVM's function runs unchanged;
 *  - argument rewritten: the vendor's load_mmu_pgd gets our root as its
 *    second argument;
 *  - replaced: the callback sends the CPU to our function, which calls KVM's
 *    when it wants to. Its call enters KVM's function at the top again; the
 *    callback recognises it by the caller's address (hence no tail calls in
 *    this module, see Kbuild).
 *
 * The callback decides whether a VM is ours, so that a VM that is not
 * attached never runs in this module's functions.
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
#include "vm.h"

struct chariot_hook {
	const char *name;
	struct ftrace_ops ops;
	void *replacement;		/* NULL: observed or rewritten */
	unsigned long original;		/* start of KVM's function, once seen */
};

/* Counts the tasks in replaced functions, for module exit. */
DEFINE_STATIC_SRCU(chariot_hook_srcu);

static DEFINE_MUTEX(chariot_hooks_lock);
static unsigned int chariot_hooks_users;

static bool from_us(unsigned long parent_ip)
{
	return within_module(parent_ip, THIS_MODULE);
}

/* The function that contains the call site @ip, with its landing pad if it has one. */
static unsigned long function_start(unsigned long ip)
{
	return is_endbr(*(u32 *)(ip - ENDBR_INSN_SIZE)) ? ip - ENDBR_INSN_SIZE : ip;
}

static void redirect(struct ftrace_ops *ops, unsigned long ip, struct pt_regs *regs)
{
	struct chariot_hook *hook = container_of(ops, struct chariot_hook, ops);

	/* Pairs with nothing: every writer stores the same value before any reader can run. */
	WRITE_ONCE(hook->original, function_start(ip));
	regs->ip = (unsigned long)hook->replacement;
}

static void on_page_fault(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			  struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);
	struct kvm_vcpu *vcpu;
	struct chariot_vm *vm;

	if (from_us(parent_ip))
		return;
	vcpu = (struct kvm_vcpu *)regs->di;
	rcu_read_lock();
	vm = chariot_vm_find_rcu(vcpu->kvm);
	if (vm && READ_ONCE(vm->armed))
		redirect(ops, ip, regs);
	rcu_read_unlock();
}

static void on_load_mmu_pgd(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			    struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct chariot_vm *vm;

	rcu_read_lock();
	vm = chariot_vm_find_rcu(vcpu->kvm);
	if (vm && READ_ONCE(vm->armed))
		regs->si = chariot_load_root(vm, vcpu, regs->si, (int)regs->dx);
	rcu_read_unlock();
}

static void on_flush(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		     struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);
	struct chariot_vm *vm;

	if (from_us(parent_ip))
		return;
	rcu_read_lock();
	vm = chariot_vm_find_rcu((struct kvm *)regs->di);
	if (vm) {
		chariot_views_flush(&vm->views);
		chariot_count(vm, drops_all);
	}
	rcu_read_unlock();
}

static void on_flush_range(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			   struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);

	if (from_us(parent_ip))
		return;
	rcu_read_lock();
	if (chariot_vm_find_rcu((struct kvm *)regs->di))
		redirect(ops, ip, regs);
	rcu_read_unlock();
}

/*
 * KVM builds a new root for a vCPU. It replaces and frees roots without a
 * flush, and the page of a freed root may come back as the new one's: what
 * was derived so far cannot be told from what would be derived now.
 */
static void on_mmu_load(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct chariot_vm *vm;

	rcu_read_lock();
	vm = chariot_vm_find_rcu(vcpu->kvm);
	if (vm && chariot_views_set_base(&vm->views, INVALID_PAGE))
		chariot_count(vm, roots_changed);
	rcu_read_unlock();
}

/* The emulator writes for the running vCPU; only the view it is in decides. */
static void on_emulator_write(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			      struct ftrace_regs *fregs)
{
	struct kvm_vcpu *vcpu = kvm_get_running_vcpu();
	struct chariot_vcpu *cv;
	struct chariot_vm *vm;

	if (from_us(parent_ip) || !vcpu)
		return;
	rcu_read_lock();
	vm = chariot_vm_find_rcu(vcpu->kvm);
	if (vm && READ_ONCE(vm->armed)) {
		cv = xa_load(&vm->vcpus, vcpu->vcpu_idx);
		if (cv && READ_ONCE(cv->cur) != CHARIOT_KERNEL_DOMAIN && !cv->in_write)
			redirect(ops, ip, ftrace_get_regs(fregs));
	}
	rcu_read_unlock();
}

static int replace_page_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 error_code, void *insn,
			      int insn_len)
{
	int idx = srcu_read_lock(&chariot_hook_srcu);
	int ret = chariot_page_fault(vcpu, gpa, error_code, insn, insn_len);

	srcu_read_unlock(&chariot_hook_srcu, idx);
	return ret;
}

static void replace_flush_range(struct kvm *kvm, gfn_t gfn, u64 nr_pages)
{
	struct chariot_vm *vm;

	rcu_read_lock();
	vm = chariot_vm_find_rcu(kvm);
	if (vm) {
		chariot_views_flush_range(&vm->views, gfn, nr_pages);
		chariot_count(vm, drops_range);
	}
	rcu_read_unlock();
	/* More than KVM asked for, which is always correct; our own hook ignores it. */
	kvm_flush_remote_tlbs(kvm);
}

static int replace_write_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr,
				  const void *val, unsigned int bytes,
				  struct x86_exception *exception)
{
	int idx = srcu_read_lock(&chariot_hook_srcu);
	int ret = chariot_write_emulated(ctxt, addr, val, bytes, exception);

	srcu_read_unlock(&chariot_hook_srcu, idx);
	return ret;
}

static int replace_cmpxchg_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr,
				    const void *old, const void *new, unsigned int bytes,
				    struct x86_exception *exception)
{
	int idx = srcu_read_lock(&chariot_hook_srcu);
	int ret = chariot_cmpxchg_emulated(ctxt, addr, old, new, bytes, exception);

	srcu_read_unlock(&chariot_hook_srcu, idx);
	return ret;
}

static int replace_write_std(struct x86_emulate_ctxt *ctxt, unsigned long addr, void *val,
			     unsigned int bytes, struct x86_exception *exception, bool system)
{
	int idx = srcu_read_lock(&chariot_hook_srcu);
	int ret = chariot_write_std(ctxt, addr, val, bytes, exception, system);

	srcu_read_unlock(&chariot_hook_srcu, idx);
	return ret;
}

#define OBSERVE(fn, cb)							\
	{ .name = (fn), .ops = { .func = (cb), .flags = FTRACE_OPS_FL_SAVE_REGS } }
#define REPLACE(fn, cb, by)						\
	{ .name = (fn), .replacement = (by),				\
	  .ops = { .func = (cb),					\
		   .flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY } }

enum {
	HOOK_FLUSH, HOOK_FLUSH_RANGE, HOOK_MMU_LOAD, HOOK_WRITE, HOOK_CMPXCHG,
	HOOK_WRITE_STD, HOOK_LOAD_PGD, HOOK_PAGE_FAULT, HOOKS
};

/* Flushes first: a view never exists without them. */
static struct chariot_hook hooks[HOOKS] = {
	[HOOK_FLUSH] = OBSERVE("kvm_flush_remote_tlbs", on_flush),
	[HOOK_FLUSH_RANGE] = REPLACE("kvm_flush_remote_tlbs_range", on_flush_range,
				     replace_flush_range),
	[HOOK_MMU_LOAD] = OBSERVE("kvm_mmu_load", on_mmu_load),
	[HOOK_WRITE] = REPLACE("emulator_write_emulated", on_emulator_write,
			       replace_write_emulated),
	[HOOK_CMPXCHG] = REPLACE("emulator_cmpxchg_emulated", on_emulator_write,
				 replace_cmpxchg_emulated),
	[HOOK_WRITE_STD] = REPLACE("emulator_write_std", on_emulator_write, replace_write_std),
	[HOOK_LOAD_PGD] = OBSERVE(NULL, on_load_mmu_pgd),	/* named by the mode */
	[HOOK_PAGE_FAULT] = REPLACE("kvm_mmu_page_fault", on_page_fault, replace_page_fault),
};

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
	return ((write_fn)READ_ONCE(hooks[HOOK_WRITE].original))(ctxt, addr, val, bytes,
								 exception);
}

int chariot_orig_cmpxchg_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr,
				  const void *old, const void *new, unsigned int bytes,
				  struct x86_exception *exception)
{
	return ((cmpxchg_fn)READ_ONCE(hooks[HOOK_CMPXCHG].original))(ctxt, addr, old, new, bytes,
								     exception);
}

int chariot_orig_write_std(struct x86_emulate_ctxt *ctxt, unsigned long addr, void *val,
			   unsigned int bytes, struct x86_exception *exception, bool system)
{
	return ((write_std_fn)READ_ONCE(hooks[HOOK_WRITE_STD].original))(ctxt, addr, val, bytes,
									 exception, system);
}

static int install(struct chariot_hook *hook)
{
	int ret;

	ret = ftrace_set_filter(&hook->ops, (unsigned char *)hook->name, strlen(hook->name), 1);
	if (!ret)
		ret = register_ftrace_function(&hook->ops);
	if (ret)
		pr_err("cannot hook %s (%d): no such function in this KVM, or it is live-patched\n",
		       hook->name, ret);
	return ret;
}

static void remove(struct chariot_hook *hook)
{
	unregister_ftrace_function(&hook->ops);
	ftrace_free_filter(&hook->ops);
}

int chariot_hooks_get(const struct chariot_mode *mode)
{
	int i, ret = 0;

	mutex_lock(&chariot_hooks_lock);
	if (chariot_hooks_users++)
		goto out;

	hooks[HOOK_LOAD_PGD].name = mode->load_mmu_pgd;
	for (i = 0; i < HOOKS; i++) {
		ret = install(&hooks[i]);
		if (ret)
			goto undo;
	}
out:
	mutex_unlock(&chariot_hooks_lock);
	return 0;

undo:
	ftrace_free_filter(&hooks[i].ops);
	while (i--)
		remove(&hooks[i]);
	chariot_hooks_users--;
	mutex_unlock(&chariot_hooks_lock);
	return -ENOSYS;
}

void chariot_hooks_put(void)
{
	int i;

	mutex_lock(&chariot_hooks_lock);
	if (!--chariot_hooks_users) {
		for (i = HOOKS - 1; i >= 0; i--)
			remove(&hooks[i]);
	}
	mutex_unlock(&chariot_hooks_lock);
}

void chariot_hooks_drain(void)
{
	/* Tasks that were redirected but have not taken the SRCU lock yet. */
	synchronize_rcu_tasks();
	synchronize_srcu(&chariot_hook_srcu);
	/* Tasks between dropping it and returning to KVM. */
	synchronize_rcu_tasks();
}
