// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host does with guest memory on its own account, while a domain
 * counts in it: swapping, sharing of equal pages (KSM), compaction, holes that
 * a balloon punches, huge pages that come and go, write protection, copies for a
 * child. Contents must be what stock KVM would show: no count is lost, nothing
 * is written to a page that the guest does not have any more.
 *
 * Not shown here: movement between NUMA nodes (the lab has one), and what only a
 * hardware TLB would remember.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/wait.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define SLOT		1
#define BASE		0x10000000ul
#define SIZE		(4ul << 20)
#define PAGES		(SIZE / 4096)
#define COUNTED		32ul		/* pages of the domain in which vCPU 0 counts */
#define PART		40ul		/* a page that it owns in part: vCPU 1 counts there */
#define IDLE		64ul		/* pages of the domain that nobody writes for a while */
#define IDLE_PAGES	64ul
#define FORBIDDEN	200ul
#define STOP		(GUEST_CORE_DATA + 0x10000)

FIXTURE(reclaim)
{
	struct vm vm;
	struct chariot c;
	u8 *memory;
	int memfd;
};

FIXTURE_VARIANT(reclaim)
{
	u32 vcpus;
	u32 flags;
	bool shared;		/* a file's pages */
};

FIXTURE_VARIANT_ADD(reclaim, small) { .vcpus = 2, .flags = VM_SMALL };
FIXTURE_VARIANT_ADD(reclaim, huge) { .vcpus = 1 };
/* KVM may then have a vCPU halt until its page is there, instead of waiting in a fault. */
FIXTURE_VARIANT_ADD(reclaim, halting) { .vcpus = 2, .flags = VM_SMALL | VM_IRQCHIP };
FIXTURE_VARIANT_ADD(reclaim, file) { .vcpus = 2, .shared = true };

FIXTURE_SETUP(reclaim)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };

	vm_create(&self->vm, variant->vcpus, variant->flags);
	self->vm.context = self;
	self->memory = vm_memory(SIZE, variant->flags & VM_SMALL);
	if (variant->shared) {
		self->memfd = memfd_create("guest", MFD_CLOEXEC);
		ASSERT_EQ(0, ftruncate(self->memfd, SIZE));
		ASSERT_EQ(self->memory, mmap(self->memory, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
					     self->memfd, 0));
	}
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, SIZE, self->memory));
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, BASE, COUNTED * 4096);
	chariot_grant(&self->c, 1, BASE + PART * 4096, 64);
	chariot_grant(&self->c, 1, BASE + IDLE * 4096, IDLE_PAGES * 4096);
}

FIXTURE_TEARDOWN(reclaim)
{
	struct chariot_event event;

	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	close(self->c.fd);
	vm_destroy(&self->vm);
	munmap(self->memory, SIZE);
	if (variant->shared)
		close(self->memfd);
	EXPECT_EQ(0, host_complaints());
}

static volatile u64 *word(FIXTURE_DATA(reclaim) *self, u64 page)
{
	return (volatile u64 *)(self->memory + page * 4096);
}

static void start(FIXTURE_DATA(reclaim) *self)
{
	*(volatile u64 *)vm_at(&self->vm, STOP) = 0;
	vcpu_start(&self->vm.vcpu[0], g_dom1_count, dm(BASE), COUNTED, 4096, dm(STOP));
	if (self->vm.vcpus > 1)
		vcpu_start(&self->vm.vcpu[1], g_dom1_count, dm(BASE + PART * 4096), 1, 4096, dm(STOP));
}

/* Everybody has come on, whatever was done to the pages. */
static void wait_for_all(FIXTURE_DATA(reclaim) *self)
{
	wait_change(word(self, COUNTED - 1), *word(self, COUNTED - 1));
	if (self->vm.vcpus > 1)
		wait_change(word(self, PART), *word(self, PART));
}

/* No count was lost since start(), from @from on. */
static void stop(struct __test_metadata *_metadata, FIXTURE_DATA(reclaim) *self, u64 from)
{
	u64 page, count;

	*(volatile u64 *)vm_at(&self->vm, STOP) = 1;
	count = vcpu_join(&self->vm.vcpu[0]);
	for (page = 0; page < COUNTED; page++)
		EXPECT_EQ(from + count, *word(self, page)) TH_LOG("page %lu", page);
	if (self->vm.vcpus > 1) {
		count = vcpu_join(&self->vm.vcpu[1]);
		EXPECT_EQ(from + count, *word(self, PART));
	}
}

