// SPDX-License-Identifier: GPL-2.0-only
/*
 * The catalogue's entries: what catalogue.awk makes of catalogue/test.tab, with
 * the agent's own entry.h, slots.S, call.c and ops.c, in user space. Calls go in
 * as a driver's or the kernel's would; what is between is noted and compared.
 *
 * Not shown here: unwinding, IBT and retpolines (objtool checks the module).
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "agent.h"
#include "call.h"
#include "catalogue.h"
#include "catalogue/test.h"
#include "entry.h"
#include "ops.h"
#include "ring.h"
#include "track.h"

struct chariot_domain chariot_domains[CHARIOT_DOMAINS + 1];

static char notes[1024];
static int failed, number;

static void note(const char *format, ...)
{
	size_t used = strlen(notes);
	va_list args;

	va_start(args, format);
	vsnprintf(notes + used, sizeof(notes) - used, format, args);
	va_end(args);
}

/* What was noted since the last call is @expected. */
static int noted(const char *expected)
{
	int good = !strcmp(notes, expected);

	if (!good)
		printf("# expected \"%s\"\n# noted    \"%s\"\n", expected, notes);
	notes[0] = 0;
	return good;
}

static void result(int good, const char *what)
{
	printf("%sok %d agent: catalogue: %s\n", good ? "" : "not ", ++number, what);
	failed |= !good;
}

/* The agent's other parts */

void chariot_grant(u16 domain, const void *va, size_t len, u8 kind)
{
	note("grant %u %lx+%zu %u;", domain, (unsigned long)va, len, kind);
}

bool chariot_release(u16 domain, const void *va, size_t len)
{
	note("release %u %lx+%zu;", domain, (unsigned long)va, len);
	return len >= 4096;
}

void chariot_ring_sync(void)
{
	note("sync;");
}

bool chariot_knows(const char *name)
{
	return strcmp(name, "forgotten");
}

unsigned long chariot_library_find(u16 domain, const char *name)
{
	return strcmp(name, "memcpy") ? 0 : domain;
}

/* What test.tab names */

void note_before(u16 domain, long a, long b, long c, long d, long e, long f)
{
	note("before %u %ld %ld %ld %ld %ld %ld;", domain, a, b, c, d, e, f);
}

void note_after(u16 domain, long a, long b, long value)
{
	note("after %u %ld %ld = %ld;", domain, a, b, value);
}

void nothing(u16 domain, long a)
{
}

long serve(u16 domain, long a, long b, const void *c, u32 d, long e)
{
	note("served %u %ld %ld %ld %u %ld;", domain, a, b, (long)c, d, e);
	return a + e;
}

void chariot_thing_give(u16 domain, struct thing *thing)
{
	note("give %u %ld;", domain, (long)thing);
}

void chariot_thing_take(u16 domain, struct thing *thing)
{
	note("take %u %ld;", domain, (long)thing);
}

static unsigned long caller;

/* An odd thing must not be freed. */
bool chariot_free_thing(struct chariot_call *c, struct thing *thing)
{
	note("free %u %ld;", c->domain, (long)thing);
	caller = chariot_call_more(c)[-1];
	return !((long)thing & 1);
}

/* What the domain's import @name is, when the loader would have called @origin. */
static void *import(int domain, const char *name, const void *origin)
{
	unsigned long stub = chariot_catalogue_stub(domain, name, (unsigned long)origin);

	if (!stub) {
		printf("# %s is not in the catalogue\n", name);
		exit(1);
	}
	return (void *)stub;
}

static long all_registers(long a, long b, long c, long d, long e, long f)
{
	note("all %ld %ld %ld %ld %ld %ld;", a, b, c, d, e, f);
	return a * b;
}

static void test_registers(void)
{
	char expected[200];
	int domain, good = 1;

	for (domain = 1; domain <= CHARIOT_DOMAINS; domain++) {
		long (*call)(long, long, long, long, long, long) = import(domain, "all_registers", all_registers);

		good &= call(2, 3, 4, 5, -6, 7) == 6;
		snprintf(expected, sizeof(expected),
			 "before %d 2 3 4 5 -6 7;all 2 3 4 5 -6 7;after %d 2 7 = 6;", domain, domain);
		good &= noted(expected);
	}
	result(good, "six arguments and the result, in every domain");
}

