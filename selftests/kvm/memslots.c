// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory that changes under an armed VM: slots that go, come back and
 * move, host pages that are replaced, dirty logging. Derived entries must
 * never outlive KVM's.
 *
 * Not shown here: an invalidation that is missing in hardware's TLB only; see
 * smp.c.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define SLOT		1
#define BASE		0x10000000ul	/* of the slot, granted to the domain as a whole */
#define SIZE		(4ul << 20)
#define PAGES		(SIZE / 4096)
#define STOP		(GUEST_CORE_DATA + 0x800)
#define FORBIDDEN	(GUEST_CORE_DATA + 0x1000)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

FIXTURE(memslots)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
	u8 *memory;
	unsigned int mmio_writes;
	u64 mmio_last;
};

FIXTURE_VARIANT(memslots)
{
	u32 flags;
};

FIXTURE_VARIANT_ADD(memslots, huge) { .flags = 0 };
FIXTURE_VARIANT_ADD(memslots, small) { .flags = VM_SMALL };

static bool on_mmio(struct vcpu *vcpu)
{
	FIXTURE_DATA(memslots) *self = vcpu->vm->context;

	if (vcpu->run->exit_reason != KVM_EXIT_MMIO)
		return false;
	if (vcpu->run->mmio.is_write) {
		self->mmio_writes++;
		self->mmio_last = vcpu->run->mmio.phys_addr;
	}
	return true;
}

FIXTURE_SETUP(memslots)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };

	vm_create(&self->vm, 2, variant->flags);
	self->vcpu = &self->vm.vcpu[0];
	self->vm.context = self;
	self->vm.on_exit = on_mmio;
	self->memory = vm_memory(SIZE, variant->flags & VM_SMALL);
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, SIZE, self->memory));
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, BASE, SIZE);
}

FIXTURE_TEARDOWN(memslots)
{
	struct chariot_event event;

	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

static volatile u64 *word(u8 *memory, u64 offset)
{
	return (volatile u64 *)(memory + offset);
}

/* The domain writes one word and one word only; the kernel's memory is as forbidden as ever. */
static void check_forbidden(struct __test_metadata *_metadata, FIXTURE_DATA(memslots) *self)
{
	struct chariot_event event;

	*word(self->vm.memory, FORBIDDEN) = 3;
	vcpu_call(self->vcpu, g_dom1_store, dm(FORBIDDEN), 4);
	EXPECT_EQ(3, *word(self->vm.memory, FORBIDDEN));
	EXPECT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
}

TEST_F(memslots, deleted)
{
	u8 *other = vm_memory(SIZE, variant->flags & VM_SMALL);
	unsigned int i;

	for (i = 1; i <= 5; i++) {
		vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 0x1000), i);
		EXPECT_EQ(i, *word(self->memory, 0x1000));
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, 0, self->memory));
		self->mmio_writes = 0;
		vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 0x1000), 100 + i);
		EXPECT_EQ(i, *word(self->memory, 0x1000)) TH_LOG("written after the slot was deleted");
		vcpu_call(self->vcpu, g_core_store, dm(BASE + 0x1008), 100 + i);
		EXPECT_EQ(0, *word(self->memory, 0x1008));
		check_forbidden(_metadata, self);

		/* Other memory in the same place */
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, SIZE, other));
		chariot_kick(&self->c);
		vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 0x1000), 200 + i);
		EXPECT_EQ(200 + i, *word(other, 0x1000));
		EXPECT_EQ(i, *word(self->memory, 0x1000));
		check_forbidden(_metadata, self);
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, 0, other));
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, SIZE, self->memory));
	}
}

/* A write to the domain's memory that is in no slot any more goes to user space, as without Chariot. */
TEST_F(memslots, deleted_is_mmio)
{
	vcpu_call(self->vcpu, g_dom1_store, dm(BASE), 1);
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, 0, self->memory));
	vcpu_call(self->vcpu, g_dom1_store, dm(BASE), 2);
	EXPECT_EQ(1, self->mmio_writes);
	EXPECT_EQ(BASE, self->mmio_last);
	vcpu_call(self->vcpu, g_core_store, dm(BASE + 8), 2);
	EXPECT_EQ(2, self->mmio_writes);
}

