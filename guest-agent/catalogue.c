// SPDX-License-Identifier: GPL-2.0-only
/* Looking imports up in the table that stubs.S makes. */
#include <linux/string.h>

#include "catalogue.h"
#include "library.h"
#include "stubs.h"

unsigned long chariot_catalogue_stub(u16 domain, const char *name)
{
	const struct chariot_import *i;

	/* Some hundred names, only while a driver loads. */
	for (i = chariot_imports; i < chariot_imports_end; i++)
		if (!strcmp(i->name, name))
			return (unsigned long)i->stubs + (domain - 1) * CHARIOT_STUB_SIZE;
	return chariot_library_find(domain, name);
}
