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
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "agent.h"
#include "catalogue.h"
#include "compat.h"
#include "library.h"
#include "module.h"
#include "ops.h"
#include "profile.h"
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

static void post_memory(u16 domain, const struct module *mod, enum chariot_modmem what, u8 type,
			u8 kind)
{
	size_t size;
	void *va = chariot_modmem(mod, what, &size);

	post_pages(type, kind, domain, va, size);
}

/* The per-CPU memory of a module, granted or revoked. */
static void post_percpu(u16 domain, const struct module *mod, u8 type, u8 kind)
{
#ifdef CONFIG_SMP
	int cpu;

	if (!mod->percpu_size)
		return;
	for_each_possible_cpu(cpu) {
		void *va = per_cpu_ptr(mod->percpu, cpu);
		size_t n, len = mod->percpu_size;

		for (; len; va += n, len -= n) {
			n = min_t(size_t, len, PAGE_SIZE - offset_in_page(va));
			chariot_post(type, kind, domain, slow_virt_to_phys(va), (unsigned long)va,
				     n);
		}
	}
#endif
}

/* The kernel's variables that its profile names; fields never span a page. */
static void post_profile(u16 domain)
{
	const struct chariot_rule *r, *rules = NULL;
	unsigned int n = chariot_profile_rules(domain, &rules);

	for (r = rules; r < rules + n; r++) {
		void *va = r->symbol + r->offset;

		if (r->object == CHARIOT_PROFILE_SYMBOL)
			chariot_post(CHARIOT_REC_GRANT, CHARIOT_KIND_RULE, domain,
				     slow_virt_to_phys(va), (unsigned long)va, r->len);
	}
}

/* What every domain has: the words that inlined primitives touch, and its library. */
static void post_common(u16 domain)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		int *count = chariot_preempt_count_word(cpu);

		chariot_post(CHARIOT_REC_GRANT, CHARIOT_KIND_RULE, domain, slow_virt_to_phys(count),
			     (unsigned long)count, sizeof(*count));
	}
	post_profile(domain);
	post_pages(CHARIOT_REC_TEXT, 0, domain, chariot_library_page(domain), CHARIOT_LIBRARY_SIZE);
}

/* The members of domains. Notifiers run side by side when modules are loaded side by side. */
static DEFINE_MUTEX(module_lock);

/*
 * DOMAIN_UP makes the host forget what it knows of a domain: it must not come
 * between what is posted for a module that is there. Relocation asks in atomic
 * context.
 */
static DEFINE_RAW_SPINLOCK(up_lock);

/* Another module of the domain begins to load. */
static void domain_begins(struct chariot_domain *d, struct module *mod)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&up_lock, flags);
	if (!d->nr_members)
		chariot_post(CHARIOT_REC_DOMAIN_UP, 0, d->id, 0, 0, 0);
	d->relocated = mod;
	raw_spin_unlock_irqrestore(&up_lock, flags);
}

/* A module of the domain is there; whether it is the first. */
static bool domain_enter(struct chariot_domain *d, struct module *mod)
{
	unsigned long flags;
	bool first;

	raw_spin_lock_irqsave(&up_lock, flags);
	first = !d->nr_members;
	/* One without relocations was not announced, or what was announced is over again. */
	if (first && d->relocated != mod)
		chariot_post(CHARIOT_REC_DOMAIN_UP, 0, d->id, 0, 0, 0);
	d->relocated = NULL;
	d->members[d->nr_members++] = (struct chariot_member) { .mod = mod };
	raw_spin_unlock_irqrestore(&up_lock, flags);
	return first;
}

/* A module of the domain is gone; whether it was the last. */
static bool domain_leave(struct chariot_domain *d, struct chariot_member *m)
{
	unsigned long flags;
	bool last;

	raw_spin_lock_irqsave(&up_lock, flags);
	*m = d->members[--d->nr_members];
	last = !d->nr_members;
	if (last) {
		d->relocated = NULL;
		/*
		 * What it leaves granted is forgotten before the host hears of the
		 * end: no revoke for it may reach the host after a next DOMAIN_UP.
		 */
		chariot_track_forget(d->id);
		chariot_post(CHARIOT_REC_DOMAIN_DOWN, 0, d->id, 0, 0, 0);
	}
	raw_spin_unlock_irqrestore(&up_lock, flags);
	return last;
}

