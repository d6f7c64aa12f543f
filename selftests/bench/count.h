/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs here count with: the emulated processor's instructions,
 * and KVM's own statistics. host_cost.c says why a tick is an instruction.
 */
#ifndef COUNT_H
#define COUNT_H

#include <stdio.h>
#include <unistd.h>

#include "../kvm/lib/vm.h"

static inline u64 ticks(void)
{
	u32 low, high;

	asm volatile("lfence\n rdtsc\n lfence" : "=a"(low), "=d"(high) :: "memory");
	return (u64)high << 32 | low;
}

/* One of KVM's statistics of a VM, as debugfs has it */
static inline u64 vm_stat(struct vm *vm, const char *name)
{
	char path[64];
	u64 value;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/%s", getpid(), vm->fd, name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%lu", &value) != 1)
		die("%s: %m", path);
	fclose(file);
	return value;
}

/* Exits, but for those by the host's own interrupts, whose number is chance */
static inline u64 vm_exits(struct vm *vm)
{
	return vm_stat(vm, "exits") - vm_stat(vm, "irq_exits");
}

#endif
