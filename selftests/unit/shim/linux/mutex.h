/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_MUTEX_H
#define SHIM_LINUX_MUTEX_H

#include <linux/lockdep.h>

#include "../shim.h"

struct mutex {
	struct shim_lock lock;
};

#define DEFINE_MUTEX(name)	struct mutex name = { SHIM_LOCK_INIT(false) }
#define mutex_init(m)		shim_lock_init(&(m)->lock, false)
#define mutex_destroy(m)	((void)(m))
#define mutex_lock(m)		shim_lock_take(&(m)->lock)
#define mutex_unlock(m)		shim_lock_drop(&(m)->lock)

#endif
