// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty ring of an armed VM: each vCPU's own list of pages that it wrote,
 * collected while everybody writes, and by the vCPU itself when the ring is
 * full. What is copied by what the rings say is, in the end, the memory.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define SLOT		1
#define BASE		0x10000000ul
#define SIZE		(8ul << 20)
#define PAGES		(SIZE / 4096)
#define OWN		1536ul		/* pages from the first one that are the domain's: more than a ring holds */
#define PART		1536ul		/* a page of which the domain has a part */
#define FORBIDDEN	1537ul
#define CORE		1600ul		/* pages of the kernel */
#define CORE_PAGES	64ul
#define RING_ENTRIES	1024u		/* enough for what Intel's log of pages holds, and 64 */
#define STOP		(GUEST_CORE_DATA + 0x10000)

FIXTURE(ring)
{
	struct vm vm;
	struct chariot c;
	u8 *memory, *copy;
	struct kvm_dirty_gfn *rings[GUEST_CPU_MAX];
	u32 fetched[GUEST_CPU_MAX];
	pthread_mutex_t lock;		/* one collects */
	u8 pending[PAGES];		/* collected, not copied */
	u64 logged[PAGES];
	volatile unsigned int full;	/* exits because a ring was full */
};

FIXTURE_VARIANT(ring)
{
	u32 vcpus;
	u32 flags;
};

FIXTURE_VARIANT_ADD(ring, one) { .vcpus = 1 };
FIXTURE_VARIANT_ADD(ring, two) { .vcpus = 2, .flags = VM_SMALL };

/* Collects, has KVM protect the pages again, and copies them then. Returns how many it were. */
static unsigned int collect(FIXTURE_DATA(ring) *self)
{
	unsigned int i, found = 0, page;

	pthread_mutex_lock(&self->lock);
	for (i = 0; i < self->vm.vcpus; i++) {
		for (;;) {
			struct kvm_dirty_gfn *entry = &self->rings[i][self->fetched[i] % RING_ENTRIES];

			if (__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
				break;
			if (entry->slot != SLOT || entry->offset >= PAGES)
				die("the ring has slot 0x%x, page 0x%llx", entry->slot, entry->offset);
			self->pending[entry->offset] = 1;
			__atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
			self->fetched[i]++;
			found++;
		}
	}
	if (found && ioctl(self->vm.fd, KVM_RESET_DIRTY_RINGS, 0) != (int)found)
		die("KVM_RESET_DIRTY_RINGS: not the %u that were collected: %m", found);
	for (page = 0; found && page < PAGES; page++) {
		if (!self->pending[page])
			continue;
		self->pending[page] = 0;
		self->logged[page]++;
		memcpy(self->copy + page * 4096, self->memory + page * 4096, 4096);
	}
	pthread_mutex_unlock(&self->lock);
	return found;
}

static bool on_full(struct vcpu *vcpu)
{
	FIXTURE_DATA(ring) *self = vcpu->vm->context;

	if (vcpu->run->exit_reason != KVM_EXIT_DIRTY_RING_FULL)
		return false;
	__atomic_fetch_add(&self->full, 1, __ATOMIC_SEQ_CST);
	collect(self);
	return true;
}

FIXTURE_SETUP(ring)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .events_max = 64 };
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DIRTY_LOG_RING, .args[0] = RING_ENTRIES * sizeof(struct kvm_dirty_gfn),
	};
	unsigned int i;

	vm_create(&self->vm, variant->vcpus, variant->flags | VM_NO_VCPU);
	if (ioctl(self->vm.fd, KVM_ENABLE_CAP, &cap))
		SKIP(return, "KVM_CAP_DIRTY_LOG_RING: %s", strerror(errno));
	self->vm.context = self;
	self->vm.on_exit = on_full;
	pthread_mutex_init(&self->lock, NULL);
	for (i = 0; i < variant->vcpus; i++) {
		struct vcpu *vcpu = vm_add_vcpu(&self->vm, i);

		self->rings[i] = mmap(NULL, cap.args[0], PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd,
				      KVM_DIRTY_LOG_PAGE_OFFSET * 4096);
		ASSERT_NE(MAP_FAILED, self->rings[i]);
	}
	self->memory = vm_memory(SIZE, variant->flags & VM_SMALL);
	self->copy = vm_memory(SIZE, false);
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, SIZE, self->memory));
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, BASE, OWN * 4096);
	chariot_grant(&self->c, 1, BASE + PART * 4096, 64);
}

