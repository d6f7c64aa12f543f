/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_AGENT_TYPES_H
#define SHIM_AGENT_TYPES_H
#include_next <linux/types.h>

typedef struct {
	long counter;
} atomic64_t;

#endif
