// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define CR0_PE		(1u << 0)
#define CR0_MP		(1u << 1)
#define CR0_ET		(1u << 4)
#define CR0_NE		(1u << 5)
#define CR0_WP		(1u << 16)
#define CR0_PG		(1u << 31)
#define CR4_PAE		(1u << 5)
#define CR4_OSFXSR	(1u << 9)
#define CR4_OSXMMEXCPT	(1u << 10)
#define CR4_OSXSAVE	(1u << 18)
#define EFER_LME	(1u << 8)
#define EFER_LMA	(1u << 10)
#define EFER_NXE	(1u << 11)

#define PTE_P		1u
#define PTE_A		(1u << 5)
#define PTE_D		(1u << 6)
#define PTE_PS		(1u << 7)
#define PTE_ADDR	0x000ffffffffff000ull

#define PAGE		4096ull
#define PAGE_2M		(2ull << 20)

void (*vm_out_of_time)(void);

static __thread struct vcpu *current;
static volatile sig_atomic_t out_of_time;

void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("# lib: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	fflush(stderr);
	_exit(1);
}

static void on_alarm(int signal)
{
	(void)signal;
	/* Not what a signal handler may call, but this process waits for something that does not come. */
	if (vm_out_of_time)
		vm_out_of_time();
	out_of_time = 1;
	if (current) {
		current->run->immediate_exit = 1;
		return;
	}
	die("out of time, not in a vCPU");
}

/* Restarted with each call of a guest function by the main thread. */
static void arm_alarm(void)
{
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	alarm(VM_SECONDS);
}

int vm_kvm_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("/dev/kvm: %m");
	return fd;
}

void *vm_memory(u64 size, bool small)
{
	u8 *area = mmap(NULL, size + PAGE_2M, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		die("mmap %lu: %m", size);
	area = (u8 *)(((u64)area + PAGE_2M - 1) & ~(PAGE_2M - 1));
	madvise(area, size, small ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	return area;
}

int vm_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *memory)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (u64)memory,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

static u64 new_table(struct vm *vm)
{
	u64 gpa = vm->tables;

	if (gpa >= GUEST_PT_END)
		die("no room for guest page tables");
	vm->tables += PAGE;
	return gpa;
}

void vm_map(struct vm *vm, u64 va, u64 gpa, u64 size, u32 flags)
{
	bool large = !((va | gpa | size) & (PAGE_2M - 1));
	u64 step = large ? PAGE_2M : PAGE;
	u64 end = va + size;

	for (; va != end; va += step, gpa += step) {
		u64 *table = vm_at(vm, GUEST_PT);
		int shift;

		for (shift = 39; shift > (large ? 21 : 12); shift -= 9) {
			u64 *entry = &table[(va >> shift) & 511];

			if (!*entry)
				*entry = new_table(vm) | PTE_P | VM_PAGE_WRITE | VM_PAGE_USER | PTE_A;
			table = vm_at(vm, *entry & PTE_ADDR);
		}
		table[(va >> shift) & 511] = gpa | PTE_P | PTE_A | PTE_D | flags | (large ? PTE_PS : 0);
	}
}

void vm_idt(struct vm *vm, unsigned int vector, const char *handler, unsigned int ist)
{
	u64 *gate = vm_at(vm, GUEST_IDT + vector * 16);
	u64 rip = guest_va(handler);

	gate[0] = (rip & 0xffff) | SEL_CODE << 16 | (u64)ist << 32 | 0x8eull << 40 | ((rip >> 16) & 0xffff) << 48;
	gate[1] = rip >> 32;
}

static void set_cpuid(struct vcpu *vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };
	struct vm *vm = vcpu->vm;
	u32 i;

	if (ioctl(vm_kvm_fd(), KVM_GET_SUPPORTED_CPUID, &cpuid))
		die("KVM_GET_SUPPORTED_CPUID: %m");
	for (i = 0; i < cpuid.head.nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid.entries[i];

		if (entry->function == 1) {
			entry->ebx = (entry->ebx & 0xffffff) | vcpu->id << 24;
			vm->avx = (entry->ecx & (1u << 28)) && (entry->ecx & (1u << 26));
		}
		if (entry->function == 0x80000001 && (vm->flags & VM_NO_LM))
			entry->edx &= ~(1u << 29);
	}
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid))
		die("KVM_SET_CPUID2: %m");
}