TEST_F(memslots, deleted_while_written)
{
	unsigned int i;

	*word(self->vm.memory, STOP) = 0;
	vcpu_start(self->vcpu, g_dom1_until, dm(BASE + 0x3000), dm(STOP));
	for (i = 0; i < 20; i++) {
		u64 seen = *word(self->memory, 0x3000);

		wait_change(word(self->memory, 0x3000), seen);
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, 0, self->memory));
		seen = *word(self->memory, 0x3000);
		sleep_ms(5);
		EXPECT_EQ(seen, *word(self->memory, 0x3000)) TH_LOG("written after the slot was deleted");
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, SIZE, self->memory));
	}
	*word(self->vm.memory, STOP) = 1;
	vcpu_join(self->vcpu);
}

TEST_F(memslots, moved)
{
	const u64 elsewhere = BASE + 4 * SIZE;
	struct chariot_event event;

	vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 0x1000), 1);
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, elsewhere, SIZE, self->memory));
	vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 0x1000), 2);
	EXPECT_EQ(1, *word(self->memory, 0x1000)) TH_LOG("written through the old address");
	/* Grants are of addresses: the memory in its new place is nobody's. */
	vcpu_call(self->vcpu, g_dom1_store, dm(elsewhere + 0x1000), 3);
	EXPECT_EQ(1, *word(self->memory, 0x1000));
	EXPECT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	chariot_grant(&self->c, 1, elsewhere, SIZE);
	vcpu_call(self->vcpu, g_dom1_store, dm(elsewhere + 0x1000), 4);
	EXPECT_EQ(4, *word(self->memory, 0x1000));
}

/* Slots come and go beside the domain's: what it owns stays its own. */
TEST_F(memslots, others_come_and_go)
{
	u8 *other = vm_memory(SIZE, variant->flags & VM_SMALL);
	unsigned int i;

	*word(self->vm.memory, STOP) = 0;
	vcpu_start(self->vcpu, g_dom1_until, dm(BASE), dm(STOP));
	for (i = 0; i < 30; i++) {
		u64 seen = *word(self->memory, 0);

		ASSERT_EQ(0, vm_slot(&self->vm, 2, 0, BASE + 8 * SIZE, SIZE, other));
		vcpu_call(&self->vm.vcpu[1], g_core_store, dm(BASE + 8 * SIZE), i);
		EXPECT_EQ(i, *word(other, 0));
		wait_change(word(self->memory, 0), seen);
		ASSERT_EQ(0, vm_slot(&self->vm, 2, 0, BASE + 8 * SIZE, 0, other));
	}
	*word(self->vm.memory, STOP) = 1;
	EXPECT_EQ(vcpu_join(self->vcpu), *word(self->memory, 0));
	EXPECT_EQ(0, self->mmio_writes);
}

TEST_F(memslots, read_only)
{
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, 0, self->memory));
	*word(self->memory, 0x1000) = 5;
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, KVM_MEM_READONLY, BASE, SIZE, self->memory));
	EXPECT_EQ(5, vcpu_call(self->vcpu, g_dom1_load, dm(BASE + 0x1000)));
	vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 0x1000), 6);
	EXPECT_EQ(5, *word(self->memory, 0x1000));
	EXPECT_EQ(1, self->mmio_writes);
	vcpu_call(self->vcpu, g_core_store, dm(BASE + 0x1000), 6);
	EXPECT_EQ(2, self->mmio_writes);
	EXPECT_EQ(5, *word(self->memory, 0x1000));
}

