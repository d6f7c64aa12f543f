// SPDX-License-Identifier: GPL-2.0-only
/*
 * What differs by how KVM maps guest memory: crossings each way, memory that is
 * touched for the first time, and what KVM's flushes cost the views. Prints one
 * line for each figure: what, by what it is counted, the figure.
 *
 * Exits are KVM's own counter less those by the host's interrupts, instructions the
 * clock of an emulator that counts them (see host_cost.c), all others Chariot's counters.
 *
 * Where the memory behind a guest is not of the size that a figure is about,
 * the figure says so instead.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "../kvm/lib/device.h"
#include "count.h"

#define RUNS	9
#define TURNS	8
#define PAGE	4096ul
#define HUGE	(2ul << 20)
#define MIB	(1ul << 20)
#define MAPPED	32			/* MiB that are touched for the first time */
#define AREA	0x40000000ul		/* where its slot begins */
#define SMALL	0x50000000ul		/* slot 1 of the flushes: PAGES pages of 4 KiB */
#define LARGE	0x60000000ul		/* slot 2: one page of 2 MiB */
#define PAGES	64
#define WORD	(GUEST_DM + GUEST_CORE_DATA + 0x100)	/* the kernel's */

/* Stock figures are of a host without hooks. */
bool keep_hooked;

GUEST_CODE(core, b_cr3, "mov %cr3, %rax\n mov %rax, %cr3\n ret");
GUEST_CODE(core, b_invlpg, "invlpg (%rdi)\n ret");
GUEST_CODE(core, b_pge,
	   "mov %cr4, %rax\n mov %rax, %rcx\n xor $0x80, %rcx\n mov %rcx, %cr4\n mov %rax, %cr4\n ret");
/* Reads from rsi words, rcx bytes apart, from rdi; as long a loop as that of g_*_pages. */
GUEST_CODE(dom1, b_dom1_read, "1: mov (%rdi), %rax\n add %rcx, %rdi\n dec %rsi\n jnz 1b\n ret");

static struct vm vm;
static struct vcpu *vcpu = &vm.vcpu[0];
static struct chariot c = { .fd = -1 };

__attribute__((format(printf, 3, 4)))
static void tell(const char *what, const char *counted, const char *format, ...)
{
	va_list args;

	printf("%s\t%s\t", what, counted);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static void begin(bool armed)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };

	vm_create(&vm, 1, 0);
	if (armed)
		chariot_setup(&c, &vm, &setup);
}

static void end(void)
{
	if (c.fd >= 0) {
		if (chariot_drain_events(&c))
			die("a violation");
		close(c.fd);
	}
	c.fd = -1;
	vm_destroy(&vm);
}

static void *new_slot(u32 slot, u64 gpa, u64 size, bool small)
{
	void *memory = vm_memory(size, small);

	/* The host's own first touch is not what is counted. */
	memset(memory, 1, size);
	if (vm_slot(&vm, slot, 0, gpa, size, memory))
		die("slot %u", slot);
	return memory;
}

struct cost {
	u64 exits, ticks;
};

/* Of one call, from the view that calling @before leaves the vCPU in; the least of RUNS. */
static struct cost least(const char *before, const char *fn)
{
	struct cost best = { ~0ull, ~0ull };
	int i;

	for (i = 0; i < RUNS; i++) {
		struct cost now;

		vcpu_call(vcpu, before, WORD, i);
		now.exits = vm_exits(&vm);
		now.ticks = ticks();
		vcpu_call(vcpu, fn, WORD, i);
		now.ticks = ticks() - now.ticks;
		now.exits = vm_exits(&vm) - now.exits;
		if (now.exits < best.exits)
			best.exits = now.exits;
		if (now.ticks < best.ticks)
			best.ticks = now.ticks;
	}
	return best;
}

static void crossing(const char *name, const char *before, const char *fn, const char *before_without,
		     const char *without)
{
	struct cost with, none;

	vcpu_call(vcpu, before, WORD, 0);
	vcpu_call(vcpu, fn, WORD, 0);		/* brings in code and pages */
	with = least(before, fn);
	none = least(before_without, without);
	tell(name, "exits", "%ld", with.exits - none.exits);
	tell(name, "host instructions", "%ld", with.ticks - none.ticks);
}

