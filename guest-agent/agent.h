/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the agent share: the domains.
 *
 * A domain is a module that the operator named, or several that belong together
 * ("ahci+libahci"). It exists from negotiation on and forever; its modules come
 * and go. All but what says otherwise is constant once the agent is armed.
 */
#ifndef CHARIOT_AGENT_H
#define CHARIOT_AGENT_H

/* As many as the host accepts (CHARIOT_DOMAINS_MAX); entry.h needs a literal. */
#define CHARIOT_DOMAINS	16

#ifndef __ASSEMBLY__

#include <linux/module.h>
#include <linux/slab.h>
#include <uapi/chariot_ring.h>

/* "a+a+a+..." */
#define CHARIOT_DOMAIN_MODULES	(CHARIOT_NAME_MAX / 2)

struct chariot_member {
	struct module *mod;
	bool live;		/* its init sections are gone */
};

struct chariot_domain {
	u16 id;			/* 1..CHARIOT_DOMAINS */
	char name[CHARIOT_NAME_MAX];	/* of its modules, with '+' between them */
	/* Those of its modules that are there, from COMING to GOING, in any order (module.c) */
	struct chariot_member members[CHARIOT_DOMAIN_MODULES];
	unsigned int nr_members;
	struct module *relocated;	/* DOMAIN_UP was posted for it, before COMING (module.c) */
	/* The private heap, by size class; NULL: use the kernel's (heap.c) */
	struct kmem_cache *heap[KMALLOC_SHIFT_HIGH + 1];
};

extern struct chariot_domain chariot_domains[CHARIOT_DOMAINS + 1];
extern unsigned int chariot_nr_domains;

/* The domain that a module is to be in; NULL: none. Any context. */
struct chariot_domain *chariot_domain_of(const char *module);

/*
 * The length of the first of the names in @names, with '+' between them; *@next
 * is what follows it, or NULL.
 */
size_t chariot_domain_names(const char *names, const char **next);
int chariot_domain_add(u16 id, const char *name);

/* Whether the agent is to know of an import, or of the fields of a type (parameter "forget"). */
bool chariot_knows(const char *name);

int chariot_arm(void);

#endif /* !__ASSEMBLY__ */
#endif /* CHARIOT_AGENT_H */