/* Both vCPUs write, one in the domain: the slot moves away and comes back. */
TEST_F(memslots, moved_while_written)
{
	const u64 elsewhere = BASE + 4 * SIZE;
	unsigned int i, turn;

	*word(self->vm.memory, STOP) = 0;
	vcpu_start(&self->vm.vcpu[0], g_dom1_until, dm(BASE + 0x3000), dm(STOP));
	vcpu_start(&self->vm.vcpu[1], g_core_until, dm(BASE + 0x9000), dm(STOP));
	for (turn = 0; turn < vm_turns(5); turn++) {
		u64 seen[2];

		for (i = 0; i < 2; i++)
			wait_change(word(self->memory, 0x3000 + 0x6000 * i), *word(self->memory, 0x3000 + 0x6000 * i));
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, elsewhere, SIZE, self->memory));
		for (i = 0; i < 2; i++)
			seen[i] = *word(self->memory, 0x3000 + 0x6000 * i);
		sleep_ms(5);
		for (i = 0; i < 2; i++)
			EXPECT_EQ(seen[i], *word(self->memory, 0x3000 + 0x6000 * i)) TH_LOG("vCPU %u wrote on", i);
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, SIZE, self->memory));
	}
	for (i = 0; i < 2; i++)
		wait_change(word(self->memory, 0x3000 + 0x6000 * i), *word(self->memory, 0x3000 + 0x6000 * i));
	*word(self->vm.memory, STOP) = 1;
	for (i = 0; i < 2; i++) {
		u64 last = vcpu_join(&self->vm.vcpu[i]);

		EXPECT_EQ(last, *word(self->memory, 0x3000 + 0x6000 * i));
	}
}

/* ... is there for reading only, and for writing again */
TEST_F(memslots, read_only_while_written)
{
	unsigned int turn;

	*word(self->vm.memory, STOP) = 0;
	vcpu_start(self->vcpu, g_dom1_until, dm(BASE + 0x3000), dm(STOP));
	for (turn = 0; turn < vm_turns(5); turn++) {
		unsigned int writes;
		u64 seen;

		wait_change(word(self->memory, 0x3000), *word(self->memory, 0x3000));
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, 0, self->memory));
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, KVM_MEM_READONLY, BASE, SIZE, self->memory));
		seen = *word(self->memory, 0x3000);
		writes = *(volatile unsigned int *)&self->mmio_writes;
		EXPECT_EQ(seen, vcpu_call(&self->vm.vcpu[1], g_dom1_load, dm(BASE + 0x3000)));
		while (*(volatile unsigned int *)&self->mmio_writes == writes)
			sleep_ms(1);
		EXPECT_EQ(seen, *word(self->memory, 0x3000)) TH_LOG("written though it is there for reading only");
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, 0, self->memory));
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, SIZE, self->memory));
	}
	wait_change(word(self->memory, 0x3000), *word(self->memory, 0x3000));
	*word(self->vm.memory, STOP) = 1;
	EXPECT_EQ(vcpu_join(self->vcpu), *word(self->memory, 0x3000));
}

/* The log goes on and off: large pages become small ones, and large ones again. */
TEST_F(memslots, logged_while_written)
{
	unsigned int i, turn;

	*word(self->vm.memory, STOP) = 0;
	vcpu_start(&self->vm.vcpu[0], g_dom1_count, dm(BASE), 64, 4096, dm(STOP));
	vcpu_start(&self->vm.vcpu[1], g_core_count, dm(BASE + 8), 64, 4096, dm(STOP));
	for (turn = 0; turn < vm_turns(10); turn++) {
		for (i = 0; i < 2; i++)
			wait_change(word(self->memory, 63 * 4096 + 8 * i), *word(self->memory, 63 * 4096 + 8 * i));
		ASSERT_EQ(0, vm_slot(&self->vm, SLOT, turn & 1 ? 0 : KVM_MEM_LOG_DIRTY_PAGES, BASE, SIZE, self->memory));
	}
	*word(self->vm.memory, STOP) = 1;
	for (i = 0; i < 2; i++) {
		u64 page, last = vcpu_join(&self->vm.vcpu[i]);

		for (page = 0; page < 64; page++)
			EXPECT_EQ(last, *word(self->memory, page * 4096 + 8 * i)) TH_LOG("vCPU %u page %lu", i, page);
	}
	EXPECT_EQ(0, self->mmio_writes);
}

