/* SPDX-License-Identifier: GPL-2.0-only */
/* A warning fails the test it happens in. */
#ifndef SHIM_LINUX_BUG_H
#define SHIM_LINUX_BUG_H

#include <linux/build_bug.h>

#include "../shim.h"

#define WARN_ON(cond)		shim_warn(!!(cond), #cond, __FILE__, __LINE__)
#define WARN_ON_ONCE(cond)	WARN_ON(cond)
#define WARN(cond, ...)		WARN_ON(cond)
#define WARN_ONCE(cond, ...)	WARN_ON(cond)

#endif
