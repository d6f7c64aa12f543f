// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <sanitizer/asan_interface.h>

#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

static unsigned long live, allocs, warnings;
static unsigned long fail_after = ~0ul;
static bool fail_forever;
static const char *expected_words;
static unsigned int expected;
static _Thread_local unsigned int spinning;

void shim_fail_alloc(unsigned long after, bool forever)
{
	fail_after = after;
	fail_forever = forever;
}

unsigned long shim_live(void)
{
	return __atomic_load_n(&live, __ATOMIC_RELAXED);
}

unsigned long shim_allocs(void)
{
	return __atomic_load_n(&allocs, __ATOMIC_RELAXED);
}

unsigned int shim_warnings(void)
{
	return __atomic_load_n(&warnings, __ATOMIC_RELAXED);
}

void shim_reset(void)
{
	live = 0;
	warnings = 0;
	expected_words = NULL;
	spinning = 0;
	shim_fail_alloc(~0ul, false);
}

bool shim_warn(bool condition, const char *what, const char *file, int line)
{
	if (condition) {
		printf("# %s:%d: warning: %s\n", file, line, what);
		__atomic_add_fetch(&warnings, 1, __ATOMIC_RELAXED);
	}
	return condition;
}

void shim_might_sleep(const char *what)
{
	shim_warn(spinning, what, "sleeps with a spinlock held", 0);
}

static bool alloc_fails(unsigned int flags)
{
	if (flags & __GFP_DIRECT_RECLAIM)
		shim_might_sleep("allocation");
	if (fail_after == ~0ul)
		return false;
	if (fail_after--)
		return false;
	fail_after = fail_forever ? 0 : ~0ul;
	return true;
}

static void *counted(void *p)
{
	if (!p)
		abort();
	__atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&allocs, 1, __ATOMIC_RELAXED);
	return p;
}

void *shim_alloc(size_t size, unsigned int flags)
{
	void *p;

	/* SIZE_MAX is what array_size() makes of an overflow */
	if (alloc_fails(flags) || size > (1ul << 32))
		return NULL;
	p = counted(malloc(size));
	/* what the kernel leaves undefined is garbage here */
	memset(p, flags & __GFP_ZERO ? 0 : 0xa5, size);
	return p;
}

void shim_free(const void *p)
{
	if (!p)
		return;
	__atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
	free((void *)p);
}

void *shim_page_alloc(unsigned int flags)
{
	void *page;

	if (alloc_fails(flags))
		return NULL;
	if (posix_memalign(&page, PAGE_SIZE, PAGE_SIZE + SHIM_PAGE_GAP + sizeof(struct page)))
		abort();
	counted(page);
	memset(page, flags & __GFP_ZERO ? 0 : 0xa5, PAGE_SIZE);
	virt_to_page(page)->private = 0;
	ASAN_POISON_MEMORY_REGION((char *)page + PAGE_SIZE, SHIM_PAGE_GAP);
	return page;
}

char shim_zero_page[SHIM_PAGE_SIZE] __attribute__((__aligned__(SHIM_PAGE_SIZE)));

long copy_from_kernel_nofault(void *to, const void *from, size_t size)
{
	struct iovec ours = { to, size }, theirs = { (void *)from, size };

	return process_vm_readv(getpid(), &ours, 1, &theirs, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

bool pfn_valid(unsigned long pfn)
{
	struct page page;

	return !copy_from_kernel_nofault(&page, pfn_to_page(pfn), sizeof(page));
}

void shim_page_free(void *page)
{
	shim_warn((unsigned long)page % SHIM_PAGE_SIZE, "free_page of no page", __FILE__, __LINE__);
	shim_free(page);
}

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,
				     unsigned int flags, void (*ctor)(void *))
{
	struct kmem_cache *cache = shim_alloc(sizeof(*cache), GFP_KERNEL);

	(void)name, (void)align, (void)flags, (void)ctor;
	if (cache)
		*cache = (struct kmem_cache) { .size = size };
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	if (!cache)
		return;
	shim_warn(cache->live, "cache destroyed with live objects", __FILE__, __LINE__);
	shim_free(cache);
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t flags)
{
	void *object = shim_alloc(cache->size, flags);

	if (object)
		__atomic_add_fetch(&cache->live, 1, __ATOMIC_RELAXED);
	return object;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	shim_warn(!object, "kmem_cache_free(NULL)", __FILE__, __LINE__);
	__atomic_sub_fetch(&cache->live, 1, __ATOMIC_RELAXED);
	shim_free(object);
}

void shim_expect(const char *words)
{
	expected_words = words;
	expected = 0;
}

unsigned int shim_expected(void)
{
	return expected;
}

void shim_printk(const char *fmt, ...)
{
	char line[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (expected_words && strstr(line, expected_words))
		expected++;
	else
		printf("%s", line);
}

void shim_lock_init(struct shim_lock *lock, bool spins)
{
	*lock = (struct shim_lock)SHIM_LOCK_INIT(spins);
}

static bool held_by_me(const struct shim_lock *lock)
{
	return lock->held && pthread_equal(lock->owner, pthread_self());
}

/* Taking a lock that is held by this thread would hang: abort with a message instead. */
void shim_lock_take(struct shim_lock *lock)
{
	if (held_by_me(lock)) {
		printf("Bail out! lock %p taken twice\n", (void *)lock);
		fflush(stdout);
		abort();
	}
	if (!lock->spins)
		shim_might_sleep("mutex");
	pthread_mutex_lock(&lock->mutex);
	lock->owner = pthread_self();
	lock->held = true;
	spinning += lock->spins;
}

void shim_lock_drop(struct shim_lock *lock)
{
	shim_warn(!held_by_me(lock), "unlock of a lock not held", __FILE__, __LINE__);
	spinning -= lock->spins;
	lock->held = false;
	pthread_mutex_unlock(&lock->mutex);
}

void shim_lock_assert(const struct shim_lock *lock)
{
	shim_warn(!held_by_me(lock), "lock not held", __FILE__, __LINE__);
}

void shim_lock_assert_not(const struct shim_lock *lock)
{
	shim_warn(held_by_me(lock), "lock held", __FILE__, __LINE__);
}
