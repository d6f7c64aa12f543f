// SPDX-License-Identifier: GPL-2.0-only
/* What the guest's reports do to a VM's state; see record.h. */
#include <linux/jiffies.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "absent.h"
#include "compat.h"
#include "crossing.h"
#include "judge.h"
#include "record.h"
#include "stack.h"
#include "trace.h"

#define APPLIED		(-1)
#define GPA_BITS	52		/* the most that x86 has */
#define DRAIN_MAX	4096u	/* records in one go, */
#define DRAIN_MS	20	/* and time */
#define ALL_PAGES	(1ull << (GPA_BITS - PAGE_SHIFT))
#define MMIO_PAGES_MAX	BIT(24)	/* largest device window: 64 GB */
#define IRQ_STACK_MAX	(CHARIOT_STACK_PAGES * PAGE_SIZE)

/* 0, or -EFAULT: there is no such memory. -EAGAIN: it may come yet, and is noted. */
static int error_of(struct chariot_vm *vm, u64 gpa, bool write, bool failed)
{
	if (!failed)
		return 0;
	chariot_absent_note_gpa(vm, gpa, write);
	return chariot_absent_noted(vm) ? -EAGAIN : -EFAULT;
}

static int read_guest(void *ctx, u64 gpa, void *to, size_t len)
{
	struct chariot_vm *vm = ctx;

	return error_of(vm, gpa, false, kvm_read_guest(vm->kvm, gpa, to, len));
}

static int write_guest(void *ctx, u64 gpa, const void *from, size_t len)
{
	struct chariot_vm *vm = ctx;
	unsigned long hva;

	if (kvm_get_running_vcpu())
		return error_of(vm, gpa, true, kvm_write_guest(vm->kvm, gpa, from, len));
	/*
	 * In an ioctl no vCPU is loaded, and KVM wants one to log the page as
	 * dirty. User space asked for this write: it is user space's to log,
	 * as every write that it makes itself.
	 */
	hva = gfn_to_hva(vm->kvm, gpa_to_gfn(gpa));
	return error_of(vm, gpa, true, kvm_is_error_hva(hva) ||
			copy_to_user((void __user *)(hva + offset_in_page(gpa)), from, len));
}

static const struct chariot_ring_io guest_io = { .read = read_guest, .write = write_guest };

/*
 * Is all of the range in memory slots? A device's registers (@mmio) are in none
 * if the device is emulated, and in one if it is passed through.
 */
static bool is_memory(void *ctx, u64 gpa, u64 len, bool mmio)
{
	struct chariot_vm *vm = ctx;
	gfn_t gfn = gpa >> PAGE_SHIFT, end = (gpa + len - 1) >> PAGE_SHIFT;
	struct kvm_memory_slot *slot;

	if (mmio)
		return end - gfn < MMIO_PAGES_MAX;
	for (; gfn <= end; gfn = slot->base_gfn + slot->npages) {
		slot = gfn_to_memslot(vm->kvm, gfn);
		if (!slot)
			return false;
	}
	return true;
}

static int bad_of(int err)
{
	switch (err) {
	case 0:
		return APPLIED;
	case -EEXIST:
		return CHARIOT_BAD_OVERLAP;
	case -EINVAL:
		return CHARIOT_BAD_LENGTH;
	default:
		return CHARIOT_BAD_LIMIT;
	}
}

static void post_domain_event(struct chariot_vm *vm, u32 type, u32 domain)
{
	struct chariot_event event = { .type = type, .domain = domain, .vcpu = ~0u };

	chariot_events_post(&vm->events, &event);
}

static void post_bad(struct chariot_vm *vm, u32 type, unsigned int bad, u64 position,
		     const struct chariot_rec *rec)
{
	struct chariot_event event = { .type = type, .vcpu = ~0u };

	chariot_count(vm, bad_records[bad]);
	event.bad.bad_kind = bad;
	event.bad.count = 1;
	event.bad.position = position;
	memcpy(event.bad.rec, rec, sizeof(*rec));
	if (!chariot_events_post(&vm->events, &event))
		chariot_count(vm, events_dropped);
}

static int apply_hello(struct chariot_vm *vm, const struct chariot_rec *rec)
{
	if (rec->len != CHARIOT_VERSION)
		return CHARIOT_BAD_STATE;
	if (!is_power_of_2(rec->gpa) || rec->gpa < PAGE_SIZE ||
	    rec->gpa > CHARIOT_STACK_PAGES * PAGE_SIZE)
		return CHARIOT_BAD_LENGTH;
	vm->thread_size = rec->gpa;
	vm->page_offset = rec->va;
	return APPLIED;
}

