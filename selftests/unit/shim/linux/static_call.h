/* SPDX-License-Identifier: GPL-2.0-only */
/* A static call's name stands for a function of that name. */
#define DECLARE_STATIC_CALL(name, func)	struct name
#define static_call(name)		name