static __int128 wide_result(long a, long b)
{
	return ((__int128)b << 64) | (unsigned long)a;
}

static void test_wide(void)
{
	__int128 (*call)(long, long) = import(3, "wide_result", wide_result);
	__int128 value = call(-5, 77);

	result((long)value == -5 && (long)(value >> 64) == 77 && noted("after 3 -5 77 = -5;"), "a result in two registers");
}

static long nine_arguments(long a, long b, long c, long d, long e, long f, long g, long h, long i)
{
	note("nine %ld %ld %ld %ld %ld %ld %ld %ld %ld;", a, b, c, d, e, f, g, h, i);
	/* They are the callee's: it may write to them. */
	*(volatile long *)&g = 0;
	*(volatile long *)&i = 0;
	return g + i + a;
}

static void test_stack(void)
{
	long (*call)(long, long, long, long, long, long, long, long, long) =
		import(16, "nine_arguments", nine_arguments);
	int good = call(1, 2, 3, 4, 5, 6, 7, 8, 9) == 1;

	good &= noted("before 16 1 5 6 7 8 9;nine 1 2 3 4 5 6 7 8 9;after 16 7 9 = 1;");
	result(good, "arguments on the stack");
}

static long variadic(long count, ...)
{
	double number = 0;
	va_list args;
	long sum = 0, i;

	va_start(args, count);
	number = va_arg(args, double);
	for (i = 0; i < count; i++)
		sum = sum * 2 + va_arg(args, long);
	va_end(args);
	note("variadic %ld %.1f;", sum, number);
	return sum;
}

static void test_variadic(void)
{
	long (*call)(long, ...) = import(1, "variadic", variadic);
	int good = call(11L, 2.5, 1L, 0L, 1L, 1L, 0L, 1L, 1L, 1L, 0L, 1L, 1L) == 1467;

	good &= noted("variadic 1467 2.5;after 1 11 1 = 1467;");
	result(good, "variadic: the number of vector registers, twelve arguments");
}

static noinline void *returns_to(long a, long b, long c, long d, long e, long f, long g, long h)
{
	note("%ld %ld;", g, h);
	return __builtin_return_address(0);
}

/* Where it would return to without the agent is where it returns to. */
static noinline int call_returns_to(void)
{
	void *(*call)(long, long, long, long, long, long, long, long) = import(2, "returns_to", returns_to);
	void *direct = returns_to(1, 2, 3, 4, 5, 6, 7, 8), *through;
	long distance;

	noted("7 8;");
	through = call(1, 2, 3, 4, 5, 6, 7, 8);
	distance = (char *)through - (char *)direct;
	return distance > -500 && distance < 500;
}

static void test_tail(void)
{
	int good = call_returns_to();

	good &= noted("before 2 1 2 3 4 5 6;7 8;");
	result(good, "without an afterwards the import returns to the driver");
}

static void test_served(void)
{
	long (*call)(long, long, long, long, long) = import(9, "served", (void *)1);
	int good = call(1, 2, 3, (5L << 32) + 4, 5) == 6;

	good &= noted("served 9 1 2 3 4 5;");
	result(good, "a function of ours instead");
}

static long keeps(long *p, long a)
{
	*p += 10;
	return a;
}

static void test_conditions(void)
{
	long (*call)(long *, long) = import(1, "keeps", keeps);
	char expected[200];
	long value = 5;
	int good;

	snprintf(expected, sizeof(expected), "before 1 %ld 1 0 0 0 0;after 1 5 15 = 1;", (long)&value);
	good = call(&value, 1) == 1 && noted(expected);
	good &= call(&value, 0) == 0 && noted("");
	result(good, "conditions; what was kept");
}

static long replaced(long a)
{
	return a;
}

static void test_result(void)
{
	long (*call)(long) = import(1, "replaced", replaced);

	result(call(5) == 15 && call(-1) == -3, "a result in place of the import's");
}

static struct thing *the_thing;
static char data[10000];

static struct thing *grants(void)
{
	return the_thing;
}

static void *grants_plain(void *p)
{
	return p;
}

