/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A test file is a list of TEST() and, at its end, nothing: ktap.c has main().
 * CHECK() leaves the test at the first failure. A test also fails if it leaks
 * an allocation or makes the code under test warn.
 */
#ifndef KTAP_H
#define KTAP_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/shim.h"

struct ktap_test {
	const char *name;
	void (*run)(void);
	struct ktap_test *next;
};

void ktap_register(struct ktap_test *test);
void ktap_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((__noreturn__, __format__(__printf__, 3, 4)));
/* A line of explanation, shown with the result. */
void ktap_note(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));

#define TEST(test)								\
	static void test(void);							\
	static struct ktap_test ktap_##test = { #test, test, (void *)0 };	\
	static void __attribute__((__constructor__)) ktap_add_##test(void)	\
	{									\
		ktap_register(&ktap_##test);					\
	}									\
	static void test(void)

#define CHECK(cond)								\
	do {									\
		if (!(cond))							\
			ktap_fail(__FILE__, __LINE__, "%s", #cond);		\
	} while (0)

/* Compares integers of any type and shows both. */
#define CHECK_EQ(a, b)								\
	do {									\
		unsigned long long ktap_a = (unsigned long long)(a);		\
		unsigned long long ktap_b = (unsigned long long)(b);		\
										\
		if (ktap_a != ktap_b)						\
			ktap_fail(__FILE__, __LINE__, "%s: 0x%llx, not %s: 0x%llx", \
				  #a, ktap_a, #b, ktap_b);			\
	} while (0)

/* Pseudo-random numbers, the same in every run unless CHARIOT_SEED is set. */
uint64_t ktap_random(void);
/* 0 .. @below - 1 */
static inline uint64_t ktap_below(uint64_t below)
{
	return ktap_random() % below;
}

#endif
