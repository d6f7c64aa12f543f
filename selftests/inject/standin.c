// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stands in for a kernel module when the mutator is tested: calls imports from
 * a function that runs often. Linked with standin_kernel.c, mutated or not.
 */
long imported(long a, long b);
void other(void);
void vfree(long a);
void *memcpy(void *to, const void *from, unsigned long n);
void *__kmalloc_noprof(unsigned long size, unsigned int flags);

long seen;

static __attribute__((noinline)) long local(long a)
{
	seen += a;
	return a + 1;
}

/* Every scratch register carries an argument or a result: a fault must not disturb them. */
long hot(long a)
{
	long r = imported(a, a * 3);

	other();
	vfree(a);
	return r + local(a);
}

void *cold(unsigned long n)
{
	return memcpy(__kmalloc_noprof(n, 0), &seen, n);
}
