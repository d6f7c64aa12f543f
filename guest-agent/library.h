/* SPDX-License-Identifier: GPL-2.0-only */
/* Library functions as a domain's own text; see libtext.S. */
#ifndef CHARIOT_LIBRARY_H
#define CHARIOT_LIBRARY_H

/* A page holds one domain's copies. */
#define CHARIOT_LIBRARY_SIZE	4096

#ifndef __ASSEMBLY__
#include <linux/types.h>

struct chariot_library {
	const char *name;	/* of the import */
	const u8 *start;	/* domain 1's copy; the others' follow at page distance */
	u64 size;
};

extern const struct chariot_library chariot_library[], chariot_library_end[];
extern const u8 chariot_library_pages[];

/* The domain's page, page aligned. */
const void *chariot_library_page(u16 domain);

/* The domain's copy of a function; 0: there is none. */
unsigned long chariot_library_address(u16 domain, const struct chariot_library *f);
unsigned long chariot_library_find(u16 domain, const char *name);
#endif

#endif /* CHARIOT_LIBRARY_H */
