/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One attached VM: who owns what.
 *
 * struct chariot_vm is created by CHARIOT_ATTACH and owned by the open file;
 * every hook that works on it holds a reference (@users), taken under RCU
 * from the table of attached VMs. Detach unlinks it, makes every vCPU return
 * to KVM's own root and drops the file's reference; the last reference frees
 * the views, which no CPU can be walking then.
 *
 * Locks, outermost first:
 *   chariot_vm.lock        mutex; domains, ACLs, ring, ranges, vCPU table and
 *                          each vCPU's @cur. Taken in vCPU and ioctl context.
 *   kvm->mmu_lock          KVM's, read side, while KVM's tree is walked
 *   chariot_views.lock     spinlock; see view.h
 *   chariot_events.lock    spinlock; see event.h
 */
#ifndef CHARIOT_VM_H
#define CHARIOT_VM_H

#include "compat.h"
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/xarray.h>

#include "../include/uapi/chariot.h"
#include "../include/uapi/chariot_ring.h"
#include "acl.h"
#include "event.h"
#include "ranges.h"
#include "ring.h"
#include "roots.h"
#include "view.h"

struct chariot_mode;

/* Guest memory that could not be read without waiting for it; see absent.h. */
enum chariot_absent_kind {
	CHARIOT_ABSENT_NONE,
	CHARIOT_ABSENT_READ,		/* guest physical, */
	CHARIOT_ABSENT_WRITE,		/* to be written */
	CHARIOT_ABSENT_VIRTUAL,
};

#define CHARIOT_KERNEL_DOMAIN	0
#define CHARIOT_TEXT_SPANS_MAX	256	/* per domain: physically contiguous runs of code */
#define CHARIOT_LIBRARY_MAX	1024
#define CHARIOT_REGIONS_MAX	64
#define CHARIOT_STACK_PAGES	16	/* largest stack: THREAD_SIZE of a KASAN kernel, 64 KB */
#define CHARIOT_GRANTS_LIMIT	BIT(24)
#define CHARIOT_VIEW_PAGES_LIMIT BIT(16)
#define CHARIOT_ENTRIES		64	/* remembered answers: is this where a function begins? */

struct chariot_dom {
	u32 id;
	bool declared;
	bool up;
	u32 policy;			/* CHARIOT_POLICY_*, read without the lock */
	char name[CHARIOT_DOMAIN_NAME_MAX];
	struct chariot_acl acl;
	struct chariot_ranges text;	/* by va, data: gpa */
	u64 text_bytes;
	u64 grants_peak;		/* of what acl has now */
	u64 granted_bytes_peak;
	u64 entry_rip[CHARIOT_ENTRIES];	/* rip | 1 if it is an entry */
	atomic64_t crossings_in;
	atomic64_t crossings_out;
	atomic64_t fills;
	atomic64_t emulated[CHARIOT_KINDS];	/* by kind of the range */
	atomic64_t violations;
	atomic64_t bad_frees;		/* of the violations */
};

/* A stack that the running domain may write: virtual pages and where they are. */
struct chariot_stack {
	u64 base;			/* va of the lowest page; 0: unknown */
	u32 pages;
	u64 gfn[CHARIOT_STACK_PAGES];	/* ~0: not translated yet */
	unsigned long mapped;		/* bit i: writable in the domain's view */
};

/* The call that brought the vCPU into a domain. */
struct chariot_call {
	u64 entry;			/* 0: none seen */
	u64 ret;
	u64 rsp;
	u64 args[6];
};

/* What CHARIOT_REC_CPU said of a CPU. */
struct chariot_cpu {
	u64 irq_top;
	u64 irq_size;
	u64 stack_word;			/* va of the word with the task's stack top */
	u64 stack_word_gpa;		/* ~0: not translated yet */
};

struct chariot_vcpu {
	struct kvm_vcpu *vcpu;
	u32 cur;			/* domain of the view to load; vm->lock to write */
	struct chariot_view *view[CHARIOT_DOMAINS_MAX + 1];	/* [0]: unused */
	struct chariot_roots roots;	/* instead, with shadow paging: the vCPU's thread only */
	struct chariot_view_cache cache;
	struct chariot_stack task_stack;
	struct chariot_stack irq_stack;
	struct chariot_call call[CHARIOT_DOMAINS_MAX + 1];
	struct chariot_cpu *cpu;	/* may be NULL */
	u32 judging;			/* domain whose instruction is being emulated, 0: none */
	bool in_write;			/* inside KVM's own write callback */
	u32 pending_waits;
};

