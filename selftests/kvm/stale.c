// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest sees when it changes its own page tables and flushes, in every
 * way that x86 has. After a flush each access must do what the tables say: reach
 * that page, or fault with that error code; from the kernel, from a domain and
 * from user mode. The same runs on a VM that Chariot has nothing to do with, which
 * shows that what is expected here is what stock KVM does.
 *
 * Before the flush an access may see either state: such accesses are made, so that
 * there is something stale, and not looked at.
 *
 * Not shown here: a missing flush of the CPU's own TLB, which this machine may hide
 * by flushing more than it must. The unit tests have a model TLB for that.
 */
#include <cpuid.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define P		1ull
#define W		(1ull << 1)
#define U		(1ull << 2)
#define A		(1ull << 5)
#define D		(1ull << 6)
#define PS		(1ull << 7)
#define NX		(1ull << 63)
#define ADDR		0x000ffffffffff000ull

#define CR4_PGE		(1u << 7)
#define CR4_PCIDE	(1u << 17)

/* What the probes tell of a page fault */
#define FAULTED		(1ull << 62)
#define ERR_P		1u
#define ERR_W		2u
#define ERR_U		4u
#define ERR_I		16u

/* Pages that the tables may lead to: the first two are the domain's. */
#define PAGES		4
#define PAGE_GPA(n)	(((n) < 2 ? GUEST_DOM1_DATA : GUEST_FREE) + 0x1000 * (n))
/* Behind a large leaf: 2 MiB of the core kernel's */
#define LARGE_GPA	0x00c00000ull
/* Two page tables for the 2 MiB at GUEST_VM, and another top table for the same address space */
#define TABLE_GPA(n)	(GUEST_FREE + 0x10000 + 0x1000 * (n))
#define OTHER_ROOT	(GUEST_FREE + 0x14000)
#define DESCRIPTOR	(GUEST_CORE_DATA + 0x900)
#define MAILBOX		(GUEST_CORE_DATA + 0x1000)
#define CODE		64		/* in each page: a function that returns the page's tag */
#define SLOTS		6		/* virtual pages */
#define VA(n)		(GUEST_VM + 0x1000 * (n) + ((n) & 1) * 0x100000)

/* #PF: the error code and a mark to RAX, on at R12 */
GUEST_CODE(core, st_fault, "pop %rax\n bts $62, %rax\n mov %r12, (%rsp)\n iretq");