static void crossings(void)
{
	begin(true);
	crossing("a crossing into the driver: the kernel calls it", g_core_store, g_dom1_ret, g_core_store, g_core_ret);
	crossing("a crossing out of it: the kernel writes kernel memory", g_dom1_ret, g_core_store, g_core_store,
		 g_core_store);
	end();
}

enum who { STOCK, KERNEL, OWNER, READER };

static void touch(enum who who, u64 gpa, u64 size)
{
	const char *fn = who == READER ? b_dom1_read : who == OWNER ? g_dom1_pages : g_core_pages;

	vcpu_call(vcpu, fn, dm(gpa), size / PAGE, 1, PAGE);
}

/* Memory of the host's, all of it there, that this guest touches for the first time */
static void first_touch(const char *by, enum who who, bool small)
{
	struct chariot_stats s[2] = { 0 };
	u64 exits, instructions;
	char what[128];
	void *memory;

	snprintf(what, sizeof(what), "1 MiB of %s, first touched by %s", small ? "4 KiB pages" : "2 MiB pages", by);
	begin(who != STOCK);
	memory = new_slot(1, AREA, HUGE + MAPPED * MIB, small);
	if (who == OWNER)
		chariot_grant(&c, 1, AREA, HUGE + MAPPED * MIB);
	/* Code, stack, upper tables; the crossing. */
	touch(who, AREA, HUGE);
	if (who != STOCK)
		s[0] = chariot_stats(&c);
	exits = vm_exits(&vm);
	instructions = ticks();
	touch(who, AREA + HUGE, MAPPED * MIB);
	instructions = ticks() - instructions - 4 * MAPPED * MIB / PAGE;
	exits = vm_exits(&vm) - exits;
	if (who != STOCK)
		s[1] = chariot_stats(&c);
	if (!small && vm_stat(&vm, "pages_2m") < MAPPED * MIB / HUGE) {
		tell(what, "exits", "the host gave no 2 MiB pages");
	} else {
		/* One is the end of the call. */
		tell(what, "exits", "%.2f", (exits - 1.0) / MAPPED);
		tell(what, "host instructions", "%.0f", (double)instructions / MAPPED);
	}
	if (who != STOCK) {
		tell(what, "fills", "%.2f", (double)(s[1].fills - s[0].fills) / MAPPED);
		tell(what, "bytes of view memory", "%.0f",
		     (double)(s[1].view_pages - s[0].view_pages) * PAGE / MAPPED);
	}
	end();
	munmap(memory, HUGE + MAPPED * MIB);
}

static u8 *small_memory, *large_memory;

static void do_nothing(void)
{
}

static void do_delete(void)
{
	if (vm_slot(&vm, 2, 0, LARGE, 0, large_memory) || vm_slot(&vm, 2, 0, LARGE, HUGE, large_memory))
		die("slot 2");
}

static void do_move(void)
{
	if (vm_slot(&vm, 2, 0, LARGE + HUGE, HUGE, large_memory) || vm_slot(&vm, 2, 0, LARGE, HUGE, large_memory))
		die("slot 2");
}

static void do_log_on_off(void)
{
	if (vm_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, SMALL, PAGES * PAGE, small_memory) ||
	    vm_slot(&vm, 1, 0, SMALL, PAGES * PAGE, small_memory))
		die("slot 1");
}

static void do_get_log(void)
{
	u64 bitmap[PAGES / 64 + 1] = { 0 };
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	if (ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log))
		die("KVM_GET_DIRTY_LOG: %m");
}

static void do_protect(void)
{
	if (mprotect(small_memory, PAGE, PROT_READ) || mprotect(small_memory, PAGE, PROT_READ | PROT_WRITE))
		die("mprotect: %m");
}

static void do_discard_4k(void)
{
	if (madvise(small_memory, PAGE, MADV_DONTNEED))
		die("madvise: %m");
}

static void do_discard_2m(void)
{
	if (madvise(large_memory, HUGE, MADV_DONTNEED))
		die("madvise: %m");
}

static void do_revoke(void)
{
	chariot_revoke(&c, 1, SMALL, PAGE);
	chariot_grant(&c, 1, SMALL, PAGE);
}

static void do_cross(void)
{
	vcpu_call(vcpu, g_dom1_ret, 0);
	vcpu_call(vcpu, g_core_store, WORD, 1);
}

static void do_cr3(void)
{
	vcpu_call(vcpu, b_cr3);
}

