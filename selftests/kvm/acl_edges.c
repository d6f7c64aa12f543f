// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a domain may write, to the byte: one variant per instruction that
 * stores, along all kinds of edges.
 *
 * Nothing here knows what an instruction does. Each runs on the plain VM
 * first, before Chariot is attached; the registers, flags and memory that it
 * leaves there are what an allowed write must leave again, and a blocked one
 * must leave the same registers and flags, and the memory that is outside of
 * the grants as it was.
 *
 * Not shown here: that the table holds every instruction that can store.
 */
#include <sys/ioctl.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define PAGE		4096ul
/* Two pages that follow each other in virtual memory only */
#define GPA_0		GUEST_FREE
#define GPA_1		(GUEST_FREE + 3 * PAGE)
#define WINDOW		(2 * PAGE)
#define SOURCE		(GUEST_CORE_DATA + 0x1000)
#define FLAGS		0x8c5	/* CF PF ZF SF OF; AF is undefined after many */

struct grant {
	u64 start, len;		/* offsets into the window */
};

FIXTURE(edges)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
	u8 before[WINDOW];
	struct grant grants[4];
	unsigned int nr_grants;
};

FIXTURE_VARIANT(edges)
{
	const char *fn;
	const char *at;
	u32 size;		/* bytes of one write */
	u32 count;		/* how many in a row; 0: 1 */
	u32 bias;		/* RDI is that much past the first byte */
	bool source;		/* RSI is an address, not a value */
	bool match;		/* RAX (and RDX) hold what the memory holds: cmpxchg */
	bool avx;
	u32 align;		/* 0: 1 */
	/*
	 * Emulators store this in pieces: when it spans pages, the first may
	 * be written before the second faults. Hardware looks at both first.
	 */
	bool pieces;
};

