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
#include "library.h"
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

/* Filled in two passes: without a table it only measures. */
struct builder {
	struct chariot_symtab *table;
	u32 count;
	u32 names;	/* bytes */
	u32 first_name;	/* where names begin */
};

static void symbol_add(struct builder *b, u64 va, u64 size, const char *name)
{
	size_t len = strlen(name) + 1;

	if (b->table) {
		b->table->sym[b->count] = (struct chariot_sym) {
			.va = va,
			.size = size,
			.name = b->first_name + b->names,
		};
		memcpy((char *)b->table + b->first_name + b->names, name, len);
	}
	b->names += len;
	b->count++;
}

static void module_collect(const struct module *mod, struct builder *b)
{
	const struct mod_kallsyms *k;
	u32 i;

	/* At LIVE the symbols of init sections go: the second pass may find fewer. */
	rcu_read_lock();
	k = rcu_dereference(mod->kallsyms);
	for (i = 0; k && i < k->num_symtab; i++) {
		const Elf_Sym *sym = &k->symtab[i];
		const char *name = k->strtab + sym->st_name;

		if (symbol_wanted(mod, sym, name))
			symbol_add(b, sym->st_value, sym->st_size, name);
	}
	rcu_read_unlock();
}

static void symbols_collect(const struct chariot_domain *d, struct builder *b)
{
	const struct chariot_library *f;
	unsigned int i;

	b->count = 0;
	b->names = 0;
	/* Its copies of library functions belong to the driver's text. */
	for (f = chariot_library; f < chariot_library_end; f++)
		symbol_add(b, chariot_library_address(d->id, f), f->size, f->name);
	for (i = 0; i < d->nr_members; i++)
		module_collect(d->members[i].mod, b);
}

void chariot_symtab_upload(const struct chariot_domain *d)
{
	struct builder b = {};
	size_t size;
	int ret;

	symbols_collect(d, &b);
	b.first_name = struct_size(b.table, sym, b.count);
	size = b.first_name + b.names;
	if (size > CHARIOT_SYMTAB_MAX) {
		pr_info("%s: too many symbols to report\n", d->name);
		return;
	}
	b.table = alloc_pages_exact(size, GFP_KERNEL | __GFP_NOWARN | __GFP_ZERO);
	if (!b.table)
		return;
	symbols_collect(d, &b);
	b.table->magic = CHARIOT_SYMTAB_MAGIC;
	b.table->count = b.count;
	sort(b.table->sym, b.count, sizeof(*b.table->sym), symbol_cmp, NULL);
	ret = chariot_pci_symtab(d->id, virt_to_phys(b.table), size);
	if (ret && ret != -EOPNOTSUPP)
		pr_info("%s: the host refused its symbols (%d)\n", d->name, ret);
	free_pages_exact(b.table, size);
}
