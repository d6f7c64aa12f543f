// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vector stores with a VEX prefix. Encoding: Intel SDM volume 2, 2.3 (VEX),
 * 2.1.5 (ModR/M and SIB) and the pages of the instructions in stores[].
 */
#include <asm/fpu/api.h>

#include "guest.h"
#include "judge.h"
#include "vex.h"

#define VEX3		0xc4
#define VEX2		0xc5
#define EVEX		0x62
#define PREFIXES_MAX	4
#define YMM_SIZE	32

enum { MAP_0F = 1, MAP_0F3A = 3 };
enum { PP_NONE = BIT(0), PP_66 = BIT(1), PP_F3 = BIT(2), PP_F2 = BIT(3) };

struct vex_store {
	u8 map;
	u8 opcode;
	u8 pp;		/* mask of the prefixes that select it */
	u8 size;	/* bytes; 0: 16, or 32 with VEX.L; 1: 4, or 8 with VEX.W */
	u8 from;	/* first byte of the register that is stored */
	bool half;	/* an immediate selects the half of the register */
};

static const struct vex_store stores[] = {
	{ MAP_0F, 0x11, PP_NONE | PP_66, 0 },		/* vmovups, vmovupd */
	{ MAP_0F, 0x11, PP_F3, 4 },			/* vmovss */
	{ MAP_0F, 0x11, PP_F2, 8 },			/* vmovsd */
	{ MAP_0F, 0x13, PP_NONE | PP_66, 8 },		/* vmovlps, vmovlpd */
	{ MAP_0F, 0x17, PP_NONE | PP_66, 8, 8 },	/* vmovhps, vmovhpd */
	{ MAP_0F, 0x29, PP_NONE | PP_66, 0 },		/* vmovaps, vmovapd */
	{ MAP_0F, 0x2b, PP_NONE | PP_66, 0 },		/* vmovntps, vmovntpd */
	{ MAP_0F, 0x7e, PP_66, 1 },			/* vmovd, vmovq */
	{ MAP_0F, 0x7f, PP_66 | PP_F3, 0 },		/* vmovdqa, vmovdqu */
	{ MAP_0F, 0xd6, PP_66, 8 },			/* vmovq */
	{ MAP_0F, 0xe7, PP_66, 0 },			/* vmovntdq */
	{ MAP_0F3A, 0x19, PP_66, 16, 0, true },		/* vextractf128 */
	{ MAP_0F3A, 0x39, PP_66, 16, 0, true },		/* vextracti128 */
};

/* Index of the first byte that is no legacy prefix. */
static int skip_prefixes(const u8 *code)
{
	int i;

	for (i = 0; i < PREFIXES_MAX; i++) {
		switch (code[i]) {
		case 0x26: case 0x2e: case 0x36: case 0x3e:	/* no effect in 64-bit mode */
		case 0x64: case 0x65: case 0x67:
			continue;
		}
		break;
	}
	return i;
}

bool chariot_is_vex(const u8 *code)
{
	u8 first = code[skip_prefixes(code)];

	return first == VEX2 || first == VEX3 || first == EVEX;
}

struct vex_insn {
	const struct vex_store *store;
	u64 va;
	u8 reg;
	u8 size;
	u8 from;
	u8 len;		/* of the instruction */
};

static const struct vex_store *find_store(u8 map, u8 opcode, u8 pp)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		if (stores[i].map == map && stores[i].opcode == opcode &&
		    (stores[i].pp & BIT(pp)))
			return &stores[i];
	}
	return NULL;
}

static u64 reg_of(struct kvm_vcpu *vcpu, unsigned int number)
{
	/* KVM numbers the registers as the encoding does. */
	return chariot_guest_reg(vcpu, number);
}

static s64 displacement(const u8 **p, int size)
{
	s32 d32;
	s8 d8;

	if (size == 1) {
		memcpy(&d8, *p, 1);
		*p += 1;
		return d8;
	}
	memcpy(&d32, *p, 4);
	*p += 4;
	return d32;
}

/* The address that ModR/M at *@p names, without RIP's part; false: it names a register. */
static bool address(struct kvm_vcpu *vcpu, const u8 **p, u8 rex_x, u8 rex_b, u64 *va,
		    bool *rip_relative)
{
	u8 modrm = *(*p)++, mod = modrm >> 6, rm = modrm & 7, sib;
	u8 base, index;

	*va = 0;
	*rip_relative = false;
	if (mod == 3)
		return false;
	if (rm == 4) {
		sib = *(*p)++;
		base = (sib & 7) | rex_b << 3;
		index = (sib >> 3 & 7) | rex_x << 3;
		if (index != 4)
			*va += reg_of(vcpu, index) << (sib >> 6);
		if ((sib & 7) == 5 && mod == 0)
			*va += displacement(p, 4);
		else
			*va += reg_of(vcpu, base);
	} else if (rm == 5 && mod == 0) {
		*rip_relative = true;
		*va += displacement(p, 4);
	} else {
		*va += reg_of(vcpu, rm | rex_b << 3);
	}
	if (mod == 1)
		*va += displacement(p, 1);
	else if (mod == 2)
		*va += displacement(p, 4);
	return true;
}

