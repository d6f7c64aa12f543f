/* SPDX-License-Identifier: GPL-2.0-only */
/* What the host must know about this kernel: stacks, regions, library functions. */
#ifndef CHARIOT_LAYOUT_H
#define CHARIOT_LAYOUT_H

/* Posts it all. Once, before the first domain comes up; process context. */
int chariot_layout_post(void);

#endif /* CHARIOT_LAYOUT_H */
