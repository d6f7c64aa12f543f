// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "device.h"

#define EXIT_SKIP	4	/* KSFT_SKIP */

static int kmsg = -1;

bool __attribute__((weak)) keep_hooked = true;
bool __attribute__((weak)) need_mode = true;

/* Before the harness prints its plan; needs nothing of it. The files are this program's to its end. */
static __attribute__((constructor(200))) void prepare(void)
{
	int kvm, vm;

	need_device();
	if (!keep_hooked || !chariot_modes())
		return;
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0 || chariot_attach(chariot_open(), vm))
		fprintf(stderr, "# lib: no VM could be attached to keep the hooks: %s\n", strerror(errno));
	close(vm);
	close(kvm);
}

void need_device(void)
{
	const char *missing = NULL;

	if (access("/dev/kvm", R_OK | W_OK))
		missing = "/dev/kvm";
	else if (access("/dev/chariot", R_OK | W_OK))
		missing = "/dev/chariot";
	if (missing) {
		printf("TAP version 13\n1..0 # SKIP no %s: %s\n", missing, strerror(errno));
		exit(EXIT_SKIP);
	}
	if (need_mode && !chariot_modes()) {
		printf("TAP version 13\n1..0 # SKIP the module does not support KVM's paging mode\n");
		exit(EXIT_SKIP);
	}
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
}

