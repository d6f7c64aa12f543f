/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_LIMITS_H
#define SHIM_LINUX_LIMITS_H

#include_next <linux/limits.h>

#define U8_MAX	((u8)~0u)
#define U16_MAX	((u16)~0u)
#define U32_MAX	((u32)~0u)
#define S32_MAX	((s32)(U32_MAX >> 1))
#define U64_MAX	((u64)~0ull)
#define S64_MAX	((s64)(U64_MAX >> 1))

#endif
