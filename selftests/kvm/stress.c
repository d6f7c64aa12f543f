// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once, a fixed number of times: two vCPUs cross all the time,
 * count in pages of their own, in a page that is theirs in part, and write where
 * they must not, while threads of the host change memory slots, drop pages,
 * grant and revoke, kick, and ask. No count may be lost and no forbidden word
 * changed; afterwards the module's own counts are right.
 *
 * CHARIOT_TURNS=<n> does n times as much: made for kernels with lockdep, KASAN or
 * KCSAN, which find more in it than this program can.
 */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "lib/device.h"

#define SLOT		1
#define BASE		0x10000000ul
#define SIZE		(4ul << 20)
#define OWN(n)		(BASE + 0x1000ul * (n))		/* of vCPU n */
#define PART(n)		(BASE + 0x10000ul + 64ul * (n))	/* in one page */
#define DROPPED		(BASE + (2ul << 20))		/* the domain's, too, and counted in by nobody */
#define SIDE(n)		(GUEST_DOM1_DATA + 0x1000ul * (n))	/* granted and revoked again */
#define STOP		(GUEST_CORE_DATA + 0x10000)
#define CORE(n)		(GUEST_CORE_DATA + 0x400 + 8ul * (n))
#define FORBIDDEN(n)	(GUEST_CORE_DATA + 0x1000 + 8ul * (n))
#define MORE		0x20000000ul			/* memory that comes and goes */

#define DOMAIN_ROUND(d)					\
	"	incq	(%rdi)\n"				\
	"	incq	(%rsi)\n"				\
	"	mov	%rdi, (%rdx)\n"				\
	"	mov	%rdi, 0x200000(%rcx)\n"			\
	"	ret"

/* rdi: own word, rsi: word owned in part, rdx: forbidden, rcx: a page of DROPPED, less 2 MiB */
GUEST_CODE(dom1, t_dom1, DOMAIN_ROUND(dom1));
GUEST_CODE(dom2, t_dom2, DOMAIN_ROUND(dom2));

/* Rounds of a domain's until *r9 is not 0; counts in *r8, too. rax: the rounds */
#define ROUNDS(d)					\
	"	push	%rbx\n"					\
	"	xor	%ebx, %ebx\n"				\
	"1:	inc	%rbx\n"					\
	"	call	t_" #d "\n"				\
	"	incq	(%r8)\n"				\
	"	cmpq	$0, (%r9)\n"				\
	"	je	1b\n"					\
	"	mov	%rbx, %rax\n"				\
	"	pop	%rbx\n"					\
	"	ret"

GUEST_CODE(core, t_rounds1, ROUNDS(dom1));
GUEST_CODE(core, t_rounds2, ROUNDS(dom2));

FIXTURE(stress)
{
	struct vm vm;
	struct chariot c;
	u8 *memory;
	unsigned int turns;
	volatile unsigned int busy;	/* threads that are not done */
};

FIXTURE_VARIANT(stress)
{
	u32 flags;
	bool two_domains;
};

FIXTURE_VARIANT_ADD(stress, one_domain) { .flags = 0 };
FIXTURE_VARIANT_ADD(stress, two_domains) { .flags = VM_SMALL, .two_domains = true };

FIXTURE_SETUP(stress)
{
	struct chariot_setup setup = {
		.policy = CHARIOT_POLICY_BLOCK, .domains = 2, .order = 12, .events_max = 64,
	};
	u32 d;

	vm_create(&self->vm, 2, variant->flags);
	self->memory = vm_memory(SIZE, variant->flags & VM_SMALL);
	ASSERT_EQ(0, vm_slot(&self->vm, SLOT, 0, BASE, SIZE, self->memory));
	chariot_setup(&self->c, &self->vm, &setup);
	d = variant->two_domains ? 2 : 1;
	chariot_grant(&self->c, 1, OWN(0), 4096);
	chariot_grant(&self->c, d, OWN(1), 4096);
	chariot_grant(&self->c, 1, PART(0), 64);
	chariot_grant(&self->c, d, PART(1), 64);
	chariot_grant(&self->c, 1, DROPPED, 1 << 20);
	chariot_grant(&self->c, d, DROPPED + (1 << 20), 1 << 20);
}

FIXTURE_TEARDOWN(stress)
{
	chariot_drain_events(&self->c);
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

static u64 *at(FIXTURE_DATA(stress) *self, u64 gpa)
{
	return gpa >= BASE ? (u64 *)(self->memory + (gpa - BASE)) : vm_at(&self->vm, gpa);
}

/* Threads: each does something turns times. */

static void flush(FIXTURE_DATA(stress) *self, unsigned int turn)
{
	static void *more;
	static u64 bitmap[SIZE / 4096 / 64];
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bitmap };
	int ret;

	if (!more)
		more = vm_memory(2 << 20, true);
	switch (turn % 4) {
	case 0:
		ret = vm_slot(&self->vm, 2, 0, MORE, 2 << 20, more);
		break;
	case 1:
		ret = vm_slot(&self->vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, BASE, SIZE, self->memory);
		break;
	case 2:
		ret = ioctl(self->vm.fd, KVM_GET_DIRTY_LOG, &log);
		if (!ret)
			ret = vm_slot(&self->vm, 2, 0, MORE, 0, more);
		break;
	default:
		ret = vm_slot(&self->vm, SLOT, 0, BASE, SIZE, self->memory);
	}
	if (ret)
		die("turn %u: memory slots: %s", turn, strerror(-ret));
}

