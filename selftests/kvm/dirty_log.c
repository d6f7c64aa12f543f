// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty logging of an armed VM, as migration uses it: what is copied page by
 * page while everybody writes is, in the end, what the guest has. Nobody's
 * write may be missing in the log, be it the domain's, the kernel's, one that
 * the module or KVM emulates, or the module's own; and a page that nobody
 * wrote is not in it, unless stock KVM logs it, too.
 *
 * Not shown here: the hardware's own log of pages (PML), in a lab that
 * emulates AMD processors.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define SLOT		1
#define BASE		0x10000000ul
#define SIZE		(4ul << 20)
#define PAGES		(SIZE / 4096)
#define ALL_PAGES	(GUEST_MEMORY / 4096)	/* of slot 0, the larger one */

/* Pages of the slot; all others belong to nobody and are not written. */
#define OWN		0	/* 32 pages of the domain */
#define PART		32	/* 2 pages of which the domain has a part */
#define CORE		64	/* 32 pages of the kernel */
#define FORBIDDEN	128

/* In each page, vCPU n writes 8 bytes at WORD(n), and 16 bytes at WORD(n) + 64 */
#define WORD(n)		(64 + 16ul * (n))
#define PART_GRANTED	64, 128

#define STOP		(GUEST_CORE_DATA + 0x10000)	/* written by the host, in a page of its own */

/* rdi: a word in the slot's first page. rsi is written: to the domain's pages, then by emulation, then where it must not be. */
GUEST_CODE(dom1, d_round,
	   "	mov	$32, %ecx\n"
	   "	mov	%rdi, %rdx\n"
	   "1:	mov	%rsi, (%rdx)\n"
	   "	add	$4096, %rdx\n"
	   "	dec	%ecx\n"
	   "	jnz	1b\n"
	   "	mov	%rsi, (%rdx)\n"
	   "	movq	%rsi, %xmm0\n"
	   "	movups	%xmm0, 4096 + 64(%rdx)\n"
	   "	lock incq 4096(%rdx)\n"
	   "	mov	%rsi, 128 * 4096(%rdi)\n"
	   "	ret");

/* Rounds of the kernel's writes and the domain's, until *rsi is not 0; rax: the last one. */
GUEST_CODE(core, d_rounds,
	   "	push	%rbx\n"
	   "	push	%r12\n"
	   "	push	%r13\n"
	   "	mov	%rdi, %rbx\n"
	   "	mov	%rsi, %r12\n"
	   "	xor	%r13d, %r13d\n"
	   "1:	inc	%r13\n"
	   "	lea	64 * 4096(%rbx), %rdx\n"
	   "	mov	$32, %ecx\n"
	   "2:	mov	%r13, (%rdx)\n"
	   "	add	$4096, %rdx\n"
	   "	dec	%ecx\n"
	   "	jnz	2b\n"
	   "	mov	%rbx, %rdi\n"
	   "	mov	%r13, %rsi\n"
	   "	call	d_round\n"
	   "	cmpq	$0, (%r12)\n"
	   "	je	1b\n"
	   "	mov	%r13, %rax\n"
	   "	pop	%r13\n"
	   "	pop	%r12\n"
	   "	pop	%rbx\n"
	   "	ret");

FIXTURE(dirty)
{
	struct vm vm;
	struct chariot c;
	u8 *memory;
	u8 *copy[2];		/* what has been migrated, by slot */
	u64 logged[ALL_PAGES];	/* how often a page of SLOT was in the log */
};

FIXTURE_VARIANT(dirty)
{
	u32 vcpus;
	u32 flags;
	u32 manual;
};

FIXTURE_VARIANT_ADD(dirty, one) { .vcpus = 1, .flags = VM_SMALL };
FIXTURE_VARIANT_ADD(dirty, two) { .vcpus = 2 };
FIXTURE_VARIANT_ADD(dirty, manual) { .vcpus = 2, .manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE };
FIXTURE_VARIANT_ADD(dirty, all_set) {
	.vcpus = 2, .manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
};

