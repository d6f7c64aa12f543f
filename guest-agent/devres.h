/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that is freed with a device, from the domain's heap. What the kernel's
 * own functions allocated so is let be: given the address of such memory, these
 * do what the kernel's do. May be called where those may that they stand in for.
 */
#ifndef CHARIOT_DEVRES_H
#define CHARIOT_DEVRES_H

#include <linux/types.h>

struct device;

void *chariot_devm_kmalloc(u16 domain, struct device *dev, size_t size, gfp_t flags);
void *chariot_devm_kmemdup(u16 domain, struct device *dev, const void *src, size_t len,
			   gfp_t flags);
char *chariot_devm_kstrdup(u16 domain, struct device *dev, const char *s, gfp_t flags);
void *chariot_devm_krealloc(u16 domain, struct device *dev, void *p, size_t size, gfp_t flags);
void chariot_devm_kfree(struct device *dev, const void *p);

/*
 * A copy of @text in the domain's heap; @text, which the kernel allocated for
 * the device, is freed. NULL: there was no text, or no memory.
 */
char *chariot_devm_text_move(u16 domain, struct device *dev, char *text, gfp_t flags);

#endif /* CHARIOT_DEVRES_H */
