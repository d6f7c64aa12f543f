// SPDX-License-Identifier: GPL-2.0-only
#include "ktap.h"
#include "model_acl.h"
#include "model_tlb.h"

static bool chance(unsigned int percent)
{
	return ktap_below(100) < percent;
}

unsigned int model_acl_rights(const struct model_acl *acl, unsigned int vcpu, unsigned int domain,
			      unsigned int hot)
{
	unsigned int rights = MODEL_R;

	if (!domain || acl->granted[domain][hot] || acl->stack[vcpu][domain][hot])
		rights |= MODEL_W;
	if (!acl->text[hot] || acl->text[hot] == domain)
		rights |= MODEL_X;
	return rights;
}

bool model_acl_allows(const struct model_acl *acl, unsigned int vcpu, unsigned int domain,
		      unsigned int hot, unsigned int right)
{
	if (model_acl_rights(acl, vcpu, domain, hot) & right)
		return true;
	for (unsigned int i = 0; i < acl->nr_held; i++) {
		const struct model_acl_held *held = &acl->held[i];

		if (held->domain == domain && held->hot == hot && held->right == right &&
		    (held->pending & (1u << vcpu)))
			return true;
	}
	return false;
}

static void hold(struct model_acl *acl, struct model_acl_op *op, unsigned int domain,
		 unsigned int hot, unsigned int right, unsigned int vcpus)
{
	CHECK(acl->nr_held < MODEL_HELD);
	acl->held[acl->nr_held++] = (struct model_acl_held) {
		domain, hot, right, vcpus, op - acl->ops
	};
}

static void begin(struct model_acl *acl, struct model_acl_op *op)
{
	unsigned int all = (1u << acl->kvm->vcpus) - 1, h, d;

	op->busy = true;
	op->step = 0;
	op->kind = ktap_below(MODEL_ACL_KINDS);
	op->domain = 1 + ktap_below(MODEL_DOMAINS - 1);
	op->vcpu = ktap_below(acl->kvm->vcpus);
	op->lo = model_hot(acl->kvm);
	op->hi = op->lo + 1 + (chance(50) ? 0 : ktap_below(4));
	if (chance(15)) {
		op->lo -= op->lo % MODEL_PER_BLOCK;
		op->hi = op->lo + MODEL_PER_BLOCK;
	}
	op->hi = op->hi > MODEL_HOT ? MODEL_HOT : op->hi;
	op->dirty = 0;
	for (h = op->lo; h < op->hi; h++) {
		switch (op->kind) {
		case MODEL_REVOKE:
			if (acl->granted[op->domain][h])
				hold(acl, op, op->domain, h, MODEL_W, all);
			acl->granted[op->domain][h] = false;
			break;
		case MODEL_REVOKE_STACK:
			if (acl->stack[op->vcpu][op->domain][h])
				hold(acl, op, op->domain, h, MODEL_W, 1u << op->vcpu);
			acl->stack[op->vcpu][op->domain][h] = false;
			break;
		default:
			for (d = 0; d < MODEL_DOMAINS; d++)
				if (d != op->domain && (!acl->text[h] || acl->text[h] == d))
					hold(acl, op, d, h, MODEL_X, all);
			acl->text[h] = op->domain;
			break;
		}
	}
}

static void go_on(struct model_acl *acl, struct model_acl_op *op)
{
	unsigned int safe, vcpu;

	if (!op->step++) {
		acl->weaken(acl, op);
		safe = ~op->dirty;
	} else {
		do {
			vcpu = ktap_below(acl->kvm->vcpus);
		} while (!(op->dirty & (1ul << vcpu)));
		acl->flush(acl, vcpu);
		op->dirty &= ~(1ul << vcpu);
		safe = 1u << vcpu;
	}
	for (unsigned int i = 0; i < acl->nr_held; i++) {
		struct model_acl_held *held = &acl->held[i];

		if (held->op != op - acl->ops)
			continue;
		held->pending &= ~safe;
		if (!held->pending)
			acl->held[i--] = acl->held[--acl->nr_held];
	}
	if (!op->dirty) {
		op->busy = false;
		acl->revokes++;
	}
}

void model_acl_step(struct model_acl *acl)
{
	struct model_acl_op *op = &acl->ops[ktap_below(MODEL_OPS)];
	unsigned int lo = model_hot(acl->kvm), hi = lo + 1 + ktap_below(4), h;
	unsigned int domain = 1 + ktap_below(MODEL_DOMAINS - 1), how = ktap_below(10);

	if (op->busy) {
		go_on(acl, op);
		return;
	}
	if (how < 4) {
		begin(acl, op);
		return;
	}
	if (chance(20)) {
		lo -= lo % MODEL_PER_BLOCK;
		hi = lo + MODEL_PER_BLOCK;
	}
	for (h = lo; h < hi && h < MODEL_HOT; h++) {
		if (how < 7)
			acl->granted[domain][h] = true;
		else if (how < 8)
			acl->stack[ktap_below(acl->kvm->vcpus)][domain][h] = true;
		else
			acl->text[h] = 0;
	}
}
