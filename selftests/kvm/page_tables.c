// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's page tables. The CPU's page walker sets accessed and dirty bits in
 * them on behalf of whoever runs, a domain too; a domain itself may not write
 * them, wherever the CPU can tell the two apart. AMD's nested paging cannot: what
 * the walker has looked at is writable for the domain. That limit is documented,
 * and shown here to be no larger than that.
 *
 * Not shown here: walks that set bits although the access then faults. CPUs may
 * make them, the emulators do not.
 */
#include <kselftest_harness.h>

#include "lib/device.h"

#define PAGE		4096ul
#define OWN		GUEST_DOM1_DATA
#define PAGES		64
/* Its page table is used by nobody but a test that says so */
#define ELSEWHERE	(GUEST_VM + (1ul << 30))
#define ACCESSED	(1ul << 5)
#define DIRTY		(1ul << 6)
#define ADDRESS		0x000ffffffffff000ul
#define LEVELS		4

/* The guest's kernel has changed its page tables. */
GUEST_CODE(core, c_flush, "mov %cr3, %rax\n mov %rax, %cr3\n ret");
/* rax = sum of *rdi, rsi pages */
GUEST_CODE(dom1, d_sum, "xor %eax, %eax\n 1: add (%rdi), %rax\n add $4096, %rdi\n dec %rsi\n jnz 1b\n ret");
/* Adds rsi to *rdi, atomically */
GUEST_WRITE(dom1, d_lock_add, "", "lock xadd %rsi, (%rdi)", "");
GUEST_WRITE(dom1, d_or_byte, "", "orb $2, (%rdi)", "");

FIXTURE(page_tables)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
	unsigned int violations;	/* allowed for */
	bool npt;
	bool shadow;
};

FIXTURE_SETUP(page_tables)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };

	vm_create(&self->vm, 1, 0);
	self->vcpu = &self->vm.vcpu[0];
	self->npt = chariot_modes() & CHARIOT_MODE_NPT;
	self->shadow = chariot_modes() & CHARIOT_MODE_SHADOW;
	vm_map(&self->vm, GUEST_VM, OWN, PAGES * PAGE, VM_PAGE_WRITE);
	vm_map(&self->vm, ELSEWHERE, OWN, PAGE, VM_PAGE_WRITE);
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, OWN, PAGES * PAGE);
}

