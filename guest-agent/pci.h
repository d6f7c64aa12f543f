/* SPDX-License-Identifier: GPL-2.0-only */
/* The chariot-pci device: registers and negotiation. */
#ifndef CHARIOT_PCI_H
#define CHARIOT_PCI_H

#include <linux/types.h>

int chariot_pci_register(void);
void chariot_pci_unregister(void);

/* A domain's symbol table, @len bytes at @phys; 0 or a negative errno. Process context. */
int chariot_pci_symtab(u16 domain, phys_addr_t phys, u32 len);

#endif /* CHARIOT_PCI_H */
