// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory that is missing and comes when it is asked for (userfaultfd),
 * as after a postcopy migration, on an armed VM: the domain's memory, and what
 * the module itself reads (the ring, instructions, stacks). A page that never
 * comes must not keep anybody alive who was killed.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/userfaultfd.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define SLOT		1
#define BASE		0x10000000ul
#define SIZE		(1ul << 20)
#define PAGES		64ul			/* of the domain, for each vCPU */
#define PART		128ul			/* pages of which it has a part, one for each vCPU */
#define STOP		(GUEST_CORE_DATA + 0x10000)	/* never missing: the host writes it */
#define FORBIDDEN	(GUEST_CORE_DATA + 0x1000)

/* Memory whose missing pages a thread serves from a copy. */
struct served {
	int uffd;
	u8 *memory[2];
	u8 *copy[2];			/* by slot */
	u64 size[2];
	u8 missing[2][GUEST_MEMORY / 4096];
	pthread_t thread;
	int quit[2];			/* pipe */
	volatile unsigned int delay_ms;
	volatile bool hold;		/* nothing is served */
	volatile unsigned int served;
	volatile unsigned int pending;	/* asked for */
};

static void serve(struct served *s, u64 address)
{
	struct uffdio_copy copy = { .dst = address & ~4095ull, .len = 4096 };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		u64 offset = copy.dst - (u64)s->memory[i];

		if (offset >= s->size[i])
			continue;
		copy.src = (u64)s->copy[i] + offset;
		s->missing[i][offset / 4096] = 0;
	}
	if (ioctl(s->uffd, UFFDIO_COPY, &copy) && errno != EEXIST)
		die("UFFDIO_COPY: %m");
	s->served++;
}

static void *serving(void *data)
{
	struct served *s = data;
	struct pollfd fds[2] = { { .fd = s->uffd, .events = POLLIN }, { .fd = s->quit[0], .events = POLLIN } };
	struct uffd_msg msg;

	for (;;) {
		poll(fds, 2, -1);
		if (fds[1].revents)
			return NULL;
		while (read(s->uffd, &msg, sizeof(msg)) == sizeof(msg)) {
			s->pending++;
			if (s->delay_ms)
				sleep_ms(s->delay_ms);
			while (s->hold)
				sleep_ms(1);
			serve(s, msg.arg.pagefault.address);
		}
	}
}

/* False: the kernel has no such thing for us. */
static bool serve_begin(struct served *s, struct vm *vm, u8 *memory)
{
	struct uffdio_api api = { .api = UFFD_API };
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (s->uffd < 0)
		return false;
	if (ioctl(s->uffd, UFFDIO_API, &api))
		die("UFFDIO_API: %m");
	s->memory[0] = vm->memory;
	s->memory[1] = memory;
	s->size[0] = GUEST_MEMORY;
	s->size[1] = SIZE;
	for (i = 0; i < 2; i++) {
		struct uffdio_register reg = {
			.range = { (u64)s->memory[i], s->size[i] }, .mode = UFFDIO_REGISTER_MODE_MISSING,
		};

		s->copy[i] = vm_memory(s->size[i], true);
		/* What nobody has touched yet would be asked for, too: it is there then. */
		memcpy(s->copy[i], s->memory[i], s->size[i]);
		if (ioctl(s->uffd, UFFDIO_REGISTER, &reg))
			die("UFFDIO_REGISTER: %m");
	}
	if (pipe(s->quit) || pthread_create(&s->thread, NULL, serving, s))
		die("no thread to serve pages: %m");
	return true;
}

static void serve_end(struct served *s)
{
	close(s->quit[1]);
	pthread_join(s->thread, NULL);
	close(s->quit[0]);
	close(s->uffd);
	munmap(s->copy[0], s->size[0]);
	munmap(s->copy[1], s->size[1]);
}

