// SPDX-License-Identifier: GPL-2.0-only
/*
 * What lies at an address, by the kernel's own account: objects in slabs, vmalloc
 * areas. The functions that tell it are not exported (ksyms.c).
 */
#include <linux/irqflags.h>
#include <linux/jump_label.h>
#include <linux/kfence.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/static_call.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "kmem.h"
#include "ksyms.h"

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

DEFINE_STATIC_CALL(kmem_obj_info, no_obj_info);
DEFINE_STATIC_CALL(kmem_vm_area, no_vm_area);

void chariot_kmem_init(void)
{
	unsigned long addr;

	addr = chariot_ksym("__kmem_obj_info");
	if (addr)
		static_call_update(kmem_obj_info, (typeof(no_obj_info) *)addr);
	addr = chariot_ksym("find_vm_area");
	if (addr) {
		static_call_update(kmem_vm_area, (typeof(no_vm_area) *)addr);
		has_vm_area = true;
	}
	slub_debug = (struct static_key *)chariot_ksym("slub_debug_enabled");
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

	static_call(kmem_obj_info)(&info, base, (struct slab *)folio);
	if (info.kp_objp != base)
		return 0;
	*size = kmem_cache_size(info.kp_slab_cache);
	for (stride = ALIGN(*size, sizeof(long)); 2 * stride <= folio_size(folio);
	     stride += sizeof(long)) {
		static_call(kmem_obj_info)(&info, base + stride, (struct slab *)folio);
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

size_t chariot_slab_size(const void *p)
{
	struct folio *folio = virt_to_folio(p);
	struct kmem_obj_info info = {};

	if (!folio_test_slab(folio))
		return 0;
	static_call(kmem_obj_info)(&info, (void *)p, (struct slab *)folio);
	return info.kp_slab_cache ? kmem_cache_size(info.kp_slab_cache) : 0;
}

size_t chariot_vmalloc_room(const void *p)
{
	const void *end = p;

	while (vmalloc_to_page(end))
		end += PAGE_SIZE - offset_in_page(end);
	return end - p;
}

bool chariot_vm_area(const void *p, const void **begin, size_t *size)
{
	struct vm_struct *area = static_call(kmem_vm_area)(p), copy;

	*begin = NULL;
	if (!area)
		return has_vm_area;
	/* Somebody may be freeing it: whoever finds it twice has read it in between. */
	if (copy_from_kernel_nofault(&copy, area, sizeof(copy)) ||
	    static_call(kmem_vm_area)(p) != area)
		return false;
	*begin = copy.addr;
	*size = get_vm_area_size(&copy);
	return true;
}
