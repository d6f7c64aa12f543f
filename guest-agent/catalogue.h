/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The catalogue: which imports of an isolated driver lead to the agent, and what
 * it does there. It is data, in the tables of catalogue/ and the profiles of
 * profile/, from which the build makes imports.gen.S (the imports, by entry.h)
 * and actions.gen.c (what is done before and after each call, in the terms of
 * terms.h; the rules).
 */
#ifndef CHARIOT_CATALOGUE_H
#define CHARIOT_CATALOGUE_H

#include <linux/types.h>

#include "call.h"
#include "profile.h"

/*
 * The address that @domain's import @name gets instead of @origin, where the
 * call goes on; 0: leave it alone. Atomic context.
 */
unsigned long chariot_catalogue_stub(u16 domain, const char *name, unsigned long origin);

/* A variable that drivers write themselves, through inlined functions */
struct chariot_variable {
	const char *name;
	size_t size;
};

extern const struct chariot_variable chariot_variables[];	/* up to one without a name */

/*
 * Grants the variable @name at @address to a domain that imports it, if it is
 * one of these. Atomic context.
 */
void chariot_catalogue_variable(u16 domain, const char *name, unsigned long address);

/* A rule of a profile that is shipped (profile/MODULE.profile) */
struct chariot_shipped {
	const char *module;
	struct chariot_rule rule;
};

extern const struct chariot_shipped chariot_shipped[];	/* up to one without a module */

/* The lists of fields that others than the tables speak of (rules of every domain) */
extern const struct chariot_field chariot_fields_pci_dev[];

#endif /* CHARIOT_CATALOGUE_H */
