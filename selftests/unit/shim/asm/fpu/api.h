/* SPDX-License-Identifier: GPL-2.0-only */
/* Included for what no unit test compiles */