static int apply_cpu(struct chariot_vm *vm, const struct chariot_rec *rec)
{
	struct chariot_cpu *cpu;

	if (rec->len > IRQ_STACK_MAX || !PAGE_ALIGNED(rec->len))
		return CHARIOT_BAD_LENGTH;
	if (rec->domain >= KVM_MAX_VCPU_IDS)
		return CHARIOT_BAD_LIMIT;
	cpu = xa_load(&vm->cpus, rec->domain);
	if (!cpu) {
		cpu = kzalloc(sizeof(*cpu), GFP_KERNEL_ACCOUNT);
		if (!cpu)
			return CHARIOT_BAD_LIMIT;
		if (xa_err(xa_store(&vm->cpus, rec->domain, cpu, GFP_KERNEL_ACCOUNT))) {
			kfree(cpu);
			return CHARIOT_BAD_LIMIT;
		}
	}
	cpu->irq_top = rec->gpa;
	cpu->irq_size = rec->len;
	cpu->stack_word = rec->va;
	cpu->stack_word_gpa = INVALID_GPA;
	return APPLIED;
}

static int apply_text(struct chariot_vm *vm, struct chariot_dom *domain,
		      const struct chariot_rec *rec)
{
	u32 d;
	int ret;

	ret = chariot_ranges_add(&vm->text_gpa, rec->gpa, rec->len, domain->id);
	if (ret)
		return bad_of(ret);
	ret = chariot_ranges_add(&domain->text, rec->va, rec->len, rec->gpa);
	if (ret)
		goto remove;
	if (chariot_arm(vm)) {
		chariot_ranges_remove(&domain->text, rec->va, rec->len);
		chariot_ranges_remove(&vm->text_gpa, rec->gpa, rec->len);
		return CHARIOT_BAD_STATE;
	}
	domain->text_bytes += rec->len;
	/* From here on only the domain's own views may execute it. */
	for (d = CHARIOT_KERNEL_DOMAIN; d <= CHARIOT_DOMAINS_MAX; d++) {
		if (d != domain->id)
			chariot_views_weaken(&vm->views, d, -1, rec->gpa >> PAGE_SHIFT,
					     rec->len >> PAGE_SHIFT, CHARIOT_X, vm->dirty,
					     KVM_MAX_VCPUS);
	}
	return APPLIED;

remove:
	chariot_ranges_remove(&vm->text_gpa, rec->gpa, rec->len);
	return bad_of(ret);
}

static int apply_text_gone(struct chariot_vm *vm, struct chariot_dom *domain,
			   const struct chariot_rec *rec)
{
	const struct chariot_span *span = chariot_ranges_find(&domain->text, rec->va);
	int ret;

	/* Both sets must agree on what is code: what one cannot cut is not touched in either. */
	if (!span || span->data + (rec->va - span->start) != rec->gpa ||
	    rec->len > span->start + span->len - rec->va)
		return CHARIOT_BAD_ADDRESS;
	ret = chariot_ranges_remove(&domain->text, rec->va, rec->len);
	if (ret > 0)
		ret = chariot_ranges_remove(&vm->text_gpa, rec->gpa, rec->len);
	if (ret <= 0) {
		/* A whole span went: the rest of its code cannot be told any more. */
		chariot_forget_domain(vm, domain);
		return CHARIOT_BAD_LIMIT;
	}
	domain->text_bytes -= min(domain->text_bytes, rec->len);
	return APPLIED;
}

static void note_peak(struct chariot_dom *domain)
{
	domain->grants_peak = max(domain->grants_peak, domain->acl.ranges);
	domain->granted_bytes_peak = max(domain->granted_bytes_peak, domain->acl.bytes);
}

static int apply_grant(struct chariot_vm *vm, struct chariot_dom *domain,
		       const struct chariot_rec *rec)
{
	int ret;

	if (vm->grants >= vm->grants_max)
		return CHARIOT_BAD_LIMIT;
	ret = chariot_acl_grant(&domain->acl, rec->gpa, rec->len, rec->va, rec->kind);
	if (!ret) {
		vm->grants++;
		note_peak(domain);
	}
	return bad_of(ret);
}

static int apply_grant_all(struct chariot_vm *vm, const struct chariot_rec *rec)
{
	int bad = APPLIED;
	u32 d;

	for (d = 1; d <= CHARIOT_DOMAINS_MAX; d++) {
		if (vm->domains[d].declared && bad == APPLIED)
			bad = apply_grant(vm, &vm->domains[d], rec);
	}
	return bad;
}