static void test_grants(void)
{
	struct thing thing = { data, 100 }, *(*call)(void) = import(4, "grants", grants);
	long (*plain)(long, long) = import(4, "grants_plain", grants_plain);
	char expected[200];
	int good;

	the_thing = &thing;
	snprintf(expected, sizeof(expected), "grant 4 %lx+100 2;", (unsigned long)data);
	expected[strlen(expected) - 2] = '0' + CHARIOT_KIND_SLAB;
	snprintf(expected + strlen(expected), 100, "grant 4 %lx+16 %d;", (unsigned long)&thing, CHARIOT_KIND_OBJECT);
	good = call() == &thing && noted(expected);
	good &= plain(0, 5) == 0 && plain(-12L, 5) == -12L && plain(16, 5) == 16 && noted("");
	snprintf(expected, sizeof(expected), "grant 4 1000+%d %d;", 4096 * 5, CHARIOT_KIND_SLAB);
	good &= plain(4096, 5) == 4096 && noted(expected);
	result(good, "grants of what is an object");
}

static void uses(void)
{
	note("called;");
}

static void test_releases(void)
{
	void (*call)(long, const void *) = import(4, "releases", uses);
	char expected[200];
	int good;

	snprintf(expected, sizeof(expected), "release 4 %lx+8;called;", (unsigned long)data);
	call(0, data);
	good = noted(expected);
	call(0, NULL);
	good &= noted("called;");
	result(good, "releases before the call");
}

static void *frees(long thing, long a)
{
	note("freed %ld %ld;", thing, a);
	return __builtin_return_address(0);
}

static void test_frees(void)
{
	void *(*call)(long, long) = import(4, "frees", frees), *(*tail)(long, long) = import(5, "frees_tail", frees);
	int good;

	good = call(6, 2) && !strncmp(notes, "free 4 6;before 4 6 2 ", 22) && strstr(notes, ";freed 6 2;after 4 6 2 ");
	notes[0] = 0;
	call(7, 2);
	good &= noted("free 4 7;");
	call(7, 1);
	good &= !strncmp(notes, "before 4 7 1 ", 13) && strstr(notes, ";freed 7 1;after 4 7 1 ");
	notes[0] = 0;
	good &= tail(8, 9) == (void *)caller && noted("free 5 8;freed 8 9;");
	tail(9, 9);
	good &= noted("free 5 9;");
	result(good, "a free that is refused is not made, and is known by where it returns to");
}

static void test_lends(void)
{
	void (*call)(const void *, size_t, const void *) = import(7, "lends", uses);
	unsigned long p = (unsigned long)data;
	char expected[300], on_stack[8];
	int good;

	snprintf(expected, sizeof(expected), "grant 7 %lx+5000 %d;grant 7 %lx+16 %d;called;"
		 "release 7 %lx+5000;sync;release 7 %lx+16;", p, CHARIOT_KIND_ARGUMENT, p + 8, CHARIOT_KIND_ARGUMENT,
		 p, p + 8);
	call(data, 5000, data + 8);
	good = noted(expected);
	call(NULL, 5, (void *)1);
	good &= noted("called;");
	call(on_stack, 8, NULL);
	good &= noted("called;");
	result(good, "loans end when the call returns");
}

static void test_lends_fields(void)
{
	void (*call)(const void *, const void *, const void *) = import(7, "lends_fields", uses);
	unsigned long p = (unsigned long)data;
	char expected[300], on_stack[8];
	int good;

	/* Of these three, a field is of another series. */
	snprintf(expected, sizeof(expected), "grant 7 %lx+8 %d;grant 7 %lx+8 %d;called;"
		 "grant 7 %lx+8 %d;grant 7 %lx+8 %d;release 7 %lx+8;release 7 %lx+8;", p, CHARIOT_KIND_ARGUMENT, p + 8,
		 CHARIOT_KIND_ARGUMENT, p + 64, CHARIOT_KIND_RULE, p + 72, CHARIOT_KIND_RULE, p, p + 8);
	call(data, NULL, data + 64);
	good = noted(expected);
	call(on_stack, NULL, NULL);
	good &= noted("called;");
	result(good, "fields of an object are lent, and granted, one by one");
}

static void *gives(void *thing)
{
	note("called;");
	return thing + 1;
}

static void test_gives(void)
{
	long (*call)(long) = import(5, "gives", gives);
	int good = call(1000) == 1001;

	good &= noted("take 5 1000;called;give 5 1001;");
	result(good, "objects change hands");
}

/* Operations */

static long driver_first(long a, long b, long c, long d, long e, long f)
{
	note("first;");
	return a + b + c + d + e + f;
}

