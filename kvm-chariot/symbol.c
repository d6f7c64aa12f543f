// SPDX-License-Identifier: GPL-2.0-only
/*
 * Symbols that are not exported. kallsyms_lookup_name() is found by a kprobe
 * on its name and called through a static call: the kernel removes the
 * landing pad (ENDBR) of functions that it never calls indirectly, and a CPU
 * with IBT faults on an indirect call to such a function.
 */
#include <linux/kprobes.h>
#include <linux/static_call.h>

#include "symbol.h"

static unsigned long no_lookup(const char *name)
{
	return 0;
}

DEFINE_STATIC_CALL(chariot_lookup_name, no_lookup);

int chariot_symbol_init(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long addr;
	int ret;

	ret = register_kprobe(&probe);
	if (ret) {
		pr_err("kallsyms_lookup_name cannot be probed (%d): are kprobes disabled?\n", ret);
		return -ENOENT;
	}
	addr = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	static_call_update(chariot_lookup_name, (void *)addr);
	return 0;
}

unsigned long chariot_symbol_find(const char *name)
{
	return static_call(chariot_lookup_name)(name);
}

bool chariot_symbol_tdp_enabled(void)
{
	unsigned long addr = chariot_symbol_find("tdp_enabled");

	return addr && READ_ONCE(*(bool *)addr);
}
