/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_UACCESS_H
#define SHIM_LINUX_UACCESS_H

#include <linux/types.h>

/* The system looks whether there is anything at @from. 0 or -EFAULT */
long copy_from_kernel_nofault(void *to, const void *from, size_t size);

#endif
