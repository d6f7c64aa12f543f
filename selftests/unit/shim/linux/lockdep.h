/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_LOCKDEP_H
#define SHIM_LINUX_LOCKDEP_H

#include "../shim.h"

/* spinlock_t is a shim_lock, struct mutex begins with one */
#define shim_lock_of(l)			((const struct shim_lock *)(const void *)(l))
#define lockdep_assert_held(l)		shim_lock_assert(shim_lock_of(l))
#define lockdep_assert_not_held(l)	shim_lock_assert_not(shim_lock_of(l))
#define might_sleep()			shim_might_sleep("might_sleep")

#endif
