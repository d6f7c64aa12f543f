// SPDX-License-Identifier: GPL-2.0-only
/*
 * Following the isolated modules through their lives:
 *
 *	relocation	imports are interposed: a probe on apply_relocate_add()
 *			gives undefined symbols another value, and the kernel
 *			itself then patches every call site
 *	COMING		addresses are final, nothing of it has run: its text and
 *			data become the domain's
 *	LIVE		its init function has returned: init sections go
 *	GOING		its exit function has returned, or init failed: all goes
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/elf.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/vmalloc.h>

#include "agent.h"
#include "catalogue.h"
#include "compat.h"
#include "library.h"
#include "module.h"
#include "ops.h"
#include "ring.h"
#include "symtab.h"
#include "track.h"

/* Posts records of @type for page-aligned memory of a module, one for each contiguous run. */
static void post_pages(u8 type, u8 kind, u16 domain, const void *va, size_t size)
{
	phys_addr_t run = 0;
	size_t len = 0, off;

	for (off = 0; off < size; off += PAGE_SIZE) {
		phys_addr_t phys = PFN_PHYS(vmalloc_to_pfn(va + off));

		if (len && run + len == phys) {
			len += PAGE_SIZE;
			continue;
		}
		if (len)
			chariot_post(type, kind, domain, run, (unsigned long)va + off - len, len);
		run = phys;
		len = PAGE_SIZE;
	}
	if (len)
		chariot_post(type, kind, domain, run, (unsigned long)va + off - len, len);
}

static void post_memory(const struct chariot_domain *d, enum chariot_modmem what, u8 type, u8 kind)
{
	size_t size;
	void *va = chariot_modmem(d->mod, what, &size);

	post_pages(type, kind, d->id, va, size);
}

/* Per-CPU memory: the module's own, and the words that inlined primitives touch. */
static void post_percpu(const struct chariot_domain *d)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		int *count = chariot_preempt_count_word(cpu);

		chariot_post(CHARIOT_REC_GRANT, CHARIOT_KIND_RULE, d->id, slow_virt_to_phys(count),
			     (unsigned long)count, sizeof(*count));
#ifdef CONFIG_SMP
		if (d->mod->percpu_size) {
			void *va = per_cpu_ptr(d->mod->percpu, cpu);
			size_t n, len = d->mod->percpu_size;

			for (; len; va += n, len -= n) {
				n = min_t(size_t, len, PAGE_SIZE - offset_in_page(va));
				chariot_post(CHARIOT_REC_GRANT, CHARIOT_KIND_PERCPU, d->id,
					     slow_virt_to_phys(va), (unsigned long)va, n);
			}
		}
#endif
	}
}

static void module_coming(struct chariot_domain *d, struct module *mod)
{
	if (d->relocated != mod)
		chariot_post(CHARIOT_REC_DOMAIN_UP, 0, d->id, 0, 0, 0);
	d->relocated = NULL;
	d->mod = mod;
	post_memory(d, CHARIOT_MODMEM_DATA, CHARIOT_REC_GRANT, CHARIOT_KIND_SECTION);
	post_memory(d, CHARIOT_MODMEM_RO_AFTER_INIT, CHARIOT_REC_GRANT, CHARIOT_KIND_SECTION);
	post_memory(d, CHARIOT_MODMEM_INIT_DATA, CHARIOT_REC_GRANT, CHARIOT_KIND_SECTION);
	post_percpu(d);
	chariot_symtab_upload(d);
	post_memory(d, CHARIOT_MODMEM_TEXT, CHARIOT_REC_TEXT, 0);
	post_pages(CHARIOT_REC_TEXT, 0, d->id, chariot_library_page(d->id), CHARIOT_LIBRARY_SIZE);
	post_memory(d, CHARIOT_MODMEM_INIT_TEXT, CHARIOT_REC_TEXT, 0);
	chariot_ring_sync();
	pr_info("%s is isolated\n", d->name);
}

static void module_live(struct chariot_domain *d)
{
	post_memory(d, CHARIOT_MODMEM_INIT_TEXT, CHARIOT_REC_TEXT_GONE, 0);
	post_memory(d, CHARIOT_MODMEM_INIT_DATA, CHARIOT_REC_REVOKE, 0);
	post_memory(d, CHARIOT_MODMEM_RO_AFTER_INIT, CHARIOT_REC_REVOKE, 0);
	chariot_ring_sync();
}

static void module_going(struct chariot_domain *d)
{
	/*
	 * What it leaves granted is forgotten before the host hears of the end:
	 * no revoke for it may reach the host after a next DOMAIN_UP.
	 */
	chariot_track_forget(d->id);
	chariot_ops_forget(d->id);
	chariot_post(CHARIOT_REC_DOMAIN_DOWN, 0, d->id, 0, 0, 0);
	chariot_ring_sync();
	d->mod = NULL;
}

static int module_event(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *mod = data;
	struct chariot_domain *d = chariot_domain_by_name(mod->name);

	if (!d)
		return NOTIFY_OK;
	switch (state) {
	case MODULE_STATE_COMING:
		module_coming(d, mod);
		break;
	case MODULE_STATE_LIVE:
		if (d->mod == mod)
			module_live(d);
		break;
	case MODULE_STATE_GOING:
		if (d->mod == mod)
			module_going(d);
		break;
	}
	return NOTIFY_OK;
}

/* First at COMING, so that nothing of the module runs before it is isolated. */
static struct notifier_block module_nb = {
	.notifier_call = module_event,
	.priority = INT_MAX,
};

/*
 * apply_relocate_add(sechdrs, strtab, symindex, relsec, me), once for each
 * section with relocations; atomic context. Undefined symbols have got their
 * values already. A second call finds them exchanged and changes nothing.
 */
static int relocate_pre(struct kprobe *kp, struct pt_regs *regs)
{
	const Elf_Shdr *sechdrs = (void *)regs->di;
	const char *strtab = (void *)regs->si;
	unsigned int symindex = regs->dx;
	struct module *me = (void *)regs->r8;
	struct chariot_domain *d;
	Elf_Sym *sym, *end;
	bool fresh;

	/* Live patches relocate modules that are there already. */
	if (me->state != MODULE_STATE_UNFORMED)
		return 0;
	d = chariot_domain_by_name(me->name);
	if (!d)
		return 0;
	fresh = d->relocated != me;
	sym = (void *)sechdrs[symindex].sh_addr;
	end = (void *)sym + sechdrs[symindex].sh_size;
	for (sym++; sym < end; sym++) {
		unsigned long stub;

		if (sym->st_shndx != SHN_UNDEF || !sym->st_value)
			continue;
		stub = chariot_catalogue_stub(d->id, strtab + sym->st_name, sym->st_value);
		if (!stub || sym->st_value == stub)
			continue;
		sym->st_value = stub;
		/* Also when an earlier load at this address failed halfway. */
		fresh = true;
	}
	if (fresh) {
		chariot_post(CHARIOT_REC_DOMAIN_UP, 0, d->id, 0, 0, 0);
		d->relocated = me;
	}
	return 0;
}

static struct kprobe relocate_kp = {
	.symbol_name = "apply_relocate_add",
	.pre_handler = relocate_pre,
};

int chariot_module_init(void)
{
	int ret;

	ret = register_kprobe(&relocate_kp);
	if (ret) {
		pr_err("cannot follow module loading (%d)\n", ret);
		return ret;
	}
	ret = register_module_notifier(&module_nb);
	if (ret)
		unregister_kprobe(&relocate_kp);
	return ret;
}
