/* SPDX-License-Identifier: GPL-2.0-only */
/* The entry stubs of interposed imports, and the table that finds them. */
#ifndef CHARIOT_STUBS_H
#define CHARIOT_STUBS_H

#define CHARIOT_STUB_SIZE	16

#ifndef __ASSEMBLY__
#include <linux/types.h>

struct chariot_import {
	const char *name;
	const u8 *stubs;	/* CHARIOT_DOMAINS of them, the first is domain 1's */
};

extern const struct chariot_import chariot_imports[], chariot_imports_end[];
#endif

#endif /* CHARIOT_STUBS_H */
