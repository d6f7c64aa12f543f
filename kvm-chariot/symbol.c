// SPDX-License-Identifier: GPL-2.0-only
/*
 * Symbols that are not exported. kallsyms_lookup_name() is found by a kprobe
 * on its name and called through a static call: the kernel removes the
 * landing pad (ENDBR) of functions that it never calls indirectly, and a CPU
 * with IBT faults on an indirect call to such a function.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/mutex.h>

#include "compat.h"

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

/* The trampoline stands for the type: the name itself is a macro by now. */
#define DEFINE_KVM(name) \
	DEFINE_STATIC_CALL_NULL(chariot_##name, STATIC_CALL_TRAMP(chariot_##name));
CHARIOT_KVM_FUNCTIONS(DEFINE_KVM)

static const struct {
	const char *name;
	struct static_call_key *key;
	void *tramp;
} kvm_functions[] = {
#define KVM_FUNCTION(name) \
	{ #name, &STATIC_CALL_KEY(chariot_##name), STATIC_CALL_TRAMP_ADDR(chariot_##name) },
	CHARIOT_KVM_FUNCTIONS(KVM_FUNCTION)
};

int chariot_symbol_find_kvm(void)
{
	static DEFINE_MUTEX(lock);
	static bool found;
	unsigned long addr;
	int i, ret = 0;

	mutex_lock(&lock);
	for (i = 0; !found && i < ARRAY_SIZE(kvm_functions); i++) {
		addr = chariot_symbol_find(kvm_functions[i].name);
		if (!addr) {
			pr_err("attach refused: this KVM has no %s()\n", kvm_functions[i].name);
			ret = -ENXIO;
			goto out;
		}
		__static_call_update(kvm_functions[i].key, kvm_functions[i].tramp, (void *)addr);
	}
	/* For good: kvm.ko stays, see symbol.h. */
	found = true;
out:
	mutex_unlock(&lock);
	return ret;
}

bool chariot_symbol_tdp_enabled(void)
{
	unsigned long addr = chariot_symbol_find("tdp_enabled");

	return addr && READ_ONCE(*(bool *)addr);
}