/* The domain has not gained anything by what was done. */
static void check_forbidden(struct __test_metadata *_metadata, FIXTURE_DATA(reclaim) *self)
{
	struct chariot_event event;

	*word(self, FORBIDDEN) = 3;
	vcpu_call(&self->vm.vcpu[0], g_dom1_store, dm(BASE + FORBIDDEN * 4096), 4);
	EXPECT_EQ(3, *word(self, FORBIDDEN));
	EXPECT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
}

static u64 pagemap(void *address)
{
	static int fd = -1;
	u64 entry = 0;

	if (fd < 0)
		fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pread(fd, &entry, 8, (u64)address / 4096 * 8) != 8)
		die("/proc/self/pagemap: %m");
	return entry;
}

#define PAGEMAP_PRESENT		(1ull << 63)
#define PAGEMAP_SWAPPED		(1ull << 62)
#define PAGEMAP_PFN		((1ull << 55) - 1)
#define KPF_KSM			21

/* Of the pages from @from on, how many share their memory with equal ones? */
static u64 shared_by_ksm(FIXTURE_DATA(reclaim) *self, u64 from, u64 pages)
{
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	u64 page, flags, found = 0;

	for (page = from; page < from + pages; page++) {
		u64 entry = pagemap(self->memory + page * 4096);

		if ((entry & PAGEMAP_PRESENT) && pread(fd, &flags, 8, (entry & PAGEMAP_PFN) * 8) == 8)
			found += flags >> KPF_KSM & 1;
	}
	close(fd);
	return found;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

static long read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	long number = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

#define ZRAM_MIB	64u

/* A swap area of this test's: a new zram disk. Returns its number; -1: there can be none (@why says why). */
static long swap_on(const char **why)
{
	static u8 header[4096];
	char path[64], size[16];
	long number;
	int fd, status;

	if (access("/sys/class/zram-control", F_OK)) {
		pid_t pid = fork();

		if (!pid) {
			execlp("modprobe", "modprobe", "zram", "num_devices=0", NULL);
			_exit(1);
		}
		waitpid(pid, &status, 0);
	}
	*why = "no zram";
	number = read_number("/sys/class/zram-control/hot_add");
	if (number < 0)
		return -1;
	*why = "zram disk cannot be set up";
	snprintf(path, sizeof(path), "/sys/block/zram%ld/disksize", number);
	snprintf(size, sizeof(size), "%uM", ZRAM_MIB);
	if (!write_file(path, size))
		return -1;
	/* As mkswap does: version, last page, signature */
	*(u32 *)(header + 1024) = 1;
	*(u32 *)(header + 1028) = ZRAM_MIB * 256 - 1;
	memcpy(header + 4086, "SWAPSPACE2", 10);
	snprintf(path, sizeof(path), "/dev/zram%ld", number);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, header, sizeof(header)) != sizeof(header) || fsync(fd)) {
		close(fd);
		return -1;
	}
	close(fd);
	*why = "swapon fails";
	return swapon(path, SWAP_FLAG_PREFER | 100) ? -1 : number;
}

static void swap_off(long number)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "/dev/zram%ld", number);
	swapoff(path);
	snprintf(text, sizeof(text), "%ld", number);
	write_file("/sys/class/zram-control/hot_remove", text);
}

static u64 swapped(FIXTURE_DATA(reclaim) *self, u64 from, u64 pages, bool shared)
{
	u64 page, found = 0;

	for (page = from; page < from + pages; page++) {
		u64 entry = pagemap(self->memory + page * 4096);

		/* Of a file's page that is swapped this process's tables know nothing. */
		found += shared ? !(entry & PAGEMAP_PRESENT) : !!(entry & PAGEMAP_SWAPPED);
	}
	return found;
}

/* Old kernels (6.1) keep what was used since they looked the last time: they find it unused the second time. */
static int page_out(FIXTURE_DATA(reclaim) *self)
{
	int ret = madvise(self->memory, SIZE, MADV_PAGEOUT);

	return ret ? ret : madvise(self->memory, SIZE, MADV_PAGEOUT);
}

