/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Symbols of KVM and of the core kernel that are not exported to modules.
 * This is the one file that finds them another way.
 */
#ifndef CHARIOT_SYMBOL_H
#define CHARIOT_SYMBOL_H

#include <linux/types.h>

/* -ENOENT: kallsyms_lookup_name cannot be found (no kprobes). */
int chariot_symbol_init(void);

/* Address of a symbol, 0 if there is none. */
unsigned long chariot_symbol_find(const char *name);

/* Whether KVM uses two-dimensional paging; false while KVM is not loaded. */
bool chariot_symbol_tdp_enabled(void);

#endif
