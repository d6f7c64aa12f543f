// SPDX-License-Identifier: GPL-2.0-only
/* Looking imports up in the table that imports.gen.S makes. */
#include <linux/compiler.h>
#include <linux/string.h>
#include <uapi/chariot_ring.h>

#include "agent.h"
#include "catalogue.h"
#include "entry.h"
#include "library.h"
#include "track.h"

unsigned long chariot_catalogue_stub(u16 domain, const char *name, unsigned long origin)
{
	struct chariot_import *i;
	unsigned long stub;

	if (!chariot_knows(name))
		return 0;

	/* Some hundred names, only while a driver loads. */
	for (i = chariot_imports; i < chariot_imports_end; i++) {
		if (strcmp(i->name, name))
			continue;
		stub = (unsigned long)i->stubs + (domain - 1) * CHARIOT_STUB_SIZE;
		/* Who asks again may have exchanged it already. */
		if (origin != stub)
			WRITE_ONCE(i->origin, origin);
		return stub;
	}
	return chariot_library_find(domain, name);
}

void chariot_catalogue_variable(u16 domain, const char *name, unsigned long address)
{
	const struct chariot_variable *v;

	for (v = chariot_variables; v->name; v++)
		if (!strcmp(v->name, name))
			chariot_grant(domain, (void *)address, v->size, CHARIOT_KIND_RULE);
}