static int driver_other(void)
{
	return 1;
}

static int driver_lent(struct thing *thing)
{
	note("lent;");
	return thing != NULL;
}

static long driver_after(long a, long b)
{
	return a - b;
}

static long driver_wide(long a, long b, long c, long d, long e, long f, long g, long h)
{
	note("wide %ld %ld;", g, h);
	/* They are the callee's: it may write to them. */
	*(volatile long *)&h = 0;
	return a + g;
}

static const struct operations driver_operations = {
	driver_first, 42, driver_other, driver_lent, driver_after, driver_wide
};

static const void *registered(const void *a, const void *b)
{
	return b ? b : a;
}

static void test_operations(void)
{
	struct owner owner = { &driver_operations }, again = { &driver_operations };
	void (*call)(struct owner *) = import(2, "registers_operations", uses);
	const struct operations *ops;
	static struct thing thing;
	char expected[200];
	int good;

	call(&owner);
	call(&owner);
	call(&again);
	noted("called;called;called;");
	ops = owner.operations;
	good = ops != &driver_operations && again.operations == ops;
	good &= ops->first != driver_first && ops->other == driver_other && ops->untouched == 42;
	good &= ops->first(1, 2, 3, 4, 5, 6) == 21;
	good &= noted("before 2 1 2 3 4 5 6;first;after 2 1 6 = 21;");
	good &= ops->nothing_but_after(7, 3) == 4 && noted("after 2 7 3 = 4;");
	good &= ops->wide(1, 2, 3, 4, 5, 6, 7, 8) == 8 && noted("before 2 1 2 3 4 5 6;wide 7 8;");
	snprintf(expected, sizeof(expected), "grant 2 %lx+16 %d;lent;release 2 %lx+16;", (unsigned long)&thing,
		 CHARIOT_KIND_ARGUMENT, (unsigned long)&thing);
	good &= ops->lent(&thing) == 1 && noted(expected);
	result(good, "a table's copy, one for all who have the table");
	chariot_ops_forget(2);
}

static void test_tables(void)
{
	const void *(*call)(const void *, const void *) = import(1, "registers_table", registered);
	const void *(*other)(const void *, const void *) = import(3, "registers_table", registered);
	struct operations table = driver_operations;
	const struct operations *a, *b, *c;
	int good;

	a = call(NULL, &table);
	b = other(NULL, &table);
	good = a != &table && b != a && b->first != a->first && call(NULL, a) == a;
	good &= b->first(0, 0, 0, 0, 0, 0) == 0 && noted("before 3 0 0 0 0 0 0;first;after 3 0 0 = 0;");
	/* The memory is another table now. */
	table.first = NULL;
	c = call(NULL, &table);
	good &= c != a && !c->first && c->lent == a->lent && a->first;
	good &= call(&table, NULL) == &table;
	result(good, "copies belong to a domain and hold what the table held");
	chariot_ops_forget(1);
	good = b->first(0, 0, 0, 0, 0, 0) == 0 && noted("before 3 0 0 0 0 0 0;first;after 3 0 0 = 0;");
	chariot_ops_forget(3);
	result(good && !atomic_read(&chariot_ops_slots_used), "a domain's end ends what it has, and no more");
}

static void test_members(void)
{
	void (*call)(struct operations *) = import(1, "registers_members", uses);
	struct operations table = driver_operations, before;
	int good;

	call(&table);
	before = table;
	call(&table);
	noted("called;called;");
	good = table.first != driver_first && table.other == driver_other;
	good &= !memcmp(&before, &table, sizeof(table)) && atomic_read(&chariot_ops_slots_used) == 4;
	good &= table.nothing_but_after(3, 1) == 2 && noted("after 1 3 1 = 2;");
	result(good, "members of a table in place");
	chariot_ops_forget(1);
}

/* Calls in calls: an operation that calls imports, which call operations, … */
static const struct operations *inner;
static long (*inner_import)(long, long, long, long, long, long);

static long nested(long a, long b, long c, long d, long e, long f)
{
	return a ? a + inner->first(a - 1, b, c, d, e, f) : inner_import(2, 3, 0, 0, 0, 0);
}

