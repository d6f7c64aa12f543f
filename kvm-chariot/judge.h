/* SPDX-License-Identifier: GPL-2.0-only */
/* A fault is judged before KVM sees it: shared between judge.c, emulate.c and report.c. */
#ifndef CHARIOT_JUDGE_H
#define CHARIOT_JUDGE_H

#include "attribute.h"
#include "vm.h"

/*
 * Is the whole page at @gpa writable for @domain on this vCPU: one grant
 * covers it, or it is of the current stack? Needs vm->lock.
 */
bool chariot_page_writable(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain, u64 gpa);

/*
 * Runs the instruction at RIP through KVM's emulator, every byte that it
 * writes judged as @domain's if it is the @driver's. What kvm_mmu_page_fault() returns: 1, or 0 to
 * leave for user space. vm->lock must not be held.
 */
int chariot_emulate(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain, u64 gpa,
		    bool driver);

/*
 * Judges a write of @len bytes at @gva as @domain's and reports it if it is a
 * violation. @val: what would be written, or NULL. True: let it through.
 * Needs vm->lock.
 */
bool chariot_judge_write(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain, u64 gva,
			 const void *val, unsigned int len);

struct chariot_write {
	u64 gva;
	u64 gpa;		/* INVALID_GPA: unknown */
	u32 len;		/* 0: unknown */
	const void *val;	/* or NULL */
	u8 why;			/* CHARIOT_WHY_* */
	bool blocked;
};

/* Posts the event of a violation by @culprit. Needs vm->lock. */
void chariot_report(struct chariot_vm *vm, struct chariot_vcpu *cv,
		    const struct chariot_culprit *culprit, const struct chariot_write *write);

/* The same for what a checked CHARIOT_REC_BAD_FREE says of @domain. Needs vm->lock. */
void chariot_report_free(struct chariot_vm *vm, struct chariot_dom *domain,
			 const struct chariot_rec *rec);

#endif
