// SPDX-License-Identifier: GPL-2.0-only
#include <sys/ioctl.h>

#include "inner.h"

u32 inner_cpuid(u32 function, bool edx)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };
	u32 i, word = 0;

	if (ioctl(vm_kvm_fd(), KVM_GET_SUPPORTED_CPUID, &cpuid))
		die("KVM_GET_SUPPORTED_CPUID: %m");
	for (i = 0; i < cpuid.head.nent; i++) {
		if (cpuid.entries[i].function == function)
			word = edx ? cpuid.entries[i].edx : cpuid.entries[i].ecx;
	}
	return word;
}

void inner_tables(struct vm *vm, u64 table, u64 leaf)
{
	u64 *tables = vm_at(vm, INNER_TABLES);
	unsigned int i;

	tables[0] = (INNER_TABLES + 0x1000) | table;
	tables[512] = (INNER_TABLES + 0x2000) | table;
	for (i = 0; i < 8; i++)
		tables[1024 + i] = (u64)i << 21 | leaf;
}