#define PROBES(part)									\
	GUEST_CODE(part, st_##part##_load, "lea 1f(%rip), %r12\n mov (%rdi), %rax\n 1: ret");	\
	GUEST_CODE(part, st_##part##_store,							\
		   "lea 1f(%rip), %r12\n xor %eax, %eax\n mov %rsi, 8(%rdi)\n 1: ret");		\
	GUEST_CODE(part, st_##part##_exec,							\
		   "lea 1f(%rip), %r12\n add $64, %rdi\n call *%rdi\n ret\n 1: add $8, %rsp\n ret")

PROBES(core);
PROBES(dom1);
/* In user mode, at their low addresses */
GUEST_CODE(core, st_user_load, "lea 1f(%rip), %r12\n mov (%rdi), %rax\n 1: out %al, $0xe1\n hlt");
GUEST_CODE(core, st_user_store,
	   "lea 1f(%rip), %r12\n xor %eax, %eax\n mov %rsi, 8(%rdi)\n 1: out %al, $0xe1\n hlt");
GUEST_CODE(core, st_user_exec, "lea 1f(%rip), %r12\n add $64, %rdi\n call *%rdi\n 1: out %al, $0xe1\n hlt");

GUEST_CODE(core, st_invlpg, "invlpg (%rdi)\n ret");
GUEST_CODE(core, st_cr3, "mov %cr3, %rax\n mov %rax, %cr3\n ret");
/* To another address space (rsi: its CR3) that has the same tables below, and back */
GUEST_CODE(core, st_cr3_twice, "mov %cr3, %rax\n mov %rsi, %cr3\n mov (%rdi), %rcx\n mov %rax, %cr3\n ret");
GUEST_CODE(core, st_set_cr3, "mov %rdi, %cr3\n ret");
GUEST_CODE(core, st_pge, "mov %cr4, %rax\n mov %rax, %rcx\n xor $0x80, %rcx\n mov %rcx, %cr4\n mov %rax, %cr4\n ret");
GUEST_CODE(core, st_set_cr4, "mov %cr4, %rax\n or %rdi, %rax\n mov %rax, %cr4\n ret");
GUEST_CODE(core, st_invpcid, "invpcid (%rdi), %rsi\n ret");
/*
 * The other vCPU's part of a shootdown: reads *rdi again and again; when the word at rsi changes, flushes (rdx: by
 * CR3), reads once more, tells what it saw in the next word and the first word's value in the third. ~0 ends it.
 */
GUEST_CODE(core, st_peer,
	   "xor %r8d, %r8d\n"
	   "1: lea 2f(%rip), %r12\n mov (%rdi), %rax\n"
	   "2: mov (%rsi), %r9\n cmp %r8, %r9\n je 1b\n cmp $-1, %r9\n je 5f\n"
	   "test %rdx, %rdx\n jnz 3f\n invlpg (%rdi)\n jmp 4f\n"
	   "3: mov %cr3, %rax\n mov %rax, %cr3\n"
	   "4: lea 6f(%rip), %r12\n mov (%rdi), %rax\n"
	   "6: mov %rax, 8(%rsi)\n mov %r9, %r8\n mov %r8, 16(%rsi)\n jmp 1b\n"
	   "5: ret");

enum how { INVLPG, CR3, CR3_TWICE, PGE, PCID_CR3, PCID_SWITCH, INVPCID_ADDRESS, INVPCID_CONTEXT, INVPCID_ALL,
	   INVPCID_NONGLOBAL };

enum who { CORE, DOM1, USER };
enum what { LOAD, STORE, EXEC };

FIXTURE(stale)
{
	struct vm vm;
	struct chariot c;
	struct kvm_sregs kernel[2], user[2];
	bool armed;
	bool unclean[2][SLOTS];		/* changed since the vCPU flushed it */
	u64 stored;
	u32 seed;
};

FIXTURE_VARIANT(stale)
{
	u32 vcpus;
	bool armed;
	enum how how;
};

#define VARIANTS(name, how_)									\
	FIXTURE_VARIANT_ADD(stale, name) { .vcpus = 1, .armed = true, .how = how_ };		\
	FIXTURE_VARIANT_ADD(stale, name##_two) { .vcpus = 2, .armed = true, .how = how_ };	\
	FIXTURE_VARIANT_ADD(stale, name##_stock) { .vcpus = 2, .armed = false, .how = how_ }

VARIANTS(invlpg, INVLPG);
VARIANTS(cr3, CR3);
VARIANTS(cr3_twice, CR3_TWICE);
VARIANTS(pge, PGE);
VARIANTS(pcid_cr3, PCID_CR3);
VARIANTS(pcid_switch, PCID_SWITCH);
VARIANTS(invpcid_address, INVPCID_ADDRESS);
VARIANTS(invpcid_context, INVPCID_CONTEXT);
VARIANTS(invpcid_all, INVPCID_ALL);
VARIANTS(invpcid_nonglobal, INVPCID_NONGLOBAL);

static bool has_pcid(void)
{
	u32 a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & (1u << 17));
}

static bool has_invpcid(void)
{
	u32 a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 10));
}

static u32 below(FIXTURE_DATA(stale) *self, u32 n)
{
	self->seed = self->seed * 1103515245 + 12345;
	return (self->seed >> 16) % n;
}

static void fill_page(struct vm *vm, u64 gpa, u32 tag)
{
	u8 *code = (u8 *)vm_at(vm, gpa) + CODE;

	*(u64 *)vm_at(vm, gpa) = tag;
	/* mov $tag, %eax; ret */
	code[0] = 0xb8;
	memcpy(code + 1, &tag, 4);
	code[5] = 0xc3;
}

static u64 *pde(FIXTURE_DATA(stale) *self)
{
	u64 *table = vm_at(&self->vm, GUEST_PT);

	table = vm_at(&self->vm, table[(GUEST_VM >> 39) & 511] & ADDR);
	table = vm_at(&self->vm, table[(GUEST_VM >> 30) & 511] & ADDR);
	return &table[(GUEST_VM >> 21) & 511];
}

