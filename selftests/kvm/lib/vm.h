/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tiny virtual machines on raw KVM ioctls: one address space, long mode, the
 * guest code of guest.h.
 *
 * Whatever a test did not ask for and does not expect (a failing ioctl, a
 * guest exception, VM_SECONDS without anything that comes forward) ends
 * the test process with a line that says what happened: nothing here returns
 * an error unless it says so.
 */
#ifndef VM_H
#define VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

#include "guest.h"

#define VM_SECONDS	20	/* a guest function takes milliseconds, emulated ones too */

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

struct vm;

struct vcpu {
	struct vm *vm;
	int fd;
	u32 id;
	struct kvm_run *run;
	u64 rsp;		/* where calls begin on the stack; 0: near the top of the vCPU's own */
	pthread_t thread;	/* vcpu_start() */
	struct kvm_regs regs;	/* of the call that vcpu_start() makes */
	u64 fn;
	volatile bool running;
};

#define VM_IRQCHIP	(1u << 0)	/* local APICs, IOAPIC and PIC in KVM */
#define VM_SMALL	(1u << 1)	/* 4 KiB pages behind the guest's memory */
#define VM_NO_LM	(1u << 2)	/* the vCPUs' CPUID has no long mode; vCPUs cannot run */
#define VM_NO_VCPU	(1u << 3)

struct vm {
	int fd;
	u32 flags;
	u8 *memory;		/* GUEST_MEMORY bytes: slot 0 */
	u64 tables;		/* next free page for page tables (gpa) */
	struct vcpu vcpu[GUEST_CPU_MAX];
	unsigned int vcpus;
	bool avx;
	/*
	 * Called for exits that the library does not know; false: die. The
	 * exit is in vcpu->run.
	 */
	bool (*on_exit)(struct vcpu *vcpu);
	/* Called if KVM_RUN fails with EFAULT: the host cannot reach guest memory. True: run again. */
	bool (*on_fault)(struct vcpu *vcpu);
	void *context;
};

/* Never returns. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

int vm_kvm_fd(void);	/* /dev/kvm, open */

void vm_create(struct vm *vm, unsigned int vcpus, u32 flags);
struct vcpu *vm_add_vcpu(struct vm *vm, u32 id);
/* Closes everything; vCPUs must have stopped. */
void vm_destroy(struct vm *vm);

/* Slot @slot becomes [gpa, gpa + size) backed by @memory; size 0 deletes it. Returns 0 or -errno. */
int vm_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *memory);

/* Fresh zeroed memory, 2 MiB aligned. */
void *vm_memory(u64 size, bool small);

/* The host's address of guest memory in slot 0. */
static inline void *vm_at(struct vm *vm, u64 gpa)
{
	if (gpa >= GUEST_MEMORY)
		die("no memory at gpa 0x%lx", gpa);
	return vm->memory + gpa;
}

#define VM_PAGE_WRITE	(1u << 1)
#define VM_PAGE_USER	(1u << 2)

/* Maps [va, va + size) to gpa in the guest's page tables, in 4 KiB pages or (all aligned) in 2 MiB pages. */
void vm_map(struct vm *vm, u64 va, u64 gpa, u64 size, u32 flags);

/* Entry @vector of the IDT: handler is guest code; ist 0 (stay on this stack) or 1. */
void vm_idt(struct vm *vm, unsigned int vector, const char *handler, unsigned int ist);

/* Where guest code runs */
static inline u64 guest_va(const char *code)
{
	return GUEST_TX + GUEST_TEXT + (u64)(code - guest_start);
}

static inline u64 guest_gpa(const char *code)
{
	return GUEST_TEXT + (u64)(code - guest_start);
}

/* Where guest data is seen by guest code */
static inline u64 dm(u64 gpa)
{
	return GUEST_DM + gpa;
}

/* One KVM_RUN; EINTR is retried. Returns the exit reason. */
u32 vcpu_run(struct vcpu *vcpu);

/* Calls a guest function with registers as given (RIP, RSP and R11 are set here) and brings back those that it left. */
void vcpu_call_regs(struct vcpu *vcpu, const char *fn, struct kvm_regs *regs);

/* Calls a guest function; returns RAX. */
u64 vcpu_call_args(struct vcpu *vcpu, const char *fn, const u64 *args, unsigned int nr);
#define vcpu_call(vcpu, fn, ...)						\
	vcpu_call_args(vcpu, fn, (const u64[]){ 0, ##__VA_ARGS__ } + 1,		\
		       sizeof((const u64[]){ 0, ##__VA_ARGS__ }) / sizeof(u64) - 1)

/* The same in a thread of its own; join returns RAX. */
void vcpu_start_args(struct vcpu *vcpu, const char *fn, const u64 *args, unsigned int nr);
#define vcpu_start(vcpu, fn, ...)						\
	vcpu_start_args(vcpu, fn, (const u64[]){ 0, ##__VA_ARGS__ } + 1,	\
			sizeof((const u64[]){ 0, ##__VA_ARGS__ }) / sizeof(u64) - 1)
u64 vcpu_join(struct vcpu *vcpu);

/* Called before a test ends for lack of time: may print what else is known. */
extern void (*vm_out_of_time)(void);

/* How often a test does something: @usual times what CHARIOT_TURNS in the environment says (default 1). */
unsigned int vm_turns(unsigned int usual);

/*
 * How often to look with a sleep_ms(1) in between: VM_SECONDS in all. They last CHARIOT_SLOWNESS times as long if that is in
 * the environment, as all time limits of the tests do.
 */
unsigned int vm_looks(void);

/* Something came forward: VM_SECONDS begin again. The calls and waits below do it themselves. */
void vm_alive(void);
/* Waits (up to VM_SECONDS) until *word differs from old; returns the new value. */
u64 wait_change(volatile u64 *word, u64 old);
void sleep_ms(unsigned int ms);

#endif
