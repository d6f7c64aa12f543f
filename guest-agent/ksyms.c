// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses of core-kernel symbols that are not exported.
 *
 * kallsyms_lookup_name() itself is found by a kprobe. What is found this way is
 * called by static calls, that is directly: such functions may have no ENDBR
 * instruction left, and an indirect call would fault on CPUs that enforce IBT.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/static_call.h>

#include "ksyms.h"

static unsigned long no_lookup_name(const char *name)
{
	return 0;
}

static int no_lookup_size(unsigned long addr, unsigned long *size, unsigned long *offset)
{
	return 0;
}

static int no_each_match(int (*fn)(void *, unsigned long), const char *name, void *data)
{
	return 0;
}

static struct module *no_find_module(const char *name)
{
	return NULL;
}

DEFINE_STATIC_CALL(ksyms_lookup_name, no_lookup_name);
DEFINE_STATIC_CALL(ksyms_lookup_size, no_lookup_size);
DEFINE_STATIC_CALL(ksyms_each_match, no_each_match);
DEFINE_STATIC_CALL(ksyms_find_module, no_find_module);

int chariot_ksyms_init(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long addr;
	int ret;

	ret = register_kprobe(&kp);
	if (ret)
		return ret;
	/* Possibly behind the ENDBR: as good an entry for a direct call. */
	addr = (unsigned long)kp.addr;
	unregister_kprobe(&kp);
	static_call_update(ksyms_lookup_name, (typeof(no_lookup_name) *)addr);

	addr = chariot_ksym("kallsyms_lookup_size_offset");
	if (addr)
		static_call_update(ksyms_lookup_size, (typeof(no_lookup_size) *)addr);
	addr = chariot_ksym("kallsyms_on_each_match_symbol");
	if (addr)
		static_call_update(ksyms_each_match, (typeof(no_each_match) *)addr);
	addr = chariot_ksym("find_module");
	if (addr)
		static_call_update(ksyms_find_module, (typeof(no_find_module) *)addr);
	return 0;
}

unsigned long chariot_ksym(const char *name)
{
	return static_call(ksyms_lookup_name)(name);
}

unsigned long chariot_ksym_size(unsigned long addr)
{
	unsigned long size, offset;

	if (!static_call(ksyms_lookup_size)(addr, &size, &offset))
		return 0;
	return size - offset;
}

static int count_match(void *count, unsigned long addr)
{
	++*(unsigned int *)count;
	return 0;
}

unsigned int chariot_ksym_count(const char *name)
{
	unsigned int count = 0;

	static_call(ksyms_each_match)(count_match, name, &count);
	return count;
}

unsigned long chariot_max_pfn(void)
{
	const unsigned long *pfn = (void *)chariot_ksym("max_pfn");

	return pfn ? *pfn : 0;
}

bool chariot_module_present(const char *name)
{
	bool present;

	/* find_module() of either series asks for preemption off. */
	preempt_disable();
	present = static_call(ksyms_find_module)(name);
	preempt_enable();
	return present;
}
