// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ktap.h"

static struct ktap_test *first, **last = &first;
static unsigned int planned;
static jmp_buf out;
static uint64_t state;

void ktap_register(struct ktap_test *test)
{
	*last = test;
	last = &test->next;
	planned++;
}

void ktap_note(const char *fmt, ...)
{
	va_list args;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

void ktap_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	printf("# %s:%d: ", file, line);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	longjmp(out, 1);
}

/* xorshift64* */
uint64_t ktap_random(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dull;
}

static bool run(const struct ktap_test *test, uint64_t seed)
{
	unsigned long live;
	const char *c;

	shim_reset();
	/* a sequence of its own, whichever tests run before; xorshift's state is never 0 */
	state = seed;
	for (c = test->name; *c; c++)
		state = (state ^ (unsigned char)*c) * 0x100000001b3ull;
	state |= 1;
	live = shim_live();
	if (setjmp(out))
		return false;
	test->run();
	if (shim_live() != live) {
		ktap_note("%ld allocations leaked", (long)(shim_live() - live));
		return false;
	}
	return !shim_warnings();
}

/* Arguments: the names of the tests to run; none: all. */
int main(int argc, char **argv)
{
	const char *given = getenv("CHARIOT_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 0x43484152494f54ull;
	unsigned int number = 0, failed = 0;
	struct ktap_test *test;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%u\n", argc > 1 ? argc - 1u : planned);
	for (test = first; test; test = test->next) {
		bool wanted = argc == 1, ok;

		for (int i = 1; i < argc; i++)
			wanted |= !strcmp(argv[i], test->name);
		if (!wanted)
			continue;
		ok = run(test, seed);
		failed += !ok;
		printf("%s %u %s\n", ok ? "ok" : "not ok", ++number, test->name);
	}
	fflush(stdout);
	if (failed) {
		ktap_note("seed 0x%llx", (unsigned long long)seed);
		/* what a failed test left allocated is no news: no leak report */
		_exit(1);
	}
	return 0;
}