static u64 gpa_of(FIXTURE_DATA(stale) *self, void *host)
{
	return (u8 *)host - self->vm.memory;
}

static void setup_vcpu(FIXTURE_DATA(stale) *self, const FIXTURE_VARIANT(stale) *variant, unsigned int n)
{
	struct vcpu *vcpu = &self->vm.vcpu[n];

	if (variant->how >= PCID_CR3)
		vcpu_call(vcpu, st_set_cr4, CR4_PCIDE);
	vcpu_call(vcpu, st_set_cr4, CR4_PGE);
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &self->kernel[n]))
		die("KVM_GET_SREGS: %m");
	self->user[n] = self->kernel[n];
	self->user[n].cs.selector = SEL_USER_CODE;
	self->user[n].ss.selector = SEL_USER_DATA;
	self->user[n].cs.dpl = self->user[n].ss.dpl = 3;
}

FIXTURE_SETUP(stale)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };
	unsigned int i;

	if (variant->how >= PCID_CR3 && !has_pcid())
		SKIP(return, "the CPU has no PCID");
	if (variant->how >= INVPCID_ADDRESS && !has_invpcid())
		SKIP(return, "the CPU has no INVPCID");

	self->seed = 1 + variant->how;
	vm_create(&self->vm, variant->vcpus, VM_SMALL);
	vm_idt(&self->vm, 14, st_fault, 0);
	for (i = 0; i < PAGES; i++)
		fill_page(&self->vm, PAGE_GPA(i), 0x1000 + i);
	for (i = 0; i < 512; i++)
		fill_page(&self->vm, LARGE_GPA + 0x1000 * i, 0x2000);
	vm_map(&self->vm, GUEST_VM, PAGE_GPA(0), 0x1000, VM_PAGE_WRITE | VM_PAGE_USER);
	*pde(self) = TABLE_GPA(0) | P | W | U | A;
	memcpy(vm_at(&self->vm, OTHER_ROOT), vm_at(&self->vm, GUEST_PT), 4096);

	self->armed = variant->armed;
	if (self->armed) {
		chariot_setup(&self->c, &self->vm, &setup);
		chariot_grant(&self->c, 1, PAGE_GPA(0), 0x2000);
	}
	for (i = 0; i < variant->vcpus; i++)
		setup_vcpu(self, variant, i);
}

FIXTURE_TEARDOWN(stale)
{
	if (!self->vm.vcpus)
		return;
	if (self->armed) {
		chariot_drain_events(&self->c);
		close(self->c.fd);
	}
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

/* The guest's tables as they are now: leaf entry, and what all levels allow together. */
static u64 walk(FIXTURE_DATA(stale) *self, u64 va, u64 *gpa)
{
	u64 entry = *pde(self), all = entry & (W | U), nx = entry & NX;

	if (!(entry & P))
		return 0;
	if (entry & PS) {
		*gpa = (entry & ADDR & ~0x1fffffull) + (va & 0x1ff000);
		return P | all | nx;
	}
	entry = ((u64 *)vm_at(&self->vm, entry & ADDR))[(va >> 12) & 511];
	if (!(entry & P))
		return 0;
	*gpa = entry & ADDR;
	return P | (all & entry) | nx | (entry & NX);
}

static u64 probe(FIXTURE_DATA(stale) *self, unsigned int n, enum who who, enum what what, u64 va)
{
	static const char *const code[3][3] = {
		{ st_core_load, st_core_store, st_core_exec },
		{ st_dom1_load, st_dom1_store, st_dom1_exec },
		{ st_user_load, st_user_store, st_user_exec },
	};
	struct vcpu *vcpu = &self->vm.vcpu[n];
	struct kvm_regs regs = { .rflags = 0x3002, .rdi = va, .rsi = ++self->stored };

	if (who != USER)
		return vcpu_call(vcpu, code[who][what], va, self->stored);
	regs.rip = guest_gpa(code[who][what]);
	regs.rsp = GUEST_CPU + n * GUEST_CPU_SIZE + CPU_USER_STACK + 0x2000;
	self->user[n].cr3 = self->kernel[n].cr3;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &self->user[n]) || ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		die("user mode: %m");
	if (vcpu_run(vcpu) != KVM_EXIT_IO || vcpu->run->io.port != PORT_SYNC)
		die("user mode: exit %u", vcpu->run->exit_reason);
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) || ioctl(vcpu->fd, KVM_SET_SREGS, &self->kernel[n]))
		die("user mode: %m");
	return regs.rax;
}

