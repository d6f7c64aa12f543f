// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses of core-kernel symbols that are not exported.
 *
 * kallsyms_lookup_name() itself is found by a kprobe. What is found this way is
 * called by static calls, that is directly: such functions may have no ENDBR
 * instruction left, and an indirect call would fault on CPUs that enforce IBT.
 */
#include <linux/jump_label.h>
#include <linux/kfence.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/static_call.h>
#include <linux/uaccess.h>
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

static int no_each_match(int (*fn)(void *, unsigned long), const char *name, void *data)
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

/* Whether any cache may have the layout for debugging; NULL: this kernel does not tell. */
static struct static_key *slub_debug;
static bool has_vm_area;

DEFINE_STATIC_CALL(ksyms_obj_info, no_obj_info);
DEFINE_STATIC_CALL(ksyms_vm_area, no_vm_area);
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
	addr = chariot_ksym("__kmem_obj_info");
	if (addr)
		static_call_update(ksyms_obj_info, (typeof(no_obj_info) *)addr);
	addr = chariot_ksym("find_vm_area");
	if (addr) {
		static_call_update(ksyms_vm_area, (typeof(no_vm_area) *)addr);
		has_vm_area = true;
	}
	slub_debug = (struct static_key *)chariot_ksym("slub_debug_enabled");
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

/*
 * The distance of a slab's objects; 0: unknown. The kernel warns if it is asked
 * of what lies behind the last object. So it is asked of the second one's begin
 * only, and only if there is a second one.
 */
static size_t slab_stride(struct folio *folio, size_t *size)
{
	void *base = folio_address(folio);
	struct kmem_obj_info info = {};
	size_t stride;

	static_call(ksyms_obj_info)(&info, base, (struct slab *)folio);
	if (info.kp_objp != base)
		return 0;
	*size = kmem_cache_size(info.kp_slab_cache);
	for (stride = ALIGN(*size, sizeof(long)); 2 * stride <= folio_size(folio);
	     stride += sizeof(long)) {
		static_call(ksyms_obj_info)(&info, base + stride, (struct slab *)folio);
		if (info.kp_objp != base)
			return info.kp_objp == base + stride ? stride : 0;
	}
	return 0;
}

const void *chariot_slab_object(const void *p, size_t *size)
{
	struct folio *folio = virt_to_folio(p);
	const void *base = folio_address(folio);
	unsigned long flags;
	size_t stride = 0;

	/* Red zones shift the objects, and KFENCE has places of its own. */
	if (!slub_debug || static_key_enabled(slub_debug) || is_kfence_address(p))
		return NULL;
	/* Nothing holds the slab if @p is free already: hence at once, and the look behind it. */
	local_irq_save(flags);
	if (folio_test_slab(folio))
		stride = slab_stride(folio, size);
	local_irq_restore(flags);
	if (!stride || virt_to_folio(p) != folio || !folio_test_slab(folio) ||
	    (p - base) / stride >= folio_size(folio) / stride)
		return NULL;
	return base + (p - base) / stride * stride;
}

bool chariot_vm_area(const void *p, const void **begin, size_t *size)
{
	struct vm_struct *area = static_call(ksyms_vm_area)(p), copy;

	*begin = NULL;
	if (!area)
		return has_vm_area;
	/* Somebody may be freeing it: whoever finds it twice has read it in between. */
	if (copy_from_kernel_nofault(&copy, area, sizeof(copy)) ||
	    static_call(ksyms_vm_area)(p) != area)
		return false;
	*begin = copy.addr;
	*size = get_vm_area_size(&copy);
	return true;
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

size_t chariot_slab_size(const void *p)
{
	struct folio *folio = virt_to_folio(p);
	struct kmem_obj_info info = {};

	if (!folio_test_slab(folio))
		return 0;
	static_call(ksyms_obj_info)(&info, (void *)p, (struct slab *)folio);
	return info.kp_slab_cache ? kmem_cache_size(info.kp_slab_cache) : 0;
}