#define INSN(name, first, insn, last, ...)					\
	GUEST_WRITE(dom1, i_##name, first, insn, last);				\
	FIXTURE_VARIANT_ADD(edges, name)					\
	{									\
		.fn = i_##name, .at = i_##name##_at, __VA_ARGS__		\
	}

#define ON_STACK	"mov %rsp, %rbp\n mov %rdi, %rsp"
#define OFF_STACK	"mov %rsp, %rdx\n mov %rbp, %rsp"

INSN(mov_1, "", "movb %sil, (%rdi)", "", .size = 1);
INSN(mov_2, "", "movw %si, (%rdi)", "", .size = 2);
INSN(mov_4, "", "movl %esi, (%rdi)", "", .size = 4);
INSN(mov_8, "", "movq %rsi, (%rdi)", "", .size = 8);
INSN(mov_imm_1, "", "movb $0x5a, (%rdi)", "", .size = 1);
INSN(mov_imm_8, "", "movq $-0x12345678, (%rdi)", "", .size = 8);
INSN(mov_sib, "mov $4, %ecx\n lea -0x123(%rdi), %rdi", "movl %r8d, 0x113(%rdi,%rcx,4)", "", .size = 4);
INSN(mov_high, "mov %rsi, %rax", "movb %ah, (%rdi)", "", .size = 1);
INSN(mov_gs, "sub $0x1000, %rdi", "movq %rsi, %gs:(%rdi)", "add $0x1000, %rdi", .size = 8);
INSN(movnti, "", "movnti %rsi, (%rdi)", "", .size = 8);
INSN(movbe, "", "movbe %esi, (%rdi)", "", .size = 4);
INSN(sete, "cmp %rax, %rax", "sete (%rdi)", "", .size = 1);
INSN(movss, "movdqu (%rsi), %xmm1", "movss %xmm1, (%rdi)", "", .size = 4, .source = true);
INSN(movq_sse, "movdqu (%rsi), %xmm1", "movq %xmm1, (%rdi)", "", .size = 8, .source = true);
INSN(movhps, "movdqu (%rsi), %xmm1", "movhps %xmm1, (%rdi)", "", .size = 8, .source = true);
INSN(movups, "movdqu (%rsi), %xmm1", "movups %xmm1, (%rdi)", "", .size = 16, .source = true);
INSN(movdqu, "movdqu (%rsi), %xmm9", "movdqu %xmm9, (%rdi)", "", .size = 16, .source = true);
INSN(movaps, "movdqu (%rsi), %xmm1", "movaps %xmm1, (%rdi)", "", .size = 16, .source = true, .align = 16);
INSN(movdqa, "movdqu (%rsi), %xmm15", "movdqa %xmm15, (%rdi)", "", .size = 16, .source = true, .align = 16);
INSN(movntps, "movdqu (%rsi), %xmm1", "movntps %xmm1, (%rdi)", "", .size = 16, .source = true, .align = 16);
INSN(movsd, "movdqu (%rsi), %xmm2", "movsd %xmm2, (%rdi)", "", .size = 8, .source = true);
INSN(movlps, "movdqu (%rsi), %xmm10", "movlps %xmm10, (%rdi)", "", .size = 8, .source = true);
INSN(movd_sse, "movdqu (%rsi), %xmm3", "movd %xmm3, (%rdi)", "", .size = 4, .source = true);
INSN(movq_rex, "movdqu (%rsi), %xmm3", ".byte 0x66, 0x48, 0x0f, 0x7e, 0x1f", "", .size = 8, .source = true);
INSN(movups_sib, "movdqu (%rsi), %xmm12\n mov $2, %ecx\n lea -0x100(%rdi), %r9", "movups %xmm12, 0xf0(%r9,%rcx,8)", "",
     .size = 16, .source = true);
INSN(movups_gs, "movdqu (%rsi), %xmm1\n sub $0x1000, %rdi", "movups %xmm1, %gs:(%rdi)", "add $0x1000, %rdi",
     .size = 16, .source = true);
INSN(movntdq, "movdqu (%rsi), %xmm1", "movntdq %xmm1, (%rdi)", "", .size = 16, .source = true, .align = 16);
INSN(vmovdqu_16, "vmovdqu (%rsi), %xmm1", "vmovdqu %xmm1, (%rdi)", "vzeroupper", .size = 16, .source = true,
     .avx = true);
INSN(vmovdqu_32, "vmovdqu (%rsi), %ymm1", "vmovdqu %ymm1, (%rdi)", "vzeroupper", .size = 32, .source = true,
     .avx = true, .pieces = true);
INSN(vmovups_32, "vmovdqu (%rsi), %ymm8", "vmovups %ymm8, (%rdi)", "vzeroupper", .size = 32, .source = true,
     .avx = true, .pieces = true);
INSN(vmovss, "vmovdqu (%rsi), %xmm1", "vmovss %xmm1, (%rdi)", "vzeroupper", .size = 4, .source = true, .avx = true);
INSN(vmovsd, "vmovdqu (%rsi), %xmm9", "vmovsd %xmm9, (%rdi)", "vzeroupper", .size = 8, .source = true, .avx = true);
INSN(vmovq, "vmovdqu (%rsi), %xmm1", "vmovq %xmm1, (%rdi)", "vzeroupper", .size = 8, .source = true, .avx = true);
INSN(vmovhps, "vmovdqu (%rsi), %xmm1", "vmovhps %xmm1, (%rdi)", "vzeroupper", .size = 8, .source = true, .avx = true);
INSN(vmovaps_32, "vmovdqu (%rsi), %ymm1", "vmovaps %ymm1, (%rdi)", "vzeroupper", .size = 32, .source = true,
     .avx = true, .align = 32);
INSN(vmovntdq_32, "vmovdqu (%rsi), %ymm1", "vmovntdq %ymm1, (%rdi)", "vzeroupper", .size = 32, .source = true,
     .avx = true, .align = 32);
INSN(vmovdqu_sib, "vmovdqu (%rsi), %ymm11\n mov $8, %ecx\n lea -0x48(%rdi), %r14",
     "vmovdqu %ymm11, 8(%r14,%rcx,8)", "vzeroupper", .size = 32, .source = true, .avx = true, .pieces = true);
INSN(vextractf128, "vmovdqu (%rsi), %ymm1", "vextractf128 $1, %ymm1, (%rdi)", "vzeroupper", .size = 16,
     .source = true, .avx = true);
INSN(push_mem, ON_STACK, "push (%rsi)", OFF_STACK, .size = 8, .bias = 8, .source = true);
INSN(pushf, ON_STACK, "pushf", OFF_STACK, .size = 8, .bias = 8);
INSN(push, ON_STACK, "push %rsi", OFF_STACK, .size = 8, .bias = 8);
INSN(push_imm, ON_STACK, "push $-3", OFF_STACK, .size = 8, .bias = 8);
INSN(call, ON_STACK, "call 1f\n1:", OFF_STACK, .size = 8, .bias = 8);
INSN(call_reg, ON_STACK "\n lea 1f(%rip), %rax", "call *%rax\n1:", OFF_STACK, .size = 8, .bias = 8);
INSN(pop_mem, "push %rsi", "pop (%rdi)", "", .size = 8);
INSN(xchg_4, "", "xchg %esi, (%rdi)", "", .size = 4);
INSN(xchg_8, "", "xchg %rsi, (%rdi)", "", .size = 8);
INSN(add_4, "", "addl %esi, (%rdi)", "", .size = 4);
INSN(inc_1, "", "incb (%rdi)", "", .size = 1);
INSN(or_imm_8, "", "orq $0x55, (%rdi)", "", .size = 8);
INSN(neg_8, "", "negq (%rdi)", "", .size = 8);
INSN(adc_2, "stc", "adcw %si, (%rdi)", "", .size = 2);
INSN(bts_8, "", "btsq $9, (%rdi)", "", .size = 8);
INSN(btc_4, "mov $7, %ecx", "btcl %ecx, (%rdi)", "", .size = 4);
INSN(lock_bts_8, "", "lock btsq $60, (%rdi)", "", .size = 8);
INSN(xor_8, "", "xorq %rsi, (%rdi)", "", .size = 8);
INSN(and_imm_4, "", "andl $0xf0f0f0f, (%rdi)", "", .size = 4);
INSN(sub_1, "", "subb %sil, (%rdi)", "", .size = 1);
INSN(not_8, "", "notq (%rdi)", "", .size = 8);
INSN(sar_8, "", "sarq $1, (%rdi)", "", .size = 8);
INSN(shld_8, "", "shldq $5, %rsi, (%rdi)", "", .size = 8);
INSN(shl_4, "", "shll $3, (%rdi)", "", .size = 4);
INSN(lock_add_8, "", "lock addq %rsi, (%rdi)", "", .size = 8);
INSN(lock_dec_4, "", "lock decl (%rdi)", "", .size = 4);
INSN(lock_xadd_8, "", "lock xaddq %rsi, (%rdi)", "", .size = 8);
INSN(cmpxchg_hit, "", "cmpxchg %rsi, (%rdi)", "", .size = 8, .match = true);
INSN(cmpxchg_miss, "", "cmpxchg %rsi, (%rdi)", "", .size = 8);
INSN(lock_cmpxchg_hit, "", "lock cmpxchg %rsi, (%rdi)", "", .size = 8, .match = true);
INSN(lock_cmpxchg_miss, "", "lock cmpxchg %rsi, (%rdi)", "", .size = 8);
INSN(lock_cmpxchg_4, "", "lock cmpxchg %esi, (%rdi)", "", .size = 4, .match = true);
INSN(cmpxchg8b_hit, "mov %rax, %rdx\n shr $32, %rdx", "lock cmpxchg8b (%rdi)", "", .size = 8, .match = true);
INSN(cmpxchg8b_miss, "mov %rax, %rdx\n shr $32, %rdx", "lock cmpxchg8b (%rdi)", "", .size = 8);
INSN(cmpxchg16b, "mov (%rdi), %rax\n mov 8(%rdi), %rdx", "lock cmpxchg16b (%rdi)", "", .size = 16, .align = 16);
INSN(stosb, "", "stosb", "", .size = 1);
INSN(stosq, "", "stosq", "", .size = 8);
INSN(movsb, "", "movsb", "", .size = 1, .source = true);
INSN(movsq, "", "movsq", "", .size = 8, .source = true);
INSN(rep_stosb, "mov $24, %ecx", "rep stosb", "", .size = 1, .count = 24);
INSN(rep_stosq, "mov $3, %ecx", "rep stosq", "", .size = 8, .count = 3);
INSN(rep_movsb, "mov $20, %ecx", "rep movsb", "", .size = 1, .count = 20, .source = true);
INSN(rep_movsq, "mov $3, %ecx", "rep movsq", "", .size = 8, .count = 3, .source = true);
INSN(fnstcw, "", "fnstcw (%rdi)", "", .size = 2);
INSN(sgdt, "", "sgdt (%rdi)", "", .size = 10, .pieces = true);

static u8 *window_byte(struct vm *vm, u64 offset)
{
	return vm_at(vm, offset < PAGE ? GPA_0 + offset : GPA_1 + offset - PAGE);
}

static u64 window_gpa(u64 offset)
{
	return offset < PAGE ? GPA_0 + offset : GPA_1 + offset - PAGE;
}

static void fill(struct vm *vm, const u8 *from)
{
	memcpy(vm_at(vm, GPA_0), from, PAGE);
	memcpy(vm_at(vm, GPA_1), from + PAGE, PAGE);
}

FIXTURE_SETUP(edges)
{
	struct kvm_sregs sregs;
	unsigned int i;

	vm_create(&self->vm, 1, 0);
	self->vcpu = &self->vm.vcpu[0];
	self->c.fd = -1;
	/* For the stores through GS, as the kernel's to per-CPU data are */
	if (ioctl(self->vcpu->fd, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS: %m");
	sregs.gs.base = 0x1000;
	if (ioctl(self->vcpu->fd, KVM_SET_SREGS, &sregs))
		die("KVM_SET_SREGS: %m");
	vm_map(&self->vm, GUEST_VM, GPA_0, PAGE, VM_PAGE_WRITE);
	vm_map(&self->vm, GUEST_VM + PAGE, GPA_1, PAGE, VM_PAGE_WRITE);
	for (i = 0; i < WINDOW; i++)
		self->before[i] = 0x30 + i % 0x4f;
	for (i = 0; i < 256; i++)
		((u8 *)vm_at(&self->vm, SOURCE))[i] = 0x80 + i % 0x7b;
}

FIXTURE_TEARDOWN(edges)
{
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

/* One run of the instruction with its first byte at @offset of the window. */
static struct kvm_regs run(struct vcpu *vcpu, const FIXTURE_VARIANT(edges) *variant, const u8 *before, u64 offset)
{
	struct kvm_regs regs = {
		.rdi = GUEST_VM + offset + variant->bias,
		.rsi = variant->source ? dm(SOURCE) : 0x8877665544332211,
		.rax = 0x0102030405060708, .rbx = 0x1112131415161718, .rcx = 0x2122232425262728,
		.rdx = 0x3132333435363738, .r8 = 0x4142434445464748,
	};

	fill(vcpu->vm, before);
	if (variant->match)
		memcpy(&regs.rax, before + offset, 8);
	vcpu_call_regs(vcpu, variant->fn, &regs);
	return regs;
}

static bool covered(const FIXTURE_DATA(edges) *self, u64 offset)
{
	unsigned int i;

	for (i = 0; i < self->nr_grants; i++)
		if (offset - self->grants[i].start < self->grants[i].len)
			return true;
	return false;
}

/* A grant of [start, start + len) of the window; across the pages: two grants, as an agent reports it. */
static void allow(FIXTURE_DATA(edges) *self, u64 start, u64 len)
{
	while (len) {
		u64 part = start < PAGE && start + len > PAGE ? PAGE - start : len;
		struct chariot_rec rec = {
			.type = CHARIOT_REC_GRANT, .kind = CHARIOT_KIND_SLAB, .domain = 1,
			.gpa = window_gpa(start), .va = GUEST_VM + start, .len = part,
		};

		self->grants[self->nr_grants++] = (struct grant){ start, part };
		chariot_post(&self->c, &rec);
		start += part;
		len -= part;
	}
}

static void forget(FIXTURE_DATA(edges) *self)
{
	unsigned int i;

	for (i = 0; i < self->nr_grants; i++)
		chariot_range(&self->c, CHARIOT_REC_REVOKE, 1, 0, window_gpa(self->grants[i].start),
			      self->grants[i].len);
	self->nr_grants = 0;
	chariot_kick(&self->c);
}

/* Distance of the event's target from a grant: negative before it; how many bytes lie between past its end. */
static s64 distance(u64 target, const struct grant *grant)
{
	if (target < grant->start)
		return (s64)(target - grant->start);
	if (target >= grant->start + grant->len)
		return target - (grant->start + grant->len);
	return 0;
}

enum how { DIRECT, EMULATED, ANY };

/*
 * The write at @offset, judged against the grants. @plain: what the plain VM
 * did with it (registers and window).
 */
static void judge(struct __test_metadata *_metadata, FIXTURE_DATA(edges) *self,
		  const FIXTURE_VARIANT(edges) *variant, u64 offset, enum how how, u32 policy, const char *what,
		  const struct kvm_regs *plain, const u8 *plain_window)
{
	u64 total = (u64)variant->size * (variant->count ?: 1);
	struct chariot_stats old, new;
	struct chariot_event event;
	u64 first = ~0ull, outside = 0, writes = 0;
	struct kvm_regs regs;
	u64 i, k;

	chariot_kick(&self->c);
	for (i = offset; i < offset + total; i++) {
		if (covered(self, i))
			continue;
		if (first == ~0ull)
			first = i;
		outside++;
	}
	/* How many writes that is: an instruction's write counts once for each page of it that has bytes outside. */
	for (i = offset; i < offset + total; i += variant->size) {
		bool pages[2] = { false, false };

		for (k = i; k < i + variant->size; k++)
			pages[k / PAGE] |= !covered(self, k);
		writes += pages[0] + pages[1];
	}
	old = chariot_stats(&self->c);
	regs = run(self->vcpu, variant, self->before, offset);
	new = chariot_stats(&self->c);

	EXPECT_EQ(plain->rax, regs.rax) TH_LOG("%s: rax", what);
	EXPECT_EQ(plain->rbx, regs.rbx) TH_LOG("%s: rbx", what);
	EXPECT_EQ(plain->rcx, regs.rcx) TH_LOG("%s: rcx", what);
	EXPECT_EQ(plain->rdx, regs.rdx) TH_LOG("%s: rdx", what);
	EXPECT_EQ(plain->rsi, regs.rsi) TH_LOG("%s: rsi", what);
	EXPECT_EQ(plain->rdi, regs.rdi) TH_LOG("%s: rdi", what);
	EXPECT_EQ(plain->rsp, regs.rsp) TH_LOG("%s: rsp", what);
	EXPECT_EQ(plain->r8, regs.r8) TH_LOG("%s: r8", what);
	EXPECT_EQ(plain->rflags & FLAGS, regs.rflags & FLAGS) TH_LOG("%s: flags", what);

	for (i = 0; i < WINDOW; i++) {
		u8 now = *window_byte(&self->vm, i);
		u64 start = (i - offset) / variant->size * variant->size + offset;
		bool whole = true;

		if (i < offset || i >= offset + total || (policy == CHARIOT_POLICY_AUDIT)) {
			EXPECT_EQ(plain_window[i], now) TH_LOG("%s: byte %ld", what, (long)(i - offset));
			continue;
		}
		for (k = start; k < start + variant->size; k++)
			whole &= covered(self, k);
		if (variant->pieces && i < PAGE && offset + total > PAGE && covered(self, i) &&
		    now == plain_window[i])
			continue;
		if (whole) {
			EXPECT_EQ(plain_window[i], now) TH_LOG("%s: allowed byte %ld", what, (long)(i - offset));
		} else {
			/* A write that is not allowed as a whole does not happen at all. */
			EXPECT_EQ(self->before[i], now) TH_LOG("%s: blocked byte %ld", what, (long)(i - offset));
		}
	}

	EXPECT_EQ(writes, new.violations - old.violations) TH_LOG("%s: violations", what);
	EXPECT_EQ(0, new.unemulatable - old.unemulatable) TH_LOG("%s: could not be emulated", what);
	if (!outside && how == DIRECT) {
		EXPECT_EQ(0, new.emulated - old.emulated) TH_LOG("%s: emulated", what);
	}
	if (!outside && how == EMULATED) {
		EXPECT_LE(1, new.emulated - old.emulated) TH_LOG("%s: emulated", what);
	}
	if (!outside) {
		EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
		return;
	}
	if (!chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0)) {
		EXPECT_TRUE(false) TH_LOG("%s: no event", what);
		return;
	}
	EXPECT_EQ(1, event.domain) TH_LOG("%s: domain", what);
	EXPECT_EQ(0, event.vcpu) TH_LOG("%s: vcpu", what);
	EXPECT_EQ(0, event.dropped) TH_LOG("%s: dropped", what);
	EXPECT_EQ(guest_va(variant->at), event.violation.rip) TH_LOG("%s: rip", what);
	EXPECT_EQ(GUEST_VM + first, event.violation.gva) TH_LOG("%s: gva", what);
	EXPECT_EQ(CHARIOT_VF_GPA, event.violation.flags & CHARIOT_VF_GPA) TH_LOG("%s: no gpa", what);
	EXPECT_EQ(window_gpa(first), event.violation.gpa) TH_LOG("%s: gpa", what);
	EXPECT_EQ(outside, event.violation.size) TH_LOG("%s: size", what);
	EXPECT_EQ(writes, event.violation.count) TH_LOG("%s: writes joined", what);
	EXPECT_EQ(CHARIOT_WHY_WRITE, event.violation.why) TH_LOG("%s: why", what);
	EXPECT_EQ(policy, event.violation.policy) TH_LOG("%s: policy", what);
	EXPECT_EQ(policy == CHARIOT_POLICY_BLOCK ? CHARIOT_VF_BLOCKED : 0,
		  event.violation.flags & CHARIOT_VF_BLOCKED) TH_LOG("%s: blocked", what);
	EXPECT_EQ(0, event.violation.flags & (CHARIOT_VF_LIBRARY | CHARIOT_VF_OWNER)) TH_LOG("%s: flags", what);
	EXPECT_EQ(CHARIOT_VF_DATA, event.violation.flags & CHARIOT_VF_DATA) TH_LOG("%s: no data", what);
	if (event.violation.flags & CHARIOT_VF_DATA) {
		EXPECT_EQ(outside, event.violation.data_len) TH_LOG("%s: data length", what);
		EXPECT_EQ(0, memcmp(event.violation.data, plain_window + first, outside)) TH_LOG("%s: data", what);
	}
	if (self->nr_grants == 1) {
		EXPECT_EQ(CHARIOT_VF_NEAR, event.violation.flags & CHARIOT_VF_NEAR) TH_LOG("%s: no neighbour", what);
		EXPECT_EQ(1, event.violation.near_domain) TH_LOG("%s: near domain", what);
		EXPECT_EQ(CHARIOT_KIND_SLAB, event.violation.near_kind) TH_LOG("%s: near kind", what);
		EXPECT_EQ(window_gpa(self->grants[0].start), event.violation.near_gpa) TH_LOG("%s: near gpa", what);
		EXPECT_EQ(GUEST_VM + self->grants[0].start, event.violation.near_va) TH_LOG("%s: near va", what);
		EXPECT_EQ(self->grants[0].len, event.violation.near_len) TH_LOG("%s: near len", what);
		if (first < PAGE && self->grants[0].start < PAGE) {
			EXPECT_EQ(distance(first, &self->grants[0]), event.violation.near_distance)
				TH_LOG("%s: distance", what);
		}
	}
	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0)) TH_LOG("%s: a second event", what);
}

/* What the plain VM does at @offset. */
static struct kvm_regs rehearse(struct __test_metadata *_metadata, FIXTURE_DATA(edges) *self,
				const FIXTURE_VARIANT(edges) *variant, u64 offset, u8 *window)
{
	u64 total = (u64)variant->size * (variant->count ?: 1);
	struct kvm_regs regs = run(self->vcpu, variant, self->before, offset);
	u64 i;

	for (i = 0; i < WINDOW; i++) {
		window[i] = *window_byte(&self->vm, i);
		if (i < offset || i >= offset + total)
			ASSERT_EQ(self->before[i], window[i]) TH_LOG("wrong table: byte %ld", (long)(i - offset));
	}
	return regs;
}

#define TOTAL		((u64)variant->size * (variant->count ?: 1))
#define ALIGNED(offset)	((offset) & -(u64)(variant->align ?: 1))
#define EDGES_MAX	32

struct edge {
	const char *what;
	u64 offset;
	struct grant grants[2];
	enum how how;
	u32 policy;
};

/*
 * All edges of one instruction, in one VM: the plain one is asked first, for
 * it cannot be asked after the attach.
 */
TEST_F(edges, judged)
{
	const u64 at = 0x240, span = PAGE - (TOTAL + 1) / 2, half = TOTAL / 2 ?: 1;
	const struct edge edges[] = {
		/* A page of the domain's own: no emulation once it is writable */
		{ "first byte of the page", 0, { { 0, PAGE } }, DIRECT, CHARIOT_POLICY_BLOCK },
		{ "last byte of the page", PAGE - TOTAL, { { 0, PAGE } }, DIRECT, CHARIOT_POLICY_BLOCK },
		{ "somewhere in the page", ALIGNED(0x123), { { 0, PAGE } }, DIRECT, CHARIOT_POLICY_BLOCK },
		{ "two whole pages", ALIGNED(PAGE - TOTAL / 2), { { 0, 2 * PAGE } }, ANY, CHARIOT_POLICY_BLOCK },
		/* A part of a page: allowed, byte by byte */
		{ "first bytes", at, { { at, 96 } }, EMULATED, CHARIOT_POLICY_BLOCK },
		{ "last bytes", ALIGNED(at + 96 - TOTAL), { { at, 96 } }, EMULATED, CHARIOT_POLICY_BLOCK },
		{ "unaligned", at + 3, { { at, 96 } }, EMULATED, CHARIOT_POLICY_BLOCK },
		{ "exactly", at, { { at, TOTAL } }, EMULATED, CHARIOT_POLICY_BLOCK },
		{ "two grants that touch", at, { { at, half }, { at + half, 64 } }, EMULATED, CHARIOT_POLICY_BLOCK },
		{ "to the end of the page", PAGE - TOTAL, { { PAGE - TOTAL, TOTAL } }, EMULATED, CHARIOT_POLICY_BLOCK },
		/* Around a grant in the middle of a page */
		{ "one byte before", at - 1, { { at, 96 } }, ANY, CHARIOT_POLICY_BLOCK },
		{ "one byte past", at + 96 - TOTAL + 1, { { at, 96 } }, ANY, CHARIOT_POLICY_BLOCK },
		{ "right before", ALIGNED(at - TOTAL), { { at, 96 } }, ANY, CHARIOT_POLICY_BLOCK },
		{ "right past", at + 96, { { at, 96 } }, ANY, CHARIOT_POLICY_BLOCK },
		{ "16 bytes past", at + 96 + 16, { { at, 96 } }, ANY, CHARIOT_POLICY_BLOCK },
		{ "nothing granted", at, { { 0, 0 } }, ANY, CHARIOT_POLICY_BLOCK },
		/* Across two pages that are not neighbours in physical memory */
		{ "pages, both granted in part", span, { { span, TOTAL } }, EMULATED, CHARIOT_POLICY_BLOCK },
		{ "pages, the first only", span, { { 0, PAGE } }, ANY, CHARIOT_POLICY_BLOCK },
		{ "pages, the second only", span, { { PAGE, PAGE } }, ANY, CHARIOT_POLICY_BLOCK },
		{ "pages, neither", span, { { 0, 0 } }, ANY, CHARIOT_POLICY_BLOCK },
		{ "pages, one byte short", span, { { span, TOTAL - 1 } }, ANY, CHARIOT_POLICY_BLOCK },
		/* Audit reports the same and lets the write through. */
		{ "audit, one byte past", at + 96 - TOTAL + 1, { { at, 96 } }, ANY, CHARIOT_POLICY_AUDIT },
		{ "audit, right past", at + 96, { { at, 96 } }, ANY, CHARIOT_POLICY_AUDIT },
		{ "audit, nothing granted", at, { { 0, 0 } }, ANY, CHARIOT_POLICY_AUDIT },
		{ "audit, inside", at, { { at, 96 } }, EMULATED, CHARIOT_POLICY_AUDIT },
		{ "audit, pages, the first only", span, { { 0, PAGE } }, ANY, CHARIOT_POLICY_AUDIT },
	};
	static u8 windows[ARRAY_SIZE(edges)][WINDOW];
	struct kvm_regs plain[ARRAY_SIZE(edges)];
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };
	unsigned int i, k;

	if (variant->avx && !self->vm.avx)
		SKIP(return, "no AVX on this machine");
#define USABLE(edge)	(!((edge)->offset % (variant->align ?: 1)) && (TOTAL > 1 || strncmp((edge)->what, "pages", 5)))
	for (i = 0; i < ARRAY_SIZE(edges); i++)
		if (USABLE(&edges[i]))
			plain[i] = rehearse(_metadata, self, variant, edges[i].offset, windows[i]);
	chariot_setup(&self->c, &self->vm, &setup);
	for (i = 0; i < ARRAY_SIZE(edges); i++) {
		if (!USABLE(&edges[i]))
			continue;
		chariot_policy(&self->c, 1, edges[i].policy);
		for (k = 0; k < 2 && edges[i].grants[k].len; k++)
			allow(self, edges[i].grants[k].start, edges[i].grants[k].len);
		judge(_metadata, self, variant, edges[i].offset, edges[i].how, edges[i].policy, edges[i].what,
		      &plain[i], windows[i]);
		forget(self);
	}
}

/* Known to nobody who could emulate it: told as undecoded, and the guest gets an invalid opcode. */
XFAIL_ADD(edges, cmpxchg16b, judged);

TEST_HARNESS_MAIN
