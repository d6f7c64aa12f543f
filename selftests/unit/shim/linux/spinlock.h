/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_SPINLOCK_H
#define SHIM_LINUX_SPINLOCK_H

#include <linux/lockdep.h>

#include "../shim.h"

typedef struct shim_lock spinlock_t;

#define DEFINE_SPINLOCK(name)		spinlock_t name = SHIM_LOCK_INIT(true)
#define spin_lock_init(lock)		shim_lock_init(lock, true)
#define spin_lock(lock)			shim_lock_take(lock)
#define spin_unlock(lock)		shim_lock_drop(lock)
#define spin_lock_bh(lock)		shim_lock_take(lock)
#define spin_unlock_bh(lock)		shim_lock_drop(lock)
#define spin_lock_irq(lock)		shim_lock_take(lock)
#define spin_unlock_irq(lock)		shim_lock_drop(lock)
#define spin_lock_irqsave(lock, flags)	do { (flags) = 0; shim_lock_take(lock); } while (0)
#define spin_unlock_irqrestore(lock, flags) do { (void)(flags); shim_lock_drop(lock); } while (0)

#endif