static void set_state(struct vcpu *vcpu)
{
	struct kvm_segment code = {
		.selector = SEL_CODE, .limit = ~0u, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.selector = SEL_DATA, .limit = ~0u, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct vm *vm = vcpu->vm;
	u64 block = GUEST_CPU + vcpu->id * GUEST_CPU_SIZE;
	u64 *gdt = vm_at(vm, block + CPU_GDT);
	u64 tss = dm(block + CPU_TSS);
	struct kvm_sregs sregs;

	gdt[SEL_CODE / 8] = 0x00af9b000000ffffull;
	gdt[SEL_DATA / 8] = 0x00cf93000000ffffull;
	gdt[SEL_USER_DATA / 8] = 0x00cff3000000ffffull;
	gdt[SEL_USER_CODE / 8] = 0x00affb000000ffffull;
	gdt[SEL_TSS / 8] = 0x67 | (tss & 0xffffff) << 16 | 0x8bull << 40 | ((tss >> 24) & 0xff) << 56;
	gdt[SEL_TSS / 8 + 1] = tss >> 32;
	/* TSS: RSP0 and IST 1 */
	*(u64 *)((u8 *)vm_at(vm, block + CPU_TSS) + 4) = dm(block + CPU_THREAD + GUEST_THREAD_SIZE);
	*(u64 *)((u8 *)vm_at(vm, block + CPU_TSS) + 36) = dm(block + CPU_IST + PAGE);
	*(u64 *)vm_at(vm, block + CPU_STACK_TOP) = dm(block + CPU_THREAD + GUEST_THREAD_SIZE);

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS: %m");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.tr = (struct kvm_segment){ .base = tss, .selector = SEL_TSS, .limit = 0x67, .type = 11, .present = 1 };
	sregs.gdt = (struct kvm_dtable){ .base = dm(block + CPU_GDT), .limit = SEL_TSS + 15 };
	sregs.idt = (struct kvm_dtable){ .base = dm(GUEST_IDT), .limit = 4095 };
	sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	sregs.cr3 = GUEST_PT;
	sregs.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | (vm->avx ? CR4_OSXSAVE : 0);
	sregs.efer = EFER_LME | EFER_LMA | EFER_NXE | 1;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
		die("KVM_SET_SREGS: %m");
	if (vm->avx) {
		struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0] = { .xcr = 0, .value = 7 } };

		if (ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs))
			die("KVM_SET_XCRS: %m");
	}
	if (vm->flags & VM_IRQCHIP) {
		/* No SIPI dance: every vCPU is ready to run. */
		struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };

		if (ioctl(vcpu->fd, KVM_SET_MP_STATE, &state))
			die("KVM_SET_MP_STATE: %m");
	}
}

struct vcpu *vm_add_vcpu(struct vm *vm, u32 id)
{
	struct vcpu *vcpu = &vm->vcpu[vm->vcpus++];
	int size = ioctl(vm_kvm_fd(), KVM_GET_VCPU_MMAP_SIZE, 0);

	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (vcpu->fd < 0)
		die("KVM_CREATE_VCPU %u: %m", id);
	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("mmap of vCPU %u: %m", id);
	set_cpuid(vcpu);
	if (!(vm->flags & VM_NO_LM))
		set_state(vcpu);
	return vcpu;
}

