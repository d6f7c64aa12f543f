/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules: fields of the kernel's objects that a domain may write. Some are for
 * every domain (catalogue/pci.tab); the others are profiles, found by an audit
 * and reviewed by a person (docs/agent.md): what the agent ships for the domain's
 * modules (profile/MODULE.profile), and the firmware file chariot/NAME.profile,
 * NAME being the domain's, which is taken whole or not at all.
 */
#ifndef CHARIOT_PROFILE_H
#define CHARIOT_PROFILE_H

#include <linux/types.h>

#define CHARIOT_PROFILE_RULES	64	/* of a file */
#define CHARIOT_PROFILE_FIELD	64	/* bytes that a rule names, at most */

enum chariot_profile_object {
	CHARIOT_PROFILE_PCI_DEV,	/* each PCI device that the driver is bound to */
	CHARIOT_PROFILE_SYMBOL,		/* a variable of the kernel's */
};

struct chariot_rule {
	enum chariot_profile_object object;
	void *symbol;
	u32 offset, len;
};

/*
 * The rules of a domain, no two of which share a byte. They never change once
 * its drivers can load.
 */
unsigned int chariot_profile_rules(u16 domain, const struct chariot_rule **rules);

/* Before the first driver is loaded; process context. */
void chariot_profile_init(void);

#endif /* CHARIOT_PROFILE_H */