int chariot_open(void)
{
	int fd = open("/dev/chariot", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		die("/dev/chariot: %m");
	return fd;
}

u32 chariot_modes(void)
{
	struct chariot_info info;
	int fd = chariot_open();

	if (ioctl(fd, CHARIOT_GET_INFO, &info))
		die("CHARIOT_GET_INFO: %m");
	close(fd);
	return info.modes;
}

int chariot_attach(int fd, int vm_fd)
{
	struct chariot_attach attach = { .abi = CHARIOT_ABI_VERSION, .vm_fd = vm_fd };

	return ioctl(fd, CHARIOT_ATTACH, &attach) ? -errno : 0;
}

void chariot_domain(struct chariot *c, u32 id, u32 policy)
{
	struct chariot_domain domain = { .id = id, .policy = policy };

	snprintf(domain.name, sizeof(domain.name), "dom%u", id);
	if (ioctl(c->fd, CHARIOT_ADD_DOMAIN, &domain))
		die("CHARIOT_ADD_DOMAIN %u: %m", id);
}

void chariot_ring(struct chariot *c, u64 gpa, u32 order, u64 doorbell_gpa)
{
	struct chariot_ring ring = { .gpa = gpa, .order = order, .doorbell_gpa = doorbell_gpa };

	c->ring_gpa = gpa;
	c->order = order;
	memset(vm_at(c->vm, gpa), 0, CHARIOT_RING_RECORDS + (sizeof(struct chariot_rec) << order));
	if (ioctl(c->fd, CHARIOT_SET_RING, &ring))
		die("CHARIOT_SET_RING: %m");
}

static void post_library(struct chariot *c, const char *start, const char *end)
{
	struct chariot_rec rec = {
		.type = CHARIOT_REC_LIBRARY, .va = guest_va(start), .len = end - start,
	};

	chariot_post(c, &rec);
}

void chariot_hello(struct chariot *c)
{
	struct chariot_rec hello = {
		.type = CHARIOT_REC_HELLO, .gpa = GUEST_THREAD_SIZE, .va = GUEST_DM, .len = CHARIOT_VERSION,
	};
	unsigned int i;

	chariot_post(c, &hello);
	for (i = 0; i < c->vm->vcpus; i++) {
		u64 block = GUEST_CPU + c->vm->vcpu[i].id * GUEST_CPU_SIZE;
		struct chariot_rec cpu = {
			.type = CHARIOT_REC_CPU, .domain = c->vm->vcpu[i].id,
			.gpa = dm(block + CPU_IRQ_STACK + GUEST_IRQ_STACK_SIZE), .len = GUEST_IRQ_STACK_SIZE,
			.va = dm(block + CPU_STACK_TOP),
		};

		chariot_post(c, &cpu);
	}
	post_library(c, g_lib_store, g_lib_store_end);
	post_library(c, g_lib_copy, g_lib_copy_end);
}

static void post_text(struct chariot *c, u8 type, u16 domain)
{
	const char *start = domain == 1 ? guest_dom1 : guest_dom2;
	const char *end = domain == 1 ? guest_dom1_end : guest_dom2_end;
	struct chariot_rec rec = {
		.type = type, .domain = domain, .gpa = guest_gpa(start), .va = guest_va(start), .len = end - start,
	};

	chariot_post(c, &rec);
}

void chariot_text(struct chariot *c, u16 domain)
{
	struct chariot_rec up = { .type = CHARIOT_REC_DOMAIN_UP, .domain = domain };

	chariot_post(c, &up);
	post_text(c, CHARIOT_REC_TEXT, domain);
}

void chariot_text_gone(struct chariot *c, u16 domain)
{
	post_text(c, CHARIOT_REC_TEXT_GONE, domain);
}

static int last_attached = -1;

/* What the module is doing: its counters, twice. */
static void out_of_time(void)
{
	struct chariot_stats s;
	int i;

	for (i = 0; i < 2; i++) {
		if (ioctl(last_attached, CHARIOT_GET_STATS, &s))
			return;
		fprintf(stderr,
			"# lib: faults %llu delegated %llu fills %llu refused %llu in %llu out %llu emulated %llu "
			"violations %llu waits %llu flushes %llu+%llu roots %llu resets %llu\n",
			s.faults, s.delegated, s.fills, s.refused_fills, s.crossings_in, s.crossings_out, s.emulated,
			s.violations, s.ring_waits, s.drops_all, s.drops_range, s.roots_changed, s.view_resets);
		sleep_ms(500);
	}
}

void chariot_setup(struct chariot *c, struct vm *vm, const struct chariot_setup *setup)
{
	static const struct chariot_setup plain;
	struct chariot_attach attach = { .abi = CHARIOT_ABI_VERSION, .vm_fd = vm->fd };
	u32 i;

	if (!setup)
		setup = &plain;
	attach.events_max = setup->events_max;
	attach.grants_max = setup->grants_max;
	attach.view_pages_max = setup->view_pages_max;
	memset(c, 0, sizeof(*c));
	c->vm = vm;
	c->fd = chariot_open();
	if (ioctl(c->fd, CHARIOT_ATTACH, &attach))
		die("CHARIOT_ATTACH: %m");
	last_attached = c->fd;
	vm_out_of_time = out_of_time;
	for (i = 1; i <= (setup->domains ?: 1); i++)
		chariot_domain(c, i, setup->policy);
	chariot_ring(c, GUEST_RING, setup->order ?: 8, setup->doorbell_gpa ?: ~0ull);
	chariot_hello(c);
	if (!setup->no_text)
		for (i = 1; i <= (setup->domains ?: 1); i++)
			chariot_text(c, i);
	chariot_kick(c);
}

struct chariot_ring_header *chariot_header(struct chariot *c)
{
	return vm_at(c->vm, c->ring_gpa);
}

struct chariot_rec *chariot_slot(struct chariot *c, u64 pos)
{
	struct chariot_rec *records = vm_at(c->vm, c->ring_gpa + CHARIOT_RING_RECORDS);

	return &records[pos & ((1ull << c->order) - 1)];
}

u64 chariot_post(struct chariot *c, const struct chariot_rec *rec)
{
	struct chariot_ring_header *header = chariot_header(c);
	u64 pos = __atomic_load_n(&header->head, __ATOMIC_RELAXED);
	struct chariot_rec *slot;

	do {
		if (pos - __atomic_load_n(&header->tail, __ATOMIC_ACQUIRE) >= 1ull << c->order)
			die("the ring is full at %lu", pos);
	} while (!__atomic_compare_exchange_n(&header->head, &pos, pos + 1, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	slot = chariot_slot(c, pos);
	slot->type = rec->type;
	slot->kind = rec->kind;
	slot->domain = rec->domain;
	slot->gpa = rec->gpa;
	slot->va = rec->va;
	slot->len = rec->len;
	__atomic_store_n(&slot->seq, (u32)(pos + 1), __ATOMIC_RELEASE);
	return pos;
}

void chariot_range(struct chariot *c, u8 type, u16 domain, u8 kind, u64 gpa, u64 len)
{
	struct chariot_rec rec = {
		.type = type, .domain = domain, .kind = kind, .gpa = gpa, .va = dm(gpa), .len = len,
	};

	chariot_post(c, &rec);
}

void chariot_kick(struct chariot *c)
{
	vm_alive();
	if (ioctl(c->fd, CHARIOT_KICK))
		die("CHARIOT_KICK: %m");
}

void chariot_grant(struct chariot *c, u16 domain, u64 gpa, u64 len)
{
	chariot_range(c, CHARIOT_REC_GRANT, domain, CHARIOT_KIND_SLAB, gpa, len);
	chariot_kick(c);
}

void chariot_revoke(struct chariot *c, u16 domain, u64 gpa, u64 len)
{
	chariot_range(c, CHARIOT_REC_REVOKE, domain, 0, gpa, len);
	chariot_kick(c);
}

static u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

bool chariot_event(struct chariot *c, u32 type, struct chariot_event *event, unsigned int ms)
{
	u64 end = now_ms() + ms;

	for (;;) {
		ssize_t got = read(c->fd, event, sizeof(*event));
		struct pollfd poll_fd = { .fd = c->fd, .events = POLLIN };
		u64 now = now_ms();

		if (got == sizeof(*event)) {
			if (event->type == type)
				return true;
			if (event->type == CHARIOT_EVENT_VIOLATION)
				die("unexpected violation: domain %u rip 0x%llx gva 0x%llx gpa 0x%llx size %u, 0x%x",
				    event->domain, event->violation.rip, event->violation.gva, event->violation.gpa,
				    event->violation.size, event->violation.flags);
			if (event->type == CHARIOT_EVENT_BAD_RECORD)
				die("unexpected bad record: kind %u position %llu", event->bad.bad_kind,
				    event->bad.position);
			if (event->type != CHARIOT_EVENT_DOMAIN_UP && event->type != CHARIOT_EVENT_DOMAIN_DOWN)
				die("unexpected event of type %u", event->type);
			continue;
		}
		if (got >= 0)
			die("read of an event returned %zd", got);
		if (errno != EAGAIN && errno != EINTR)
			die("read of an event: %m");
		if (now >= end)
			return false;
		poll(&poll_fd, 1, end - now);
	}
}

unsigned int chariot_drain_events(struct chariot *c)
{
	struct chariot_event event;
	unsigned int violations = 0;

	while (read(c->fd, &event, sizeof(event)) == sizeof(event))
		violations += event.type == CHARIOT_EVENT_VIOLATION;
	return violations;
}

struct chariot_stats chariot_stats(struct chariot *c)
{
	struct chariot_stats stats;

	vm_alive();
	if (ioctl(c->fd, CHARIOT_GET_STATS, &stats))
		die("CHARIOT_GET_STATS: %m");
	return stats;
}

void chariot_wait_violations(struct chariot *c, u64 violations)
{
	unsigned int i;

	for (i = 0; i < vm_looks(); i++) {
		if (chariot_stats(c).violations >= violations)
			return;
		sleep_ms(1);
	}
	die("fewer than %lu violations within %u s", violations, VM_SECONDS);
}

struct chariot_domain_stats chariot_domain_stats(struct chariot *c, u32 id)
{
	struct chariot_domain_stats stats = { .id = id };

	if (ioctl(c->fd, CHARIOT_GET_DOMAIN_STATS, &stats))
		die("CHARIOT_GET_DOMAIN_STATS %u: %m", id);
	return stats;
}

void chariot_policy(struct chariot *c, u32 id, u32 policy)
{
	struct chariot_policy p = { .id = id, .policy = policy };

	if (ioctl(c->fd, CHARIOT_SET_POLICY, &p))
		die("CHARIOT_SET_POLICY %u: %m", id);
}

void chariot_reset(struct chariot *c)
{
	if (ioctl(c->fd, CHARIOT_RESET))
		die("CHARIOT_RESET: %m");
}

u64 chariot_bad_records(const struct chariot_stats *stats)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < CHARIOT_BAD_KINDS; i++)
		sum += stats->bad_records[i];
	return sum;
}

int module_references(void)
{
	FILE *file = fopen("/sys/module/kvm_chariot/refcnt", "re");
	int references = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &references) != 1)
		references = -1;
	fclose(file);
	return references;
}

bool module_references_fall(int references)
{
	unsigned int i;

	for (i = 0; i < 5000; i++) {
		if (module_references() <= references)
			return true;
		sleep_ms(1);
	}
	return false;
}

unsigned int host_complaints(void)
{
	static const char * const words[] = {
		"WARNING:", "BUG:", "Oops", "general protection", "Call Trace", "kernel panic", "INFO: task",
		"soft lockup", "refcount_t", "list_del corruption", "list_add corruption", "UBSAN", "leak",
	};
	unsigned int complaints = 0;
	char line[2048];
	ssize_t got;

	if (kmsg < 0)
		die("/dev/kmsg cannot be read");
	while ((got = read(kmsg, line, sizeof(line) - 1)) > 0 || (got < 0 && errno == EPIPE)) {
		unsigned int i;
		char *text;

		if (got < 0)
			continue;
		line[got] = 0;
		text = strchr(line, ';') ?: line;
		/* Whose race it is, only the lines that follow tell: the lab judges that. */
		if (strstr(text, "BUG: KCSAN"))
			continue;
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (strstr(text, words[i])) {
				fprintf(stderr, "# host: %s", text + 1);
				complaints++;
				break;
			}
		}
	}
	return complaints;
}
