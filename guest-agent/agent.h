/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the agent share: the domains.
 *
 * A domain is one module that the operator named. It exists from negotiation
 * on and forever; its driver comes and goes. All of its fields but @mod are
 * constant once the agent is armed. @mod changes in the module notifier only.
 */
#ifndef CHARIOT_AGENT_H
#define CHARIOT_AGENT_H

/* As many as the host accepts (CHARIOT_DOMAINS_MAX); entry.h needs a literal. */
#define CHARIOT_DOMAINS	16

#ifndef __ASSEMBLY__

#include <linux/module.h>
#include <linux/slab.h>
#include <uapi/chariot_ring.h>

struct chariot_domain {
	u16 id;			/* 1..CHARIOT_DOMAINS */
	char name[CHARIOT_NAME_MAX];
	struct module *mod;	/* from COMING to GOING, else NULL */
	struct module *relocated;	/* DOMAIN_UP was posted for it, before COMING */
	/* The private heap, by size class; NULL: use the kernel's (heap.c) */
	struct kmem_cache *heap[KMALLOC_SHIFT_HIGH + 1];
};

extern struct chariot_domain chariot_domains[CHARIOT_DOMAINS + 1];
extern unsigned int chariot_nr_domains;

struct chariot_domain *chariot_domain_by_name(const char *name);
int chariot_domain_add(u16 id, const char *name);

int chariot_arm(void);

#endif /* !__ASSEMBLY__ */
#endif /* CHARIOT_AGENT_H */
