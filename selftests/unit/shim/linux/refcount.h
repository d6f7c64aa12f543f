/* SPDX-License-Identifier: GPL-2.0-only */
typedef struct {
	int refs;
} refcount_t;