/* The pages are missing from now on, with the contents that they have. Nobody may be writing them. */
static void take_away(struct served *s, unsigned int slot, u64 offset, u64 size)
{
	u64 end = offset + size, at;

	for (at = offset; at < end; at += 4096) {
		u8 *missing = &s->missing[slot][at / 4096];

		if (!*missing)
			memcpy(s->copy[slot] + at, s->memory[slot] + at, 4096);
		*missing = 1;
	}
	if (madvise(s->memory[slot] + offset, size, MADV_DONTNEED))
		die("MADV_DONTNEED: %m");
}

/* All but the words between host and guest. */
static void take_all_away(struct served *s)
{
	take_away(s, 0, 0, STOP);
	take_away(s, 0, STOP + 4096, GUEST_MEMORY - STOP - 4096);
	take_away(s, 1, 0, SIZE);
}

FIXTURE(fault)
{
	struct vm vm;
	struct chariot c;
	u8 *memory;
	struct served s;
};

FIXTURE_VARIANT(fault)
{
	u32 vcpus;
	u32 flags;
};

FIXTURE_VARIANT_ADD(fault, one) { .vcpus = 1 };
FIXTURE_VARIANT_ADD(fault, two) { .vcpus = 2 };
/* KVM may then have a vCPU halt until its page is there, instead of waiting in a fault. */
FIXTURE_VARIANT_ADD(fault, halting) { .vcpus = 2, .flags = VM_IRQCHIP };

static void bring_up(struct vm *vm, struct chariot *c, u8 **memory, u32 vcpus, u32 flags)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };

	vm_create(vm, vcpus, VM_SMALL | flags);
	*memory = vm_memory(SIZE, true);
	if (vm_slot(vm, SLOT, 0, BASE, SIZE, *memory))
		die("no slot");
	chariot_setup(c, vm, &setup);
	chariot_grant(c, 1, BASE, 2 * PAGES * 4096);
	chariot_grant(c, 1, BASE + PART * 4096, 64);
	chariot_grant(c, 1, BASE + (PART + 1) * 4096, 64);
}

FIXTURE_SETUP(fault)
{
	bring_up(&self->vm, &self->c, &self->memory, variant->vcpus, variant->flags);
	if (!serve_begin(&self->s, &self->vm, self->memory))
		SKIP(return, "userfaultfd: %s", strerror(errno));
}

FIXTURE_TEARDOWN(fault)
{
	chariot_drain_events(&self->c);
	close(self->c.fd);
	if (self->s.uffd >= 0)
		serve_end(&self->s);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

static u64 *word(FIXTURE_DATA(fault) *self, u64 page)
{
	return (u64 *)(self->memory + page * 4096);
}

/* All of the guest is missing each time it starts. No count is lost. */
TEST_F_TIMEOUT(fault, postcopy, 600)
{
	u64 counts[2] = { 0 };
	unsigned int turn, i;
	u64 page;

	for (turn = 0; turn < vm_turns(4); turn++) {
		unsigned int pending = self->s.pending;

		*(volatile u64 *)vm_at(&self->vm, STOP) = 0;
		take_all_away(&self->s);
		for (i = 0; i < variant->vcpus; i++)
			vcpu_start(&self->vm.vcpu[i], g_dom1_count, dm(BASE + i * PAGES * 4096), PAGES, 4096, dm(STOP));
		for (i = 0; i < variant->vcpus; i++)
			wait_change((u64 *)word(self, i * PAGES + PAGES - 1), counts[i]);
		*(volatile u64 *)vm_at(&self->vm, STOP) = 1;
		for (i = 0; i < variant->vcpus; i++)
			counts[i] += vcpu_join(&self->vm.vcpu[i]);
		for (i = 0; i < variant->vcpus; i++)
			for (page = 0; page < PAGES; page++)
				EXPECT_EQ(counts[i], *word(self, i * PAGES + page)) TH_LOG("turn %u page %lu", turn, page);
		EXPECT_LT(pending + PAGES, self->s.pending);
	}
	EXPECT_EQ(0, chariot_drain_events(&self->c));
}

/* The ring itself is missing when the module drains it: in an ioctl, and for a vCPU. */
TEST_F(fault, ring)
{
	u64 *own = vm_at(&self->vm, GUEST_DOM1_DATA);
	unsigned int turn;

	self->s.delay_ms = 2;
	for (turn = 1; turn <= vm_turns(6); turn++) {
		unsigned int pending = self->s.pending;

		chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_SLAB, GUEST_DOM1_DATA, 4096);
		take_away(&self->s, 0, GUEST_RING, 0x4000);
		if (turn & 1)
			chariot_kick(&self->c);
		vcpu_call(&self->vm.vcpu[0], g_dom1_store, dm(GUEST_DOM1_DATA), turn);
		EXPECT_EQ(turn, *own);
		EXPECT_LE(pending + 2, self->s.pending);

		chariot_range(&self->c, CHARIOT_REC_REVOKE, 1, 0, GUEST_DOM1_DATA, 0);
		take_away(&self->s, 0, GUEST_RING, 0x4000);
		if (turn & 2)
			chariot_kick(&self->c);
		else	/* an exit that is judged drains */
			vcpu_call(&self->vm.vcpu[0], g_dom1_store, dm(FORBIDDEN), turn);
		vcpu_call(&self->vm.vcpu[variant->vcpus - 1], g_dom1_store, dm(GUEST_DOM1_DATA), 1000 + turn);
		EXPECT_EQ(turn, *own);
		EXPECT_LT(0, chariot_drain_events(&self->c));
	}
	EXPECT_EQ(0, chariot_stats(&self->c).bad_records[CHARIOT_BAD_UNMAPPED]);
}

