// SPDX-License-Identifier: GPL-2.0-only
/* Looking up a domain's copies of library functions. */
#include <linux/string.h>

#include "library.h"

const void *chariot_library_page(u16 domain)
{
	return chariot_library_pages + (domain - 1) * CHARIOT_LIBRARY_SIZE;
}

unsigned long chariot_library_address(u16 domain, const struct chariot_library *f)
{
	return (unsigned long)f->start + (domain - 1) * CHARIOT_LIBRARY_SIZE;
}

/* Before 6.8 the function was called as it is now called in C. */
static const char *library_name(const char *name)
{
	return strcmp(name, "strscpy") ? name : "sized_strscpy";
}

unsigned long chariot_library_find(u16 domain, const char *name)
{
	const struct chariot_library *f;

	name = library_name(name);
	for (f = chariot_library; f < chariot_library_end; f++)
		if (!strcmp(f->name, name))
			return chariot_library_address(domain, f);
	return 0;
}