static int decode(struct kvm_vcpu *vcpu, const u8 *code, struct vex_insn *insn)
{
	const u8 *p = code + skip_prefixes(code);
	u8 map = MAP_0F, rex_r, rex_x = 0, rex_b = 0, w = 0, last, opcode;
	bool rip_relative;
	const u8 *q;

	/* FS and GS have bases of their own, and 67 cuts addresses: not for a kernel's stores. */
	for (q = code; q < p; q++) {
		if (*q == 0x64 || *q == 0x65 || *q == 0x67)
			return -EOPNOTSUPP;
	}
	switch (*p++) {
	case VEX2:
		last = *p++;
		rex_r = !(last & 0x80);
		break;
	case VEX3:
		rex_r = !(*p & 0x80);
		rex_x = !(*p & 0x40);
		rex_b = !(*p & 0x20);
		map = *p++ & 0x1f;
		last = *p++;
		w = last >> 7;
		break;
	default:
		return -EOPNOTSUPP;
	}
	opcode = *p++;
	insn->store = find_store(map, opcode, last & 3);
	if (!insn->store)
		return -EOPNOTSUPP;

	insn->reg = (*p >> 3 & 7) | rex_r << 3;
	if (!address(vcpu, &p, rex_x, rex_b, &insn->va, &rip_relative))
		return -EOPNOTSUPP;
	insn->from = insn->store->from;
	if (insn->store->half)
		insn->from = *p++ & 1 ? 16 : 0;
	insn->len = p - code;
	if (rip_relative)
		insn->va += kvm_get_linear_rip(vcpu) + insn->len;
	switch (insn->store->size) {
	case 0:
		insn->size = last & 4 ? 32 : 16;
		break;
	case 1:
		insn->size = w ? 8 : 4;
		break;
	default:
		insn->size = insn->store->size;
	}
	return 0;
}

#define READ_YMM(n)						\
	case n:							\
		asm volatile("vmovdqu %%ymm" #n ", %0" : "=m" (*to));	\
		break

struct ymm {
	u8 bytes[YMM_SIZE];
};

/* The guest's registers are in the CPU's while its thread handles an exit. */
static void read_ymm(unsigned int reg, struct ymm *to)
{
	fpregs_lock();
	fpregs_assert_state_consistent();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
	switch (reg) {
	READ_YMM(0); READ_YMM(1); READ_YMM(2); READ_YMM(3);
	READ_YMM(4); READ_YMM(5); READ_YMM(6); READ_YMM(7);
	READ_YMM(8); READ_YMM(9); READ_YMM(10); READ_YMM(11);
	READ_YMM(12); READ_YMM(13); READ_YMM(14); READ_YMM(15);
	}
	fpregs_unlock();
}

static int write_guest(struct kvm_vcpu *vcpu, u64 va, const u8 *from, u32 len)
{
	gpa_t gpa[2];
	u32 first = min_t(u32, len, PAGE_SIZE - offset_in_page(va));

	/* Both pages before either is written: the instruction happens whole or not at all. */
	gpa[0] = kvm_mmu_gva_to_gpa_write(vcpu, va, NULL);
	gpa[1] = first < len ? kvm_mmu_gva_to_gpa_write(vcpu, va + first, NULL) : 0;
	if (gpa[0] == INVALID_GPA || gpa[1] == INVALID_GPA)
		return -EFAULT;
	if (kvm_vcpu_write_guest(vcpu, gpa[0], from, first) ||
	    (first < len && kvm_vcpu_write_guest(vcpu, gpa[1], from + first, len - first)))
		return -EFAULT;
	return 0;
}

int chariot_emulate_vex(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain,
			const u8 *code, u64 gpa)
{
	struct kvm_vcpu *vcpu = cv->vcpu;
	struct vex_insn insn;
	struct ymm value;
	int ret = 0;

	if (!boot_cpu_has(X86_FEATURE_AVX) || decode(vcpu, code, &insn))
		return -EOPNOTSUPP;
	/* What was decoded must be what faulted. */
	if ((insn.va ^ gpa) & ~PAGE_MASK &&
	    offset_in_page(insn.va) + insn.size <= PAGE_SIZE)
		return -EOPNOTSUPP;
	read_ymm(insn.reg, &value);

	mutex_lock(&vm->lock);
	if (chariot_judge_write(vm, cv, domain, insn.va, value.bytes + insn.from, insn.size))
		ret = write_guest(vcpu, insn.va, value.bytes + insn.from, insn.size);
	mutex_unlock(&vm->lock);
	if (ret)
		return -EOPNOTSUPP;

	vcpu->arch.regs[VCPU_REGS_RIP] += insn.len;
	__set_bit(VCPU_REGS_RIP, (unsigned long *)&vcpu->arch.regs_avail);
	__set_bit(VCPU_REGS_RIP, (unsigned long *)&vcpu->arch.regs_dirty);
	return 1;
}
