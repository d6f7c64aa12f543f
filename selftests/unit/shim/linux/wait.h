/* SPDX-License-Identifier: GPL-2.0-only */
typedef struct {
	int unused;
} wait_queue_head_t;
