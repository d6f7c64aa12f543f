// SPDX-License-Identifier: GPL-2.0-only
/* The reports of violations: by the judge, and of frees by the guest. */
#include "guest.h"
#include "judge.h"
#include "trace.h"

/* How far @gpa is from @range: < 0 before it, > 0 behind its end, 0 inside. */
static s64 distance(const struct chariot_range *range, u64 gpa)
{
	if (gpa < range->gpa)
		return -(s64)(range->gpa - gpa);
	if (gpa >= range->gpa + range->len)
		return gpa - (range->gpa + range->len);
	return 0;
}

/* The grant next to the target, of any domain: what was probably meant, or what was hit. */
static void find_neighbour(struct chariot_vm *vm, u64 gpa, struct chariot_event *event)
{
	const struct chariot_range *range;
	u64 best = U64_MAX;
	u32 d;

	for (d = 1; d <= CHARIOT_DOMAINS_MAX; d++) {
		bool inside;
		s64 by;

		range = chariot_acl_nearest(&vm->domains[d].acl, gpa);
		if (!range)
			continue;
		by = distance(range, gpa);
		inside = gpa - range->gpa < range->len;
		/* The first byte behind a range is at distance 0 too, but not inside. */
		if (abs(by) + !inside >= best)
			continue;
		best = abs(by) + !inside;
		event->violation.near_distance = by;
		event->violation.near_gpa = range->gpa;
		event->violation.near_va = range->va;
		event->violation.near_len = range->len;
		event->violation.near_kind = range->kind;
		event->violation.near_domain = d;
		event->violation.flags &= ~CHARIOT_VF_OWNER;
		event->violation.flags |= CHARIOT_VF_NEAR | (inside ? CHARIOT_VF_OWNER : 0);
	}
}

static void find_region(struct chariot_vm *vm, u64 gva, struct chariot_event *event)
{
	const struct chariot_span *region = chariot_ranges_find(&vm->regions, gva);

	if (region)
		event->violation.region = region->data;
	else if (gva && !chariot_guest_kernel_address(gva))
		event->violation.region = CHARIOT_REGION_USER;
}

static void post(struct chariot_vm *vm, struct chariot_dom *domain, struct chariot_event *event)
{
	chariot_count(vm, violations);
	atomic64_inc(&domain->violations);
	trace_chariot_violation(event);
	if (!chariot_events_post(&vm->events, event))
		chariot_count(vm, events_dropped);
}

void chariot_report(struct chariot_vm *vm, struct chariot_vcpu *cv,
		    const struct chariot_culprit *culprit, const struct chariot_write *write)
{
	struct chariot_dom *domain = &vm->domains[culprit->domain];
	const struct chariot_call *call = &cv->call[culprit->domain];
	struct chariot_event event = {
		.type = CHARIOT_EVENT_VIOLATION,
		.domain = culprit->domain,
		.vcpu = cv->vcpu->vcpu_id,
	};

	lockdep_assert_held(&vm->lock);
	event.violation.rip = kvm_get_linear_rip(cv->vcpu);
	event.violation.rsp = chariot_guest_rsp(cv->vcpu);
	event.violation.gva = write->gva;
	event.violation.size = write->len;
	event.violation.count = 1;
	event.violation.why = write->why;
	event.violation.policy = READ_ONCE(domain->policy);
	if (write->blocked)
		event.violation.flags |= CHARIOT_VF_BLOCKED;
	if (culprit->library) {
		event.violation.flags |= CHARIOT_VF_LIBRARY;
		event.violation.caller = culprit->caller;
	}
	if (write->val) {
		event.violation.flags |= CHARIOT_VF_DATA;
		event.violation.data_len = min_t(u32, write->len, CHARIOT_EVENT_DATA);
		memcpy(event.violation.data, write->val, event.violation.data_len);
	}
	if (call->entry) {
		event.violation.flags |= CHARIOT_VF_CALL;
		event.violation.call_entry = call->entry;
		event.violation.call_return = call->ret;
		event.violation.call_rsp = call->rsp;
		memcpy(event.violation.call_args, call->args, sizeof(call->args));
	}
	find_region(vm, write->gva, &event);
	if (write->gpa != INVALID_GPA) {
		event.violation.flags |= CHARIOT_VF_GPA;
		event.violation.gpa = write->gpa;
		find_neighbour(vm, write->gpa, &event);
	}
	post(vm, domain, &event);
}

/*
 * The guest's word is all there is: what it says of the object is not looked up,
 * and whose grant the address lies in only if it is in the guest's map of all of
 * its memory.
 */
void chariot_report_free(struct chariot_vm *vm, struct chariot_dom *domain,
			 const struct chariot_rec *rec)
{
	u64 gpa = rec->gpa - vm->page_offset;
	struct chariot_event event = {
		.type = CHARIOT_EVENT_VIOLATION,
		.domain = domain->id,
		.vcpu = ~0u,
	};

	lockdep_assert_held(&vm->lock);
	event.violation.rip = rec->va;
	event.violation.gva = rec->gpa;
	event.violation.count = 1;
	event.violation.why = CHARIOT_WHY_FREE_TWICE + CHARIOT_FREE_WHY(rec->len) -
			      CHARIOT_FREE_TWICE;
	event.violation.policy = READ_ONCE(domain->policy);
	event.violation.free_kind = rec->kind;
	if (rec->len & CHARIOT_FREE_REFUSED)
		event.violation.flags |= CHARIOT_VF_BLOCKED;
	event.violation.object_len = CHARIOT_FREE_SIZE(rec->len);
	if (event.violation.object_len)
		event.violation.object_va = rec->gpa - CHARIOT_FREE_OFFSET(rec->len);
	find_region(vm, rec->gpa, &event);
	if (vm->page_offset && rec->gpa >= vm->page_offset &&
	    gfn_to_memslot(vm->kvm, gpa_to_gfn(gpa))) {
		event.violation.flags |= CHARIOT_VF_GPA;
		event.violation.gpa = gpa;
		find_neighbour(vm, gpa, &event);
	}
	chariot_count(vm, bad_frees);
	atomic64_inc(&domain->bad_frees);
	post(vm, domain, &event);
}
