// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening, attaching, detaching, and everything that these refuse.
 *
 * Not shown here: refusals that this machine cannot cause (a confidential VM,
 * a paging mode that is not supported, functions that cannot be hooked).
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <kselftest_harness.h>

#include "lib/device.h"

FIXTURE(attach)
{
	struct vm vm;
	int fd;
};

FIXTURE_SETUP(attach)
{
	vm_create(&self->vm, 1, 0);
	self->fd = chariot_open();
}

FIXTURE_TEARDOWN(attach)
{
	close(self->fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

/* errno of an ioctl, 0: it worked */
static int result(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) ? errno : 0;
}

static int attach_with(int fd, struct chariot_attach attach)
{
	return result(fd, CHARIOT_ATTACH, &attach);
}

#define ATTACH(fd_, vm_fd_, ...) \
	attach_with(fd_, (struct chariot_attach){ .abi = CHARIOT_ABI_VERSION, .vm_fd = vm_fd_, ##__VA_ARGS__ })

TEST_F(attach, info)
{
	struct chariot_info info;

	memset(&info, 0xff, sizeof(info));
	ASSERT_EQ(0, result(self->fd, CHARIOT_GET_INFO, &info));
	EXPECT_EQ(CHARIOT_ABI_VERSION, info.abi);
	EXPECT_NE(0, info.modes);
	EXPECT_EQ(0, info.modes & ~(CHARIOT_MODE_NPT | CHARIOT_MODE_EPT | CHARIOT_MODE_SHADOW));
	EXPECT_EQ(CHARIOT_DOMAINS_MAX, info.domains_max);
	EXPECT_EQ(sizeof(struct chariot_event), info.event_size);
	EXPECT_NE(0, info.grants_max);
	EXPECT_NE(0, info.view_pages_max);
	EXPECT_EQ(CHARIOT_F_RING | CHARIOT_F_FREES, info.ring_features);
	EXPECT_EQ(0, info.reserved[0] | info.reserved[1] | info.reserved[2]);
	EXPECT_EQ(EFAULT, result(self->fd, CHARIOT_GET_INFO, NULL));
}

TEST_F(attach, not_attached)
{
	struct chariot_domain domain = { .id = 1, .name = "x" };
	struct chariot_policy policy = { .id = 1 };
	struct chariot_ring ring = { .gpa = GUEST_RING, .order = 8, .doorbell_gpa = ~0ull };
	struct chariot_stats stats;
	struct chariot_domain_stats domain_stats = { .id = 1 };
	struct chariot_event event;

	EXPECT_EQ(ENOTCONN, result(self->fd, CHARIOT_ADD_DOMAIN, &domain));
	EXPECT_EQ(ENOTCONN, result(self->fd, CHARIOT_SET_POLICY, &policy));
	EXPECT_EQ(ENOTCONN, result(self->fd, CHARIOT_SET_RING, &ring));
	EXPECT_EQ(ENOTCONN, result(self->fd, CHARIOT_KICK, NULL));
	EXPECT_EQ(ENOTCONN, result(self->fd, CHARIOT_GET_STATS, &stats));
	EXPECT_EQ(ENOTCONN, result(self->fd, CHARIOT_GET_DOMAIN_STATS, &domain_stats));
	EXPECT_EQ(ENOTCONN, result(self->fd, CHARIOT_RESET, NULL));
	EXPECT_EQ(-1, read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(ENOTTY, result(self->fd, _IO(CHARIOT_IOC, 0x7f), NULL));
	EXPECT_EQ(ENOTTY, result(self->fd, KVM_GET_API_VERSION, NULL));
}

TEST_F(attach, not_a_file)
{
	int closed = dup(self->fd);

	close(closed);
	EXPECT_EQ(EBADF, ATTACH(self->fd, -1));
	EXPECT_EQ(EBADF, ATTACH(self->fd, closed));
	EXPECT_EQ(EBADF, ATTACH(self->fd, 0x7fffffff));
	/* A refusal leaves the file as it was. */
	EXPECT_EQ(0, ATTACH(self->fd, self->vm.fd));
}

TEST_F(attach, not_a_vm)
{
	int null = open("/dev/null", O_RDWR), kvm = open("/dev/kvm", O_RDWR);

	EXPECT_EQ(ENOTTY, ATTACH(self->fd, null));
	EXPECT_EQ(ENOTTY, ATTACH(self->fd, kvm));
	EXPECT_EQ(ENOTTY, ATTACH(self->fd, self->vm.vcpu[0].fd));
	EXPECT_EQ(ENOTTY, ATTACH(self->fd, self->fd));
	EXPECT_EQ(0, ATTACH(self->fd, self->vm.fd));
}

TEST_F(attach, bad_pointer)
{
	EXPECT_EQ(EFAULT, result(self->fd, CHARIOT_ATTACH, NULL));
	EXPECT_EQ(EFAULT, result(self->fd, CHARIOT_ATTACH, (void *)-4096l));
	ASSERT_EQ(0, ATTACH(self->fd, self->vm.fd));
	EXPECT_EQ(EFAULT, result(self->fd, CHARIOT_ADD_DOMAIN, NULL));
	EXPECT_EQ(EFAULT, result(self->fd, CHARIOT_SET_POLICY, NULL));
	EXPECT_EQ(EFAULT, result(self->fd, CHARIOT_SET_RING, NULL));
	EXPECT_EQ(EFAULT, result(self->fd, CHARIOT_GET_STATS, NULL));
	EXPECT_EQ(EFAULT, result(self->fd, CHARIOT_GET_DOMAIN_STATS, NULL));
}

TEST_F(attach, bad_request)
{
	EXPECT_EQ(EPROTO, attach_with(self->fd, (struct chariot_attach){ .abi = 0, .vm_fd = self->vm.fd }));
	EXPECT_EQ(EPROTO, attach_with(self->fd, (struct chariot_attach){ .abi = CHARIOT_ABI_VERSION + 1,
									  .vm_fd = self->vm.fd }));
	EXPECT_EQ(EINVAL, ATTACH(self->fd, self->vm.fd, .flags = 1));
	EXPECT_EQ(EINVAL, ATTACH(self->fd, self->vm.fd, .flags = 1u << 31));
	EXPECT_EQ(EINVAL, ATTACH(self->fd, self->vm.fd, .reserved[0] = 1));
	EXPECT_EQ(EINVAL, ATTACH(self->fd, self->vm.fd, .reserved[3] = 1ull << 63));
	EXPECT_EQ(EINVAL, ATTACH(self->fd, self->vm.fd, .events_max = 65537));
	EXPECT_EQ(EINVAL, ATTACH(self->fd, self->vm.fd, .grants_max = ~0ull));
	EXPECT_EQ(EINVAL, ATTACH(self->fd, self->vm.fd, .view_pages_max = ~0ull));
	EXPECT_EQ(0, ATTACH(self->fd, self->vm.fd, .events_max = 65536));
}

TEST_F(attach, another_process)
{
	int status;
	pid_t pid = fork();

	/* The fd is the parent's VM also in the child. */
	if (!pid)
		_exit(ATTACH(chariot_open(), self->vm.fd));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(EPERM, WEXITSTATUS(status));
	EXPECT_EQ(0, ATTACH(self->fd, self->vm.fd));
}

/* Guest memory is the owner's: nobody else may let the module read it by the same addresses. */
TEST_F(attach, ioctls_by_another_process)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };
	struct chariot_stats stats;
	struct chariot c;
	int status;
	pid_t pid;

	chariot_setup(&c, &self->vm, &setup);
	pid = fork();
	if (!pid) {
		if (ioctl(c.fd, CHARIOT_KICK) != -1 || ioctl(c.fd, CHARIOT_GET_STATS, &stats) != -1)
			_exit(0);
		_exit(errno);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(EPERM, WEXITSTATUS(status));
	chariot_kick(&c);
	close(c.fd);
}

TEST_F(attach, attached_already)
{
	int second = chariot_open();
	struct vm other;

	vm_create(&other, 1, 0);
	ASSERT_EQ(0, ATTACH(self->fd, self->vm.fd));
	EXPECT_EQ(EBUSY, ATTACH(second, self->vm.fd));
	EXPECT_EQ(EBUSY, ATTACH(self->fd, self->vm.fd));
	EXPECT_EQ(EBUSY, ATTACH(self->fd, other.fd));
	EXPECT_EQ(0, ATTACH(second, other.fd));
	close(second);
	vm_destroy(&other);
}

TEST_F(attach, no_long_mode)
{
	struct vm old;

	vm_create(&old, 1, VM_NO_LM);
	EXPECT_EQ(ENOEXEC, ATTACH(self->fd, old.fd));
	vm_destroy(&old);
	EXPECT_EQ(0, ATTACH(self->fd, self->vm.fd));
}

TEST_F(attach, domains)
{
	struct chariot_domain domain = { .id = 1, .name = "e1000" };
	struct chariot_policy policy = { .id = 1, .policy = CHARIOT_POLICY_BLOCK };
	struct chariot_domain_stats stats = { .id = 1 };
	unsigned int i;

	ASSERT_EQ(0, ATTACH(self->fd, self->vm.fd));
	domain.id = 0;
	EXPECT_EQ(ERANGE, result(self->fd, CHARIOT_ADD_DOMAIN, &domain));
	domain.id = CHARIOT_DOMAINS_MAX + 1;
	EXPECT_EQ(ERANGE, result(self->fd, CHARIOT_ADD_DOMAIN, &domain));
	domain.id = ~0u;
	EXPECT_EQ(ERANGE, result(self->fd, CHARIOT_ADD_DOMAIN, &domain));
	domain.id = 1;
	domain.policy = 99;
	EXPECT_EQ(EINVAL, result(self->fd, CHARIOT_ADD_DOMAIN, &domain));
	domain.policy = CHARIOT_POLICY_AUDIT;
	domain.reserved[1] = 1;
	EXPECT_EQ(EINVAL, result(self->fd, CHARIOT_ADD_DOMAIN, &domain));
	domain.reserved[1] = 0;
	memset(domain.name, 'x', sizeof(domain.name));
	EXPECT_EQ(EINVAL, result(self->fd, CHARIOT_ADD_DOMAIN, &domain));
	EXPECT_EQ(ENOENT, result(self->fd, CHARIOT_SET_POLICY, &policy));
	EXPECT_EQ(ENOENT, result(self->fd, CHARIOT_GET_DOMAIN_STATS, &stats));

	for (i = 1; i <= CHARIOT_DOMAINS_MAX; i++) {
		memset(domain.name, 0, sizeof(domain.name));
		snprintf(domain.name, sizeof(domain.name), "driver%u", i);
		domain.id = i;
		EXPECT_EQ(0, result(self->fd, CHARIOT_ADD_DOMAIN, &domain));
		EXPECT_EQ(EEXIST, result(self->fd, CHARIOT_ADD_DOMAIN, &domain));
	}
	EXPECT_EQ(0, result(self->fd, CHARIOT_SET_POLICY, &policy));
	policy.policy = 99;
	EXPECT_EQ(EINVAL, result(self->fd, CHARIOT_SET_POLICY, &policy));
	EXPECT_EQ(0, result(self->fd, CHARIOT_GET_DOMAIN_STATS, &stats));
	EXPECT_STREQ("driver1", stats.name);
	EXPECT_EQ(CHARIOT_POLICY_BLOCK, stats.policy);
	EXPECT_EQ(0, stats.up);
	EXPECT_EQ(0, stats.text_bytes);
}

TEST_F(attach, rings)
{
	struct chariot_ring ring = { .gpa = GUEST_RING, .order = 8, .doorbell_gpa = ~0ull };

#define RING(...) ({ struct chariot_ring r_ = ring; __VA_ARGS__; result(self->fd, CHARIOT_SET_RING, &r_); })
	ASSERT_EQ(0, ATTACH(self->fd, self->vm.fd));
	EXPECT_EQ(EINVAL, RING(r_.gpa++));
	EXPECT_EQ(EINVAL, RING(r_.gpa += 2048));
	EXPECT_EQ(EINVAL, RING(r_.order = CHARIOT_RING_ORDER_MIN - 1));
	EXPECT_EQ(EINVAL, RING(r_.order = CHARIOT_RING_ORDER_MAX + 1));
	EXPECT_EQ(EINVAL, RING(r_.order = ~0u));
	EXPECT_EQ(EINVAL, RING(r_.flags = 1));
	EXPECT_EQ(EINVAL, RING(r_.reserved[0] = 1));
	EXPECT_EQ(EINVAL, RING(r_.doorbell_gpa = GUEST_DOORBELL + 4));
	EXPECT_EQ(EFAULT, RING(r_.gpa = GUEST_NOWHERE));
	EXPECT_EQ(EFAULT, RING(r_.gpa = GUEST_MEMORY - 4096));
	EXPECT_EQ(EFAULT, RING(r_.gpa = GUEST_MEMORY - 4096 * 2; r_.order = CHARIOT_RING_ORDER_MAX));
	EXPECT_NE(0, RING(r_.gpa = ~0ull - 4095));
	EXPECT_NE(0, RING(r_.gpa = 1ull << 60));
	EXPECT_EQ(0, RING(r_.order = CHARIOT_RING_ORDER_MIN));
	EXPECT_EQ(0, RING(r_.order = CHARIOT_RING_ORDER_MAX));
	EXPECT_EQ(0, RING(r_.doorbell_gpa = GUEST_DOORBELL));
	EXPECT_EQ(0, RING(r_.order = 0));
	EXPECT_EQ(0, result(self->fd, CHARIOT_KICK, NULL));
}

TEST_F(attach, poll_and_read)
{
	struct pollfd poll_fd = { .fd = self->fd, .events = POLLIN };
	struct chariot_event event;

	ASSERT_EQ(0, ATTACH(self->fd, self->vm.fd));
	EXPECT_EQ(0, poll(&poll_fd, 1, 0));
	EXPECT_EQ(-1, read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-1, read(self->fd, &event, sizeof(event) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->fd, &event, sizeof(event)));
}

/* A VM that is attached but has no domain in it runs as if nothing were there. */
TEST_F(attach, idle)
{
	struct chariot_setup setup = { .no_text = true };
	struct chariot_stats stats;
	struct chariot c;

	chariot_setup(&c, &self->vm, &setup);
	EXPECT_EQ(7, vcpu_call(&self->vm.vcpu[0], g_dom1_store, dm(GUEST_CORE_DATA), 7));
	vcpu_call(&self->vm.vcpu[0], g_core_pages, dm(GUEST_FREE), 256, 1, 4096);
	stats = chariot_stats(&c);
	EXPECT_EQ(0, stats.armed);
	EXPECT_EQ(1, stats.domains);
	EXPECT_EQ(0, stats.faults);
	EXPECT_EQ(0, stats.fills);
	EXPECT_EQ(0, stats.crossings_in);
	EXPECT_EQ(0, stats.view_pages);
	close(c.fd);
}

/* What isolation is about, in the smallest form: one write allowed, one blocked. */
static void check_isolated(struct __test_metadata *_metadata, struct vm *vm, struct chariot *c)
{
	u64 *allowed = vm_at(vm, GUEST_DOM1_DATA), *forbidden = vm_at(vm, GUEST_CORE_DATA + 0x800);
	struct chariot_event event;

	*allowed = 0;
	*forbidden = 0x1111;
	chariot_grant(c, 1, GUEST_DOM1_DATA, 4096);
	vcpu_call(&vm->vcpu[0], g_dom1_store, dm(GUEST_DOM1_DATA), 0x2222);
	EXPECT_EQ(0x2222, *allowed);
	vcpu_call(&vm->vcpu[0], g_dom1_store, dm(GUEST_CORE_DATA + 0x800), 0x2222);
	EXPECT_EQ(0x1111, *forbidden);
	ASSERT_TRUE(chariot_event(c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(GUEST_CORE_DATA + 0x800, event.violation.gpa);
}

static void check_stock(struct __test_metadata *_metadata, struct vm *vm)
{
	u64 *word = vm_at(vm, GUEST_CORE_DATA + 0x800);

	*word = 0;
	vcpu_call(&vm->vcpu[0], g_dom1_store, dm(GUEST_CORE_DATA + 0x800), 0x3333);
	EXPECT_EQ(0x3333, *word);
}

TEST_F(attach, block)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };
	struct chariot c;

	check_stock(_metadata, &self->vm);
	chariot_setup(&c, &self->vm, &setup);
	check_isolated(_metadata, &self->vm, &c);
	close(c.fd);
	check_stock(_metadata, &self->vm);
}

TEST_F(attach, before_vcpus)
{
	struct chariot_attach attach = { .abi = CHARIOT_ABI_VERSION };
	struct chariot c;
	struct vm vm;

	vm_create(&vm, 0, VM_NO_VCPU);
	c = (struct chariot){ .fd = chariot_open(), .vm = &vm };
	attach.vm_fd = vm.fd;
	ASSERT_EQ(0, result(c.fd, CHARIOT_ATTACH, &attach));
	chariot_domain(&c, 1, CHARIOT_POLICY_BLOCK);
	vm_add_vcpu(&vm, 0);
	chariot_ring(&c, GUEST_RING, 8, ~0ull);
	chariot_hello(&c);
	chariot_text(&c, 1);
	chariot_kick(&c);
	EXPECT_EQ(1, chariot_stats(&c).armed);
	check_isolated(_metadata, &vm, &c);
	close(c.fd);
	vm_destroy(&vm);
}

/* Text of a guest that has no vCPU yet cannot be isolated: said, not ignored. */
TEST_F(attach, armed_without_vcpus)
{
	struct chariot_event event;
	struct chariot c;
	struct vm vm;

	vm_create(&vm, 0, VM_NO_VCPU);
	c = (struct chariot){ .fd = chariot_open(), .vm = &vm };
	ASSERT_EQ(0, ATTACH(c.fd, vm.fd));
	chariot_domain(&c, 1, CHARIOT_POLICY_BLOCK);
	chariot_ring(&c, GUEST_RING, 8, ~0ull);
	chariot_text(&c, 1);
	chariot_kick(&c);
	EXPECT_EQ(0, chariot_stats(&c).armed);
	EXPECT_EQ(1, chariot_stats(&c).bad_records[CHARIOT_BAD_STATE]);
	ASSERT_TRUE(chariot_event(&c, CHARIOT_EVENT_BAD_RECORD, &event, 0));
	EXPECT_EQ(CHARIOT_BAD_STATE, event.bad.bad_kind);
	EXPECT_EQ(CHARIOT_REC_TEXT, ((struct chariot_rec *)event.bad.rec)->type);
	close(c.fd);
	vm_destroy(&vm);
}

TEST_F(attach, several)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };
	struct chariot c[4];
	struct vm vm[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		vm_create(&vm[i], 1, 0);
		if (i != 2)
			chariot_setup(&c[i], &vm[i], &setup);
	}
	for (i = 0; i < 4; i++) {
		if (i != 2)
			check_isolated(_metadata, &vm[i], &c[i]);
		else
			check_stock(_metadata, &vm[i]);
	}
	close(c[1].fd);
	check_stock(_metadata, &vm[1]);
	vm_destroy(&vm[1]);
	for (i = 0; i < 4; i += 3) {
		vcpu_call(&vm[i].vcpu[0], g_dom1_store, dm(GUEST_CORE_DATA), 1);
		EXPECT_EQ(1, chariot_drain_events(&c[i]));
		close(c[i].fd);
		vm_destroy(&vm[i]);
	}
	vm_destroy(&vm[2]);
}

TEST_F(attach, again_and_again)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };
	struct chariot c;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		chariot_setup(&c, &self->vm, &setup);
		check_isolated(_metadata, &self->vm, &c);
		close(c.fd);
		check_stock(_metadata, &self->vm);
	}
}

