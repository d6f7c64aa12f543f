// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses of core-kernel symbols that are not exported.
 *
 * kallsyms_lookup_name() itself is found by a kprobe. What is found this way is
 * called by static calls, that is directly: such functions may have no ENDBR
 * instruction left, and an indirect call would fault on CPUs that enforce IBT.
 */
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/static_call.h>
#include <linux/vmalloc.h>

#include "ksyms.h"

static unsigned long no_lookup_name(const char *name)
{
	return 0;
}

static int no_lookup_size(unsigned long addr, unsigned long *size, unsigned long *offset)
{
	return 0;
}

static struct module *no_find_module(const char *name)
{
	return NULL;
}

/* As in mm/slab.h. */
struct kmem_obj_info {
	void *kp_ptr;
	struct slab *kp_slab;
	void *kp_objp;
	unsigned long kp_data_offset;
	struct kmem_cache *kp_slab_cache;
	void *kp_ret;
	void *kp_stack[16];
	void *kp_free_stack[16];
};

static void no_obj_info(struct kmem_obj_info *info, void *p, struct slab *slab)
{
}

static struct vm_struct *no_vm_area(const void *p)
{
	return NULL;
}

DEFINE_STATIC_CALL(ksyms_obj_info, no_obj_info);
DEFINE_STATIC_CALL(ksyms_vm_area, no_vm_area);
DEFINE_STATIC_CALL(ksyms_lookup_name, no_lookup_name);
DEFINE_STATIC_CALL(ksyms_lookup_size, no_lookup_size);
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
	addr = chariot_ksym("find_module");
	if (addr)
		static_call_update(ksyms_find_module, (typeof(no_find_module) *)addr);
	addr = chariot_ksym("__kmem_obj_info");
	if (addr)
		static_call_update(ksyms_obj_info, (typeof(no_obj_info) *)addr);
	addr = chariot_ksym("find_vm_area");
	if (addr)
		static_call_update(ksyms_vm_area, (typeof(no_vm_area) *)addr);
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

unsigned long chariot_max_pfn(void)
{
	const unsigned long *pfn = (void *)chariot_ksym("max_pfn");

	return pfn ? *pfn : 0;
}

const void *chariot_slab_object(const void *p, size_t *size)
{
	struct kmem_obj_info info = {};

	static_call(ksyms_obj_info)(&info, (void *)p, (struct slab *)virt_to_folio(p));
	if (!info.kp_objp)
		return NULL;
	*size = kmem_cache_size(info.kp_slab_cache);
	return info.kp_objp;
}

const void *chariot_vm_area(const void *p, size_t *size)
{
	struct vm_struct *area = static_call(ksyms_vm_area)(p);

	if (!area)
		return NULL;
	*size = get_vm_area_size(area);
	return area->addr;
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
