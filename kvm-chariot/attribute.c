// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose write is it?
 *
 * An instruction in a domain's text is that domain's. A library function
 * (memcpy and its like) writes on its caller's behalf, and the caller is the
 * return address on the stack: the first word from the stack pointer upwards
 * that follows a direct call of a library function. Checking the call that
 * stands before the address keeps stale words from being taken for it. "The
 * driver is somewhere up the stack" is never enough.
 */
#include "attribute.h"
#include "guest.h"

#define CALL_REL32		0xe8
#define CALL_REL32_LEN		5
#define LIBRARY_FRAME_WORDS	64	/* how far up a library function's return address may be */

static const u8 endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
/* What the kernel writes over the landing pad of a function that is never called indirectly. */
static const u8 sealed_endbr64[] = { 0x0f, 0x1f, 0x40, 0xd6 };
static const u8 sealed_endbr64_old[] = { 0x66, 0x0f, 0x1f, 0x00 };
/* The ftrace site, at rest; else it is a call. */
static const u8 ftrace_nop[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

u32 chariot_domain_of(struct chariot_vm *vm, u64 rip)
{
	u32 d;

	lockdep_assert_held(&vm->lock);
	for (d = 1; d <= CHARIOT_DOMAINS_MAX; d++) {
		if (vm->domains[d].text.nr && chariot_ranges_find(&vm->domains[d].text, rip))
			return d;
	}
	return 0;
}

/* The target of the direct call that ends at @ret; 0: there is no such call. */
static u64 call_target(struct chariot_vm *vm, struct kvm_vcpu *vcpu, u64 ret)
{
	u8 insn[CALL_REL32_LEN];
	s32 rel;

	if (chariot_guest_read(vm, vcpu, ret - CALL_REL32_LEN, insn, sizeof(insn)) ||
	    insn[0] != CALL_REL32)
		return 0;
	memcpy(&rel, insn + 1, sizeof(rel));
	return ret + rel;
}

static struct chariot_culprit library_caller(struct chariot_vm *vm, struct kvm_vcpu *vcpu)
{
	struct chariot_culprit culprit = { .library = true };
	u64 word, rsp = chariot_guest_rsp(vcpu), target;
	int i;

	for (i = 0; i < LIBRARY_FRAME_WORDS; i++) {
		if (chariot_guest_read(vm, vcpu, rsp + i * sizeof(word), &word, sizeof(word)))
			break;
		if (!chariot_guest_kernel_address(word))
			continue;
		target = call_target(vm, vcpu, word);
		if (!target)
			continue;
		if (!chariot_ranges_find(&vm->library, target)) {
			/* The domain called something else, which called the library. */
			if (chariot_domain_of(vm, word))
				break;
			continue;
		}
		/* One library function called by another: go on to its caller. */
		if (chariot_ranges_find(&vm->library, word))
			continue;
		culprit.domain = chariot_domain_of(vm, word);
		culprit.caller = word;
		return culprit;
	}
	return (struct chariot_culprit) {};
}

struct chariot_culprit chariot_attribute(struct chariot_vm *vm, struct kvm_vcpu *vcpu, u32 cur,
					 u64 rip)
{
	struct chariot_culprit culprit = {}, caller;

	lockdep_assert_held(&vm->lock);
	if (!chariot_guest_kernel_address(rip))
		return culprit;
	culprit.domain = chariot_domain_of(vm, rip);
	if (chariot_ranges_find(&vm->library, rip)) {
		/* Copied into the domain's own text it has a caller to name too. */
		caller = library_caller(vm, vcpu);
		if (!culprit.domain || caller.domain == culprit.domain)
			culprit = caller;
	}
	/* Another domain's code never runs in this view, only returns through it. */
	if (culprit.domain != cur)
		culprit = (struct chariot_culprit) {};
	return culprit;
}

/*
 * Functions begin with a landing pad (or what is left of one) and the ftrace
 * site; what follows a call does not.
 */
static bool looks_like_entry(struct chariot_vm *vm, struct kvm_vcpu *vcpu, u64 rip)
{
	u8 code[sizeof(endbr64) + sizeof(ftrace_nop)];
	const u8 *site = code;

	if (chariot_guest_read(vm, vcpu, rip, code, sizeof(code)))
		return false;
	if (!memcmp(code, endbr64, sizeof(endbr64)))
		return true;
	if (!memcmp(code, sealed_endbr64, sizeof(sealed_endbr64)) ||
	    !memcmp(code, sealed_endbr64_old, sizeof(sealed_endbr64_old)))
		site += sizeof(endbr64);
	return site[0] == CALL_REL32 || !memcmp(site, ftrace_nop, sizeof(ftrace_nop));
}

void chariot_note_call(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain)
{
	struct chariot_dom *dom = &vm->domains[domain];
	struct chariot_call *call = &cv->call[domain];
	struct kvm_vcpu *vcpu = cv->vcpu;
	u64 rip = kvm_get_linear_rip(vcpu), ret;
	/* Bit 63 is set in every kernel address: it serves as the answer. */
	u64 *slot = &dom->entry_rip[(rip ^ rip >> 6) % CHARIOT_ENTRIES];
	bool entry;

	lockdep_assert_held(&vm->lock);
	if ((*slot | BIT_ULL(63)) != rip) {
		entry = looks_like_entry(vm, vcpu, rip);
		if (chariot_absent_noted(vm))
			return;
		*slot = entry ? rip : rip & ~BIT_ULL(63);
	}
	if (*slot != rip)
		return;
	if (chariot_guest_read(vm, vcpu, chariot_guest_rsp(vcpu), &ret, sizeof(ret)) ||
	    chariot_domain_of(vm, ret) == domain)
		return;

	call->entry = rip;
	call->ret = ret;
	call->rsp = chariot_guest_rsp(vcpu);
	call->args[0] = chariot_guest_reg(vcpu, VCPU_REGS_RDI);
	call->args[1] = chariot_guest_reg(vcpu, VCPU_REGS_RSI);
	call->args[2] = chariot_guest_reg(vcpu, VCPU_REGS_RDX);
	call->args[3] = chariot_guest_reg(vcpu, VCPU_REGS_RCX);
	call->args[4] = chariot_guest_reg(vcpu, VCPU_REGS_R8);
	call->args[5] = chariot_guest_reg(vcpu, VCPU_REGS_R9);
}