/* What the domain wrote comes back from swap: to the domain, to the kernel and to the host. */
TEST_F_TIMEOUT(reclaim, swapped_out, 600)
{
	const char *why;
	struct vcpu *vcpu = &self->vm.vcpu[0];
	long disk = swap_on(&why);
	u64 page, out = 0;
	unsigned int turn;

	if (disk < 0)
		SKIP(return, "%s: %s", why, strerror(errno));
	/* The word that ends g_dom1_count */
	*word(self, 0) = 1;
	for (turn = 1; turn <= vm_turns(2); turn++) {
		vcpu_call(&self->vm.vcpu[0], g_dom1_pages, dm(BASE + IDLE * 4096), IDLE_PAGES, 1000 * turn, 4096);
		vcpu_call(&self->vm.vcpu[0], g_dom1_store, dm(BASE + PART * 4096 + 8), turn);
		ASSERT_EQ(0, page_out(self));
		out += swapped(self, IDLE, IDLE_PAGES, variant->shared);
		for (page = IDLE; page < IDLE + IDLE_PAGES; page++) {
			const char *load = page & 1 ? g_dom1_load : g_core_load;

			if (page & 2)	/* adds to what was there: read from swap for a write */
				vcpu_call(vcpu, g_dom1_count, dm(BASE + page * 4096), 1, 8, dm(BASE));
			else
				EXPECT_EQ(1000 * turn, vcpu_call(vcpu, load, dm(BASE + page * 4096)));
			EXPECT_EQ(1000 * turn + (page & 2 ? 1 : 0), *word(self, page)) TH_LOG("page %lu", page);
		}
		EXPECT_EQ(turn, vcpu_call(&self->vm.vcpu[0], g_core_load, dm(BASE + PART * 4096 + 8)));
		check_forbidden(_metadata, self);
	}
	EXPECT_LT(IDLE_PAGES / 2, out) TH_LOG("nothing was swapped out");
	*word(self, 0) = 0;

	/* ... and while it counts */
	memset(self->memory, 0, COUNTED * 4096);
	*word(self, PART) = 0;
	out = 0;
	start(self);
	for (turn = 0; turn < vm_turns(8); turn++) {
		wait_for_all(self);
		ASSERT_EQ(0, page_out(self));
		out += swapped(self, 0, COUNTED, variant->shared);
	}
	wait_for_all(self);
	stop(_metadata, self, 0);
	TH_LOG("%lu times a page was out while it was counted in", out);
	swap_off(disk);
}

/* Equal pages become one, which nobody may write; what the domain writes then is in a page of its own again. */
TEST_F_TIMEOUT(reclaim, merged, 600)
{
	static const char run[] = "/sys/kernel/mm/ksm/run", sleeps[] = "/sys/kernel/mm/ksm/sleep_millisecs",
			  scans[] = "/sys/kernel/mm/ksm/pages_to_scan";
	long old_run = read_number(run), old_sleep = read_number(sleeps), old_scan = read_number(scans);
	char text[32];
	unsigned int turn, i;
	u64 page, merged;

	if (variant->shared)
		SKIP(return, "KSM merges anonymous pages");
	if (old_run < 0 || !write_file(sleeps, "2") || !write_file(scans, "4000") || !write_file(run, "1"))
		SKIP(return, "no KSM: %s", strerror(errno));
	ASSERT_EQ(0, madvise(self->memory, SIZE, MADV_MERGEABLE));
	start(self);
	for (turn = 1; turn <= vm_turns(2); turn++) {
		u64 chosen = IDLE + turn * 5 % IDLE_PAGES;

		for (page = IDLE; page < IDLE + IDLE_PAGES; page++)
			*word(self, page) = turn;
		for (i = 0; i < 1000; i++) {
			merged = shared_by_ksm(self, IDLE, IDLE_PAGES);
			if (merged >= IDLE_PAGES / 2)
				break;
			sleep_ms(10);
			vm_alive();
		}
		EXPECT_LE(IDLE_PAGES / 2, merged) TH_LOG("KSM merges nothing");
		wait_for_all(self);
		*(volatile u64 *)vm_at(&self->vm, STOP) = 1;
		vcpu_join(&self->vm.vcpu[0]);
		if (self->vm.vcpus > 1)
			vcpu_join(&self->vm.vcpu[1]);
		/* One is written by the domain, one by the kernel; all others are as they were. */
		EXPECT_EQ(turn, vcpu_call(&self->vm.vcpu[0], g_dom1_load, dm(BASE + chosen * 4096)));
		vcpu_call(&self->vm.vcpu[0], g_dom1_store, dm(BASE + chosen * 4096), 500 + turn);
		vcpu_call(&self->vm.vcpu[0], g_core_store, dm(BASE + (chosen ^ 1) * 4096), 600 + turn);
		for (page = IDLE; page < IDLE + IDLE_PAGES; page++)
			EXPECT_EQ(page == chosen ? 500 + turn : page == (chosen ^ 1) ? 600 + turn : turn, *word(self, page))
				TH_LOG("turn %u page %lu", turn, page);
		check_forbidden(_metadata, self);
		memset(self->memory, 0, COUNTED * 4096);
		*word(self, PART) = 0;
		start(self);
		/* Every other turn all of them are taken apart, while the domain counts. */
		if (!(turn & 1)) {
			EXPECT_TRUE(write_file(run, "2"));
			for (page = IDLE; page < IDLE + IDLE_PAGES; page++)
				EXPECT_NE(0, *word(self, page));
			EXPECT_TRUE(write_file(run, "1"));
		}
	}
	wait_for_all(self);
	stop(_metadata, self, 0);
	write_file(run, "2");
	snprintf(text, sizeof(text), "%ld", old_run);
	write_file(run, text);
	snprintf(text, sizeof(text), "%ld", old_sleep);
	write_file(sleeps, text);
	snprintf(text, sizeof(text), "%ld", old_scan);
	write_file(scans, text);
}