/*
 * What the module reads for itself (instructions to emulate, the words that say where stacks are, the ring) goes and comes
 * while the domain counts in pages that it owns in part.
 */
TEST_F_TIMEOUT(fault, read_by_module, 600)
{
	u64 count[2];
	unsigned int turn, i;

	*(volatile u64 *)vm_at(&self->vm, STOP) = 0;
	for (i = 0; i < variant->vcpus; i++)
		vcpu_start(&self->vm.vcpu[i], g_dom1_count, dm(BASE + (PART + i) * 4096), 1, 4096, dm(STOP));
	for (turn = 0; turn < vm_turns(15); turn++) {
		unsigned int pending = self->s.pending;

		/* Nobody writes these. */
		take_away(&self->s, 0, GUEST_TEXT, guest_end - guest_start);
		take_away(&self->s, 0, GUEST_CPU, 4096);
		take_away(&self->s, 0, GUEST_RING, 8192);
		for (i = 0; i < variant->vcpus; i++)
			wait_change((u64 *)word(self, PART + i), *word(self, PART + i));
		EXPECT_LT(pending, self->s.pending);
	}
	*(volatile u64 *)vm_at(&self->vm, STOP) = 1;
	for (i = 0; i < variant->vcpus; i++)
		count[i] = vcpu_join(&self->vm.vcpu[i]);
	for (i = 0; i < variant->vcpus; i++)
		EXPECT_EQ(count[i], *word(self, PART + i));
	EXPECT_EQ(0, chariot_drain_events(&self->c));
}

/*
 * A snapshot in the background: all pages are protected at one moment, and whoever writes one waits until it has been
 * saved. What was saved is the memory as it was at that moment.
 */
struct snapshot {
	struct pollfd fds[2];
	u8 *memory[2], *saved[2];
	u8 done[2][GUEST_MEMORY / 4096];
	volatile unsigned int early;	/* saved because somebody wanted to write */
};

static void protect(struct snapshot *s, void *start, u64 size, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { (u64)start, size }, .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	if (ioctl(s->fds[0].fd, UFFDIO_WRITEPROTECT, &wp))
		die("UFFDIO_WRITEPROTECT: %m");
}

static void *saving(void *data)
{
	static const u64 size[2] = { GUEST_MEMORY, SIZE };
	struct snapshot *s = data;
	struct uffd_msg msg;
	unsigned int i;

	for (;;) {
		poll(s->fds, 2, -1);
		if (s->fds[1].revents)
			return NULL;
		while (read(s->fds[0].fd, &msg, sizeof(msg)) == sizeof(msg)) {
			u8 *page = (u8 *)(msg.arg.pagefault.address & ~4095ull);

			for (i = 0; i < 2; i++) {
				u64 offset = page - s->memory[i];

				if (offset >= size[i] || s->done[i][offset / 4096])
					continue;
				memcpy(s->saved[i] + offset, page, 4096);
				s->done[i][offset / 4096] = 1;
				s->early++;
			}
			protect(s, page, 4096, false);
		}
	}
}