void vm_create(struct vm *vm, unsigned int vcpus, u32 flags)
{
	unsigned int i;
	int error;

	memset(vm, 0, sizeof(*vm));
	arm_alarm();
	vm->flags = flags;
	vm->fd = ioctl(vm_kvm_fd(), KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		die("KVM_CREATE_VM: %m");
	if ((flags & VM_IRQCHIP) && ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		die("KVM_CREATE_IRQCHIP: %m");
	vm->memory = vm_memory(GUEST_MEMORY, flags & VM_SMALL);
	error = vm_slot(vm, 0, 0, 0, GUEST_MEMORY, vm->memory);
	if (error)
		die("slot 0: %s", strerror(-error));

	vm->tables = GUEST_PT + PAGE;
	vm_map(vm, 0, 0, GUEST_MEMORY, VM_PAGE_WRITE | VM_PAGE_USER);
	vm_map(vm, GUEST_TX, 0, GUEST_MEMORY, VM_PAGE_WRITE);
	vm_map(vm, GUEST_DM, 0, 4ull << 30, VM_PAGE_WRITE);
	if (guest_end - guest_start > (long)(GUEST_TEXT_END - GUEST_TEXT))
		die("the guest's code is too long");
	memcpy(vm_at(vm, GUEST_TEXT), guest_start, guest_end - guest_start);
	for (i = 0; i < 256; i++)
		vm_idt(vm, i, g_traps + 16 * i, 0);
	if (!(flags & VM_NO_VCPU))
		for (i = 0; i < vcpus; i++)
			vm_add_vcpu(vm, i);
}

void vm_destroy(struct vm *vm)
{
	int size = ioctl(vm_kvm_fd(), KVM_GET_VCPU_MMAP_SIZE, 0);
	unsigned int i;

	for (i = 0; i < vm->vcpus; i++) {
		munmap(vm->vcpu[i].run, size);
		close(vm->vcpu[i].fd);
	}
	close(vm->fd);
	munmap(vm->memory, GUEST_MEMORY);
	vm->vcpus = 0;
}

static void die_where(struct vcpu *vcpu, const char *what)
{
	struct kvm_regs regs = { 0 };

	vcpu->run->immediate_exit = 0;
	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	die("vCPU %u: %s; exit %u, rip 0x%llx (text+0x%llx) rsp 0x%llx rax 0x%llx rcx 0x%llx rdi 0x%llx rsi 0x%llx",
	    vcpu->id, what, vcpu->run->exit_reason, regs.rip, regs.rip - GUEST_TX - GUEST_TEXT, regs.rsp, regs.rax,
	    regs.rcx, regs.rdi, regs.rsi);
}

u32 vcpu_run(struct vcpu *vcpu)
{
	current = vcpu;
	while (ioctl(vcpu->fd, KVM_RUN, 0)) {
		if (errno == EINTR && out_of_time)
			die_where(vcpu, "out of time");
		if (errno == EFAULT && vcpu->vm->on_fault && vcpu->vm->on_fault(vcpu))
			continue;
		if (errno != EINTR && errno != EAGAIN)
			die_where(vcpu, strerror(errno));
	}
	current = NULL;
	return vcpu->run->exit_reason;
}

/* What an exception left on the stack: RAX of the trap stub, an error code or none, RIP. */
static void die_trap(struct vcpu *vcpu)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	u64 words[4] = { 0 };
	u64 gpa;

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);
	gpa = regs.rsp - GUEST_DM;
	if (gpa < GUEST_MEMORY - sizeof(words))
		memcpy(words, vm_at(vcpu->vm, gpa), sizeof(words));
	die("vCPU %u: exception %u, stack 0x%lx 0x%lx 0x%lx, cr2 0x%llx, text at 0x%lx", vcpu->id,
	    *((u8 *)vcpu->run + vcpu->run->io.data_offset), words[1], words[2], words[3], sregs.cr2,
	    GUEST_TX + GUEST_TEXT);
}