FIXTURE_SETUP(dirty)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .events_max = 64 };
	struct kvm_enable_cap manual = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args[0] = variant->manual,
	};

	vm_create(&self->vm, variant->vcpus, variant->flags);
	if (variant->manual)
		ASSERT_EQ(0, ioctl(self->vm.fd, KVM_ENABLE_CAP, &manual));
	self->memory = vm_memory(SIZE, variant->flags & VM_SMALL);
	self->copy[0] = vm_memory(GUEST_MEMORY, false);
	self->copy[1] = vm_memory(SIZE, false);
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, SIZE, self->memory));
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, BASE + OWN * 4096, 32 * 4096);
	chariot_grant(&self->c, 1, BASE + PART * 4096 + 64, 128);
	chariot_grant(&self->c, 1, BASE + (PART + 1) * 4096 + 64, 128);
}

FIXTURE_TEARDOWN(dirty)
{
	chariot_drain_events(&self->c);
	close(self->c.fd);
	vm_destroy(&self->vm);
	munmap(self->memory, SIZE);
	munmap(self->copy[0], GUEST_MEMORY);
	munmap(self->copy[1], SIZE);
	EXPECT_EQ(0, host_complaints());
}

static u64 *word(FIXTURE_DATA(dirty) *self, u64 page, u64 offset)
{
	return (u64 *)(self->memory + page * 4096 + offset);
}

static u8 *slot_memory(FIXTURE_DATA(dirty) *self, u32 slot)
{
	return slot ? self->memory : self->vm.memory;
}

static u64 slot_pages(u32 slot)
{
	return slot ? PAGES : ALL_PAGES;
}

static bool is_dirty(const u64 *bitmap, u64 page)
{
	return bitmap[page / 64] >> (page % 64) & 1;
}

static void set_log(FIXTURE_DATA(dirty) *self, u32 slot, bool on)
{
	int ret = vm_slot(&self->vm, slot, on ? KVM_MEM_LOG_DIRTY_PAGES : 0, slot ? BASE : 0,
			  slot_pages(slot) * 4096, slot_memory(self, slot));

	if (ret)
		die("log of slot %u %s: %s", slot, on ? "on" : "off", strerror(-ret));
}

/* Reads the log and has it begin anew: at once, or piece by piece where user space has to clear it. */
static void read_log(int vm_fd, u32 manual, u32 slot, u64 pages, u64 *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };
	struct kvm_clear_dirty_log clear = { .slot = slot };
	u64 step = 256;

	memset(bitmap, 0, pages / 8);
	if (ioctl(vm_fd, KVM_GET_DIRTY_LOG, &log))
		die("KVM_GET_DIRTY_LOG: %m");
	if (!manual)
		return;
	for (clear.first_page = 0; clear.first_page < pages; clear.first_page += step) {
		clear.num_pages = step;
		clear.dirty_bitmap = bitmap + clear.first_page / 64;
		if (ioctl(vm_fd, KVM_CLEAR_DIRTY_LOG, &clear))
			die("KVM_CLEAR_DIRTY_LOG: %m");
	}
}

/* Copies what was written since the last time; returns how many pages that were. */
static u64 copy_dirty(FIXTURE_DATA(dirty) *self, u32 manual, u32 slot)
{
	static u64 bitmap[ALL_PAGES / 64];
	u64 page, found = 0;

	read_log(self->vm.fd, manual, slot, slot_pages(slot), bitmap);
	for (page = 0; page < slot_pages(slot); page++) {
		if (!is_dirty(bitmap, page))
			continue;
		memcpy(self->copy[slot] + page * 4096, slot_memory(self, slot) + page * 4096, 4096);
		self->logged[page] += slot == SLOT;
		found++;
	}
	return found;
}

static void start(FIXTURE_DATA(dirty) *self)
{
	unsigned int i;

	*(volatile u64 *)vm_at(&self->vm, STOP) = 0;
	for (i = 0; i < self->vm.vcpus; i++)
		vcpu_start(&self->vm.vcpu[i], d_rounds, dm(BASE + WORD(i)), dm(STOP));
}

/* Everybody stops after a whole round; what was written last is there. */
static void stop(struct __test_metadata *_metadata, FIXTURE_DATA(dirty) *self)
{
	unsigned int i, page;

	*(volatile u64 *)vm_at(&self->vm, STOP) = 1;
	for (i = 0; i < self->vm.vcpus; i++) {
		u64 last = vcpu_join(&self->vm.vcpu[i]);

		for (page = 0; page < 32; page++) {
			EXPECT_EQ(last, *word(self, OWN + page, WORD(i)));
			EXPECT_EQ(last, *word(self, CORE + page, WORD(i)));
		}
		EXPECT_EQ(last, *word(self, PART, WORD(i)));
		EXPECT_EQ(last, *word(self, PART + 1, WORD(i) + 64));
		EXPECT_EQ(0, *word(self, FORBIDDEN, WORD(i)));
	}
}

