// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vector stores, which KVM's emulator knows in part (SSE) or not at all (AVX).
 * Encoding: Intel SDM volume 2, 2.1 (prefixes, ModR/M and SIB), 2.2.1 (REX),
 * 2.3 (VEX) and the pages of the instructions in stores[].
 */
#include <asm/fpu/api.h>

#include "guest.h"
#include "judge.h"
#include "vector.h"

#define VEX3		0xc4
#define VEX2		0xc5
#define ESCAPE		0x0f
#define PREFIXES_MAX	4
#define YMM_SIZE	32

enum { MAP_0F = 1, MAP_0F3A = 3 };
/* Which mandatory prefix: numbered as in VEX.pp. */
enum { PP_NONE, PP_66, PP_F3, PP_F2 };

struct vector_store {
	u8 map;
	u8 opcode;
	u8 pp;		/* mask of the prefixes that select it */
	u8 size;	/* bytes; 0: 16, or 32 with VEX.L; 1: 4, or 8 with W */
	u8 from;	/* first byte of the register that is stored */
	bool half;	/* an immediate selects the half of the register; VEX only */
};

static const struct vector_store stores[] = {
	{ MAP_0F, 0x11, BIT(PP_NONE) | BIT(PP_66), 0 },		/* movups, movupd */
	{ MAP_0F, 0x11, BIT(PP_F3), 4 },			/* movss */
	{ MAP_0F, 0x11, BIT(PP_F2), 8 },			/* movsd */
	{ MAP_0F, 0x13, BIT(PP_NONE) | BIT(PP_66), 8 },		/* movlps, movlpd */
	{ MAP_0F, 0x17, BIT(PP_NONE) | BIT(PP_66), 8, 8 },	/* movhps, movhpd */
	{ MAP_0F, 0x29, BIT(PP_NONE) | BIT(PP_66), 0 },		/* movaps, movapd */
	{ MAP_0F, 0x2b, BIT(PP_NONE) | BIT(PP_66), 0 },		/* movntps, movntpd */
	{ MAP_0F, 0x7e, BIT(PP_66), 1 },			/* movd, movq */
	{ MAP_0F, 0x7f, BIT(PP_66) | BIT(PP_F3), 0 },		/* movdqa, movdqu */
	{ MAP_0F, 0xd6, BIT(PP_66), 8 },			/* movq */
	{ MAP_0F, 0xe7, BIT(PP_66), 0 },			/* movntdq */
	{ MAP_0F3A, 0x19, BIT(PP_66), 16, 0, true },		/* vextractf128 */
	{ MAP_0F3A, 0x39, BIT(PP_66), 16, 0, true },		/* vextracti128 */
};

/* What stands in front of ModR/M. */
struct vector_prefix {
	bool vex;
	bool special;	/* a segment with a base of its own, or 32-bit addresses */
	u8 pp;
	u8 map;
	u8 opcode;
	u8 w, l, r, x, b;
	u8 len;
};

static void decode_vex(const u8 *p, struct vector_prefix *prefix)
{
	const u8 *start = p;
	u8 last;

	if (*p++ == VEX2) {
		last = *p++;
		prefix->r = !(last & 0x80);
		prefix->map = MAP_0F;
	} else {
		prefix->r = !(*p & 0x80);
		prefix->x = !(*p & 0x40);
		prefix->b = !(*p & 0x20);
		prefix->map = *p++ & 0x1f;
		last = *p++;
		prefix->w = last >> 7;
	}
	prefix->l = last >> 2 & 1;
	prefix->pp = last & 3;
	prefix->opcode = *p++;
	prefix->vex = true;
	prefix->len += p - start;
}

/* False: not an instruction with the 0F escape or a VEX prefix. */
static bool decode_prefix(const u8 *code, struct vector_prefix *prefix)
{
	const u8 *p = code;
	int i;

	memset(prefix, 0, sizeof(*prefix));
	for (i = 0; i < PREFIXES_MAX; i++, p++) {
		switch (*p) {
		case 0x64: case 0x65: case 0x67:
			prefix->special = true;
			continue;
		case 0x66:
			if (prefix->pp == PP_NONE)
				prefix->pp = PP_66;
			continue;
		case 0xf3:
			prefix->pp = PP_F3;
			continue;
		case 0xf2:
			prefix->pp = PP_F2;
			continue;
		case 0x26: case 0x2e: case 0x36: case 0x3e:	/* no effect in 64-bit mode */
			continue;
		}
		break;
	}
	prefix->len = p - code;
	if (*p == VEX2 || *p == VEX3) {
		decode_vex(p, prefix);
		return true;
	}
	if ((*p & 0xf0) == 0x40) {	/* REX */
		prefix->w = *p >> 3 & 1;
		prefix->r = *p >> 2 & 1;
		prefix->x = *p >> 1 & 1;
		prefix->b = *p & 1;
		p++;
	}
	if (*p++ != ESCAPE)
		return false;
	prefix->map = MAP_0F;
	prefix->opcode = *p++;
	prefix->len = p - code;
	return true;
}