/* The host takes the pages away while the domain writes them: each write that follows is in the new page. */
TEST_F(memslots, discarded)
{
	unsigned int i;

	*word(self->vm.memory, STOP) = 0;
	vcpu_start(self->vcpu, g_dom1_until, dm(BASE + 0x5000), dm(STOP));
	for (i = 0; i < 50; i++) {
		u64 seen = *word(self->memory, 0x5000);

		wait_change(word(self->memory, 0x5000), seen);
		ASSERT_EQ(0, madvise(self->memory + (i & 1 ? 0 : 0x4000), i & 1 ? SIZE : 0x4000, MADV_DONTNEED));
	}
	wait_change(word(self->memory, 0x5000), 0);
	*word(self->vm.memory, STOP) = 1;
	EXPECT_EQ(vcpu_join(self->vcpu), *word(self->memory, 0x5000));
	/* Each page was mapped, so that KVM flushed. */
	EXPECT_LE(50, chariot_stats(&self->c).flushes_vm);
}

/* fork() makes the pages copy on write: the child must not see what the domain writes afterwards. */
TEST_F(memslots, copied_on_write)
{
	unsigned int i;

	*word(self->vm.memory, STOP) = 0;
	vcpu_start(self->vcpu, g_dom1_until, dm(BASE + 0x5000), dm(STOP));
	for (i = 0; i < 10; i++) {
		u64 seen = *word(self->memory, 0x5000);
		int status;
		pid_t pid;

		wait_change(word(self->memory, 0x5000), seen);
		pid = fork();
		if (!pid) {
			seen = *word(self->memory, 0x5000);
			usleep(10000);
			_exit(seen != *word(self->memory, 0x5000));
		}
		wait_change(word(self->memory, 0x5000), *word(self->memory, 0x5000));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status) TH_LOG("the domain wrote to a page that is the child's");
	}
	*word(self->vm.memory, STOP) = 1;
	EXPECT_EQ(vcpu_join(self->vcpu), *word(self->memory, 0x5000));
}

/* Small pages become a large one and small ones again, under a domain that owns one page of it. */
TEST_F(memslots, collapsed)
{
	struct chariot_event event;
	unsigned int i;

	if (!(variant->flags & VM_SMALL))
		SKIP(return, "starts from small pages");
	madvise(self->memory, SIZE, MADV_HUGEPAGE);
	chariot_revoke(&self->c, 1, BASE, SIZE);
	chariot_grant(&self->c, 1, BASE + 0x5000, 4096);
	*word(self->vm.memory, STOP) = 0;
	vcpu_start(self->vcpu, g_dom1_until, dm(BASE + 0x5000), dm(STOP));
	for (i = 0; i < 10; i++) {
		wait_change(word(self->memory, 0x5000), *word(self->memory, 0x5000));
		if (madvise(self->memory, 2 << 20, MADV_COLLAPSE)) {
			*word(self->vm.memory, STOP) = 1;
			vcpu_join(self->vcpu);
			SKIP(return, "MADV_COLLAPSE: %s", strerror(errno));
		}
		wait_change(word(self->memory, 0x5000), *word(self->memory, 0x5000));
		/* The neighbours in the large page are not the domain's. */
		*word(self->memory, 0x6000) = 9;
		vcpu_call(&self->vm.vcpu[1], g_dom1_store, dm(BASE + 0x6000), 10);
		EXPECT_EQ(9, *word(self->memory, 0x6000));
		EXPECT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
		/* A hole splits it. */
		ASSERT_EQ(0, madvise(self->memory + 0x10000, 0x1000, MADV_DONTNEED));
	}
	*word(self->vm.memory, STOP) = 1;
	EXPECT_EQ(vcpu_join(self->vcpu), *word(self->memory, 0x5000));
}