static void do_pge(void)
{
	vcpu_call(vcpu, b_pge);
}

static void do_invlpg(void)
{
	vcpu_call(vcpu, b_invlpg, dm(SMALL));
}

static const struct flush {
	const char *name;
	void (*make)(void);
	bool logged;
} flush_kinds[] = {
	{ .name = "nothing, to compare with", .make = do_nothing },
	{ .name = "a crossing in and out", .make = do_cross },
	{ .name = "a memory slot deleted and added", .make = do_delete },
	{ .name = "a memory slot moved away and back", .make = do_move },
	{ .name = "dirty logging of a slot on and off", .make = do_log_on_off },
	{ .name = "KVM_GET_DIRTY_LOG, 64 pages dirty", .make = do_get_log, .logged = true },
	{ .name = "mprotect() of a page, and back", .make = do_protect },
	{ .name = "MADV_DONTNEED of 4 KiB", .make = do_discard_4k },
	{ .name = "MADV_DONTNEED of 2 MiB", .make = do_discard_2m },
	{ .name = "a page revoked and granted", .make = do_revoke },
	{ .name = "the guest loads CR3", .make = do_cr3 },
	{ .name = "the guest toggles CR4.PGE (two loads)", .make = do_pge },
	{ .name = "the guest's INVLPG", .make = do_invlpg },
};

static void touch_all(void)
{
	touch(KERNEL, SMALL, PAGES * PAGE);
	touch(KERNEL, LARGE, HUGE);
	touch(OWNER, SMALL, PAGES * PAGE);
	touch(OWNER, LARGE, HUGE);
	vcpu_call(vcpu, g_core_store, WORD, 1);
}

static void add(struct chariot_stats *sum, const struct chariot_stats *now, int sign)
{
	sum->flushes_vm += sign * now->flushes_vm;
	sum->flushes_vcpu += sign * now->flushes_vcpu;
	sum->flushes_address += sign * now->flushes_address;
	sum->roots_changed += sign * now->roots_changed;
}

#define MEAN(n)	((double)(n) / TURNS)

/* What KVM tells the views by it, and what is derived again before all is as it was */
static void flush(const struct flush *kind)
{
	struct chariot_stats sum = { 0 };
	u64 fills = 0;
	int i;

	begin(true);
	small_memory = new_slot(1, SMALL, PAGES * PAGE, true);
	large_memory = new_slot(2, LARGE, HUGE, false);
	if (kind->logged && vm_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, SMALL, PAGES * PAGE, small_memory))
		die("slot 1");
	chariot_grant(&c, 1, SMALL, PAGES * PAGE);
	chariot_grant(&c, 1, LARGE, HUGE);
	touch_all();
	kind->make();
	touch_all();
	for (i = 0; i < TURNS; i++) {
		struct chariot_stats now = chariot_stats(&c);

		add(&sum, &now, -1);
		fills -= now.fills;
		kind->make();
		/* KVM's requests are seen to when the vCPU enters. */
		vcpu_call(vcpu, g_core_ret);
		now = chariot_stats(&c);
		add(&sum, &now, 1);
		touch_all();
		fills += chariot_stats(&c).fills;
	}
	tell(kind->name, "flushes seen: VM + vCPU + address", "%g + %g + %g", MEAN(sum.flushes_vm),
	     MEAN(sum.flushes_vcpu), MEAN(sum.flushes_address));
	tell(kind->name, "roots changed", "%g", MEAN(sum.roots_changed));
	tell(kind->name, "fills until all is as before", "%g", MEAN(fills));
	end();
	munmap(small_memory, PAGES * PAGE);
	munmap(large_memory, HUGE);
}

int main(void)
{
	static const struct {
		const char *by;
		enum who who;
	} touches[] = {
		{ "a guest of stock KVM", STOCK },
		{ "the kernel", KERNEL },
		{ "the driver, whose it is", OWNER },
		{ "the driver, reading what is not its own", READER },
	};
	unsigned int i;

	crossings();
	for (i = 0; i < 2 * sizeof(touches) / sizeof(*touches); i++)
		first_touch(touches[i / 2].by, touches[i / 2].who, !(i & 1));
	for (i = 0; i < sizeof(flush_kinds) / sizeof(*flush_kinds); i++)
		flush(&flush_kinds[i]);
	return 0;
}
