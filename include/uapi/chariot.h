/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Chariot: the host's side of the protocol - /dev/chariot.
 *
 * Each open file of /dev/chariot serves one VM. It is used by the process
 * that owns the VM (QEMU's chariot-pci device, or a test), in this order:
 *
 *   open             any process that may open the node; nothing happens yet
 *   CHARIOT_GET_INFO what this module on this host can do
 *   CHARIOT_ATTACH   ties the file to a VM, before or after its vCPUs exist
 *   CHARIOT_ADD_DOMAIN, CHARIOT_SET_RING, ...
 *   read, poll       events, in the order in which they happened
 *   close            detaches: the VM runs on stock KVM again
 *
 * All ioctls but GET_INFO and ATTACH fail with ENOTCONN before ATTACH. All may
 * sleep and may be called from any thread of the owner while vCPUs run.
 * Reserved fields and unknown flags must be 0 (EINVAL).
 *
 * Errors of CHARIOT_ATTACH (each also leaves one line in the kernel log):
 *   EBADF       vm_fd is not an open file
 *   ENOTTY      vm_fd is not a KVM VM
 *   EPERM       the VM belongs to another process
 *   EBUSY       the VM is attached already, or this file is
 *   EPROTOTYPE  the VM is confidential (SEV, TDX, protected)
 *   ENOEXEC     a vCPU of the VM has no long mode: 32-bit guest
 *   EOPNOTSUPP  KVM uses a paging mode that this module does not support
 *   ENXIO       KVM's functions could not be hooked on this kernel, or its page tables
 *               are not as this module knows them
 *   EPROTO      version mismatch
 *   ENOSPC      as many VMs are attached as the module allows
 */
#ifndef _UAPI_CHARIOT_H
#define _UAPI_CHARIOT_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define CHARIOT_ABI_VERSION	2	/* 2: frees, emulated writes by kind */
#define CHARIOT_DOMAIN_NAME_MAX	64	/* with the NUL */
#define CHARIOT_DOMAINS_MAX	16	/* ids 1..16 */
#define CHARIOT_KINDS		24	/* room for CHARIOT_KIND_*, see chariot_ring.h */

/* Policies for a violation. */
#define CHARIOT_POLICY_AUDIT	0	/* report, let the write through */
#define CHARIOT_POLICY_BLOCK	1	/* report, drop the write, run on */

/* Paging modes, for chariot_info.modes */
#define CHARIOT_MODE_NPT	(1u << 0)
#define CHARIOT_MODE_EPT	(1u << 1)
#define CHARIOT_MODE_SHADOW	(1u << 2)

struct chariot_info {
	__u32 abi;		/* out: CHARIOT_ABI_VERSION */
	__u32 modes;		/* out: CHARIOT_MODE_* that attach accepts on this host, now */
	__u32 domains_max;
	__u32 event_size;	/* sizeof(struct chariot_event) */
	__u64 grants_max;	/* per VM */
	__u64 view_pages_max;	/* per VM, 4096-byte pages of view page tables */
	__u64 ring_features;	/* CHARIOT_F_* (chariot_ring.h) whose records this module knows */
	__u64 reserved[3];
};

struct chariot_attach {
	__u32 abi;		/* in: CHARIOT_ABI_VERSION */
	__s32 vm_fd;		/* in */
	__u32 flags;		/* in: 0 */
	__u32 events_max;	/* in: queue length, 0: default (1024); bounded to 65536 */
	__u64 grants_max;	/* in: 0: default */
	__u64 view_pages_max;	/* in: 0: default */
	__u64 reserved[4];
};

/* Declares domain @id. EEXIST if it is declared; ERANGE for a bad id. */
struct chariot_domain {
	__u32 id;
	__u32 policy;
	char  name[CHARIOT_DOMAIN_NAME_MAX];
	__u64 reserved[2];
};

struct chariot_policy {
	__u32 id;		/* ENOENT: no such domain */
	__u32 policy;		/* EINVAL: no such policy */
};

/*
 * Where the guest's ring is (chariot_ring.h). order 0 removes it. EFAULT:
 * not in guest memory; EINVAL: misaligned or bad order. @doorbell_gpa: the
 * page whose write drains the ring without leaving the kernel, ~0 for none.
 */
struct chariot_ring {
	__u64 gpa;		/* of struct chariot_ring_header, page aligned */
	__u64 doorbell_gpa;	/* page aligned */
	__u32 order;
	__u32 flags;		/* 0 */
	__u64 reserved[2];
};

/* Why records were refused; index of chariot_stats.bad_records */
#define CHARIOT_BAD_TYPE	0
#define CHARIOT_BAD_DOMAIN	1
#define CHARIOT_BAD_ADDRESS	2
#define CHARIOT_BAD_LENGTH	3
#define CHARIOT_BAD_OVERLAP	4
#define CHARIOT_BAD_SEQUENCE	5	/* a slot whose seq is of no lap that can be */
#define CHARIOT_BAD_TORN	6	/* reserved, never completed within the bound */
#define CHARIOT_BAD_UNMAPPED	7	/* the ring itself cannot be read */
#define CHARIOT_BAD_LIMIT	8	/* grants_max or another bound reached */
#define CHARIOT_BAD_STATE	9	/* e.g. text, while no vCPU is in long mode */
#define CHARIOT_BAD_KINDS	16

/* Counters since attach; all monotonic unless marked "now". */
struct chariot_stats {
	__u32 armed;		/* now: 1 if a domain has text */
	__u32 domains;		/* now: declared */
	__u64 faults;		/* guest page faults seen while armed */
	__u64 delegated;	/* given to KVM */
	__u64 fills;		/* entries derived into a view */
	__u64 drops_all;	/* whole-VM invalidations */
	__u64 drops_range;	/* ranged invalidations */
	__u64 roots_changed;	/* KVM replaced a root */
	__u64 refused_fills;	/* derived from a stale read, not installed */
	__u64 crossings_in;	/* kernel view -> a domain view, or domain -> domain */
	__u64 crossings_out;	/* a domain view -> kernel view */
	__u64 emulated;		/* instructions emulated to judge their bytes */
	__u64 unemulatable;	/* instructions that could not be emulated */
	__u64 violations;
	__u64 records;		/* ring records consumed */
	__u64 bad_records[CHARIOT_BAD_KINDS];
	__u64 doorbells;
	__u64 ring_waits;	/* times a judge waited for a reserved slot */
	__u64 walk_pages;	/* page-table pages made writable for the CPU's walker */
	__u64 events_dropped;
	__u64 grants;		/* now */
	__u64 view_pages;	/* now: 4096-byte pages of view page tables */
	__u64 view_pages_peak;
	__u64 view_resets;	/* times the page bound forced a fresh start */
	__u64 revoke_misses;	/* revokes that named nothing granted */
	__u64 event_deliveries;	/* faults of the CPU's own event delivery */
	__u64 mmio_faults;
	__u64 walks_completed;	/* what the CPU's walker could not write, written for it */
	/* KVM flushes TLBs; those of one vCPU are seen in modes whose views depend on them only */
	__u64 flushes_vm;	/* of all vCPUs: everything, or a range */
	__u64 flushes_vcpu;	/* of one vCPU */
	__u64 flushes_address;	/* of one vCPU: one address */
	__u64 absent_waits;	/* times a judge waited for guest memory to come in */
	__u64 bad_frees;	/* of the violations: frees of what the domain must not free */
	__u64 reserved[8];
};

struct chariot_domain_stats {
	__u32 id;		/* in; ENOENT */
	__u32 policy;
	__u32 up;		/* now: 1 while its driver is loaded */
	__u32 pad;
	char  name[CHARIOT_DOMAIN_NAME_MAX];
	__u64 crossings_in;
	__u64 crossings_out;
	__u64 fills;
	__u64 emulated;
	__u64 violations;
	__u64 grants;		/* now */
	__u64 granted_bytes;	/* now */
	__u64 text_bytes;	/* now */
	/*
	 * Of @emulated, by CHARIOT_KIND_* of the range that the instruction wrote
	 * in: what shares its pages with others. UNKNOWN: in none.
	 */
	__u64 emulated_kinds[CHARIOT_KINDS];
	__u64 bad_frees;	/* of the violations */
	__u64 grants_peak;
	__u64 granted_bytes_peak;
	__u64 reserved[5];
};

#define CHARIOT_EVENT_VIOLATION		1
#define CHARIOT_EVENT_DOMAIN_UP		2
#define CHARIOT_EVENT_DOMAIN_DOWN	3
#define CHARIOT_EVENT_BAD_RECORD	4	/* bad_kind, rec */
#define CHARIOT_EVENT_RING_BROKEN	5	/* the ring was given up until SET_RING or RESET */

#define CHARIOT_WHY_WRITE	0	/* outside the ACL */
#define CHARIOT_WHY_UNDECODED	1	/* the instruction could not be decoded: size unknown (0) */
/*
 * Not a write: the domain called a function to free what it must not. The guest's
 * agent says so (CHARIOT_REC_BAD_FREE): rip is where the call returns to, gva what
 * was to be freed, size 0, near_* what is granted there; rsp and call_* are not
 * known. CHARIOT_VF_BLOCKED: it was not freed.
 */
#define CHARIOT_WHY_FREE_TWICE	2	/* CHARIOT_FREE_TWICE, and so on */
#define CHARIOT_WHY_FREE_INSIDE	3
#define CHARIOT_WHY_FREE_FOREIGN 4
#define CHARIOT_WHY_FREE_INVALID 5

#define CHARIOT_VF_DATA		(1u << 0)	/* data[]: the bytes that were to be written */
#define CHARIOT_VF_BLOCKED	(1u << 1)	/* the write did not reach memory */
#define CHARIOT_VF_LIBRARY	(1u << 2)	/* rip is in a library function, see caller */
#define CHARIOT_VF_CALL		(1u << 3)	/* call_* are valid */
#define CHARIOT_VF_NEAR		(1u << 4)	/* near_* are valid */
#define CHARIOT_VF_OWNER	(1u << 5)	/* the target belongs to domain near_domain */
#define CHARIOT_VF_GPA		(1u << 6)	/* gpa is valid */

#define CHARIOT_EVENT_DATA	64

/* One event; read() returns as many whole ones as fit, at least one, or blocks. */
struct chariot_event {
	__u64 seq;		/* 1, 2, ...: a gap equals @dropped of the next event */
	__u64 time_ns;		/* CLOCK_MONOTONIC of the host */
	__u32 type;		/* CHARIOT_EVENT_* */
	__u32 domain;
	__u32 vcpu;		/* vcpu_id; ~0: none */
	__u32 dropped;		/* events lost right before this one */
	union {
		struct {
			__u64 rip;
			__u64 gva;		/* target */
			__u64 gpa;
			/* bytes outside the ACL, joined where they are contiguous */
			__u32 size;
			__u32 count;		/* writes joined */
			__u32 flags;		/* CHARIOT_VF_* */
			__u8  why;		/* CHARIOT_WHY_* */
			__u8  policy;		/* what was in force */
			__u8  region;		/* CHARIOT_REGION_* of the target */
			__u8  near_kind;	/* CHARIOT_KIND_* */
			__u64 caller;		/* return address into the domain, if library */
			__u64 rsp;
			/* the call that entered the domain */
			__u64 call_entry;	/* first instruction executed */
			__u64 call_return;	/* return address into its caller */
			__u64 call_rsp;
			__u64 call_args[6];	/* rdi rsi rdx rcx r8 r9 at entry */
			/*
			 * The granted range nearest to the target. Distance in
			 * bytes: < 0 target before it; >= 0 from its end, so 0
			 * is the first byte behind it. CHARIOT_VF_OWNER: the
			 * target is inside, distance is 0.
			 */
			__s64 near_distance;
			__u64 near_gpa;
			__u64 near_va;
			__u64 near_len;
			__u32 near_domain;
			__u32 data_len;
			__u8  data[CHARIOT_EVENT_DATA];
			/* frees: the live object that gva lies in; length 0: none is known */
			__u64 object_va;
			__u64 object_len;
			__u32 free_kind;	/* CHARIOT_KIND_* that the function frees */
			__u32 pad2;
		} violation;
		struct {
			__u32 bad_kind;		/* CHARIOT_BAD_* */
			__u32 count;		/* records of this kind joined */
			__u64 position;
			__u8  rec[32];		/* struct chariot_rec as read */
		} bad;
		__u8 pad[352];
	};
};

#define CHARIOT_IOC		0xc7

#define CHARIOT_GET_INFO	_IOR(CHARIOT_IOC, 0x00, struct chariot_info)
#define CHARIOT_ATTACH		_IOW(CHARIOT_IOC, 0x01, struct chariot_attach)
#define CHARIOT_ADD_DOMAIN	_IOW(CHARIOT_IOC, 0x02, struct chariot_domain)
#define CHARIOT_SET_POLICY	_IOW(CHARIOT_IOC, 0x03, struct chariot_policy)
#define CHARIOT_SET_RING	_IOW(CHARIOT_IOC, 0x04, struct chariot_ring)
/* Drains the ring as a doorbell does: on return all that was in it has taken effect. EINTR */
#define CHARIOT_KICK		_IO(CHARIOT_IOC, 0x05)
#define CHARIOT_GET_STATS	_IOR(CHARIOT_IOC, 0x06, struct chariot_stats)
#define CHARIOT_GET_DOMAIN_STATS _IOWR(CHARIOT_IOC, 0x07, struct chariot_domain_stats)
/* Guest reset: forget ring, text, grants and views; declared domains and counters stay. */
#define CHARIOT_RESET		_IO(CHARIOT_IOC, 0x08)

#endif /* _UAPI_CHARIOT_H */