/* An access that must do what the tables say. */
static void check(struct __test_metadata *_metadata, FIXTURE_DATA(stale) *self, unsigned int n, enum who who,
		  enum what what, u64 va)
{
	u64 gpa = 0, all = walk(self, va, &gpa), want, got, before = 0;
	u32 error = (what == STORE ? ERR_W : 0) | (what == EXEC ? ERR_I : 0) | (who == USER ? ERR_U : 0);
	bool blocked = self->armed && who == DOM1 && what == STORE && gpa != PAGE_GPA(0) && gpa != PAGE_GPA(1);

	if (!all)
		want = FAULTED | error;
	else if ((who == USER && !(all & U)) || (what == STORE && !(all & W)) || (what == EXEC && (all & NX)))
		want = FAULTED | error | ERR_P;
	else
		want = what == STORE ? 0 : *(u64 *)vm_at(&self->vm, gpa);
	if (all)
		before = *(u64 *)vm_at(&self->vm, gpa + 8);
	got = probe(self, n, who, what, va);
	ASSERT_EQ(want, got) TH_LOG("vCPU %u, who %u, what %u, va 0x%lx", n, who, what, va);
	if (what == STORE && !(want & FAULTED))
		ASSERT_EQ(blocked ? before : self->stored, *(u64 *)vm_at(&self->vm, gpa + 8))
			TH_LOG("vCPU %u, who %u, va 0x%lx", n, who, va);
}

static void flush(FIXTURE_DATA(stale) *self, enum how how, unsigned int n, unsigned int slot)
{
	struct vcpu *vcpu = &self->vm.vcpu[n];
	u64 *descriptor = vm_at(&self->vm, DESCRIPTOR);

	descriptor[0] = self->kernel[n].cr3 & 0xfff;
	descriptor[1] = VA(slot);
	switch (how) {
	case INVLPG:
		vcpu_call(vcpu, st_invlpg, VA(slot));
		self->unclean[n][slot] = false;
		return;
	case CR3:
	case PCID_CR3:
		vcpu_call(vcpu, st_cr3);
		break;
	case CR3_TWICE:
		vcpu_call(vcpu, st_cr3_twice, dm(GUEST_CORE_DATA), OTHER_ROOT);
		break;
	case PGE:
		vcpu_call(vcpu, st_pge);
		break;
	case PCID_SWITCH:
		/* Away without a flush, and back with one of what is there */
		vcpu_call(vcpu, st_set_cr3, OTHER_ROOT | 1ull | 1ull << 63);
		vcpu_call(vcpu, st_core_load, dm(GUEST_CORE_DATA));
		vcpu_call(vcpu, st_set_cr3, self->kernel[n].cr3);
		break;
	case INVPCID_ADDRESS:
		vcpu_call(vcpu, st_invpcid, dm(DESCRIPTOR), 0);
		self->unclean[n][slot] = false;
		return;
	case INVPCID_CONTEXT:
		vcpu_call(vcpu, st_invpcid, dm(DESCRIPTOR), 1);
		break;
	case INVPCID_ALL:
		descriptor[0] = 0;
		descriptor[1] = 0;
		vcpu_call(vcpu, st_invpcid, dm(DESCRIPTOR), 2);
		break;
	case INVPCID_NONGLOBAL:
		descriptor[0] = 0;
		descriptor[1] = 0;
		vcpu_call(vcpu, st_invpcid, dm(DESCRIPTOR), 3);
		break;
	}
	memset(self->unclean[n], 0, sizeof(self->unclean[n]));
}

/* The guest's kernel changes an entry, by a store of vCPU @n. */
static void change(FIXTURE_DATA(stale) *self, unsigned int n, u64 *entry, u64 value)
{
	vcpu_call(&self->vm.vcpu[n], g_core_store, dm(gpa_of(self, entry)), value);
}

