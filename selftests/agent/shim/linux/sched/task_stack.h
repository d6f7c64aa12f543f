/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdbool.h>

/* Within 64 KiB above the frame that asks. */
static inline bool object_is_on_stack(const void *p)
{
	return (unsigned long)p - (unsigned long)__builtin_frame_address(0) < 65536;
}