static void module_coming(struct chariot_domain *d, struct module *mod)
{
	if (domain_enter(d, mod))
		post_common(d->id);
	post_memory(d->id, mod, CHARIOT_MODMEM_DATA, CHARIOT_REC_GRANT, CHARIOT_KIND_SECTION);
	post_memory(d->id, mod, CHARIOT_MODMEM_RO_AFTER_INIT, CHARIOT_REC_GRANT,
		    CHARIOT_KIND_SECTION);
	post_memory(d->id, mod, CHARIOT_MODMEM_INIT_DATA, CHARIOT_REC_GRANT, CHARIOT_KIND_SECTION);
	post_percpu(d->id, mod, CHARIOT_REC_GRANT, CHARIOT_KIND_PERCPU);
	chariot_symtab_upload(d);
	post_memory(d->id, mod, CHARIOT_MODMEM_TEXT, CHARIOT_REC_TEXT, 0);
	post_memory(d->id, mod, CHARIOT_MODMEM_INIT_TEXT, CHARIOT_REC_TEXT, 0);
	chariot_ring_sync();
	pr_info("%s is isolated\n", mod->name);
}

/* The end of the init sections. */
static void module_init_gone(struct chariot_domain *d, struct module *mod)
{
	post_memory(d->id, mod, CHARIOT_MODMEM_INIT_TEXT, CHARIOT_REC_TEXT_GONE, 0);
	post_memory(d->id, mod, CHARIOT_MODMEM_INIT_DATA, CHARIOT_REC_REVOKE, 0);
	post_memory(d->id, mod, CHARIOT_MODMEM_RO_AFTER_INIT, CHARIOT_REC_REVOKE, 0);
}

static void module_live(struct chariot_domain *d, struct chariot_member *m)
{
	m->live = true;
	module_init_gone(d, m->mod);
	chariot_ring_sync();
}

/* Others of the domain are still there: what it allocated is theirs, too. */
static void module_gone(struct chariot_domain *d, const struct chariot_member *m)
{
	if (!m->live)
		module_init_gone(d, m->mod);
	post_memory(d->id, m->mod, CHARIOT_MODMEM_TEXT, CHARIOT_REC_TEXT_GONE, 0);
	post_memory(d->id, m->mod, CHARIOT_MODMEM_DATA, CHARIOT_REC_REVOKE, 0);
	post_percpu(d->id, m->mod, CHARIOT_REC_REVOKE, 0);
	chariot_symtab_upload(d);
}

static void module_going(struct chariot_domain *d, struct chariot_member *m)
{
	struct chariot_member gone = *m;
	bool last = domain_leave(d, m);

	if (!last)
		module_gone(d, &gone);
	chariot_ring_sync();
	if (last)
		chariot_ops_forget(d->id);
}

static struct chariot_member *member_of(struct chariot_domain *d, const struct module *mod)
{
	unsigned int i;

	for (i = 0; i < d->nr_members; i++)
		if (d->members[i].mod == mod)
			return &d->members[i];
	return NULL;
}

static int module_event(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *mod = data;
	struct chariot_domain *d = chariot_domain_of(mod->name);
	struct chariot_member *m;

	if (!d)
		return NOTIFY_OK;
	mutex_lock(&module_lock);
	m = member_of(d, mod);
	if (state == MODULE_STATE_COMING)
		module_coming(d, mod);
	else if (state == MODULE_STATE_LIVE && m)
		module_live(d, m);
	else if (state == MODULE_STATE_GOING && m)
		module_going(d, m);
	mutex_unlock(&module_lock);
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
	d = chariot_domain_of(me->name);
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
	if (!fresh)
		return 0;
	domain_begins(d, me);
	/* Until the domain goes down; it has many such variables or none. */
	for (sym = (void *)sechdrs[symindex].sh_addr + sizeof(*sym); sym < end; sym++)
		if (sym->st_shndx == SHN_UNDEF && sym->st_value)
			chariot_catalogue_variable(d->id, strtab + sym->st_name, sym->st_value);
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
