// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host asks which guest pages are in use (here: DAMON, as reclaim and
 * tiering do) by clearing KVM's accessed bits and looking again. It must see
 * what a domain uses, though the domain runs on tables that KVM knows nothing
 * of; and it must not see what nobody uses.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define SLOT		1
#define BASE		0x10000000ul
#define SIZE		(2ul << 20)
#define PAGES		64ul		/* in use; and as many that are not, a MiB further on */
#define UNUSED		(1ul << 20)
#define STOP		(GUEST_CORE_DATA + 0x10000)

#define DAMON		"/sys/kernel/mm/damon/admin/kdamonds/"
#define CONTEXT		DAMON "0/contexts/0/"

static bool set(const char *path, const char *format, u64 value)
{
	char text[64];
	int fd = open(path, O_WRONLY | O_CLOEXEC), len = snprintf(text, sizeof(text), format, value);
	bool done = fd >= 0 && write(fd, text, len) == len;

	if (fd >= 0)
		close(fd);
	return done;
}

static u64 get(const char *path)
{
	FILE *file = fopen(path, "re");
	u64 number = 0;

	if (!file || fscanf(file, "%lu", &number) != 1)
		die("%s: %m", path);
	fclose(file);
	return number;
}

static bool damon_on(u64 start)
{
	return set(DAMON "nr_kdamonds", "%lu", 1) && set(DAMON "0/contexts/nr_contexts", "%lu", 1) &&
	       set(CONTEXT "operations", "fvaddr", 0) &&
	       set(CONTEXT "monitoring_attrs/intervals/sample_us", "%lu", 20000) &&
	       set(CONTEXT "monitoring_attrs/intervals/aggr_us", "%lu", 200000) &&
	       set(CONTEXT "monitoring_attrs/intervals/update_us", "%lu", 10000000) &&
	       set(CONTEXT "monitoring_attrs/nr_regions/min", "%lu", 4) &&
	       set(CONTEXT "monitoring_attrs/nr_regions/max", "%lu", 8) &&
	       set(CONTEXT "targets/nr_targets", "%lu", 1) &&
	       set(CONTEXT "targets/0/pid_target", "%lu", getpid()) &&
	       set(CONTEXT "targets/0/regions/nr_regions", "%lu", 1) &&
	       set(CONTEXT "targets/0/regions/0/start", "%lu", start) &&
	       set(CONTEXT "targets/0/regions/0/end", "%lu", start + PAGES * 4096) &&
	       /* Counts what was accessed in at least two of an interval's ten samples. */
	       set(CONTEXT "schemes/nr_schemes", "%lu", 1) && set(CONTEXT "schemes/0/action", "stat", 0) &&
	       set(CONTEXT "schemes/0/access_pattern/sz/min", "%lu", 0) &&
	       set(CONTEXT "schemes/0/access_pattern/sz/max", "%lu", ~0ul) &&
	       set(CONTEXT "schemes/0/access_pattern/nr_accesses/min", "%lu", 2) &&
	       set(CONTEXT "schemes/0/access_pattern/nr_accesses/max", "%lu", 1000) &&
	       set(CONTEXT "schemes/0/access_pattern/age/min", "%lu", 0) &&
	       set(CONTEXT "schemes/0/access_pattern/age/max", "%lu", 1000000) && set(DAMON "0/state", "on", 0);
}

/* How many bytes of the region were found to be in use, over some intervals. */
static u64 used(u64 start)
{
	u64 bytes;

	sleep_ms(100);
	if (!damon_on(start))
		die("DAMON cannot be set up: %m");
	vm_alive();
	sleep_ms(vm_turns(1500));
	if (!set(DAMON "0/state", "update_schemes_stats", 0))
		die("DAMON says nothing: %m");
	bytes = get(CONTEXT "schemes/0/stats/sz_tried");
	set(DAMON "0/state", "off", 0);
	return bytes;
}

FIXTURE(accessed)
{
	struct vm vm;
	struct chariot c;
	u8 *memory;
};

FIXTURE_SETUP(accessed)
{
	vm_create(&self->vm, 1, VM_SMALL);
	self->memory = vm_memory(SIZE, true);
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, SIZE, self->memory));
	self->c.fd = -1;
}

FIXTURE_TEARDOWN(accessed)
{
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

/* What the host finds to be in use of the pages that the guest writes all the time, and of those that it wrote once. */
struct found {
	u64 in_use, unused;
};

static struct found look(struct __test_metadata *_metadata, FIXTURE_DATA(accessed) *self)
{
	volatile u64 *last = (u64 *)(self->memory + (PAGES - 1) * 4096);
	u64 rounds, before = *last;
	struct found found;

	vcpu_call(&self->vm.vcpu[0], g_dom1_pages, dm(BASE + UNUSED), PAGES, 1, 4096);
	*(volatile u64 *)vm_at(&self->vm, STOP) = 0;
	vcpu_start(&self->vm.vcpu[0], g_dom1_count, dm(BASE), PAGES, 4096, dm(STOP));
	wait_change(last, before);
	found.in_use = used((u64)self->memory);
	found.unused = used((u64)self->memory + UNUSED);
	*(volatile u64 *)vm_at(&self->vm, STOP) = 1;
	rounds = vcpu_join(&self->vm.vcpu[0]);
	EXPECT_EQ(before + rounds, *last);
	return found;
}

TEST_F_TIMEOUT(accessed, is_seen, 600)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };
	struct found stock, armed;

	if (access(DAMON "nr_kdamonds", W_OK))
		SKIP(return, "no DAMON: %s", strerror(errno));
	/* What KVM alone shows: where that is nonsense, what it shows with a view says nothing. */
	stock = look(_metadata, self);
	if (!stock.in_use || stock.unused)
		SKIP(return, "DAMON on stock KVM: %lu of the bytes in use look used, and %lu of the others",
		     stock.in_use, stock.unused);
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_grant(&self->c, 1, BASE, SIZE);
	armed = look(_metadata, self);
	EXPECT_LT(0, armed.in_use) TH_LOG("what the domain uses looks unused");
	EXPECT_EQ(0, armed.unused) TH_LOG("what nobody uses looks used");
	EXPECT_LT(0, chariot_domain_stats(&self->c, 1).fills);
	EXPECT_EQ(0, chariot_drain_events(&self->c));
}

TEST_HARNESS_MAIN
