/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks on the stock KVM, by ftrace. Installed while at least one VM is
 * attached. A hook on a VM that is not attached costs one hash look-up.
 */
#ifndef CHARIOT_HOOK_H
#define CHARIOT_HOOK_H

#include "compat.h"

struct chariot_mode;
struct pt_regs;
struct x86_emulate_ctxt;
struct x86_exception;

/*
 * A hooked function. Three kinds:
 *  - observed: @enter acts, KVM's function runs unchanged;
 *  - argument rewritten: @enter changes a register;
 *  - replaced: @enter calls chariot_hook_redirect() to send the CPU to
 *    @replacement, which calls KVM's function when it wants to.
 */
struct chariot_hook {
	const char *name;
	/*
	 * Called on entry to the function, under RCU; must not sleep. Decides whether
	 * a VM is ours, so that no other VM ever runs in this module's functions.
	 */
	void (*enter)(struct chariot_hook *hook, struct pt_regs *regs);
	void *replacement;		/* NULL: never redirected */
	unsigned long original;		/* start of KVM's function, set when it is hooked */
};

#define CHARIOT_MODE_HOOKS_MAX	8

void chariot_hook_redirect(struct chariot_hook *hook, struct pt_regs *regs);
/* Every replacement runs between these two; the module is not unloaded meanwhile. */
int chariot_hook_begin(void);
void chariot_hook_end(int idx);

/*
 * @enter for the vendor's load_mmu_pgd(vcpu, root, level), where the vendor takes
 * any root: rewrites it.
 */
void chariot_hook_load_root(struct chariot_hook *hook, struct pt_regs *regs);

/* Installs the hooks with the first user. -ENXIO (with a log line that names the function). */
int chariot_hooks_get(const struct chariot_mode *mode);
void chariot_hooks_put(void);
/* For module exit: waits until no CPU runs in a replaced function. */
void chariot_hooks_exit(void);

/* KVM's own versions of the functions that are replaced. */
int chariot_orig_write_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr,
				const void *val, unsigned int bytes,
				struct x86_exception *exception);
int chariot_orig_cmpxchg_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr,
				  const void *old, const void *new, unsigned int bytes,
				  struct x86_exception *exception);
int chariot_orig_write_std(struct x86_emulate_ctxt *ctxt, unsigned long addr, void *val,
			   unsigned int bytes, struct x86_exception *exception, bool system);

/* Ours; called in place of KVM's. */
int chariot_page_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 error_code, void *insn, int insn_len);
int chariot_write_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr, const void *val,
			   unsigned int bytes, struct x86_exception *exception);
int chariot_cmpxchg_emulated(struct x86_emulate_ctxt *ctxt, unsigned long addr, const void *old,
			     const void *new, unsigned int bytes,
			     struct x86_exception *exception);
int chariot_write_std(struct x86_emulate_ctxt *ctxt, unsigned long addr, void *val,
		      unsigned int bytes, struct x86_exception *exception, bool system);

#endif