void vcpu_call_regs(struct vcpu *vcpu, const char *fn, struct kvm_regs *regs)
{
	u64 block = GUEST_CPU + vcpu->id * GUEST_CPU_SIZE;
	char text[64];

	if (!vcpu->running)
		alarm(VM_SECONDS);
	regs->rip = guest_va(g_enter);
	regs->r11 = guest_va(fn);
	regs->rsp = vcpu->rsp ?: dm(block + CPU_THREAD + GUEST_THREAD_SIZE - 256);
	regs->rflags |= 2;
	if (ioctl(vcpu->fd, KVM_SET_REGS, regs))
		die("KVM_SET_REGS: %m");
	for (;;) {
		u32 reason = vcpu_run(vcpu);

		if (reason == KVM_EXIT_IO && vcpu->run->io.port == PORT_DONE)
			break;
		if (reason == KVM_EXIT_IO && vcpu->run->io.port == PORT_TRAP &&
		    !(vcpu->vm->on_exit && vcpu->vm->on_exit(vcpu)))
			die_trap(vcpu);
		if (reason == KVM_EXIT_IO && vcpu->run->io.port == PORT_TRAP)
			continue;
		if (vcpu->vm->on_exit && vcpu->vm->on_exit(vcpu))
			continue;
		snprintf(text, sizeof(text), "unexpected exit %u (MMIO/IO 0x%llx)", reason,
			 reason == KVM_EXIT_MMIO ? vcpu->run->mmio.phys_addr : vcpu->run->io.port);
		die_where(vcpu, text);
	}
	if (ioctl(vcpu->fd, KVM_GET_REGS, regs))
		die("KVM_GET_REGS: %m");
}

static void set_args(struct kvm_regs *regs, const u64 *args, unsigned int nr)
{
	__u64 *const order[] = { &regs->rdi, &regs->rsi, &regs->rdx, &regs->rcx, &regs->r8, &regs->r9 };
	unsigned int i;

	if (nr > sizeof(order) / sizeof(order[0]))
		die("%u arguments", nr);
	memset(regs, 0, sizeof(*regs));
	for (i = 0; i < nr; i++)
		*order[i] = args[i];
}

u64 vcpu_call_args(struct vcpu *vcpu, const char *fn, const u64 *args, unsigned int nr)
{
	struct kvm_regs regs;

	set_args(&regs, args, nr);
	vcpu_call_regs(vcpu, fn, &regs);
	return regs.rax;
}

static void *vcpu_thread(void *data)
{
	struct vcpu *vcpu = data;
	sigset_t set;

	/* Time-outs are the main thread's business: it waits for this one. */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	vcpu_call_regs(vcpu, (const char *)vcpu->fn, &vcpu->regs);
	return NULL;
}

void vcpu_start_args(struct vcpu *vcpu, const char *fn, const u64 *args, unsigned int nr)
{
	int error;

	set_args(&vcpu->regs, args, nr);
	vcpu->fn = (u64)fn;
	vcpu->running = true;
	alarm(VM_SECONDS);
	error = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	if (error)
		die("pthread_create: %s", strerror(error));
}

u64 vcpu_join(struct vcpu *vcpu)
{
	alarm(VM_SECONDS);
	pthread_join(vcpu->thread, NULL);
	vcpu->running = false;
	return vcpu->regs.rax;
}

void sleep_ms(unsigned int ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

/* A factor from the environment, or 1. */
static unsigned int factor(const char *name)
{
	const char *value = getenv(name);

	return value && atoi(value) > 0 ? atoi(value) : 1;
}

unsigned int vm_turns(unsigned int usual)
{
	return usual * factor("CHARIOT_TURNS");
}

static unsigned int slowness(void)
{
	return factor("CHARIOT_SLOWNESS");
}

unsigned int vm_looks(void)
{
	return VM_SECONDS * 1000 * slowness();
}

unsigned int __real_alarm(unsigned int seconds);
unsigned int __wrap_alarm(unsigned int seconds);

/* Linked in place of alarm(), with which the harness limits time, too. */
unsigned int __wrap_alarm(unsigned int seconds)
{
	return __real_alarm(seconds * slowness());
}

void vm_alive(void)
{
	alarm(VM_SECONDS);
}

u64 wait_change(volatile u64 *word, u64 old)
{
	unsigned int i;

	vm_alive();
	for (i = 0; i < vm_looks(); i++) {
		u64 now = *word;

		if (now != old)
			return now;
		sleep_ms(1);
	}
	die("nothing changed within %u s", VM_SECONDS);
}
