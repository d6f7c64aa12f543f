/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a test may ask of the user-space replacement of the kernel's headers.
 * The shim is no model of the kernel: it only lets the module's sources
 * compile unmodified and catches leaks, sleeping in atomic context and
 * locking mistakes. Tests are single-threaded unless they use pthreads.
 */
#ifndef SHIM_H
#define SHIM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Fails the allocation that comes after @after successful ones, counted from
 * now, and then every one that follows if @forever. ~0ul: none fails.
 */
void shim_fail_alloc(unsigned long after, bool forever);
/* Allocations that are live now (objects, pages and caches), and made since the start. */
unsigned long shim_live(void);
unsigned long shim_allocs(void);

/* Warnings since the last shim_reset(), which also forgets live counts and planned failures. */
unsigned int shim_warnings(void);
void shim_reset(void);

/* The kernel's messages with @words in them are counted from now on, not shown; NULL: none. */
void shim_expect(const char *words);
unsigned int shim_expected(void);

/* For the headers in linux/. */
void shim_printk(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));

struct shim_lock {
	pthread_mutex_t mutex;
	pthread_t owner;
	bool held;
	bool spins;
};

#define SHIM_LOCK_INIT(spins) { PTHREAD_MUTEX_INITIALIZER, 0, false, spins }

void shim_lock_init(struct shim_lock *lock, bool spins);
void shim_lock_take(struct shim_lock *lock);
void shim_lock_drop(struct shim_lock *lock);
void shim_lock_assert(const struct shim_lock *lock);
void shim_lock_assert_not(const struct shim_lock *lock);
void shim_might_sleep(const char *what);
bool shim_warn(bool condition, const char *what, const char *file, int line);

void *shim_alloc(size_t size, unsigned int flags);
void shim_free(const void *p);
void *shim_page_alloc(unsigned int flags);
void shim_page_free(void *page);

#endif
