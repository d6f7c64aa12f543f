/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest inside the guest, the inner guest: what differs by the processor's
 * vendor. The guest's kernel gives it the address space that it has itself, and
 * runs it until it executes CPUID; nothing else that the tests do leaves it.
 */
#ifndef INNER_H
#define INNER_H

#include "vm.h"

/* Guest physical: what an inner guest is made of */
#define INNER_CONTROL		GUEST_FREE		/* 32 KiB: the vendor's */
#define INNER_TABLES		(GUEST_FREE + 0x8000)	/* tables of the guest's own making */
#define INNER_STACK		(GUEST_FREE + 0x10000)	/* its top */

struct inner {
	/* For messages: what KVM has to offer to guests */
	const char *needed, *tables_needed;
	bool (*offered)(void);
	/* The guest can give its guest tables of its own, not only its own address space. */
	bool (*tables_offered)(void);
	/* Everything up to the first run. */
	void (*prepare)(struct vcpu *vcpu, bool own_tables);
	/*
	 * A guest function of the core kernel's: run(RDI and RSI of the inner guest,
	 * its RIP, @context) returns when it is left; RAX: why.
	 */
	const char *run;
	u64 context;
	u64 left_by_cpuid;		/* ... for this reason */
	/*
	 * User space puts the vCPU out of the inner guest, as for a reset: the
	 * guest is prepared again before it runs another one.
	 */
	void (*leave)(struct vcpu *vcpu);
	bool leaves_same_tables;	/* ... also if the inner guest has no tables of its own */
};

extern const struct inner inner_svm, inner_vmx;

/* What KVM offers to guests: the word ECX (or EDX) of a leaf of CPUID */
u32 inner_cpuid(u32 function, bool edx);
/* 16 MiB at INNER_TABLES, identically mapped in pages of 2 MiB */
void inner_tables(struct vm *vm, u64 table, u64 leaf);

#endif