/* Host pages that cannot be written for a while (as in userfaultfd, or snapshots) */
TEST_F(memslots, protected)
{
	u64 seen;

	vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 0x7000), 1);
	ASSERT_EQ(0, mprotect(self->memory, SIZE, PROT_READ));
	EXPECT_EQ(1, vcpu_call(self->vcpu, g_dom1_load, dm(BASE + 0x7000)));
	seen = *word(self->memory, 0x7000);
	ASSERT_EQ(0, mprotect(self->memory, SIZE, PROT_READ | PROT_WRITE));
	vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 0x7000), seen + 1);
	EXPECT_EQ(2, *word(self->memory, 0x7000));
}

static void read_dirty(FIXTURE_DATA(memslots) *self, u64 *bitmap)
{
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bitmap };

	memset(bitmap, 0, PAGES / 8);
	if (ioctl(self->vm.fd, KVM_GET_DIRTY_LOG, &log))
		die("KVM_GET_DIRTY_LOG: %m");
}

static bool is_dirty(const u64 *bitmap, u64 page)
{
	return bitmap[page / 64] >> (page % 64) & 1;
}

/* Whatever is written is logged, each time anew; what was blocked is not. */
TEST_F(memslots, dirty_log)
{
	static u64 bitmap[PAGES / 64];
	struct chariot_event event;
	unsigned int turn, page;

	/* Pages 0..15: the domain's as a whole; 16: a part of it; others: not the domain's */
	chariot_revoke(&self->c, 1, BASE, SIZE);
	chariot_grant(&self->c, 1, BASE, 16 * 4096);
	chariot_grant(&self->c, 1, BASE + 16 * 4096 + 64, 64);
	/* All writable and written before the log is on */
	vcpu_call(self->vcpu, g_dom1_pages, dm(BASE), 16, 1, 4096);
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, BASE, SIZE, self->memory));
	read_dirty(self, bitmap);
	for (turn = 0; turn < 4; turn++) {
		vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 3 * 4096), turn);
		vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 3 * 4096 + 8), turn);
		vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 5 * 4096), turn);
		/* emulated */
		vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 16 * 4096 + 64), turn);
		/* blocked */
		vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 20 * 4096), turn);
		EXPECT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
		/* the kernel's */
		vcpu_call(self->vcpu, g_core_store, dm(BASE + 30 * 4096), turn);
		/* by a library function for the domain */
		vcpu_call(self->vcpu, g_dom1_lib_store, dm(BASE + 7 * 4096), turn);
		read_dirty(self, bitmap);
		for (page = 0; page < 64; page++)
			EXPECT_EQ(page == 3 || page == 5 || page == 16 || page == 30 || page == 7,
				  is_dirty(bitmap, page)) TH_LOG("turn %u, page %u", turn, page);
		read_dirty(self, bitmap);
		for (page = 0; page < PAGES / 64; page++)
			EXPECT_EQ(0, bitmap[page]);
	}
	/* Off and on again */
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, SIZE, self->memory));
	vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 3 * 4096), 77);
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, BASE, SIZE, self->memory));
	read_dirty(self, bitmap);
	vcpu_call(self->vcpu, g_dom1_store, dm(BASE + 3 * 4096), 78);
	read_dirty(self, bitmap);
	EXPECT_TRUE(is_dirty(bitmap, 3));
	EXPECT_EQ(78, *word(self->memory, 3 * 4096));
}

/* The log is read while the domain writes: no write after the last read may be missing. */
TEST_F(memslots, dirty_log_while_written)
{
	static u64 bitmap[PAGES / 64];
	unsigned int turn;

	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, BASE, SIZE, self->memory));
	*word(self->vm.memory, STOP) = 0;
	vcpu_start(self->vcpu, g_dom1_until, dm(BASE + 9 * 4096), dm(STOP));
	for (turn = 0; turn < 30; turn++) {
		u64 seen;

		read_dirty(self, bitmap);
		seen = *word(self->memory, 9 * 4096);
		wait_change(word(self->memory, 9 * 4096), seen);
		read_dirty(self, bitmap);
		EXPECT_TRUE(is_dirty(bitmap, 9)) TH_LOG("turn %u", turn);
	}
	*word(self->vm.memory, STOP) = 1;
	vcpu_join(self->vcpu);
}

TEST_HARNESS_MAIN
