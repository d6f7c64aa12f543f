// SPDX-License-Identifier: GPL-2.0-only
/*
 * The work whose instructions selftests/bench/acl counts: acl_bench GRANTS
 * QUESTION TIMES asks one kind of question TIMES times of a list of GRANTS
 * objects. It measures nothing itself. The list looks like a driver's: objects
 * of 96 bytes in slots of 128, granted in no order, some slots free; questions
 * are about random addresses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"

#define SLOT	128u
#define OBJECT	96u
#define BASE	0x100000000ull

static u64 state = 0x43484152494f54ull;

static u64 next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static struct chariot_acl acl;
static u64 nr, sum;

/* An object's first byte. Free slots are the odd ones. */
static u64 object(void)
{
	return BASE + next_random() % nr * (2 * SLOT);
}

/* The same arithmetic and call as every question, without the question. */
static void nothing(void)
{
	sum += object();
}

static void hit(void)
{
	sum += chariot_acl_covers(&acl, object() + 8, 8);
}

static void miss(void)
{
	sum += chariot_acl_covers(&acl, object() + OBJECT, 8);
}

static void page(void)
{
	sum += chariot_acl_cover(&acl, object() & ~4095ull, 4096);
}

static void nearest(void)
{
	sum += chariot_acl_nearest(&acl, object() + OBJECT + 16)->len;
}

/* What an allocation and its free cost. */
static void grant_revoke(void)
{
	u64 gpa = object() + SLOT;

	sum += chariot_acl_grant(&acl, gpa, OBJECT, gpa, 3);
	sum += chariot_acl_revoke(&acl, gpa, OBJECT);
}

static const struct {
	const char *name;
	void (*ask)(void);
} questions[] = {
	{ "nothing", nothing },
	{ "hit", hit },
	{ "miss", miss },
	{ "page", page },
	{ "nearest", nearest },
	{ "grant+revoke", grant_revoke },
};

static void (*question(const char *name))(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(questions) / sizeof(*questions); i++) {
		if (!strcmp(questions[i].name, name))
			return questions[i].ask;
	}
	return NULL;
}

static void fill(void)
{
	u64 i, j, tmp, *order = calloc(nr, sizeof(*order));

	if (!order)
		exit(1);
	for (i = 0; i < nr; i++) {
		j = next_random() % (i + 1);
		tmp = order[j];
		order[j] = i;
		if (i != j)
			order[i] = tmp;
	}
	for (i = 0; i < nr; i++) {
		u64 gpa = BASE + order[i] * (2 * SLOT);

		if (chariot_acl_grant(&acl, gpa, OBJECT, gpa, 3))
			exit(1);
	}
	free(order);
}

int main(int argc, char **argv)
{
	void (*ask)(void) = argc == 4 ? question(argv[2]) : NULL;
	unsigned long times = argc == 4 ? strtoul(argv[3], NULL, 0) : 0;

	nr = argc == 4 ? strtoull(argv[1], NULL, 0) : 0;
	if (!ask || !nr) {
		fprintf(stderr, "acl_bench GRANTS QUESTION TIMES (see the source)\n");
		return 2;
	}
	if (chariot_acl_module_init())
		return 1;
	chariot_acl_init(&acl);
	fill();
	while (times--)
		ask();
	chariot_acl_clear(&acl);
	chariot_acl_module_exit();
	/* so that the compiler keeps the answers */
	return sum == 1;
}