TEST_F_TIMEOUT(fault, snapshot, 600)
{
	static const u64 size[2] = { GUEST_MEMORY, SIZE };
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };
	static struct snapshot s;
	unsigned int turn, i, early;
	int quit[2];
	pthread_t thread;
	u8 *now[2];
	u64 page;

	/* This test's pages are protected, not missing: a thread of its own serves them. */
	serve_end(&self->s);
	s.fds[0] = (struct pollfd){ .fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), .events = POLLIN };
	self->s.uffd = -1;
	if (ioctl(s.fds[0].fd, UFFDIO_API, &api))
		SKIP(return, "userfaultfd cannot protect: %s", strerror(errno));
	s.memory[0] = self->vm.memory;
	s.memory[1] = self->memory;
	for (i = 0; i < 2; i++) {
		struct uffdio_register reg = {
			.range = { (u64)s.memory[i], size[i] }, .mode = UFFDIO_REGISTER_MODE_WP,
		};

		s.saved[i] = vm_memory(size[i], true);
		now[i] = vm_memory(size[i], true);
		for (page = 0; page < size[i]; page += 4096)
			*(volatile u8 *)(s.memory[i] + page) = s.memory[i][page];
		if (ioctl(s.fds[0].fd, UFFDIO_REGISTER, &reg))
			die("UFFDIO_REGISTER: %m");
	}
	ASSERT_EQ(0, pipe(quit));
	s.fds[1] = (struct pollfd){ .fd = quit[0], .events = POLLIN };
	ASSERT_EQ(0, pthread_create(&thread, NULL, saving, &s));

	for (turn = 0; turn < vm_turns(4); turn++) {
		early = s.early;
		memset(s.done, 0, sizeof(s.done));
		*(volatile u64 *)vm_at(&self->vm, STOP) = 0;
		for (i = 0; i < 2; i++) {
			memcpy(now[i], s.memory[i], size[i]);
			protect(&s, s.memory[i], size[i], true);
		}
		/* The last vCPU's writes are emulated. */
		vcpu_start(&self->vm.vcpu[0], g_dom1_count, dm(BASE), PAGES, 4096, dm(STOP));
		if (variant->vcpus > 1)
			vcpu_start(&self->vm.vcpu[1], g_dom1_count, dm(BASE + PART * 4096), 1, 4096, dm(STOP));
		wait_change((u64 *)word(self, PAGES - 1), *word(self, PAGES - 1));
		if (variant->vcpus > 1)
			wait_change((u64 *)word(self, PART), *word(self, PART));
		*(volatile u64 *)vm_at(&self->vm, STOP) = 1;
		for (i = 0; i < variant->vcpus; i++)
			vcpu_join(&self->vm.vcpu[i]);
		EXPECT_LE(early + PAGES, s.early);
		for (i = 0; i < 2; i++) {
			for (page = 0; page < size[i] / 4096; page++) {
				if (!s.done[i][page])
					memcpy(s.saved[i] + page * 4096, s.memory[i] + page * 4096, 4096);
				EXPECT_EQ(0, memcmp(s.saved[i] + page * 4096, now[i] + page * 4096, 4096))
					TH_LOG("turn %u: slot %u page 0x%lx was written before it was saved", turn, i, page);
			}
			protect(&s, s.memory[i], size[i], false);
		}
	}
	close(quit[1]);
	pthread_join(thread, NULL);
	close(quit[0]);
	close(s.fds[0].fd);
	EXPECT_EQ(0, chariot_drain_events(&self->c));
}

