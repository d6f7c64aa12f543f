/* SPDX-License-Identifier: GPL-2.0-only */
/* Following the isolated modules: relocation, sections, the end. */
#ifndef CHARIOT_MODULE_H
#define CHARIOT_MODULE_H

int chariot_module_init(void);

#endif /* CHARIOT_MODULE_H */
