// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading profiles; see profile.h. A line is
 *
 *	FUNCTION OBJECT OFFSET+LENGTH # WHY
 *
 * FUNCTION says which of the driver's functions was seen to write there; that is
 * for the reviewer: what is granted, all of the driver may write. A rule that
 * gives no reason, or begins with '?' (the mark of one that nobody has reviewed),
 * is refused, and all others with it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/firmware.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "agent.h"
#include "catalogue.h"
#include "ksyms.h"
#include "profile.h"

/* What the catalogue has for each domain, and what is shipped for one's modules */
#define OWN_RULES	32

static struct profile {
	struct chariot_rule rules[CHARIOT_PROFILE_RULES + OWN_RULES];
	unsigned int nr;
} *profiles[CHARIOT_DOMAINS + 1];

unsigned int chariot_profile_rules(u16 domain, const struct chariot_rule **rules)
{
	const struct profile *p = profiles[domain];

	if (!p)
		return 0;
	*rules = p->rules;
	return p->nr;
}

/*
 * Adds a rule; the bounds of what it comes from leave room for it. Those that
 * share bytes become one: the host takes no grant that begins inside another,
 * and of two that begin at the same byte the first says where they end.
 */
static void rule_add(struct profile *p, struct chariot_rule new)
{
	unsigned int i = 0;

	while (i < p->nr) {
		struct chariot_rule *r = &p->rules[i++];
		u32 end;

		if (r->object != new.object || r->symbol != new.symbol ||
		    r->offset >= new.offset + new.len || new.offset >= r->offset + r->len)
			continue;
		end = max(r->offset + r->len, new.offset + new.len);
		new.offset = min(r->offset, new.offset);
		new.len = end - new.offset;
		*r = p->rules[--p->nr];
		/* What it is now may reach others. */
		i = 0;
	}
	if (!WARN_ON_ONCE(p->nr == ARRAY_SIZE(p->rules)))
		p->rules[p->nr++] = new;
}

/* Takes a word off the text; "" if there is none left. */
static char *word(char **text)
{
	char *begin = skip_spaces(*text), *end = begin;

	while (*end && !isspace(*end))
		end++;
	*text = *end ? end + 1 : end;
	*end = 0;
	return begin;
}

/* Bytes from @address to the end of what lies between two symbols; 0 if it does not. */
static unsigned long left_between(unsigned long address, const char *from, const char *to)
{
	unsigned long begin = chariot_ksym(from), end = chariot_ksym(to);

	return begin && address >= begin && address < end ? end - address : 0;
}

/* The size of what is named, 0 if there is no such thing. */
static unsigned long object_find(const char *name, struct chariot_rule *rule)
{
	unsigned long address, left;

	if (!strcmp(name, "pci_dev")) {
		rule->object = CHARIOT_PROFILE_PCI_DEV;
		return sizeof(struct pci_dev);
	}
	if (strncmp(name, "symbol:", 7))
		return 0;
	/* Of several statics of one name the reviewer meant another, perhaps. */
	if (chariot_ksym_count(name + 7) != 1)
		return 0;
	/*
	 * Writable data of the kernel's, one of each: no code, nothing that each CPU has,
	 * and not the initial data between the two, whose pages are somebody else's now.
	 */
	address = chariot_ksym(name + 7);
	left = left_between(address, "_sdata", "_edata");
	if (!left)
		left = left_between(address, "__bss_start", "__bss_stop");
	if (!left)
		return 0;
	rule->object = CHARIOT_PROFILE_SYMBOL;
	rule->symbol = (void *)address;
	return min(chariot_ksym_size(address), left);
}

static const char *field_find(char *field, unsigned long size, struct chariot_rule *rule)
{
	char *len = strchr(field, '+');

	if (!len)
		return "no OFFSET+LENGTH";
	*len++ = 0;
	if (kstrtou32(field, 0, &rule->offset) || kstrtou32(len, 0, &rule->len))
		return "no OFFSET+LENGTH";
	if (!rule->len || rule->len > CHARIOT_PROFILE_FIELD)
		return "not a field: too long";
	if (rule->offset >= size || rule->len > size - rule->offset)
		return "outside of the object";
	if (rule->object == CHARIOT_PROFILE_SYMBOL &&
	    offset_in_page(rule->symbol + rule->offset) + rule->len > PAGE_SIZE)
		return "spans two pages";
	return NULL;
}

