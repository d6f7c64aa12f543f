// SPDX-License-Identifier: GPL-2.0-only
/* The table of interposed imports, from imports.h. */
#include <linux/kernel.h>
#include <linux/string.h>

#include "catalogue.h"
#include "stubs.h"

#define IMPORT(sym)	chariot_stubs_##sym[],
extern const u8
#include "imports.h"
chariot_stubs_end[];
#undef IMPORT

static const struct {
	const char *name;
	const u8 *stubs;	/* CHARIOT_DOMAINS of them, the first is domain 1's */
} imports[] = {
#define IMPORT(sym)	{ #sym, chariot_stubs_##sym },
#include "imports.h"
#undef IMPORT
};

unsigned long chariot_catalogue_stub(u16 domain, const char *name)
{
	unsigned int i;

	/* Some hundred names, only while a driver loads. */
	for (i = 0; i < ARRAY_SIZE(imports); i++)
		if (!strcmp(imports[i].name, name))
			return (unsigned long)imports[i].stubs + (domain - 1) * CHARIOT_STUB_SIZE;
	return 0;
}
