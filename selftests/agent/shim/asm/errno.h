/* SPDX-License-Identifier: GPL-2.0-only */
#define E2BIG	7
#define EFAULT	14
