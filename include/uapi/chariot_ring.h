/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Chariot: the guest's side of the protocol - PCI device registers, feature
 * bits and the report ring.
 *
 * Three programs include this header: the guest agent (writes registers and
 * produces ring records), the QEMU device model (implements the registers)
 * and the host module kvm-chariot (consumes the ring). It depends on nothing
 * but fixed-width types.
 *
 * The device
 * ----------
 * PCI vendor 0x1b36 (Red Hat/QEMU), device CHARIOT_PCI_DEVICE_ID, revision 1.
 * BAR 0: CHARIOT_BAR_SIZE bytes of MMIO, little endian: one page of registers
 *        and one page that is the doorbell.
 * BAR 1: MSI-X table and PBA, CHARIOT_MSIX_VECTORS vectors.
 *
 * Registers are 32 bits wide and accept aligned 32-bit accesses only. Any
 * other access, a write to a read-only register and an access outside the
 * table read as 0, write nothing and are counted by the device.
 *
 * Bring-up, by the agent:
 *   1. read MAGIC and VERSION; leave the device alone if either is unknown
 *   2. read the features that the device offers, write the subset that the
 *      agent knows to GUEST_FEATURES, then set STATUS = CHARIOT_STATUS_FEATURES.
 *      The device clears that bit again if the subset is not acceptable (a bit
 *      never offered, CHARIOT_F_RING missing, or CHARIOT_F_GROUPS missing where
 *      a domain is of several modules).
 *   3. write RING_ADDR_LO/HI and RING_ORDER, then STATUS |= CHARIOT_STATUS_RING.
 *      The device clears the bit again if the host refuses the ring.
 *   4. post CHARIOT_REC_HELLO, the CHARIOT_REC_CPU of every possible CPU and
 *      the regions and library functions it knows, then STATUS |=
 *      CHARIOT_STATUS_READY and ring the doorbell.
 * Writing 0 to STATUS resets everything except the operator's domain table.
 *
 * The ring
 * --------
 * 2^RING_ORDER records of 32 bytes in physically contiguous guest memory,
 * preceded by one struct chariot_ring_header in a page of its own: RING_ADDR
 * is the guest physical address of the header, the records start
 * CHARIOT_RING_RECORDS bytes behind it.
 *
 * Multi-producer, single-consumer, totally ordered:
 *   producer, interrupts off from (a) to (c):
 *     (a) pos = header->head; if pos - load_acquire(&header->tail) < 2^order,
 *         reserve it by a compare-and-swap of head from pos to pos + 1 (not by
 *         an addition: two producers could pass the check and overrun the
 *         ring); if the ring is full, ring the doorbell and retry
 *     (b) fill rec[pos % 2^order], all fields but @seq
 *     (c) store_release(&rec->seq, (u32)(pos + 1))   [pairs with the consumer's (d)]
 *   consumer (the host), serialised by the host:
 *     (d) load_acquire(&rec->seq) == (u32)(tail + 1)? the record is complete
 *     (e) copy it, act on it, then store_release(&header->tail, tail + 1)
 *         [pairs with the producer's (a)]
 * head and tail run freely, modulo 2^64. The host trusts neither: it starts
 * at the tail that it finds when the ring is set and keeps its own copy from
 * then on. Header and records are 0 before the first record is posted.
 * A slot that is reserved but not yet complete (head > tail, seq not there)
 * stops the consumer; a host that needs what may be behind it lets the guest
 * run on for a bounded time and looks again.
 *
 * What a record says takes effect when the host consumes it. The host
 * consumes before it judges any fault and whenever the doorbell is written;
 * the write to the doorbell returns to the guest after the host has consumed
 * the ring *and* invalidated what revokes took away, on every vCPU. So the
 * agent rings it:
 *   - after CHARIOT_REC_TEXT, before the driver's code can run;
 *   - after a CHARIOT_REC_REVOKE of a range that contains a whole page,
 *     before that page can be reused (smaller grants never become writable
 *     mappings: each write to them is judged one by one, after draining);
 *   - when the ring is more than three quarters full.
 *
 * Bad records (unknown type, unknown domain, address outside guest memory,
 * bad length, overlapping grant, wrong sequence) are skipped, counted by kind
 * and reported to the operator; they are never fatal to the host.
 */
#ifndef _UAPI_CHARIOT_RING_H
#define _UAPI_CHARIOT_RING_H

#include <linux/types.h>

#define CHARIOT_PCI_VENDOR_ID	0x1b36
#define CHARIOT_PCI_DEVICE_ID	0x00c7
#define CHARIOT_BAR_SIZE	0x2000
#define CHARIOT_MSIX_VECTORS	2

#define CHARIOT_MAGIC		0x54524843	/* "CHRT" */
#define CHARIOT_VERSION		1

/* BAR 0. RO: read-only, RW: read-write, W1C: write 1 to clear. */
#define CHARIOT_REG_MAGIC		0x00	/* RO */
#define CHARIOT_REG_VERSION		0x04	/* RO */
#define CHARIOT_REG_FEATURES		0x08	/* RO, what the device offers */
#define CHARIOT_REG_GUEST_FEATURES	0x0c	/* RW, what the agent accepts */
#define CHARIOT_REG_STATUS		0x10	/* RW, CHARIOT_STATUS_* */
#define CHARIOT_REG_RING_ADDR_LO	0x14	/* RW, while STATUS_RING is clear */
#define CHARIOT_REG_RING_ADDR_HI	0x18	/* RW, likewise */
#define CHARIOT_REG_RING_ORDER		0x1c	/* RW, likewise */
#define CHARIOT_REG_IRQ_STATUS		0x20	/* W1C, CHARIOT_IRQ_* */
#define CHARIOT_REG_VIOLATIONS		0x24	/* RO, low 32 bits of the VM's count */
#define CHARIOT_REG_DOMAINS		0x28	/* RO, number of domains: ids 1..n */
#define CHARIOT_REG_DOMAIN_SELECT	0x2c	/* RW, domain id for the next three */
#define CHARIOT_REG_DOMAIN_POLICY	0x30	/* RO, CHARIOT_POLICY_* of chariot.h, ~0 if none */
#define CHARIOT_REG_DOMAIN_NAME		0x40	/* RO, CHARIOT_NAME_MAX bytes, NUL padded: the */
						/* names of its modules, '+' between them */
#define CHARIOT_REG_SYM_ADDR_LO		0x80	/* RW, chariot_symtab of the selected domain */
#define CHARIOT_REG_SYM_ADDR_HI		0x84	/* RW */
#define CHARIOT_REG_SYM_LEN		0x88	/* WO: bytes; the write reads the table */
						/* RO: 0 accepted, else an errno */
#define CHARIOT_REG_DOORBELL		0x1000	/* WO, any value, 32 bit */

#define CHARIOT_DOMAIN_AUDITED	0	/* DOMAIN_POLICY: what is reported is done all the same */

#define CHARIOT_NAME_MAX	64	/* with the terminating NUL */

#define CHARIOT_F_RING		(1u << 0)	/* the report ring; mandatory */
#define CHARIOT_F_SYMTAB	(1u << 1)	/* SYM_* registers */
#define CHARIOT_F_EVENTS	(1u << 2)	/* IRQ_STATUS and MSI-X vector 0 */
#define CHARIOT_F_GROUPS	(1u << 3)	/* DOMAIN_NAME may be several modules' */
#define CHARIOT_F_FREES		(1u << 4)	/* CHARIOT_REC_BAD_FREE */

#define CHARIOT_STATUS_FEATURES	(1u << 0)
#define CHARIOT_STATUS_RING	(1u << 1)
#define CHARIOT_STATUS_READY	(1u << 2)
#define CHARIOT_STATUS_BROKEN	(1u << 7)	/* RO: the host gave the ring up; reset it */

#define CHARIOT_IRQ_VIOLATION	(1u << 0)
#define CHARIOT_IRQ_POLICY	(1u << 1)	/* a domain's policy changed */

/* The page in front of the records. @tail is written by the host. */
struct chariot_ring_header {
	__u64 head;		/* next position to reserve; producers */
	__u64 pad0[7];
	__u64 tail;		/* next position to consume; host */
	__u64 pad1[7];
};

#define CHARIOT_RING_RECORDS	4096	/* offset of record 0 */
#define CHARIOT_RING_ORDER_MIN	6
#define CHARIOT_RING_ORDER_MAX	16

/*
 * One report. @gpa/@va/@len in bytes; @va is informative (reports, symbol
 * look-up) except for the types that say otherwise.
 */
struct chariot_rec {
	__u32 seq;		/* position + 1, stored last */
	__u8  type;		/* CHARIOT_REC_* */
	__u8  kind;		/* CHARIOT_KIND_*, CHARIOT_REGION_* or 0 */
	__u16 domain;		/* 1..n; 0 where the type has none */
	__u64 gpa;
	__u64 va;
	__u64 len;
};

/*
 * Types. Unused fields are 0. "Range" is @gpa, @va, @len, physically
 * contiguous; longer virtual ranges are sent as several records.
 */
#define CHARIOT_REC_HELLO	1	/* gpa: THREAD_SIZE, va: PAGE_OFFSET, len: ABI version */
#define CHARIOT_REC_CPU		2	/*
					 * domain: APIC id; gpa: top of the CPU's IRQ stack (va);
					 * va: address of the word that holds the running task's
					 * stack top; len: size of the IRQ stack
					 */
#define CHARIOT_REC_REGION	3	/* va, len, kind CHARIOT_REGION_*; for reports */
#define CHARIOT_REC_LIBRARY	4	/* va, len: a library function */
#define CHARIOT_REC_TEXT	5	/* domain's code: range; page aligned */
#define CHARIOT_REC_TEXT_GONE	6	/* range no longer code (init text) */
#define CHARIOT_REC_GRANT	7	/* range, kind */
#define CHARIOT_REC_REVOKE	8	/* range; len 0: the grant that starts at @gpa */
#define CHARIOT_REC_DOMAIN_UP	9	/* the driver begins to load; forgets the domain */
#define CHARIOT_REC_DOMAIN_DOWN	10	/* the driver is gone: all grants and text are dropped */
#define CHARIOT_REC_GRANT_ALL	11	/* like GRANT, for every domain (rules: preempt_count) */
#define CHARIOT_REC_BAD_FREE	12	/*
					 * With CHARIOT_F_FREES: the domain wants to free what it
					 * must not. kind: the CHARIOT_KIND_* that the function
					 * called frees, one of CHARIOT_FREE_KINDS; gpa: the virtual
					 * address passed to it, any; va: where it returns to; len:
					 * what is wrong, made of CHARIOT_FREE_*. For reports: it
					 * changes nothing
					 */

/* What a grant is; for reports, and a hint how writes to it come. */
#define CHARIOT_KIND_UNKNOWN	0
#define CHARIOT_KIND_SECTION	1	/* the module's own .data/.bss/.init.data */
#define CHARIOT_KIND_PERCPU	2	/* per-CPU memory of the module */
#define CHARIOT_KIND_SLAB	3	/* kmalloc and friends, shared cache */
#define CHARIOT_KIND_HEAP	4	/* pages of the domain's private heap */
#define CHARIOT_KIND_PAGES	5	/* page allocator */
#define CHARIOT_KIND_VMALLOC	6
#define CHARIOT_KIND_DMA	7	/* coherent DMA memory, pools */
#define CHARIOT_KIND_MMIO	8	/* ioremap, pci_iomap */
#define CHARIOT_KIND_NETDEV	9	/* net_device, private part, queues */
#define CHARIOT_KIND_SKB	10	/* struct sk_buff */
#define CHARIOT_KIND_SKB_DATA	11	/* its linear part */
#define CHARIOT_KIND_ARGUMENT	12	/* passed in for one call */
#define CHARIOT_KIND_RULE	13	/* a profile's field or symbol, e.g. preempt_count */
#define CHARIOT_KIND_OBJECT	14	/* another catalogued object */
#define CHARIOT_KIND_STACK	15	/* never granted by records: the host derives it */
#define CHARIOT_KIND_MAX	15

/* What functions free whose calls are checked: a mask of kinds. */
#define CHARIOT_FREE_KINDS	(1u << CHARIOT_KIND_PERCPU | 1u << CHARIOT_KIND_SLAB |	\
				 1u << CHARIOT_KIND_PAGES | 1u << CHARIOT_KIND_VMALLOC |	\
				 1u << CHARIOT_KIND_DMA | 1u << CHARIOT_KIND_SKB)

/*
 * @len of CHARIOT_REC_BAD_FREE: the size of the live object that the address
 * lies in and the offset in it (both 0: in none that is known), why, and whether
 * the agent refused to do it, as it does where the policy is not audit.
 */
#define CHARIOT_FREE_SIZE(len)		((len) & 0xffffffffull)
#define CHARIOT_FREE_OFFSET(len)	((len) >> 32 & 0xffffff)
#define CHARIOT_FREE_WHY(len)		((len) >> 56 & 0x7f)
#define CHARIOT_FREE_REFUSED		(1ull << 63)

#define CHARIOT_FREE_TWICE	1	/* it is free already */
#define CHARIOT_FREE_INSIDE	2	/* not where the object begins */
#define CHARIOT_FREE_FOREIGN	3	/* another owner's, or lent to the domain */
#define CHARIOT_FREE_INVALID	4	/* nothing that this function frees */
#define CHARIOT_FREE_WHY_MAX	4

#define CHARIOT_REGION_OTHER	0
#define CHARIOT_REGION_TEXT	1	/* core kernel text */
#define CHARIOT_REGION_RODATA	2
#define CHARIOT_REGION_DATA	3	/* core kernel .data, .bss */
#define CHARIOT_REGION_PERCPU	4
#define CHARIOT_REGION_DIRECTMAP 5
#define CHARIOT_REGION_VMALLOC	6
#define CHARIOT_REGION_VMEMMAP	7	/* struct page array */
#define CHARIOT_REGION_MODULES	8	/* module area */
#define CHARIOT_REGION_USER	9	/* user half */
#define CHARIOT_REGION_MAX	9

/*
 * Symbols of one domain's modules, for reports: a struct chariot_symtab, @count
 * struct chariot_sym sorted by @va, then the names. Physically contiguous.
 */
#define CHARIOT_SYMTAB_MAGIC	0x59535243	/* "CRSY" */
#define CHARIOT_SYMTAB_MAX	(1u << 20)	/* bytes, the whole table */

struct chariot_sym {
	__u64 va;
	__u32 size;		/* bytes */
	__u32 name;		/* offset of the NUL-terminated name from the table's start */
};

struct chariot_symtab {
	__u32 magic;
	__u32 count;
	struct chariot_sym sym[];
};

#endif /* _UAPI_CHARIOT_RING_H */