/* What is wrong with a line, or NULL. */
static const char *rule_parse(char *line, struct chariot_rule *rule)
{
	char *why = strchr(line, '#'), *function, *object, *field;
	unsigned long size;

	if (!why || !*strim(why + 1))
		return "no reason is given";
	*why = 0;
	function = word(&line);
	object = word(&line);
	field = word(&line);
	if (*function == '?')
		return "nobody has reviewed it";
	if (!*field || *word(&line))
		return "not FUNCTION OBJECT OFFSET+LENGTH # WHY";
	size = object_find(object, rule);
	if (!size)
		return "no such object, or not the only one of the name";
	return field_find(field, size, rule);
}

static const char *profile_parse(char *text, struct profile *p, unsigned int *number)
{
	const char *wrong;
	char *line;

	for (*number = 1; (line = strsep(&text, "\n")); ++*number) {
		line = skip_spaces(line);
		if (!*line || *line == '#')
			continue;
		if (p->nr == CHARIOT_PROFILE_RULES)
			return "too many rules";
		wrong = rule_parse(line, &p->rules[p->nr]);
		if (wrong)
			return wrong;
		p->nr++;
	}
	return NULL;
}

/* Adds what the catalogue has for the devices of each domain. */
static void profile_common(struct profile *p)
{
	const struct chariot_field *f;

	for (f = chariot_fields_pci_dev; f->len; f++) {
		struct chariot_rule rule = { .object = CHARIOT_PROFILE_PCI_DEV, .offset = f->offset,
					     .len = f->len };

		rule_add(p, rule);
	}
}

/* Adds the rules that are shipped for the modules of a domain. */
static void profile_shipped(const struct chariot_domain *d, struct profile *p)
{
	const struct chariot_shipped *s;
	unsigned int n = 0;

	for (s = chariot_shipped; s->module; s++) {
		if (chariot_domain_of(s->module) != d)
			continue;
		rule_add(p, s->rule);
		n++;
	}
	if (n)
		pr_info("%s: %u rules are shipped\n", d->name, n);
}

/* Adds those of the domain's file, if there is one: all or none. */
static void profile_file(const struct chariot_domain *d, struct profile *p)
{
	struct profile *rules = NULL;
	const struct firmware *file;
	char *text = NULL, *name;
	unsigned int line, i;
	const char *wrong;

	name = kasprintf(GFP_KERNEL, "chariot/%s.profile", d->name);
	if (!name || request_firmware_direct(&file, name, NULL))
		goto out_name;
	text = kmemdup_nul((const char *)file->data, file->size, GFP_KERNEL);
	rules = kzalloc(sizeof(*rules), GFP_KERNEL);
	if (!text || !rules) {
		pr_err("%s: no memory; none of its rules is used\n", name);
		goto out;
	}
	wrong = profile_parse(text, rules, &line);
	if (wrong) {
		pr_err("%s: line %u: %s; none of its rules is used\n", name, line, wrong);
		goto out;
	}
	for (i = 0; i < rules->nr; i++)
		rule_add(p, rules->rules[i]);
	pr_info("%s: %u rules\n", name, rules->nr);
out:
	kfree(rules);
	kfree(text);
	release_firmware(file);
out_name:
	kfree(name);
}

static void profile_load(const struct chariot_domain *d)
{
	struct profile *p = kzalloc(sizeof(*p), GFP_KERNEL);

	/* The allocator says so. */
	if (!p)
		return;
	if (chariot_knows("pci_dev"))
		profile_common(p);
	if (chariot_knows("profiles"))
		profile_shipped(d, p);
	profile_file(d, p);
	profiles[d->id] = p;
}

void chariot_profile_init(void)
{
	unsigned int i;

	for (i = 1; i <= chariot_nr_domains; i++)
		profile_load(&chariot_domains[i]);
}
