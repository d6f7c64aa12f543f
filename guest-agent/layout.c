// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host must know about this kernel: where stacks are, what lies at an
 * address (for reports), and which functions write on their caller's behalf.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>
#include <asm/apic.h>
#include <asm/page_types.h>
#include <asm/pgtable.h>

#include "agent.h"
#include "compat.h"
#include "ksyms.h"
#include "layout.h"
#include "library.h"
#include "ring.h"

#define CHARIOT_AGENT_ABI	1

/*
 * Library functions: a write by one of these is its caller's, so it is judged
 * as the driver's when the driver called it. They must be leaves, whose return
 * address the host can find: a formatter such as vsnprintf(), which writes
 * from deep inside, is core kernel. Names that a kernel lacks are skipped,
 * aliases are sent once.
 */
static const char * const library[] = {
	"memcpy", "memcpy_orig", "memcpy_erms", "memmove",
	"memset", "memset_orig", "memset_erms",
	"memset16", "memset32", "memset64",
	"__memcpy", "__memmove", "__memset",
	"memcpy_fromio", "__memcpy_flushcache", "copy_mc_fragile", "copy_mc_enhanced_fast_string",
	"strcpy", "strncpy", "strscpy", "sized_strscpy", "strscpy_pad", "strlcpy", "strlcat",
	"strcat", "strncat", "stpcpy", "memcpy_and_pad", "memzero_explicit",
	"_copy_from_user", "rep_movs_alternative", "copy_user_generic_unrolled",
	"copy_user_generic_string", "copy_user_enhanced_fast_string", "copy_user_short_string",
	"__copy_user_nocache",
	"copy_page", "copy_page_regs", "clear_page_rep", "clear_page_orig", "clear_page_erms",
	"insb", "insw", "insl", "ioread8_rep", "ioread16_rep", "ioread32_rep",
	"bitmap_set", "__bitmap_set", "bitmap_clear", "__bitmap_clear", "__bitmap_and",
	"__bitmap_or", "__bitmap_xor", "__bitmap_andnot", "__bitmap_complement",
	"hex2bin", "bin2hex", "__sw_hweight64",
};

static void post_library(void)
{
	unsigned long addr[ARRAY_SIZE(library)];
	unsigned int i, k, n = 0;

	for (i = 0; i < ARRAY_SIZE(library); i++) {
		unsigned long va = chariot_ksym(library[i]);
		unsigned long size;

		for (k = 0; k < n && addr[k] != va; k++)
			;
		if (!va || k < n)
			continue;
		size = chariot_ksym_size(va);
		if (!size)
			continue;
		addr[n++] = va;
		chariot_post(CHARIOT_REC_LIBRARY, 0, 0, 0, va, size);
	}
}

/*
 * The domains' own copies are text of theirs; that they are library functions
 * as well makes a report name the caller.
 */
static void post_library_copies(void)
{
	const struct chariot_library *f;
	u16 domain;

	for (domain = 1; domain <= chariot_nr_domains; domain++)
		for (f = chariot_library; f < chariot_library_end; f++)
			chariot_post(CHARIOT_REC_LIBRARY, 0, 0, 0,
				     chariot_library_address(domain, f), f->size);
}

static void post_region(u8 kind, unsigned long start, unsigned long end)
{
	if (start && end > start)
		chariot_post(CHARIOT_REC_REGION, kind, 0, 0, start, end - start);
}

static void post_regions(void)
{
	post_region(CHARIOT_REGION_TEXT, chariot_ksym("_text"), chariot_ksym("_etext"));
	post_region(CHARIOT_REGION_RODATA, chariot_ksym("__start_rodata"),
		    chariot_ksym("__end_rodata"));
	post_region(CHARIOT_REGION_DATA, chariot_ksym("_sdata"), chariot_ksym("_edata"));
	post_region(CHARIOT_REGION_DATA, chariot_ksym("__bss_start"), chariot_ksym("__bss_stop"));
	post_region(CHARIOT_REGION_DIRECTMAP, PAGE_OFFSET,
		    PAGE_OFFSET + PFN_PHYS(chariot_max_pfn()));
	post_region(CHARIOT_REGION_VMALLOC, VMALLOC_START, VMALLOC_END);
	post_region(CHARIOT_REGION_VMEMMAP, VMEMMAP_START,
		    VMEMMAP_START + chariot_max_pfn() * sizeof(struct page));
	post_region(CHARIOT_REGION_MODULES, MODULES_VADDR, MODULES_END);
}

/* Runs for CPUs that are up, and for each that comes up later. */
static int post_cpu(unsigned int cpu)
{
	unsigned long *stack_top = chariot_stack_top_word(cpu);

	if (!stack_top)
		return -ENOENT;
	chariot_post(CHARIOT_REC_CPU, 0, per_cpu(x86_cpu_to_apicid, cpu),
		     chariot_irq_stack_top(cpu), (unsigned long)stack_top, IRQ_STACK_SIZE);
	return 0;
}

int chariot_layout_post(void)
{
	int ret;

	chariot_post(CHARIOT_REC_HELLO, 0, 0, THREAD_SIZE, PAGE_OFFSET, CHARIOT_AGENT_ABI);
	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "chariot:online", post_cpu, NULL);
	if (ret < 0)
		return ret;
	post_regions();
	post_library();
	post_library_copies();
	return 0;
}
