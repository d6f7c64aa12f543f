/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The catalogue: which imports of an isolated driver lead to the agent, and what
 * it does there. It is data, in the tables of catalogue/, from which the build
 * makes imports.gen.S (the imports, by entry.h) and actions.gen.c (what is
 * done before and after each call, in the terms of terms.h).
 */
#ifndef CHARIOT_CATALOGUE_H
#define CHARIOT_CATALOGUE_H

#include <linux/types.h>

/*
 * The address that @domain's import @name gets instead of @origin, where the
 * call goes on; 0: leave it alone. Atomic context.
 */
unsigned long chariot_catalogue_stub(u16 domain, const char *name, unsigned long origin);

#endif /* CHARIOT_CATALOGUE_H */