static u64 random_leaf(FIXTURE_DATA(stale) *self)
{
	u32 page = below(self, PAGES);
	u64 leaf = PAGE_GPA(page) | A | D;

	if (below(self, 5))
		leaf |= P;
	if (below(self, 3))
		leaf |= W;
	if (below(self, 3))
		leaf |= U;
	if (!below(self, 3))
		leaf |= NX;
	return leaf;
}

static void change_something(FIXTURE_DATA(stale) *self, unsigned int n, unsigned int slot)
{
	unsigned int table, i;

	if (below(self, 8)) {
		table = (*pde(self) & PS) ? below(self, 2) : ((*pde(self) & ADDR) != TABLE_GPA(0));
		change(self, n, (u64 *)vm_at(&self->vm, TABLE_GPA(table)) + ((VA(slot) >> 12) & 511),
		       random_leaf(self));
		for (i = 0; i < self->vm.vcpus; i++)
			self->unclean[i][slot] = true;
		return;
	}
	if (below(self, 3))
		change(self, n, pde(self), TABLE_GPA(below(self, 2)) | P | W | U | A);
	else
		change(self, n, pde(self), LARGE_GPA | P | W | A | D | PS | (below(self, 2) ? U : 0));
	for (i = 0; i < self->vm.vcpus; i++)
		memset(self->unclean[i], 1, sizeof(self->unclean[i]));
}

TEST_F_TIMEOUT(stale, after_flush, 150)
{
	unsigned int turn, turns = vm_turns(40), slot, n, i;

	/* In both tables, for all pages, something to begin with */
	for (i = 0; i < 2 * SLOTS; i++)
		change(self, 0, (u64 *)vm_at(&self->vm, TABLE_GPA(i & 1)) + ((VA(i / 2) >> 12) & 511),
		       random_leaf(self));
	memset(self->unclean, 1, sizeof(self->unclean));

	for (turn = 0; turn < turns; turn++) {
		slot = below(self, SLOTS);
		/* May be stale before, must not be afterwards. */
		n = below(self, self->vm.vcpus);
		probe(self, n, below(self, 3), LOAD, VA(slot));
		change_something(self, below(self, self->vm.vcpus), slot);
		probe(self, n, below(self, 3), LOAD, VA(slot));
		flush(self, variant->how, n, slot);
		for (i = 0; i < 3; i++)
			check(_metadata, self, n, below(self, 3), below(self, 3), VA(slot));
		slot = below(self, SLOTS);
		if (!self->unclean[n][slot])
			check(_metadata, self, n, below(self, 3), below(self, 3), VA(slot));
	}
	if (self->armed) {
		struct chariot_stats stats = chariot_stats(&self->c);

		EXPECT_EQ(0, stats.unemulatable);
		/* With shadow paging it is KVM that flushes for the guest. */
		if (chariot_modes() & CHARIOT_MODE_SHADOW)
			EXPECT_LE(turns, stats.flushes_vcpu + stats.flushes_address);
	}
}

/* A vCPU that never stops reading, and one that changes what it reads. */
static void shoot(struct __test_metadata *_metadata, FIXTURE_DATA(stale) *self, bool by_cr3)
{
	volatile u64 *mail = vm_at(&self->vm, MAILBOX);
	u64 *entry = (u64 *)vm_at(&self->vm, TABLE_GPA(0)) + ((VA(0) >> 12) & 511), leaf, want;
	unsigned int turn, turns = vm_turns(20);

	mail[0] = mail[1] = mail[2] = 0;
	change(self, 0, entry, PAGE_GPA(0) | P | W | A | D);
	vcpu_start(&self->vm.vcpu[1], st_peer, VA(0), dm(MAILBOX), by_cr3);
	for (turn = 1; turn <= turns; turn++) {
		leaf = random_leaf(self);
		change(self, 0, entry, leaf);
		want = leaf & P ? *(u64 *)vm_at(&self->vm, leaf & ADDR) : FAULTED;
		vcpu_call(&self->vm.vcpu[0], g_core_store, dm(MAILBOX), turn);
		wait_change(&mail[2], turn - 1);
		EXPECT_EQ(want, mail[1]) TH_LOG("turn %u, entry 0x%lx", turn, leaf);
	}
	vcpu_call(&self->vm.vcpu[0], g_core_store, dm(MAILBOX), ~0ull);
	vcpu_join(&self->vm.vcpu[1]);
}