/* What is missing when a vCPU gets stuck */
static const struct {
	const char *name;
	unsigned int slot;
	u64 offset, size;
	const char *fn;
	u64 target;
} missing[] = {
	{ "own page", 1, 0, 4096, g_dom1_store, BASE },
	{ "page owned in part", 1, PART * 4096, 4096, g_dom1_store, BASE + PART * 4096 },
	{ "the kernel's page", 0, FORBIDDEN, 4096, g_core_store, FORBIDDEN },
	{ "ring", 0, GUEST_RING, 0x4000, g_dom1_store, BASE + PART * 4096 },
	{ "where the stack is", 0, GUEST_CPU, 4096, g_dom1_store, BASE + PART * 4096 },
};

static bool is_ring(unsigned int what)
{
	return missing[what].slot == 0 && missing[what].offset == GUEST_RING;
}

/* While a vCPU waits for a page of its own, the others do their work. */
TEST_F_TIMEOUT(fault, others_run_on, 600)
{
	unsigned int i, turn;

	if (variant->vcpus < 2)
		SKIP(return, "needs a second vCPU");
	/* Warm: what is missing later is missing alone. */
	for (i = 0; i < 2; i++) {
		vcpu_call(&self->vm.vcpu[i], g_dom1_store, dm(BASE + PART * 4096), 1);
		vcpu_call(&self->vm.vcpu[i], g_dom1_store, dm(BASE), 1);
	}
	for (i = 0; i < ARRAY_SIZE(missing); i++) {
		unsigned int pending = self->s.pending;

		/* In the kernel view: where the stack is matters to who enters the domain. */
		vcpu_call(&self->vm.vcpu[0], g_core_store, dm(FORBIDDEN), i);
		self->s.delay_ms = 1500;
		take_away(&self->s, missing[i].slot, missing[i].offset, missing[i].size);
		vcpu_start(&self->vm.vcpu[0], missing[i].fn, dm(missing[i].target), 5);
		for (turn = 0; turn < 5000 && self->s.pending == pending; turn++)
			sleep_ms(1);
		EXPECT_LT(pending, self->s.pending);
		pending = self->s.served;
		/* judged, emulated, crossing; but nobody can be judged without the ring */
		if (!is_ring(i))
			vcpu_call(&self->vm.vcpu[1], g_dom1_store, dm(BASE + (PART + 1) * 4096), i);
		chariot_stats(&self->c);
		EXPECT_EQ(pending, self->s.served) TH_LOG("%s: the other vCPU had to wait for the page, too", missing[i].name);
		self->s.delay_ms = 0;
		vcpu_join(&self->vm.vcpu[0]);
	}
	chariot_drain_events(&self->c);
}

static volatile unsigned int kicks;

static void on_kick(int signal)
{
	(void)signal;
	__atomic_add_fetch(&kicks, 1, __ATOMIC_SEQ_CST);
}

/* Does a signal bring the vCPU's thread back to user space, as user space stops its vCPUs? */
static bool is_kicked(struct vcpu *vcpu)
{
	unsigned int before = kicks, i;

	pthread_kill(vcpu->thread, SIGUSR1);
	for (i = 0; i < 3000 && kicks == before; i++)
		sleep_ms(1);
	return kicks != before;
}