FIXTURE_TEARDOWN(ring)
{
	unsigned int i;

	if (!self->memory)
		return;
	chariot_drain_events(&self->c);
	close(self->c.fd);
	for (i = 0; i < self->vm.vcpus; i++)
		munmap(self->rings[i], RING_ENTRIES * sizeof(struct kvm_dirty_gfn));
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

static u64 *word(FIXTURE_DATA(ring) *self, u64 page, u64 offset)
{
	return (u64 *)(self->memory + page * 4096 + offset);
}

static void set_log(FIXTURE_DATA(ring) *self, bool on)
{
	int ret = vm_slot(&self->vm, SLOT, on ? KVM_MEM_LOG_DIRTY_PAGES : 0, BASE, SIZE, self->memory);

	if (ret)
		die("log %s: %s", on ? "on" : "off", strerror(-ret));
}

TEST_F_TIMEOUT(ring, exact, 600)
{
	struct vcpu *vcpu = &self->vm.vcpu[self->vm.vcpus - 1];
	unsigned int turn, page;

	set_log(self, true);
	for (turn = 1; turn <= vm_turns(8); turn++) {
		u64 own = turn * 7 % OWN;

		memset(self->logged, 0, sizeof(self->logged));
		vcpu_call(vcpu, g_dom1_store, dm(BASE + own * 4096), turn);
		vcpu_call(vcpu, g_dom1_store, dm(BASE + own * 4096 + 8), turn);
		vcpu_call(vcpu, g_dom1_store, dm(BASE + PART * 4096 + 8), turn);	/* emulated */
		vcpu_call(vcpu, g_dom1_store, dm(BASE + FORBIDDEN * 4096), turn);	/* blocked */
		vcpu_call(vcpu, g_dom1_lib_store, dm(BASE + (own + 1) % OWN * 4096), turn);
		vcpu_call(vcpu, g_core_store, dm(BASE + CORE * 4096), turn);
		collect(self);
		for (page = 0; page < PAGES; page++)
			EXPECT_EQ(page == own || page == (own + 1) % OWN || page == PART || page == CORE,
				  self->logged[page]) TH_LOG("turn %u, page %u", turn, page);
		EXPECT_EQ(0, collect(self));
	}
	EXPECT_EQ(0, *word(self, FORBIDDEN, 0));
}

TEST_F_TIMEOUT(ring, migrated, 600)
{
	unsigned int turn, i, page;
	u64 last[2];

	*(volatile u64 *)vm_at(&self->vm, STOP) = 0;
	/* vCPU 0: more pages of the domain than a ring holds; the last one: the kernel's, too */
	vcpu_start(&self->vm.vcpu[0], g_dom1_sweep, dm(BASE), OWN, 4096, dm(STOP));
	if (variant->vcpus > 1)
		vcpu_start(&self->vm.vcpu[1], g_core_sweep, dm(BASE + CORE * 4096), CORE_PAGES, 4096, dm(STOP));
	wait_change((volatile u64 *)word(self, OWN - 1, 0), 0);
	set_log(self, true);
	memcpy(self->copy, self->memory, SIZE);
	for (turn = 0; turn < vm_turns(4); turn++) {
		unsigned int full = self->full;

		/* Nobody collects but the vCPUs themselves */
		for (i = 0; i < vm_looks() && self->full == full; i++)
			sleep_ms(1);
		EXPECT_LT(full, self->full) TH_LOG("no ring was full");
		/* ... and somebody else, while they run */
		for (i = 0; i < 5; i++) {
			collect(self);
			sleep_ms(2);
		}
		vm_alive();
	}
	*(volatile u64 *)vm_at(&self->vm, STOP) = 1;
	for (i = 0; i < variant->vcpus; i++)
		last[i] = vcpu_join(&self->vm.vcpu[i]);
	collect(self);
	EXPECT_EQ(0, collect(self));
	EXPECT_EQ(0, memcmp(self->copy, self->memory, SIZE));
	for (page = 0; page < PAGES; page++) {
		bool own = page < OWN, core = variant->vcpus > 1 && page >= CORE && page < CORE + CORE_PAGES;

		EXPECT_EQ(own ? last[0] : core ? last[1] : 0, *word(self, page, 0)) TH_LOG("page %u", page);
		EXPECT_EQ(0, memcmp(self->copy + page * 4096, self->memory + page * 4096, 4096))
			TH_LOG("page %u was written, but is in no ring", page);
		EXPECT_EQ(own || core, self->logged[page] > 0) TH_LOG("page %u", page);
	}
	TH_LOG("%u exits with a full ring", self->full);
}

TEST_HARNESS_MAIN