/* Huge pages come and go, pages move, a child takes copies, the VMM protects what it will: no count is lost. */
TEST_F_TIMEOUT(reclaim, shuffled, 600)
{
	u64 frames[COUNTED], page, moved = 0;
	unsigned int turn;

	start(self);
	for (turn = 0; turn < vm_turns(6); turn++) {
		int status;
		pid_t pid;

		wait_for_all(self);
		for (page = 0; page < COUNTED; page++)
			frames[page] = pagemap(self->memory + page * 4096) & PAGEMAP_PFN;
		switch (turn % 6) {
		case 0:
			madvise(self->memory, SIZE, MADV_HUGEPAGE);
			/* Refused where nothing of the kind can be had. */
			madvise(self->memory, 2 << 20, MADV_COLLAPSE);
			break;
		case 1:		/* splits it */
			EXPECT_EQ(0, madvise(self->memory + 0x100000, 4096, MADV_DONTNEED));
			break;
		case 2:
			write_file("/proc/sys/vm/compact_memory", "1");
			break;
		case 3:
			madvise(self->memory, SIZE, MADV_COLD);
			break;
		case 4:
			pid = fork();
			if (!pid) {
				/* In a file that both have, the child sees it; in memory of its own it must not. */
				u64 seen = *word(self, 5);

				usleep(5000);
				_exit(variant->shared ? 0 : seen != *word(self, 5));
			}
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			EXPECT_EQ(0, status) TH_LOG("the domain wrote to a page that is the child's");
			break;
		default:	/* one mapping in place of the other, with the same contents */
			EXPECT_EQ(0, mprotect(self->memory + COUNTED * 4096 + 0x100000, 4096, PROT_READ));
			EXPECT_EQ(0, mprotect(self->memory + COUNTED * 4096 + 0x100000, 4096, PROT_READ | PROT_WRITE));
		}
		for (page = 0; page < COUNTED; page++)
			moved += frames[page] != (pagemap(self->memory + page * 4096) & PAGEMAP_PFN);
	}
	wait_for_all(self);
	stop(_metadata, self, 0);
	check_forbidden(_metadata, self);
	TH_LOG("%lu times a page was another one afterwards", moved);
}