/* A vCPU that waits for a page, or for one that does, can be stopped; nothing is lost by it. */
TEST_F_TIMEOUT(fault, kicked_while_missing, 600)
{
	struct sigaction action = { .sa_handler = on_kick };
	unsigned int i, v, turn;

	sigaction(SIGUSR1, &action, NULL);
	for (v = 0; v < variant->vcpus; v++)
		vcpu_call(&self->vm.vcpu[v], g_dom1_store, dm(BASE + PART * 4096), 1);
	for (i = 0; i < ARRAY_SIZE(missing); i++) {
		unsigned int pending = self->s.pending;
		bool kicked;

		/* KVM's emulator waits for it, and so do the bytes that are judged. */
		if (missing[i].slot == 1 && missing[i].offset)
			continue;
		vcpu_call(&self->vm.vcpu[0], g_core_store, dm(FORBIDDEN), i);
		self->s.hold = true;
		take_away(&self->s, missing[i].slot, missing[i].offset, missing[i].size);
		vcpu_start(&self->vm.vcpu[0], missing[i].fn, dm(missing[i].target), 6);
		for (turn = 0; turn < 5000 && self->s.pending == pending; turn++)
			sleep_ms(1);
		ASSERT_LT(pending, self->s.pending);
		if (variant->vcpus > 1) {
			vcpu_start(&self->vm.vcpu[1], g_dom1_store, dm(BASE + (PART + 1) * 4096), 7 + i);
			sleep_ms(50);
		}
		chariot_stats(&self->c);
		kicked = is_kicked(&self->vm.vcpu[0]);
		if (!kicked && !i) {
			self->s.hold = false;
			for (v = 0; v < variant->vcpus; v++)
				vcpu_join(&self->vm.vcpu[v]);
			SKIP(return, "this KVM waits for its own pages whatever signal comes");
		}
		EXPECT_TRUE(kicked) TH_LOG("%s is missing: the vCPU cannot be kicked", missing[i].name);
		if (variant->vcpus > 1 && is_ring(i))
			EXPECT_TRUE(is_kicked(&self->vm.vcpu[1])) TH_LOG("%s is missing: nor the other", missing[i].name);
		self->s.hold = false;
		for (v = 0; v < variant->vcpus; v++)
			vcpu_join(&self->vm.vcpu[v]);
		if (missing[i].offset != FORBIDDEN)
			EXPECT_EQ(6, *(u64 *)(self->memory + missing[i].target - BASE));
		if (variant->vcpus > 1)
			EXPECT_EQ(7 + i, *word(self, PART + 1));
	}
	EXPECT_EQ(0, chariot_drain_events(&self->c));
	EXPECT_EQ(0, chariot_stats(&self->c).violations);
}

/* A process whose vCPUs wait for a page that nobody will bring */
static void victim(volatile u32 *ready, unsigned int what)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct pollfd poll_fd = { .events = POLLIN };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct chariot c;
	struct vm vm;
	u8 *memory;

	bring_up(&vm, &c, &memory, 2, what & 1 ? VM_IRQCHIP : 0);
	vcpu_call(&vm.vcpu[1], g_dom1_store, dm(BASE + 4096), 1);
	poll_fd.fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	reg.range.start = (u64)(missing[what].slot ? memory : vm.memory) + missing[what].offset;
	reg.range.len = missing[what].size;
	if (ioctl(poll_fd.fd, UFFDIO_API, &api) || madvise((void *)reg.range.start, reg.range.len, MADV_DONTNEED) ||
	    ioctl(poll_fd.fd, UFFDIO_REGISTER, &reg))
		die("userfaultfd: %m");
	*(u64 *)vm_at(&vm, STOP) = 0;
	vcpu_start(&vm.vcpu[0], missing[what].fn, dm(missing[what].target), 5);
	if (poll(&poll_fd, 1, 10000) != 1)
		die("nothing was missing");
	/* The other vCPU, and an ioctl: they get as far as they get. */
	vcpu_start(&vm.vcpu[1], g_dom1_count, dm(BASE + (PART + 1) * 4096), 1, 4096, dm(STOP));
	*ready = 1;
	chariot_stats(&c);
	for (;;)
		pause();
}

TEST(killed_while_missing)
{
	volatile u32 *ready = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int references = module_references(), status, uffd;
	unsigned int what, i;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	close(uffd);
	for (what = 0; what < ARRAY_SIZE(missing); what++) {
		pid_t pid, dead = 0;

		*ready = 0;
		pid = fork();
		if (!pid)
			victim(ready, what);
		for (i = 0; i < 15000 && !*ready; i++)
			sleep_ms(1);
		ASSERT_EQ(1, *ready) TH_LOG("%s", missing[what].name);
		sleep_ms(100);
		kill(pid, SIGKILL);
		for (i = 0; i < 10000 && !dead; i++) {
			dead = waitpid(pid, &status, WNOHANG);
			if (!dead)
				sleep_ms(1);
		}
		ASSERT_EQ(pid, dead) TH_LOG("%s is missing: the process does not die", missing[what].name);
		EXPECT_TRUE(module_references_fall(references)) TH_LOG("%s", missing[what].name);
	}
	EXPECT_EQ(0, host_complaints());
}

TEST_HARNESS_MAIN
