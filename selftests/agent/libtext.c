// SPDX-License-Identifier: GPL-2.0-only
/*
 * The domains' copies of library functions against models of what the kernel's
 * functions do: results, bytes written, and no byte beside them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define DOMAINS	16
#define PAGE	4096
#define SPAN	320
#define ROUNDS	20000
#define MODEL_E2BIG	7

struct library {
	const char *name;
	const uint8_t *start;
	uint64_t size;
};

extern const struct library chariot_library[], chariot_library_end[];
extern const uint8_t chariot_library_pages[];

static uint8_t real[SPAN], model[SPAN];
static char string[64];
static int failed;

static void *function(const char *name, int domain)
{
	const struct library *f;

	for (f = chariot_library; f < chariot_library_end; f++)
		if (!strcmp(f->name, name))
			return (void *)(f->start + (domain - 1) * PAGE);
	fprintf(stderr, "# no %s\n", name);
	exit(1);
}

static size_t below(size_t n)
{
	return (size_t)rand() % n;
}

/* Both spans with the same random bytes, and a random string. */
static void prepare(void)
{
	size_t i, n = below(sizeof(string));

	for (i = 0; i < SPAN; i++)
		real[i] = model[i] = (uint8_t)rand();
	for (i = 0; i < n; i++)
		string[i] = (char)('a' + below(26));
	string[n] = 0;
}

static int test_memcpy(int domain)
{
	void *(*call)(void *, const void *, size_t) = function("memcpy", domain);
	size_t n = below(100), to = below(60), from = 160 + below(60);

	memmove(model + to, model + from, n);
	return call(real + to, real + from, n) == real + to;
}

static int test_memmove(int domain)
{
	void *(*call)(void *, const void *, size_t) = function("memmove", domain);
	size_t n = below(120), to = below(200), from = below(200);

	memmove(model + to, model + from, n);
	return call(real + to, real + from, n) == real + to;
}

static int test_memset(int domain)
{
	void *(*call)(void *, int, size_t) = function("memset", domain);
	size_t n = below(120), to = below(200);
	int c = (int)below(1000) - 500;

	memset(model + to, c, n);
	return call(real + to, c, n) == real + to;
}

static int test_sized_strscpy(int domain)
{
	ssize_t (*call)(char *, const char *, size_t) = function("sized_strscpy", domain);
	size_t n = below(80), to = below(200), len = strlen(string);
	ssize_t expected = len < n ? (ssize_t)len : -MODEL_E2BIG;

	if (n) {
		memcpy(model + to, string, len < n ? len : n - 1);
		model[to + (len < n ? len : n - 1)] = 0;
	}
	return call((char *)real + to, string, n) == expected;
}

static int test_strcpy(int domain)
{
	char *(*call)(char *, const char *) = function("strcpy", domain);
	size_t to = below(200);

	memcpy(model + to, string, strlen(string) + 1);
	return call((char *)real + to, string) == (char *)real + to;
}

static int test_strncpy(int domain)
{
	char *(*call)(char *, const char *, size_t) = function("strncpy", domain);
	size_t n = below(100), to = below(200), i, len = strlen(string);

	for (i = 0; i < n; i++)
		model[to + i] = i < len ? (uint8_t)string[i] : 0;
	return call((char *)real + to, string, n) == (char *)real + to;
}

static const struct {
	const char *name;
	int (*run)(int domain);
} tests[] = {
	{ "memcpy", test_memcpy },
	{ "memmove", test_memmove },
	{ "memset", test_memset },
	{ "sized_strscpy", test_sized_strscpy },
	{ "strcpy", test_strcpy },
	{ "strncpy", test_strncpy },
};

#define TESTS	(sizeof(tests) / sizeof(tests[0]))

static void result(unsigned int number, int good, const char *what, const char *name)
{
	printf("%sok %u agent: %s %s\n", good ? "" : "not ", number, what, name);
	failed |= !good;
}

/* Every function that domains get has a test, and lies in its domain's page. */
static int table_complete(void)
{
	const struct library *f;
	unsigned int i;

	for (f = chariot_library; f < chariot_library_end; f++) {
		for (i = 0; i < TESTS && strcmp(tests[i].name, f->name); i++)
			;
		if (i == TESTS || f->start < chariot_library_pages ||
		    f->start + f->size > chariot_library_pages + PAGE)
			return 0;
	}
	return f - chariot_library == TESTS && !((uintptr_t)chariot_library_pages % PAGE);
}

int main(void)
{
	unsigned int i, round;

	printf("KTAP version 1\n1..%zu\n", TESTS + 2);
	for (i = 0; i < TESTS; i++) {
		int good = 1;

		srand(i + 1);
		for (round = 0; good && round < ROUNDS; round++) {
			int domain = (int)(round % DOMAINS) + 1;

			prepare();
			good = tests[i].run(domain) && !memcmp(real, model, SPAN);
			if (!good)
				printf("# round %u, domain %d\n", round, domain);
		}
		result(i + 1, good, "copies of", tests[i].name);
	}
	result(TESTS + 1, table_complete(), "every copy is tested and in its page:", "table");
	for (i = 1; i < DOMAINS; i++)
		if (memcmp(chariot_library_pages, chariot_library_pages + i * PAGE, PAGE))
			break;
	result(TESTS + 2, i == DOMAINS, "all domains' pages are alike:", "pages");
	return failed;
}