static bool is_written(u64 page)
{
	return page - OWN < 32 || page == PART || page == PART + 1 ||
	       page - CORE < 32;
}

/* The log begins while vCPUs run, pages are copied all the time, and the copy is the memory when they have stopped. */
TEST_F_TIMEOUT(dirty, migrated, 600)
{
	unsigned int migration, turn, i;
	u32 slot;
	u64 page;

	for (migration = 0; migration < 2; migration++) {
		start(self);
		for (i = 0; i < self->vm.vcpus; i++)
			wait_change(word(self, OWN + 31, WORD(i)), *word(self, OWN + 31, WORD(i)));
		memset(self->logged, 0, sizeof(self->logged));
		for (slot = 0; slot < 2; slot++) {
			set_log(self, slot, true);
			memcpy(self->copy[slot], slot_memory(self, slot), slot_pages(slot) * 4096);
		}
		/* Where all bits are set at first, they say nothing. */
		if (variant->manual & KVM_DIRTY_LOG_INITIALLY_SET) {
			EXPECT_EQ(PAGES, copy_dirty(self, variant->manual, SLOT));
			memset(self->logged, 0, sizeof(self->logged));
		}
		for (turn = 0; turn < vm_turns(5); turn++) {
			copy_dirty(self, variant->manual, 0);
			copy_dirty(self, variant->manual, SLOT);
			for (i = 0; i < self->vm.vcpus; i++)
				wait_change(word(self, OWN + 31, WORD(i)), *word(self, OWN + 31, WORD(i)));
		}
		stop(_metadata, self);
		for (slot = 0; slot < 2; slot++) {
			copy_dirty(self, variant->manual, slot);
			EXPECT_EQ(0, copy_dirty(self, variant->manual, slot)) TH_LOG("written after the end");
			for (page = 0; page < slot_pages(slot); page++) {
				if (slot == 0 && page == STOP / 4096)
					continue;
				EXPECT_EQ(0, memcmp(self->copy[slot] + page * 4096,
						    slot_memory(self, slot) + page * 4096, 4096))
					TH_LOG("migration %u: slot %u page 0x%lx was written, but not logged",
					       migration, slot, page);
			}
			set_log(self, slot, false);
		}
		for (page = 0; page < PAGES; page++) {
			if (is_written(page)) {
				EXPECT_LT(1, self->logged[page]) TH_LOG("page %lu", page);
			} else {
				EXPECT_EQ(0, self->logged[page]) TH_LOG("nobody wrote page %lu", page);
			}
		}
		memset(self->memory, 0, SIZE);
	}
	EXPECT_LT(0, chariot_stats(&self->c).violations);
	EXPECT_LT(0, chariot_stats(&self->c).emulated);
}

enum deed {
	OWN_STORE,	/* first: what stock KVM logs, too */
	PART_STORE, PART_VECTOR, LIBRARY_STORE, CORE_STORE,
	WRITES,
	OWN_LOAD = WRITES, CORE_LOAD, UNUSED_LOAD,
	BLOCKED_STORE,
	DEEDS
};

GUEST_CODE(dom1, d_vector,
	   "	movq	%rsi, %xmm0\n"
	   "	movups	%xmm0, (%rdi)\n"
	   "	ret");

/* Which pages of the slot it is about, the byte in the page, and how it is done */
static const struct {
	u64 first;
	u32 pages, at;
	const char *fn;
} deeds[DEEDS] = {
	[OWN_STORE] = { OWN, 32, 8, g_dom1_store },
	[PART_STORE] = { PART, 2, 72, g_dom1_store },
	[PART_VECTOR] = { PART, 2, 128, d_vector },
	[LIBRARY_STORE] = { OWN, 32, 16, g_dom1_lib_store },
	[CORE_STORE] = { CORE, 32, 0, g_core_store },
	[OWN_LOAD] = { OWN, 32, 0, g_dom1_load },
	[CORE_LOAD] = { CORE, 32, 0, g_dom1_load },
	[UNUSED_LOAD] = { 256, 32, 0, g_dom1_load },
	[BLOCKED_STORE] = { FORBIDDEN, 8, 0, g_dom1_store },
};

