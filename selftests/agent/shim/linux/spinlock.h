/* SPDX-License-Identifier: GPL-2.0-only */
/* As the host module's tests have it; raw ones are no others here. */
#include_next <linux/spinlock.h>

#define DEFINE_RAW_SPINLOCK		DEFINE_SPINLOCK
#define raw_spin_lock_irq		spin_lock_irq
#define raw_spin_unlock_irq		spin_unlock_irq
#define raw_spin_lock_irqsave		spin_lock_irqsave
#define raw_spin_unlock_irqrestore	spin_unlock_irqrestore
