/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_AGENT_SLAB_H
#define SHIM_AGENT_SLAB_H
#include_next <linux/slab.h>
#include <linux/overflow.h>

#define KMALLOC_SHIFT_HIGH	13
#define ZERO_OR_NULL_PTR(p)	((unsigned long)(p) <= 16)

#endif
