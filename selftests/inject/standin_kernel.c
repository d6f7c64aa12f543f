// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stands in for the kernel: calls the stand-in module's hot function ten times
 * and prints after each what a fault may have changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char init_uts_ns[64] = "Linux";
char *page_offset_base;
static char arena[192 + 65536];
static size_t used;

long hot(long a);
void *cold(unsigned long n);

long imported(long a, long b)
{
	return a + b;
}

void other(void)
{
}

void *__kmalloc_noprof(unsigned long size, unsigned int flags)
{
	void *object = arena + used;

	(void)flags;
	used += size;
	return object;
}

void kfree(const void *p)
{
	printf("free %ld %ld\n", (long)((char *)p - arena), (long)p);
}

void consume_skb(void *p)
{
	printf("consume %ld\n", (long)p);
}

void *get_free_pages_noprof(unsigned int flags, unsigned int order)
{
	(void)flags;
	return order ? NULL : arena;
}

void free_pages(const void *p, unsigned int order)
{
	printf("page %ld %u\n", (long)((char *)p - arena), order);
}

/* Tells of what it frees twice. */
void vfree(long a)
{
	static long last = -1;

	if (a == last)
		printf("twice %ld\n", a);
	last = a;
}

int main(void)
{
	long i, sum = 0;

	page_offset_base = init_uts_ns;
	for (i = 0; i < 10; i++) {
		sum += hot(i);
		printf("%ld %ld %.16s %.16s\n", i, sum, init_uts_ns, arena + 192);
		memset(init_uts_ns, 0, sizeof(init_uts_ns));
		strcpy(init_uts_ns, "Linux");
	}
	return 0;
}