struct chariot_vm {
	struct hlist_node node;		/* table of attached VMs, RCU */
	struct rcu_head rcu;
	refcount_t users;
	struct kvm *kvm;
	const struct chariot_mode *mode;
	bool armed;			/* a domain has text; written under lock */
	bool dead;			/* being detached: no view is loaded any more */
	bool layout_known;		/* KVM's page tables are as expected: see layout.h */

	struct mutex lock;		/* see above */
	enum chariot_absent_kind absent;
	u64 absent_addr;
	struct chariot_dom domains[CHARIOT_DOMAINS_MAX + 1];
	u32 declared;			/* bit n: domain n is declared */
	struct chariot_ranges text_gpa;	/* by gpa, data: domain */
	struct chariot_ranges library;	/* by va */
	struct chariot_ranges regions;	/* by va, data: CHARIOT_REGION_* */
	struct xarray cpus;		/* APIC id -> struct chariot_cpu */
	struct xarray vcpus;		/* vcpu_idx -> struct chariot_vcpu */
	struct chariot_ring_reader ring;
	u64 doorbell_gpa;		/* ~0: none */
	u64 thread_size;
	u64 page_offset;		/* where the guest maps all of its memory; 0: not known */
	u64 grants;
	u64 grants_max;
	DECLARE_BITMAP(dirty, KVM_MAX_VCPUS);	/* vCPUs to flush at the end of a drain */
	DECLARE_BITMAP(scratch, KVM_MAX_VCPUS);
	DECLARE_BITMAP(fresh_root, KVM_MAX_VCPUS);	/* in kvm_mmu_load(), by vcpu_idx; atomic */

	struct chariot_views views;
	struct chariot_view *kernel_view;	/* exists while armed; not with shadow paging */
	u64 empty_root_pa;		/* shadow paging: for a vCPU without a view yet; 0: none */

	struct chariot_events events;
	struct chariot_stats stats;	/* counters: chariot_count() */
};

/* Whether the VM's vCPUs are to load views instead of KVM's roots. */
static inline bool chariot_vm_in_views(struct chariot_vm *vm)
{
	return READ_ONCE(vm->armed) && !READ_ONCE(vm->dead);
}

/* Counters are bumped from any context and read without a lock. */
#define chariot_count_add(vm, field, n)	\
	atomic64_add((n), (atomic64_t *)&(vm)->stats.field)
#define chariot_count(vm, field)	chariot_count_add(vm, field, 1)

/* vm.c */
struct chariot_vm *chariot_vm_attach(const struct chariot_attach *req);
void chariot_vm_detach(struct chariot_vm *vm);
struct chariot_vm *chariot_vm_get(struct kvm *kvm);
void chariot_vm_put(struct chariot_vm *vm);
struct chariot_vm *chariot_vm_find_rcu(struct kvm *kvm);
u32 chariot_vm_modes(void);
struct chariot_vcpu *chariot_vm_vcpu(struct chariot_vm *vm, struct kvm_vcpu *vcpu);
int chariot_vm_add_domain(struct chariot_vm *vm, const struct chariot_domain *req);
int chariot_vm_reset(struct chariot_vm *vm);
void chariot_vm_get_stats(struct chariot_vm *vm, struct chariot_stats *out);
int chariot_vm_get_domain_stats(struct chariot_vm *vm, struct chariot_domain_stats *out);

/*
 * CHARIOT_ATTACH: an error of that ioctl, or the VM with one reference, which
 * chariot_vm_detach() drops. May sleep; the caller is the VM's owner.
 */
struct chariot_vm *chariot_vm_attach(const struct chariot_attach *req);
void chariot_vm_detach(struct chariot_vm *vm);

/* The attached VM of @kvm or NULL, under rcu_read_lock(); _get() takes a reference. */
struct chariot_vm *chariot_vm_find_rcu(struct kvm *kvm);
struct chariot_vm *chariot_vm_get(struct kvm *kvm);
void chariot_vm_put(struct chariot_vm *vm);

/* The state of a vCPU, made at first use; NULL: no memory. Needs vm->lock. */
struct chariot_vcpu *chariot_vm_vcpu(struct chariot_vm *vm, struct kvm_vcpu *vcpu);

int chariot_vm_add_domain(struct chariot_vm *vm, const struct chariot_domain *req);
int chariot_vm_set_policy(struct chariot_vm *vm, const struct chariot_policy *req);
int chariot_vm_reset(struct chariot_vm *vm);
void chariot_vm_get_stats(struct chariot_vm *vm, struct chariot_stats *out);
int chariot_vm_get_domain_stats(struct chariot_vm *vm, struct chariot_domain_stats *out);

#endif