TEST_F_TIMEOUT(stale, shootdown, 90)
{
	if (variant->vcpus < 2 || (variant->how != INVLPG && variant->how != CR3))
		SKIP(return, "for two vCPUs, by INVLPG and CR3");
	shoot(_metadata, self, variant->how == CR3);
}

/* A domain's write to a page table is a violation, at every level, and nothing changes. */
FIXTURE(tables)
{
	struct vm vm;
	struct chariot c;
};

FIXTURE_VARIANT(tables)
{
	u32 vcpus;
};

FIXTURE_VARIANT_ADD(tables, one) { .vcpus = 1 };
FIXTURE_VARIANT_ADD(tables, two) { .vcpus = 2 };

FIXTURE_SETUP(tables)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };

	if (chariot_modes() & CHARIOT_MODE_NPT)
		SKIP(return, "NPT: a page table that the CPU has walked is writable, a limit that is documented");
	vm_create(&self->vm, variant->vcpus, VM_SMALL);
	vm_map(&self->vm, GUEST_VM, PAGE_GPA(0), 0x2000, VM_PAGE_WRITE);
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, PAGE_GPA(0), 0x2000);
}

FIXTURE_TEARDOWN(tables)
{
	if (!self->vm.vcpus)
		return;
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

TEST_F_TIMEOUT(tables, not_a_domain_s, 60)
{
	struct chariot_event event;
	unsigned int level, turn;
	u64 violations = 0;

	for (turn = 0; turn < 6; turn++) {
		struct vcpu *vcpu = &self->vm.vcpu[turn % self->vm.vcpus];
		u64 *table = vm_at(&self->vm, GUEST_PT);

		/* The CPU has walked the tables, in the domain's view too; every other time not at all. */
		if (turn & 1)
			vcpu_call(vcpu, g_dom1_store, GUEST_VM, 1);
		for (level = 4; level >= 1; level--) {
			u64 *entry = &table[(GUEST_VM >> (12 + 9 * (level - 1))) & 511], old = *entry;
			u64 gpa = (u8 *)entry - self->vm.memory;

			/* Accessed and dirty are the CPU's. */
			vcpu_call(vcpu, g_dom1_store, dm(gpa), PAGE_GPA(3) | P | W | U);
			EXPECT_EQ(old & ~(A | D), *entry & ~(A | D)) TH_LOG("level %u, turn %u", level, turn);
			ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 1000));
			EXPECT_EQ(gpa, event.violation.gpa);
			EXPECT_EQ(8, event.violation.size);
			EXPECT_EQ(guest_va(g_dom1_store_at), event.violation.rip);
			EXPECT_EQ(++violations, chariot_stats(&self->c).violations);
			table = vm_at(&self->vm, old & ADDR);
		}
	}
	EXPECT_EQ(violations, chariot_stats(&self->c).violations);
}

/* Audited, the write happens, and KVM learns of it: the next flush shows it. */
TEST_F_TIMEOUT(tables, audited, 60)
{
	struct vcpu *vcpu = &self->vm.vcpu[0];
	u64 *table, gpa;
	int level;

	fill_page(&self->vm, PAGE_GPA(0), 0x1000);
	fill_page(&self->vm, PAGE_GPA(3), 0x1003);
	table = vm_at(&self->vm, GUEST_PT);
	for (level = 4; level > 1; level--)
		table = vm_at(&self->vm, table[(GUEST_VM >> (12 + 9 * (level - 1))) & 511] & ADDR);
	gpa = (u8 *)table - self->vm.memory;
	EXPECT_EQ(0x1000, vcpu_call(vcpu, g_dom1_load, GUEST_VM));
	chariot_policy(&self->c, 1, CHARIOT_POLICY_AUDIT);
	vcpu_call(vcpu, g_dom1_store, dm(gpa), PAGE_GPA(3) | P | W | A | D);
	vcpu_call(vcpu, st_invlpg, GUEST_VM);
	EXPECT_EQ(0x1003, vcpu_call(vcpu, g_dom1_load, GUEST_VM));
	EXPECT_EQ(0x1003, vcpu_call(vcpu, g_core_load, GUEST_VM));
	EXPECT_EQ(1, chariot_drain_events(&self->c));
}

TEST_HARNESS_MAIN