static void drop(FIXTURE_DATA(stress) *self, unsigned int turn)
{
	u8 *dropped = self->memory + (DROPPED - BASE);
	int ret;

	switch (turn % 4) {
	case 0:
		ret = madvise(dropped, 2 << 20, MADV_DONTNEED);
		break;
	case 1:		/* what vCPUs count in looks old, and is asked for anew */
		ret = madvise(self->memory, 0x11000, MADV_COLD);
		break;
	case 2:
		ret = madvise(dropped + 0x1000 * (turn % 64), 0x1000, MADV_DONTNEED);
		break;
	default:
		ret = madvise(dropped, 2 << 20, turn & 4 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	}
	if (ret)
		die("turn %u: madvise: %m", turn);
	sleep_ms(1);
}

/* The only one that writes the ring. */
static void grant(FIXTURE_DATA(stress) *self, unsigned int turn)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		chariot_range(&self->c, CHARIOT_REC_GRANT, 1 + (i & 1), CHARIOT_KIND_HEAP, SIDE(2 * i),
			      turn & 1 ? 4096 : 100);
	if (turn & 2)
		ioctl(self->c.fd, CHARIOT_KICK);
	for (i = 0; i < 8; i++)
		chariot_range(&self->c, CHARIOT_REC_REVOKE, 1 + (i & 1), 0, SIDE(2 * i), turn & 4 ? 0 : 4096);
	/* Else somebody else drains it, before it is full. */
	if (turn % 8 == 0)
		ioctl(self->c.fd, CHARIOT_KICK);
}

static void kick(FIXTURE_DATA(stress) *self, unsigned int turn)
{
	if (ioctl(self->c.fd, CHARIOT_KICK))
		die("turn %u: CHARIOT_KICK: %m", turn);
}

static void ask(FIXTURE_DATA(stress) *self, unsigned int turn)
{
	struct chariot_domain_stats domain = { .id = 1 + (turn & 1) };
	struct chariot_policy policy = { .id = 1 + (turn & 1), .policy = CHARIOT_POLICY_BLOCK };
	struct chariot_stats stats;

	if (ioctl(self->c.fd, CHARIOT_GET_STATS, &stats) || ioctl(self->c.fd, CHARIOT_GET_DOMAIN_STATS, &domain) ||
	    ioctl(self->c.fd, CHARIOT_SET_POLICY, &policy))
		die("turn %u: an ioctl failed: %m", turn);
	chariot_drain_events(&self->c);
}

static void (*const deeds[])(FIXTURE_DATA(stress) *self, unsigned int turn) = { flush, drop, grant, kick, ask };

struct worker {
	FIXTURE_DATA(stress) *self;
	void (*deed)(FIXTURE_DATA(stress) *self, unsigned int turn);
	pthread_t id;
};

static void *work(void *data)
{
	struct worker *worker = data;
	sigset_t set;
	unsigned int turn;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* A multiple of what any of them goes through: all is as it was in the end. */
	for (turn = 0; turn < worker->self->turns; turn++)
		worker->deed(worker->self, turn);
	__atomic_fetch_sub(&worker->self->busy, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST_F_TIMEOUT(stress, all_at_once, 600)
{
	struct worker workers[ARRAY_SIZE(deeds)];
	struct chariot_stats stats;
	unsigned int i;
	u64 rounds[2], before;

	self->turns = vm_turns(48);
	self->busy = ARRAY_SIZE(deeds);
	*at(self, STOP) = 0;
	for (i = 0; i < 2; i++) {
		*at(self, FORBIDDEN(i)) = 42;
		vcpu_start(&self->vm.vcpu[i], i && variant->two_domains ? t_rounds2 : t_rounds1, dm(OWN(i)), dm(PART(i)),
			   dm(FORBIDDEN(i)), dm(DROPPED + i * 0x100000 - 0x200000), dm(CORE(i)), dm(STOP));
	}
	for (i = 0; i < ARRAY_SIZE(deeds); i++) {
		workers[i].self = self;
		workers[i].deed = deeds[i];
		ASSERT_EQ(0, pthread_create(&workers[i].id, NULL, work, &workers[i]));
	}
	/* As long as vCPUs come on, there is time. */
	while (self->busy) {
		for (i = 0; i < 2; i++)
			wait_change(at(self, CORE(i)), *at(self, CORE(i)));
	}
	before = *at(self, CORE(0));
	wait_change(at(self, CORE(0)), before);
	*at(self, STOP) = 1;
	for (i = 0; i < 2; i++)
		rounds[i] = vcpu_join(&self->vm.vcpu[i]);
	for (i = 0; i < ARRAY_SIZE(deeds); i++)
		pthread_join(workers[i].id, NULL);
	chariot_kick(&self->c);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(rounds[i], *at(self, OWN(i)));
		EXPECT_EQ(rounds[i], *at(self, PART(i)));
		EXPECT_EQ(rounds[i], *at(self, CORE(i)));
		EXPECT_EQ(42, *at(self, FORBIDDEN(i)));
	}
	stats = chariot_stats(&self->c);
	EXPECT_EQ(rounds[0] + rounds[1], stats.violations);
	EXPECT_EQ(0, stats.revoke_misses);
	EXPECT_EQ(0, chariot_bad_records(&stats));
	/* Those of the set-up: what lies side by side may have become one */
	EXPECT_LE(stats.grants, 6);
	EXPECT_EQ((2 << 20) + 2 * 4096 + 128, chariot_domain_stats(&self->c, 1).granted_bytes +
		  chariot_domain_stats(&self->c, 2).granted_bytes);
	EXPECT_EQ(1, stats.armed);
	TH_LOG("%lu rounds, %llu crossings, %llu faults, %llu fills, %llu refused, %llu+%llu flushes", rounds[0] + rounds[1],
	       stats.crossings_in + stats.crossings_out, stats.faults, stats.fills, stats.refused_fills, stats.drops_all,
	       stats.drops_range);
}

TEST_HARNESS_MAIN