FIXTURE_TEARDOWN(page_tables)
{
	struct chariot_stats stats = chariot_stats(&self->c);

	EXPECT_EQ(self->violations, stats.violations);
	if (!self->npt) {
		EXPECT_EQ(0, stats.walk_pages);
	}
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

/* Where the entry for @va at @level is; 1 is the leaf's. */
static u64 entry_gpa(struct vm *vm, u64 va, int level)
{
	u64 table = GUEST_PT;
	int l;

	for (l = LEVELS; ; l--) {
		u64 gpa = table + ((va >> (12 + 9 * (l - 1))) & 511) * sizeof(u64);

		if (l == level)
			return gpa;
		table = *(volatile u64 *)vm_at(vm, gpa) & ADDRESS;
	}
}

static volatile u64 *entry_at(struct vm *vm, u64 va, int level)
{
	return vm_at(vm, entry_gpa(vm, va, level));
}

/* The guest's kernel looks for pages in use. (Shadow paging has to see it write.) */
static void clear_entry(FIXTURE_DATA(page_tables) *self, u64 va, int level, u64 bits)
{
	u64 gpa = entry_gpa(&self->vm, va, level);

	vcpu_call(self->vcpu, g_core_store, dm(gpa), *entry_at(&self->vm, va, level) & ~bits);
}

static void clear(FIXTURE_DATA(page_tables) *self, u64 va, unsigned int levels, u64 bits)
{
	unsigned int l;

	for (l = 1; l <= levels; l++)
		clear_entry(self, va, l, l == 1 ? bits : bits & ~DIRTY);
	vcpu_call(self->vcpu, c_flush);
}

TEST_F(page_tables, load_sets_accessed)
{
	volatile u64 *leaf = entry_at(&self->vm, GUEST_VM, 1);
	unsigned int l, turn;

	*(u64 *)vm_at(&self->vm, OWN) = 0x5a;
	for (turn = 0; turn < 4; turn++) {
		for (l = 1; l < LEVELS; l++) {
			clear(self, GUEST_VM, l, ACCESSED | DIRTY);
			EXPECT_EQ(0x5a, vcpu_call(self->vcpu, g_dom1_load, GUEST_VM));
			EXPECT_EQ(ACCESSED, *leaf & (ACCESSED | DIRTY));
			EXPECT_NE(0, *entry_at(&self->vm, GUEST_VM, l) & ACCESSED);
		}
	}
}

TEST_F(page_tables, store_sets_dirty)
{
	volatile u64 *leaf = entry_at(&self->vm, GUEST_VM, 1);
	u64 *word = vm_at(&self->vm, OWN);
	unsigned int turn;

	for (turn = 1; turn <= 10; turn++) {
		clear(self, GUEST_VM, LEVELS - 1, turn & 1 ? DIRTY : ACCESSED | DIRTY);
		vcpu_call(self->vcpu, g_dom1_store, GUEST_VM, turn);
		EXPECT_EQ(turn, *word);
		EXPECT_EQ(ACCESSED | DIRTY, *leaf & (ACCESSED | DIRTY));
	}
}

TEST_F(page_tables, atomic_store_sets_dirty)
{
	volatile u64 *leaf = entry_at(&self->vm, GUEST_VM, 1);

	*(u64 *)vm_at(&self->vm, OWN) = 1;
	clear(self, GUEST_VM, LEVELS - 1, ACCESSED | DIRTY);
	vcpu_call(self->vcpu, d_lock_add, GUEST_VM, 41);
	EXPECT_EQ(42, *(u64 *)vm_at(&self->vm, OWN));
	EXPECT_EQ(ACCESSED | DIRTY, *leaf & (ACCESSED | DIRTY));
}

/* Many in a row; each costs an exit, and one alone. */
TEST_F(page_tables, cold_pages)
{
	struct chariot_stats before, after;
	unsigned int i, turn;
	u64 sum = 0;

	for (i = 0; i < PAGES; i++) {
		*(u64 *)vm_at(&self->vm, OWN + i * PAGE) = i;
		sum += i;
	}
	EXPECT_EQ(sum, vcpu_call(self->vcpu, d_sum, GUEST_VM, PAGES));
	for (turn = 0; turn < 3; turn++) {
		for (i = 0; i < PAGES; i++)
			clear_entry(self, GUEST_VM + i * PAGE, 1, ACCESSED | DIRTY);
		vcpu_call(self->vcpu, c_flush);
		before = chariot_stats(&self->c);
		EXPECT_EQ(sum, vcpu_call(self->vcpu, d_sum, GUEST_VM, PAGES));
		after = chariot_stats(&self->c);
		for (i = 0; i < PAGES; i++)
			EXPECT_EQ(ACCESSED, *entry_at(&self->vm, GUEST_VM + i * PAGE, 1) &
				  (ACCESSED | DIRTY));
		/* It can be that the CPU needs nobody for it: then there is nothing to count. */
		EXPECT_LE(after.walks_completed - before.walks_completed, PAGES);
		/* into the domain, unless the kernel's stores above did not leave it (NPT) */
		EXPECT_EQ(before.crossings_in + !self->npt, after.crossings_in);
		EXPECT_EQ(before.crossings_out, after.crossings_out);
		if (!self->npt && !self->shadow) {
			EXPECT_EQ(PAGES, after.walks_completed - before.walks_completed);
		}
	}
}

static void expect_violation(struct __test_metadata *_metadata, FIXTURE_DATA(page_tables) *self, u64 gpa,
			     u32 size, const char *at)
{
	struct chariot_event event = {};

	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(guest_va(at), event.violation.rip);
	EXPECT_EQ(dm(gpa), event.violation.gva);
	EXPECT_EQ(gpa, event.violation.gpa);
	EXPECT_EQ(size, event.violation.size);
	EXPECT_EQ(1, event.domain);
	EXPECT_NE(0, event.violation.flags & CHARIOT_VF_BLOCKED);
	self->violations++;
}

/* The driver's own store into a page-table page, which walks of its own have gone through. */
TEST_F(page_tables, own_store_is_a_violation)
{
	u64 gpa = entry_gpa(&self->vm, GUEST_VM + 7 * PAGE, 1);
	volatile u64 *entry = vm_at(&self->vm, gpa);
	u64 before;
	unsigned int turn;

	for (turn = 0; turn < 3; turn++) {
		/* The walker reads and writes the page first. */
		clear(self, GUEST_VM + 7 * PAGE, 1, ACCESSED | DIRTY);
		vcpu_call(self->vcpu, g_dom1_store, GUEST_VM + 7 * PAGE, turn);
		EXPECT_EQ(ACCESSED | DIRTY, *entry & (ACCESSED | DIRTY));

		/* Another frame for the same address: what a wild store may do. */
		before = *entry;
		vcpu_call(self->vcpu, g_dom1_store, dm(gpa), before + PAGE);
		if (self->npt) {
			/* The documented limit */
			EXPECT_EQ(before + PAGE, *entry);
			*entry = before;
			vcpu_call(self->vcpu, c_flush);
			continue;
		}
		EXPECT_EQ(before, *entry);
		expect_violation(_metadata, self, gpa, 8, g_dom1_store_at);
		vcpu_call(self->vcpu, d_or_byte, dm(gpa));
		EXPECT_EQ(before, *entry);
		expect_violation(_metadata, self, gpa, 1, d_or_byte_at);
	}
}

/* The same for a page of tables that no walk in the domain has met: protected in every mode. */
TEST_F(page_tables, unwalked_table_is_protected)
{
	u64 gpa = entry_gpa(&self->vm, ELSEWHERE, 1);
	volatile u64 *entry = vm_at(&self->vm, gpa);
	u64 before = *entry;

	vcpu_call(self->vcpu, g_dom1_store, dm(gpa), before + PAGE);
	EXPECT_EQ(before, *entry);
	expect_violation(_metadata, self, gpa, 8, g_dom1_store_at);
	/* and still maps what it did */
	vcpu_call(self->vcpu, g_dom1_store, ELSEWHERE, 0x77);
	EXPECT_EQ(0x77, *(u64 *)vm_at(&self->vm, OWN));
}

/* A page of tables next to one that is the domain's: the kernel's walks and stores go on. */
TEST_F(page_tables, the_kernel_writes_them)
{
	u64 gpa = entry_gpa(&self->vm, GUEST_VM, 1);
	volatile u64 *entry = vm_at(&self->vm, gpa);
	u64 before = *entry;
	unsigned int turn;

	for (turn = 1; turn <= 3; turn++) {
		vcpu_call(self->vcpu, g_core_store, dm(gpa), before + turn * PAGE);
		EXPECT_EQ(before + turn * PAGE, *entry);
		vcpu_call(self->vcpu, c_flush);
		vcpu_call(self->vcpu, g_dom1_store, GUEST_VM, turn);
		EXPECT_EQ(turn, *(u64 *)vm_at(&self->vm, OWN + turn * PAGE));
	}
}

TEST_HARNESS_MAIN
