// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver's symbols, for the host's reports. Without them reports show bare
 * addresses, so every failure here is survivable.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "agent.h"
#include "pci.h"
#include "symtab.h"

static bool symbol_wanted(const struct module *mod, const Elf_Sym *sym, const char *name)
{
	unsigned char type = ELF_ST_TYPE(sym->st_info);

	return (type == STT_FUNC || type == STT_OBJECT) && sym->st_shndx != SHN_UNDEF && *name &&
	       within_module(sym->st_value, mod);
}

static int symbol_cmp(const void *a, const void *b)
{
	const struct chariot_sym *x = a, *y = b;

	return x->va < y->va ? -1 : x->va > y->va;
}

void chariot_symtab_upload(const struct chariot_domain *d)
{
	const struct mod_kallsyms *k;
	struct chariot_symtab *table;
	size_t size = sizeof(*table);
	u32 i, n = 0, name;
	int ret;

	/* The module is COMING: nobody replaces its symbols meanwhile. */
	k = rcu_dereference_protected(d->mod->kallsyms, true);
	if (!k)
		return;
	for (i = 0; i < k->num_symtab; i++) {
		const char *s = k->strtab + k->symtab[i].st_name;

		if (!symbol_wanted(d->mod, &k->symtab[i], s))
			continue;
		size += sizeof(struct chariot_sym) + strlen(s) + 1;
		n++;
	}
	if (size > CHARIOT_SYMTAB_MAX) {
		pr_info("%s: too many symbols to report\n", d->name);
		return;
	}
	table = alloc_pages_exact(size, GFP_KERNEL | __GFP_NOWARN | __GFP_ZERO);
	if (!table)
		return;
	table->magic = CHARIOT_SYMTAB_MAGIC;
	table->count = n;
	name = struct_size(table, sym, n);
	for (i = 0, n = 0; i < k->num_symtab; i++) {
		const Elf_Sym *sym = &k->symtab[i];
		const char *s = k->strtab + sym->st_name;
		size_t len = strlen(s) + 1;

		if (!symbol_wanted(d->mod, sym, s))
			continue;
		table->sym[n].va = sym->st_value;
		table->sym[n].size = sym->st_size;
		table->sym[n].name = name;
		memcpy((char *)table + name, s, len);
		name += len;
		n++;
	}
	sort(table->sym, n, sizeof(*table->sym), symbol_cmp, NULL);
	ret = chariot_pci_symtab(d->id, virt_to_phys(table), size);
	if (ret && ret != -EOPNOTSUPP)
		pr_info("%s: the host refused its symbols (%d)\n", d->name, ret);
	free_pages_exact(table, size);
}
