/* SPDX-License-Identifier: GPL-2.0-only */
/* tools/include/linux/kernel.h has what is needed. */
