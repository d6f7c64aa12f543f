/* SPDX-License-Identifier: GPL-2.0-only */
/* A driver's symbols, for the host's reports. */
#ifndef CHARIOT_SYMTAB_H
#define CHARIOT_SYMTAB_H

struct chariot_domain;

/* In the COMING notifier: all symbols are there, the init sections' too. */
void chariot_symtab_upload(const struct chariot_domain *d);

#endif /* CHARIOT_SYMTAB_H */
