/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The catalogue: which imports of an isolated driver lead to a wrapper.
 *
 * A driver's call to an interposed import arrives at a stub (stubs.S) that
 * belongs to that import and domain. The stub puts the domain's id into the
 * sixth argument register and jumps to the wrapper, so wrappers know the
 * domain without looking at the stack (a driver may tail-call an import, and
 * then the return address is not the driver's). Imports that take six
 * arguments or are variadic cannot be interposed this way.
 */
#ifndef CHARIOT_CATALOGUE_H
#define CHARIOT_CATALOGUE_H

#include <linux/linkage.h>
#include <linux/types.h>

/*
 * Defines the wrapper of import @sym, which takes the import's arguments,
 * CHARIOT_PADn for the registers up to five, and the domain:
 *
 *	CHARIOT_WRAP(void, vfree, const void *addr, CHARIOT_PAD1, u32 dom)
 */
#define CHARIOT_WRAP(ret, sym, ...)						\
	asmlinkage __typeof__(ret) chariot_wrap_##sym(__VA_ARGS__);		\
	asmlinkage __visible __typeof__(ret) chariot_wrap_##sym(__VA_ARGS__)

#define CHARIOT_PAD4	unsigned long r8
#define CHARIOT_PAD3	unsigned long rcx, CHARIOT_PAD4
#define CHARIOT_PAD2	unsigned long rdx, CHARIOT_PAD3
#define CHARIOT_PAD1	unsigned long rsi, CHARIOT_PAD2

/* The address that @domain's import @name gets instead; 0: leave it alone. */
unsigned long chariot_catalogue_stub(u16 domain, const char *name);

#endif /* CHARIOT_CATALOGUE_H */