/* KVM throws all of its tables away, and makes them anew by other rules: may large pages hold code? */
TEST_F_TIMEOUT(reclaim, zapped, 600)
{
	static const char path[] = "/sys/module/kvm/parameters/nx_huge_pages";
	char old[16] = "";
	unsigned int turn;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, old, sizeof(old) - 1) <= 0 || !write_file(path, "force"))
		SKIP(return, "%s: %s", path, strerror(errno));
	close(fd);
	start(self);
	for (turn = 0; turn < vm_turns(4); turn++) {
		wait_for_all(self);
		EXPECT_TRUE(write_file(path, turn & 1 ? "force" : "off"));
	}
	wait_for_all(self);
	stop(_metadata, self, 0);
	check_forbidden(_metadata, self);
	EXPECT_LT(0, chariot_stats(&self->c).roots_changed);
	/* "Y" and "N" are what it is read as. */
	write_file(path, old[0] == 'Y' ? "force" : "off");
	if (old[0] == 'Y')
		write_file(path, "auto");
}

static unsigned int faults;

static bool on_fault(struct vcpu *vcpu)
{
	FIXTURE_DATA(reclaim) *self = vcpu->vm->context;

	if (mprotect(self->memory, SIZE, PROT_READ | PROT_WRITE))
		die("mprotect: %m");
	__atomic_fetch_add(&faults, 1, __ATOMIC_SEQ_CST);
	return true;
}

/* The VMM protects all of it: KVM_RUN fails with EFAULT where a page is written, as on stock KVM, until it may be. */
TEST_F_TIMEOUT(reclaim, protected, 600)
{
	unsigned int turn;

	self->vm.on_fault = on_fault;
	faults = 0;
	if (variant->vcpus > 1) {
		/* An emulated write would go to user space as MMIO, on stock KVM too: vCPU 0 alone. */
		self->vm.vcpus = 1;
	}
	start(self);
	for (turn = 0; turn < vm_turns(5); turn++) {
		unsigned int before = faults, i;
		u64 seen;

		wait_for_all(self);
		EXPECT_EQ(0, mprotect(self->memory, SIZE, PROT_READ));
		seen = *word(self, COUNTED - 1);
		for (i = 0; i < 5000 && faults == before; i++)
			sleep_ms(1);
		EXPECT_EQ(before + 1, faults);
		wait_change(word(self, COUNTED - 1), seen);
	}
	stop(_metadata, self, 0);
	check_forbidden(_metadata, self);
	self->vm.vcpus = variant->vcpus;
}

/* A balloon: pages vanish and come back empty, under the domain's hands. Nothing old is seen again, nothing new is lost. */
TEST_F_TIMEOUT(reclaim, punched, 600)
{
	unsigned int turn;
	u64 page, last;

	*(volatile u64 *)vm_at(&self->vm, STOP) = 0;
	vcpu_start(&self->vm.vcpu[0], g_dom1_sweep, dm(BASE), COUNTED, 4096, dm(STOP));
	if (variant->vcpus > 1)
		vcpu_start(&self->vm.vcpu[1], g_dom1_sweep, dm(BASE + PART * 4096), 1, 4096, dm(STOP));
	for (turn = 0; turn < vm_turns(12); turn++) {
		u64 from = turn * 3 % 8, pages = turn % 3 ? 4 : PAGES - from;

		wait_change(word(self, COUNTED - 1), *word(self, COUNTED - 1));
		*word(self, IDLE) = 0x7777;
		if (variant->shared) {
			ASSERT_EQ(0, fallocate(self->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from * 4096,
					       pages * 4096));
		} else {
			ASSERT_EQ(0, madvise(self->memory + from * 4096, pages * 4096, MADV_DONTNEED));
		}
		if (pages > IDLE) {
			EXPECT_EQ(0, *word(self, IDLE));
		}
		for (page = 0; page < COUNTED; page += 7)
			wait_change(word(self, page), *word(self, page));
	}
	*(volatile u64 *)vm_at(&self->vm, STOP) = 1;
	last = vcpu_join(&self->vm.vcpu[0]);
	for (page = 0; page < COUNTED; page++)
		EXPECT_EQ(last, *word(self, page)) TH_LOG("page %lu", page);
	if (variant->vcpus > 1) {
		last = vcpu_join(&self->vm.vcpu[1]);
		EXPECT_EQ(last, *word(self, PART));
	}
	/* What is gone is gone for both: the domain reads what the host reads. */
	EXPECT_EQ(0, vcpu_call(&self->vm.vcpu[0], g_dom1_load, dm(BASE + (PAGES - 1) * 4096)));
	check_forbidden(_metadata, self);
}

TEST_HARNESS_MAIN
