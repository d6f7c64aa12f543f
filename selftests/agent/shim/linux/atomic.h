/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_AGENT_ATOMIC_H
#define SHIM_AGENT_ATOMIC_H
#include_next <linux/atomic.h>

static inline void atomic_dec(atomic_t *v)
{
	__atomic_sub_fetch(&v->counter, 1, __ATOMIC_SEQ_CST);
}

#endif