static int apply_revoke(struct chariot_vm *vm, struct chariot_dom *domain,
			const struct chariot_rec *rec)
{
	const struct chariot_range *range;
	u64 gpa = rec->gpa, len = rec->len, before = domain->acl.ranges;
	u64 first, last, removed;
	int bad = APPLIED;
	bool mapped;

	if (!len) {
		range = chariot_acl_at(&domain->acl, gpa);
		if (!range) {
			chariot_count(vm, revoke_misses);
			return bad;
		}
		len = range->len;
	}
	/* Cutting a range in two adds one. At the bound what is behind the cut goes too. */
	range = chariot_acl_find(&domain->acl, gpa);
	if (vm->grants >= vm->grants_max && range && range->gpa < gpa &&
	    range->gpa + range->len > gpa + len) {
		len = range->gpa + range->len - gpa;
		bad = CHARIOT_BAD_LIMIT;
	}
	first = gpa & PAGE_MASK;
	last = (gpa + len - 1) & PAGE_MASK;
	/* Only a page that one grant covers whole can be writable in a view. */
	mapped = last - first > PAGE_SIZE ||
		 chariot_acl_cover(&domain->acl, first, PAGE_SIZE) == CHARIOT_COVER_ALL ||
		 chariot_acl_cover(&domain->acl, last, PAGE_SIZE) == CHARIOT_COVER_ALL;
	removed = chariot_acl_revoke(&domain->acl, gpa, len);
	if (!removed) {
		chariot_count(vm, revoke_misses);
		return bad;
	}
	/* A cut can add a range. */
	vm->grants += domain->acl.ranges - before;
	note_peak(domain);
	if (removed > len)	/* no memory for a cut: the ACL took more, wherever that was */
		chariot_views_weaken(&vm->views, domain->id, -1, 0, ALL_PAGES, CHARIOT_W,
				     vm->dirty, KVM_MAX_VCPUS);
	else if (mapped)
		chariot_views_weaken(&vm->views, domain->id, -1, first >> PAGE_SHIFT,
				     ((last - first) >> PAGE_SHIFT) + 1, CHARIOT_W, vm->dirty,
				     KVM_MAX_VCPUS);
	return bad;
}

void chariot_forget_domain(struct chariot_vm *vm, struct chariot_dom *domain)
{
	unsigned int i;

	lockdep_assert_held(&vm->lock);
	for (i = 0; i < domain->text.nr; i++)
		chariot_ranges_remove(&vm->text_gpa, domain->text.spans[i].data,
				      domain->text.spans[i].len);
	chariot_ranges_clear(&domain->text);
	domain->text_bytes = 0;
	vm->grants -= domain->acl.ranges;
	chariot_acl_clear(&domain->acl);
	memset(domain->entry_rip, 0, sizeof(domain->entry_rip));
	domain->up = false;

	chariot_views_weaken(&vm->views, domain->id, -1, 0, ALL_PAGES,
			     CHARIOT_R | CHARIOT_W | CHARIOT_X, vm->dirty, KVM_MAX_VCPUS);
	if (chariot_leave_domain(vm, domain->id))
		chariot_reload_all(vm->kvm);
}

static int apply(struct chariot_vm *vm, const struct chariot_rec *rec)
{
	struct chariot_dom *domain = &vm->domains[rec->domain % (CHARIOT_DOMAINS_MAX + 1)];

	switch (rec->type) {
	case CHARIOT_REC_HELLO:
		return apply_hello(vm, rec);
	case CHARIOT_REC_CPU:
		return apply_cpu(vm, rec);
	case CHARIOT_REC_REGION:
		return bad_of(chariot_ranges_add(&vm->regions, rec->va, rec->len, rec->kind));
	case CHARIOT_REC_LIBRARY:
		return bad_of(chariot_ranges_add(&vm->library, rec->va, rec->len, 0));
	case CHARIOT_REC_TEXT:
		return apply_text(vm, domain, rec);
	case CHARIOT_REC_TEXT_GONE:
		return apply_text_gone(vm, domain, rec);
	case CHARIOT_REC_GRANT:
		return apply_grant(vm, domain, rec);
	case CHARIOT_REC_GRANT_ALL:
		return apply_grant_all(vm, rec);
	case CHARIOT_REC_REVOKE:
		return apply_revoke(vm, domain, rec);
	case CHARIOT_REC_BAD_FREE:
		if (!domain->up)
			return CHARIOT_BAD_STATE;
		chariot_report_free(vm, domain, rec);
		return APPLIED;
	case CHARIOT_REC_DOMAIN_UP:
		chariot_forget_domain(vm, domain);
		domain->up = true;
		post_domain_event(vm, CHARIOT_EVENT_DOMAIN_UP, domain->id);
		return APPLIED;
	case CHARIOT_REC_DOMAIN_DOWN:
		chariot_forget_domain(vm, domain);
		post_domain_event(vm, CHARIOT_EVENT_DOMAIN_DOWN, domain->id);
		return APPLIED;
	default:
		return CHARIOT_BAD_TYPE;
	}
}

