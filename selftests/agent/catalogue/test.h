/* SPDX-License-Identifier: GPL-2.0-only */
/* What test.tab speaks of; catalogue.c has it. */
#ifndef TEST_H
#define TEST_H

#include <linux/types.h>

struct chariot_call;

struct thing {
	void *data;
	size_t size;
};

struct operations {
	long (*first)(long a, long b, long c, long d, long e, long f);
	int untouched;
	int (*other)(void);
	int (*lent)(struct thing *thing);
	long (*nothing_but_after)(long a, long b);
	long (*wide)(long a, long b, long c, long d, long e, long f, long g, long h);
};

struct owner {
	const struct operations *operations;
};

void note_before(u16 domain, long a, long b, long c, long d, long e, long f);
void note_after(u16 domain, long a, long b, long result);
void nothing(u16 domain, long a);
long serve(u16 domain, long a, long b, const void *c, u32 d, long e);
void chariot_thing_give(u16 domain, struct thing *thing);
void chariot_thing_take(u16 domain, struct thing *thing);
bool chariot_free_thing(struct chariot_call *c, struct thing *thing);

#endif