static void test_nested(void)
{
	struct operations table = { .first = nested };
	const void *(*call)(const void *, const void *) = import(6, "registers_table", registered);
	int good;

	inner = call(NULL, &table);
	inner_import = import(5, "all_registers", all_registers);
	good = inner->first(2, 0, 0, 0, 0, 9) == 9;
	good &= noted("before 6 2 0 0 0 0 9;before 6 1 0 0 0 0 9;before 6 0 0 0 0 0 9;before 5 2 3 0 0 0 0;"
		      "all 2 3 0 0 0 0;after 5 2 0 = 6;after 6 0 9 = 6;after 6 1 9 = 7;after 6 2 9 = 9;");
	result(good, "calls within calls");
	chariot_ops_forget(6);
}

static const void *completes(const void *func)
{
	return func;
}

static void test_callbacks(void)
{
	const void *(*call)(const void *) = import(1, "registers_callback", completes);
	const void *(*other)(const void *) = import(2, "registers_callback", completes);
	const void *a = call(driver_lent), *b;
	int i, good;

	good = a != driver_lent && call(driver_lent) == a && call(a) == a && !call(NULL);
	good &= other(driver_lent) != a && atomic_read(&chariot_ops_slots_used) == 2;
	good &= ((int (*)(void *))a)(NULL) == 0 && noted("lent;");
	result(good, "a function has one slot in a domain");

	/* Other functions, until there are no slots left. */
	for (i = 0; i < CHARIOT_SLOTS - 2; i++)
		good &= call(data + i) != data + i;
	good &= call(data + i) == data + i && atomic_read(&chariot_ops_slots_refused) == 1;
	good &= call(driver_lent) == a;
	chariot_ops_forget(1);
	good &= atomic_read(&chariot_ops_slots_used) == 1;
	b = call(data + i);
	good &= b != data + i;
	chariot_ops_forget(1);
	chariot_ops_forget(2);
	result(good && !atomic_read(&chariot_ops_slots_used), "slots run out, and come back");
}

static void test_lookup(void)
{
	unsigned long stub = chariot_catalogue_stub(1, "all_registers", (unsigned long)all_registers);
	long (*call)(long, long, long, long, long, long) = (void *)stub;
	int good = 1;

	/* The loader comes by once for each section. */
	good &= chariot_catalogue_stub(1, "all_registers", stub) == stub;
	good &= call(1, 1, 0, 0, 0, 0) == 1;
	notes[0] = 0;
	good &= !chariot_catalogue_stub(1, "nobody", 1) && chariot_catalogue_stub(3, "memcpy", 1) == 3;
	good &= !chariot_catalogue_stub(1, "other_series", 1) && !chariot_catalogue_stub(1, "forgotten", 1);
	good &= chariot_imports_end - chariot_imports == 26;
	result(good, "imports are found, and what they were is kept");
}

/* What an entry costs, in instructions: the processor traps after each one. */

static volatile long steps;

static void step(int signal)
{
	steps++;
}

static void trap_flag(long set)
{
	asm volatile("pushfq; andq $~0x100, (%%rsp); orq %0, (%%rsp); popfq" : : "r" (set << 8) : "memory", "cc");
}

static long plain_import(long a)
{
	return a;
}

static noinline long instructions(long (*call)(long))
{
	long before;

	signal(SIGTRAP, step);
	call(1);
	before = steps;
	trap_flag(1);
	call(1);
	trap_flag(0);
	return steps - before;
}

static void test_cost(void)
{
	static const struct {
		const char *name;
		long limit;
	} entries[] = { { "costs_before", 45 }, { "costs_after", 45 }, { "costs_both", 60 }, { "costs_served", 12 } };
	long direct = instructions(plain_import);
	unsigned int i;
	int good = 1;

	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		long more = instructions(import(1, entries[i].name, plain_import)) - direct;

		printf("# %s: %ld instructions more than a direct call\n", entries[i].name, more);
		good &= more > 0 && more <= entries[i].limit;
	}
	result(good, "what an entry costs");
}

int main(void)
{
	printf("KTAP version 1\n1..22\n");
	test_registers();
	test_wide();
	test_stack();
	test_variadic();
	test_tail();
	test_served();
	test_conditions();
	test_result();
	test_grants();
	test_releases();
	test_frees();
	test_lends();
	test_lends_fields();
	test_gives();
	test_operations();
	test_tables();
	test_members();
	test_nested();
	test_callbacks();
	test_lookup();
	test_cost();
	return failed;
}
