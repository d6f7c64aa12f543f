/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_GFP_H
#define SHIM_LINUX_GFP_H

#include <linux/types.h>
#include <linux/gfp_types.h>

#include "../shim.h"

#define SHIM_PAGE_SIZE	4096ul

#define __get_free_page(flags)		((unsigned long)shim_page_alloc(flags))
#define get_zeroed_page(flags)		((unsigned long)shim_page_alloc((flags) | __GFP_ZERO))
#define free_page(addr)			shim_page_free((void *)(addr))

#endif