/* -EAGAIN: the guest could not be told how far it was read. */
static int finish(struct chariot_vm *vm, struct kvm_vcpu *self)
{
	struct chariot_rec none = {};
	int ret = 0;

	if (!vm->ring.broken)
		ret = chariot_ring_publish(&vm->ring);
	if (ret == -EFAULT)
		post_bad(vm, CHARIOT_EVENT_RING_BROKEN, CHARIOT_BAD_UNMAPPED, vm->ring.tail,
			 &none);
	chariot_flush_vcpus(vm, self, vm->dirty);
	bitmap_zero(vm->dirty, KVM_MAX_VCPUS);
	/* Once in a batch: it waits for RCU, and a driver that reloads arms again at once. */
	if (!vm->text_gpa.nr)
		chariot_disarm(vm);
	return ret;
}

enum chariot_drain chariot_drain(struct chariot_vm *vm, struct kvm_vcpu *self)
{
	struct chariot_rec_limits limits = {
		.domains = vm->declared,
		.gpa_end = 1ull << GPA_BITS,
		.is_memory = is_memory,
		.ctx = vm,
	};
	unsigned long end = jiffies + msecs_to_jiffies(DRAIN_MS) + 1;
	enum chariot_drain ret = CHARIOT_DRAINED;
	struct chariot_rec rec;
	unsigned int bad, left, start;
	u64 position;
	int why;

	lockdep_assert_held(&vm->lock);
	if (!vm->ring.order || vm->ring.broken)
		return CHARIOT_DRAINED;

	/*
	 * Bounded: some records cost much, every other vCPU and ioctl waits, and
	 * a guest may produce as fast as this loop consumes.
	 */
	start = min(1u << vm->ring.order, DRAIN_MAX);
	for (left = start; left; left--) {
		if (fatal_signal_pending(current) || time_after(jiffies, end)) {
			left = 0;
			break;
		}
		cond_resched();
		position = vm->ring.tail;
		memset(&rec, 0, sizeof(rec));
		switch (chariot_ring_next(&vm->ring, &rec, &bad)) {
		case CHARIOT_RING_RECORD:
			chariot_count(vm, records);
			why = chariot_rec_check(&rec, &limits);
			if (why < 0)
				why = apply(vm, &rec);
			trace_chariot_record(rec.type, rec.domain, rec.gpa, rec.len, why);
			if (why >= 0)
				post_bad(vm, CHARIOT_EVENT_BAD_RECORD, why, position, &rec);
			continue;
		case CHARIOT_RING_BAD:
			post_bad(vm, CHARIOT_EVENT_BAD_RECORD, bad, position, &rec);
			continue;
		case CHARIOT_RING_BROKEN:
			post_bad(vm, CHARIOT_EVENT_RING_BROKEN, bad, position, &rec);
			break;
		case CHARIOT_RING_PENDING:
			ret = CHARIOT_DRAIN_PENDING;
			break;
		case CHARIOT_RING_EMPTY:
			if (left == start && !vm->ring.unpublished)
				return CHARIOT_DRAINED;	/* nothing was consumed */
			break;
		case CHARIOT_RING_LATER:
			if (left == start)
				return CHARIOT_DRAIN_LATER;
			ret = CHARIOT_DRAIN_LATER;
			break;
		}
		break;
	}
	if (finish(vm, self) == -EAGAIN)
		return CHARIOT_DRAIN_LATER;
	return left ? ret : CHARIOT_DRAIN_MORE;
}

void chariot_drain_skip(struct chariot_vm *vm, struct kvm_vcpu *self)
{
	struct chariot_rec none = {};

	lockdep_assert_held(&vm->lock);
	post_bad(vm, CHARIOT_EVENT_BAD_RECORD, CHARIOT_BAD_TORN, vm->ring.tail, &none);
	chariot_ring_skip(&vm->ring);
	finish(vm, self);
}

int chariot_set_ring(struct chariot_vm *vm, const struct chariot_ring *req)
{
	u64 doorbell = req->doorbell_gpa;
	int ret;

	lockdep_assert_held(&vm->lock);
	if (req->flags || memchr_inv(req->reserved, 0, sizeof(req->reserved)) ||
	    (doorbell != INVALID_GPA && !PAGE_ALIGNED(doorbell)))
		return -EINVAL;
	ret = chariot_ring_set(&vm->ring, &guest_io, vm, req->gpa, req->order);
	vm->doorbell_gpa = !ret && req->order ? doorbell : INVALID_GPA;
	return ret;
}