static const struct vector_store *find_store(const struct vector_prefix *prefix)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		if (stores[i].map == prefix->map && stores[i].opcode == prefix->opcode &&
		    (stores[i].pp & BIT(prefix->pp)))
			return &stores[i];
	}
	return NULL;
}

bool chariot_is_vector_store(const u8 *code)
{
	struct vector_prefix prefix;

	return decode_prefix(code, &prefix) && find_store(&prefix);
}

struct vector_insn {
	u64 va;
	u8 reg;
	u8 size;
	u8 from;	/* first byte of the register */
	u8 len;		/* of the instruction */
};

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

static int decode(struct kvm_vcpu *vcpu, const u8 *code, struct vector_insn *insn)
{
	const struct vector_store *store;
	struct vector_prefix prefix;
	bool rip_relative;
	const u8 *p;

	/* FS, GS and 32-bit addresses: not for a kernel's vector stores. */
	if (!decode_prefix(code, &prefix) || prefix.special)
		return -EOPNOTSUPP;
	store = find_store(&prefix);
	if (!store || (prefix.vex && !boot_cpu_has(X86_FEATURE_AVX)))
		return -EOPNOTSUPP;

	p = code + prefix.len;
	insn->reg = (*p >> 3 & 7) | prefix.r << 3;
	if (!address(vcpu, &p, prefix.x, prefix.b, &insn->va, &rip_relative))
		return -EOPNOTSUPP;
	insn->from = store->from;
	if (store->half)
		insn->from = *p++ & 1 ? 16 : 0;
	insn->len = p - code;
	if (rip_relative)
		insn->va += kvm_get_linear_rip(vcpu) + insn->len;
	switch (store->size) {
	case 0:
		insn->size = prefix.l ? 32 : 16;
		break;
	case 1:
		insn->size = prefix.w ? 8 : 4;
		break;
	default:
		insn->size = store->size;
	}
	return 0;
}

#define READ_REG(n)							\
	case n:								\
		if (boot_cpu_has(X86_FEATURE_AVX))			\
			asm volatile("vmovdqu %%ymm" #n ", %0" : "=m" (*to));	\
		else							\
			asm volatile("movdqu %%xmm" #n ", %0" : "=m" (*to));	\
		break

struct ymm {
	u8 bytes[YMM_SIZE];
};

/* The guest's registers are in the CPU's while its thread handles an exit. */
static void read_register(unsigned int reg, struct ymm *to)
{
	fpregs_lock();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
	switch (reg) {
	READ_REG(0); READ_REG(1); READ_REG(2); READ_REG(3);
	READ_REG(4); READ_REG(5); READ_REG(6); READ_REG(7);
	READ_REG(8); READ_REG(9); READ_REG(10); READ_REG(11);
	READ_REG(12); READ_REG(13); READ_REG(14); READ_REG(15);
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

int chariot_emulate_vector(struct chariot_vm *vm, struct chariot_vcpu *cv, u32 domain,
			   const u8 *code, u64 gpa)
{
	struct kvm_vcpu *vcpu = cv->vcpu;
	struct vector_insn insn;
	struct ymm value;
	int ret = 0;

	if (decode(vcpu, code, &insn))
		return -EOPNOTSUPP;
	/* What was decoded must be what faulted. */
	if ((insn.va ^ gpa) & ~PAGE_MASK &&
	    offset_in_page(insn.va) + insn.size <= PAGE_SIZE)
		return -EOPNOTSUPP;
	read_register(insn.reg, &value);

	chariot_guest_fault_in(vcpu, insn.va, insn.size);
	/* The instruction has done nothing yet. */
	if (mutex_lock_interruptible(&vm->lock))
		return 1;
	if (chariot_judge_write(vm, cv, domain, insn.va, value.bytes + insn.from, insn.size))
		ret = write_guest(vcpu, insn.va, value.bytes + insn.from, insn.size);
	mutex_unlock(&vm->lock);
	if (ret)
		return -EOPNOTSUPP;

	/* The linear address is RIP itself: such a guest's kernel runs in 64-bit mode. */
	chariot_rip_write(vcpu, kvm_get_linear_rip(vcpu) + insn.len);
	return 1;
}
