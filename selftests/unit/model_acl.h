/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of the ACL of a few domains over the hot pages of model_kvm.h, page
 * by page: grants, grants for one vCPU (its stacks) and domains' text. What is
 * revoked may still be used by a vCPU until the revoke is over, or until the
 * vCPU was found not to need a flush.
 */
#ifndef MODEL_ACL_H
#define MODEL_ACL_H

#include <linux/types.h>

#include "model_kvm.h"

#define MODEL_DOMAINS	3	/* 0: the kernel */

enum model_acl_kind {
	MODEL_REVOKE,		/* a domain's grant */
	MODEL_REVOKE_STACK,	/* the same for one vCPU */
	MODEL_TEXT,		/* pages become a domain's text: nobody else executes them */
	MODEL_ACL_KINDS,
};

/* An operation in progress. */
struct model_acl_op {
	bool busy;
	enum model_acl_kind kind;
	unsigned int step;
	unsigned int domain, vcpu;
	unsigned int lo, hi;	/* hot pages [lo, hi) */
	unsigned long dirty;	/* vCPUs that are still to be flushed */
};

/* A right (MODEL_W or MODEL_X) that was taken away and that @pending vCPUs may still use. */
struct model_acl_held {
	unsigned int domain, hot, right, pending, op;
};

struct model_acl {
	const struct model_kvm *kvm;
	bool granted[MODEL_DOMAINS][MODEL_HOT];
	bool stack[MODEL_VCPUS][MODEL_DOMAINS][MODEL_HOT];
	unsigned int text[MODEL_HOT];	/* whose; 0: nobody's */
	struct model_acl_op ops[MODEL_OPS];
	struct model_acl_held held[MODEL_HELD];
	unsigned int nr_held;
	u64 revokes;

	/* by the test: sets op->dirty; and flushes a vCPU */
	void (*weaken)(struct model_acl *acl, struct model_acl_op *op);
	void (*flush)(struct model_acl *acl, unsigned int vcpu);
};

/* MODEL_R, _W and _X that a domain has on a vCPU, now. */
unsigned int model_acl_rights(const struct model_acl *acl, unsigned int vcpu, unsigned int domain,
			      unsigned int hot);
/* The same for one right, or it had it and the vCPU need not know yet. */
bool model_acl_allows(const struct model_acl *acl, unsigned int vcpu, unsigned int domain,
		      unsigned int hot, unsigned int right);
/* Grants something, begins to revoke something, or goes on with that. */
void model_acl_step(struct model_acl *acl);

#endif