/* The VM's own files go first; the module must live with that. */
TEST_F(attach, vm_closed_first)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };
	struct chariot c;
	struct vm vm;

	vm_create(&vm, 2, 0);
	chariot_setup(&c, &vm, &setup);
	check_isolated(_metadata, &vm, &c);
	vm_destroy(&vm);
	EXPECT_EQ(1, chariot_stats(&c).domains);
	EXPECT_EQ(0, chariot_drain_events(&c));
	close(c.fd);
}

/* Sixteen processes attach as many VMs as they can, until all are refused. */
static void attach_all(int report)
{
	int kvm = open("/dev/kvm", O_RDWR);
	int vm, error;
	char byte = 1;

	do {
		vm = ioctl(kvm, KVM_CREATE_VM, 0);
		if (vm < 0)
			_exit(1);
		error = ATTACH(chariot_open(), vm);
	} while (!error);
	if (error == ENOSPC && write(report, &byte, 1) == 1)
		pause();
	_exit(1);
}

TEST_F_TIMEOUT(attach, too_many, 60)
{
	int references = module_references();
	pid_t pids[16];
	int report[2];
	unsigned int i;
	char byte;

	alarm(60);
	ASSERT_EQ(0, pipe(report));
	for (i = 0; i < 16; i++) {
		pids[i] = fork();
		if (!pids[i])
			attach_all(report[1]);
	}
	close(report[1]);
	for (i = 0; i < 16; i++)
		EXPECT_EQ(1, read(report[0], &byte, 1));
	EXPECT_EQ(ENOSPC, ATTACH(self->fd, self->vm.fd));
	EXPECT_LE(references + 64, module_references());
	for (i = 0; i < 16; i++)
		kill(pids[i], SIGKILL);
	for (i = 0; i < 16; i++)
		waitpid(pids[i], NULL, 0);
	EXPECT_TRUE(module_references_fall(references));
	EXPECT_EQ(0, ATTACH(self->fd, self->vm.fd));
}

TEST_HARNESS_MAIN