/* One access; returns the page of the slot that it concerns. The twin's domain is not isolated and must not do wrong. */
static u64 act(struct vcpu *vcpu, enum deed deed, u32 number, bool twin)
{
	const char *fn = deed == UNUSED_LOAD && (number & 32) ? g_core_load : deeds[deed].fn;
	u64 page = deeds[deed].first + number % deeds[deed].pages;

	if (deed != BLOCKED_STORE || !twin)
		vcpu_call(vcpu, fn, dm(BASE + page * 4096 + deeds[deed].at), number);
	return page;
}

/* Step by step, beside a VM on stock KVM that does the same. */
TEST_F_TIMEOUT(dirty, exact, 600)
{
	static u64 bitmap[PAGES / 64], stock[PAGES / 64], expected[PAGES / 64];
	struct kvm_enable_cap manual = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args[0] = variant->manual,
	};
	u8 *twin_memory = vm_memory(SIZE, variant->flags & VM_SMALL);
	unsigned int turn, i, seed = 1;
	struct vm twin;
	u64 page;

	vm_create(&twin, variant->vcpus, variant->flags);
	if (variant->manual)
		ASSERT_EQ(0, ioctl(twin.fd, KVM_ENABLE_CAP, &manual));
	ASSERT_EQ(0, vm_slot(&twin, SLOT, KVM_MEM_LOG_DIRTY_PAGES, BASE, SIZE, twin_memory));
	set_log(self, SLOT, true);
	read_log(twin.fd, variant->manual, SLOT, PAGES, stock);
	read_log(self->vm.fd, variant->manual, SLOT, PAGES, bitmap);
	for (turn = 0; turn < vm_turns(8); turn++) {
		memset(expected, 0, sizeof(expected));
		for (i = 0; i < 12; i++) {
			u32 number = rand_r(&seed);
			enum deed deed = (number >> 16) % DEEDS;
			u32 vcpu = number % variant->vcpus;

			page = act(&self->vm.vcpu[vcpu], deed, number, false);
			EXPECT_EQ(page, act(&twin.vcpu[vcpu], deed, number, true));
			if (deed < WRITES)
				expected[page / 64] |= 1ull << (page % 64);
		}
		read_log(self->vm.fd, variant->manual, SLOT, PAGES, bitmap);
		read_log(twin.fd, variant->manual, SLOT, PAGES, stock);
		for (page = 0; page < PAGES; page++) {
			if (is_dirty(expected, page)) {
				EXPECT_TRUE(is_dirty(bitmap, page)) TH_LOG("turn %u: page %lu is missing", turn, page);
			} else if (is_dirty(bitmap, page)) {
				EXPECT_TRUE(is_dirty(stock, page)) TH_LOG("turn %u: nobody wrote page %lu", turn, page);
			}
			EXPECT_EQ(0, memcmp(self->memory + page * 4096, twin_memory + page * 4096, 4096))
				TH_LOG("turn %u: page %lu differs from stock KVM's", turn, page);
		}
	}
	vm_destroy(&twin);
	munmap(twin_memory, SIZE);
}

/* The module's own write, the ring's tail, when it drains the ring for a vCPU. */
TEST_F(dirty, ring_tail)
{
	static u64 bitmap[ALL_PAGES / 64];
	struct chariot_ring_header *header = chariot_header(&self->c);
	unsigned int turn;

	vcpu_call(&self->vm.vcpu[0], g_dom1_ret, 1);
	set_log(self, 0, true);
	for (turn = 0; turn < 4; turn++) {
		u64 tail = header->tail;

		read_log(self->vm.fd, variant->manual, 0, ALL_PAGES, bitmap);
		chariot_range(&self->c, turn & 1 ? CHARIOT_REC_REVOKE : CHARIOT_REC_GRANT, 1,
			      turn & 1 ? 0 : CHARIOT_KIND_HEAP, GUEST_DOM1_DATA, 4096);
		/* The host's own write to the ring is not in the log, nor is what nobody has drained yet. */
		vcpu_call(&self->vm.vcpu[0], g_dom1_store, dm(BASE + FORBIDDEN * 4096), 1);
		EXPECT_EQ(tail + 1, header->tail);
		read_log(self->vm.fd, variant->manual, 0, ALL_PAGES, bitmap);
		EXPECT_TRUE(is_dirty(bitmap, GUEST_RING / 4096)) TH_LOG("turn %u", turn);
	}
}

TEST_HARNESS_MAIN
