// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver without a device that gets memory in the ways that the agent's tables
 * of memory know, most of which no driver of the lab makes use of; not for DMA,
 * which takes a device. Each piece is written to its last byte by the module's
 * own text, read back, and freed.
 *
 * Says one line for each way: "allocations: way NAME ok", or what was wrong.
 */
#include <linux/bitmap.h>
#include <linux/device.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kfifo.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

static bool shared = true;
module_param(shared, bool, 0444);
MODULE_PARM_DESC(shared, "also what must come from the kernel's own slabs: its zone or its accounting matters, or the kernel allocates it for itself");

static struct device *dev;

/* Once: the compiler is to store each byte, and to read what is in memory. */
static bool filled(const u8 *p, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (READ_ONCE(p[i]) != (u8)(i * 7 + 1))
			return false;
	return true;
}

static bool fill(u8 *p, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		WRITE_ONCE(p[i], i * 7 + 1);
	return filled(p, size);
}

static void tell(const char *name, const char *what)
{
	pr_info("allocations: way %s %s\n", name, what);
}

/* True if there is memory, and it can be written to. Its content is what fill() writes. */
static bool usable(const char *name, void *p, size_t size)
{
	if (IS_ERR_OR_NULL(p)) {
		tell(name, "no memory");
		return false;
	}
	tell(name, fill(p, size) ? "ok" : "a write was lost");
	return true;
}

/* The same for memory that is to begin with something. */
static bool holds(const char *name, void *p, const char *begin, size_t size)
{
	if (!IS_ERR_OR_NULL(p) && memcmp(p, begin, strlen(begin))) {
		tell(name, "wrong content");
		return true;
	}
	return usable(name, p, size);
}

/* The same for memory that fill() has written to, @old bytes, before it was made larger. */
static bool grown(const char *name, void *p, size_t old, size_t size)
{
	if (!IS_ERR_OR_NULL(p) && !filled(p, old)) {
		tell(name, "content is lost");
		return true;
	}
	return usable(name, p, size);
}

/* The same for memory that is to be zero. */
static bool zeroed(const char *name, void *p, size_t size)
{
	if (!IS_ERR_OR_NULL(p) && memchr_inv(p, 0, size)) {
		tell(name, "not zero");
		return true;
	}
	return usable(name, p, size);
}

static void expect(const char *name, bool good)
{
	tell(name, good ? "ok" : "not as it is to be");
}

#define FREED(name, size, how, expr) do {			\
	void *piece = (expr);					\
								\
	if (usable(name, piece, size))				\
		how(piece);					\
} while (0)

#define ZEROED(name, size, how, expr) do {			\
	void *piece = (expr);					\
								\
	if (zeroed(name, piece, size))				\
		how(piece);					\
} while (0)

/* Grows within what its size class has room for, and beyond; shrinks, and grows into zeroes. */
static void reallocated(size_t size)
{
	u8 *old = kmalloc(size, GFP_KERNEL), *p, *large;

	if (!usable("krealloc-old", old, size))
		return;
	p = krealloc(old, size + 8, GFP_KERNEL);
	if (!grown("krealloc", p, size, size + 8))
		return;
	large = krealloc(p, 20 * size, GFP_KERNEL);
	if (!grown("krealloc-large", large, size + 8, 20 * size))
		return;
	p = krealloc(large, size, GFP_KERNEL | __GFP_ZERO);
	large = krealloc(p, 20 * size, GFP_KERNEL | __GFP_ZERO);
	expect("krealloc-zero", large && filled(large, size) &&
	       !memchr_inv(large + size, 0, 19 * size));
	expect("krealloc-free", krealloc(large, 0, GFP_KERNEL) == ZERO_SIZE_PTR);
}

static void slab(size_t size)
{
	FREED("kmalloc-constant", 48, kfree, kmalloc(48, GFP_KERNEL));
	FREED("kmalloc", size, kfree, kmalloc(size, GFP_KERNEL));
	FREED("kmalloc-node", size, kfree, kmalloc_node(size, GFP_KERNEL, numa_node_id()));
	ZEROED("kzalloc", size, kfree_sensitive, kzalloc(size, GFP_KERNEL));
	ZEROED("kcalloc", size * 3, kfree, kcalloc(3, size, GFP_KERNEL));
	FREED("kmalloc-large", 5 * PAGE_SIZE, kfree, kmalloc(5 * PAGE_SIZE, GFP_KERNEL));

	reallocated(size);
	FREED("krealloc-null", size, kfree, krealloc(NULL, size, GFP_KERNEL));
	expect("kmalloc-nothing", kmalloc(size - size, GFP_KERNEL) == ZERO_SIZE_PTR);
}

/* 6.1 is told the old size. */
static void *regrow(void *p, size_t old, size_t size)
{
#ifdef kvrealloc
	return kvrealloc(p, size, GFP_KERNEL);
#else
	return kvrealloc(p, old, size, GFP_KERNEL);
#endif
}

static void virtual(size_t size)
{
	static const size_t steps[] = { 8, 700, 5 * PAGE_SIZE, SZ_4M + 5 * PAGE_SIZE, SZ_4M + SZ_1M,
					SZ_4M + SZ_2M - PAGE_SIZE };
	u8 *p;
	int i;

	FREED("kvmalloc", size, kvfree, kvmalloc(size, GFP_KERNEL));
	ZEROED("kvmalloc-large", 40 * PAGE_SIZE, kvfree, kvzalloc(40 * PAGE_SIZE, GFP_KERNEL));
	p = kvmalloc(size, GFP_KERNEL);
	if (!usable("kvrealloc-old", p, size))
		return;
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		p = regrow(p, i ? size + steps[i - 1] : size, size + steps[i]);
		if (!grown("kvrealloc", p, i ? size + steps[i - 1] : size, size + steps[i]))
			return;
	}
	kvfree(p);
}

static void shared_slab(size_t size)
{
	u8 *old, *p;

	FREED("kmalloc-dma", size, kfree, kmalloc(size, GFP_KERNEL | GFP_DMA));
	old = kmalloc(size, GFP_KERNEL_ACCOUNT);
	if (usable("kmalloc-account", old, size)) {
		p = krealloc(old, size + 8, GFP_KERNEL_ACCOUNT);
		if (grown("krealloc-account", p, size, size + 8))
			kfree(p);
	}
}

static __printf(1, 2) char *formatted(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = kvasprintf(GFP_KERNEL, format, args);
	va_end(args);
	return text;
}

static void copies(size_t size)
{
	/* The arguments of the process that loads the module */
	const char __user *user = (const char __user *)current->mm->arg_start;
	char begin[4] = "";
	void *p;

	if (copy_from_user(begin, user, 3)) {
		tell("user", "no arguments");
		return;
	}

#define COPY(name, begin, size, expr) do {			\
	p = (expr);						\
	if (holds(name, p, begin, size))			\
		kvfree(p);					\
} while (0)
	COPY("kmemdup", "abc", 4, kmemdup("abc", 4, GFP_KERNEL));
#ifdef kvrealloc
	/* Of newer kernels */
	COPY("kvmemdup", "abc", 4, kvmemdup("abc", 4, GFP_KERNEL));
	COPY("kmemdup-array", "abcd", 4, kmemdup_array("abcd", 2, 2, GFP_KERNEL));
#endif
	COPY("kstrdup", "a text", 7, kstrdup("a text", GFP_KERNEL));
	COPY("kstrndup", "a t", 4, kstrndup("a text", 3, GFP_KERNEL));
	COPY("kmemdup-nul", "a t", 4, kmemdup_nul("a text", 3, GFP_KERNEL));
	COPY("kasprintf", "7 of 9, 1 2 3 4 5 6 7 x", 24,
	     kasprintf(GFP_KERNEL, "%d of %u, %d %d %d %d %d %d %d %s", 7, 9, 1, 2, 3, 4, 5, 6, 7,
		       "x"));
	COPY("kvasprintf", "8 of 10", 8, formatted("%d of %u", 8, 10));
	COPY("memdup-user", begin, 3, memdup_user(user, 3));
	COPY("memdup-user-nul", begin, 4, memdup_user_nul(user, 3));
	COPY("strndup-user", begin, 4, strndup_user(user, 4096));
	COPY("vmemdup-user", begin, 3, vmemdup_user(user, 3));
#undef COPY
	expect("kstrdup-null", !kstrdup(NULL, GFP_KERNEL));
	p = strndup_user(user, 2);
	tell("strndup-user-long", PTR_ERR(p) == -EINVAL ? "ok" : "no error");
	p = memdup_user((const void __user *)~0xfffUL, size);
	tell("memdup-user-fault", PTR_ERR(p) == -EFAULT ? "ok" : "no error");
}

static __printf(1, 2) char *managed_format(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = devm_kvasprintf(dev, GFP_KERNEL, format, args);
	va_end(args);
	return text;
}

/* How many objects stay until the module goes */
static unsigned int kept;

static void managed(size_t size)
{
	u8 *p;

	kept += usable("devm-kmalloc", devm_kmalloc(dev, size, GFP_KERNEL), size);
	p = devm_kzalloc(dev, size, GFP_KERNEL);
	if (zeroed("devm-kfree", p, size))
		devm_kfree(dev, p);
	kept += holds("devm-kmemdup", devm_kmemdup(dev, "abc", 4, GFP_KERNEL), "abc", 4);
	kept += holds("devm-kstrdup", devm_kstrdup(dev, "a text", GFP_KERNEL), "a text", 7);
	kept += holds("devm-kvasprintf", managed_format("port-%d", 4), "port-4", 7);
	p = devm_kasprintf(dev, GFP_KERNEL, "%s-%d", "port", 3);
	if (holds("devm-kasprintf", p, "port-3", 7))
		kept += grown("devm-krealloc-text", devm_krealloc(dev, p, 8 * size, GFP_KERNEL),
			      7, 8 * size);
	p = devm_kmalloc(dev, 6, GFP_KERNEL);
	if (usable("devm-krealloc-old", p, 6)) {
		p = devm_krealloc(dev, p, 8 * size, GFP_KERNEL);
		if (grown("devm-krealloc", p, 6, 8 * size))
			expect("devm-krealloc-free",
			       devm_krealloc(dev, p, 0, GFP_KERNEL) == ZERO_SIZE_PTR);
	}
	kept += usable("devm-krealloc-null", devm_krealloc(dev, NULL, size, GFP_KERNEL), size);
	kept += usable("devm-bitmap", devm_bitmap_alloc(dev, 8 * 64, GFP_KERNEL), 64);
	kept += zeroed("devm-bitmap-zero", devm_bitmap_zalloc(dev, 8 * 64, GFP_KERNEL), 64);
	p = (void *)devm_get_free_pages(dev, GFP_KERNEL | __GFP_ZERO, 1);
	zeroed("devm-pages", p, 2 * PAGE_SIZE);
}

static void released(struct device *of, void *res)
{
	WRITE_ONCE(*(u8 *)res, 1);
}

static void resources(size_t size)
{
	void *p = devres_alloc(released, size, GFP_KERNEL);

	if (zeroed("devres", p, size))
		devres_add(dev, p);
	p = devres_alloc(released, size, GFP_KERNEL);
	if (usable("devres-free", p, size))
		devres_free(p);
}

static void constructed(void *p)
{
	fill(p, 40);
}

static void caches(void)
{
	struct kmem_cache *cache = kmem_cache_create("allocations", 200, 0, 0, NULL);
	struct kmem_cache *ready = kmem_cache_create("allocations-ready", 40, 0, 0, constructed);
	void *p, *bulk[8];
	mempool_t *pool;
	int i, n;

	if (!cache || !ready) {
		tell("cache", "not created");
		return;
	}
	p = kmem_cache_alloc(cache, GFP_KERNEL);
	if (usable("cache", p, 200))
		kmem_cache_free(cache, p);
	p = kmem_cache_alloc(ready, GFP_KERNEL);
	if (usable("cache-constructor", p, 40)) {
		/* As it must be when it is freed. */
		constructed(p);
		kmem_cache_free(ready, p);
	}
	n = kmem_cache_alloc_bulk(cache, GFP_KERNEL, ARRAY_SIZE(bulk), bulk);
	for (i = 0; i < n; i++)
		usable("cache-bulk", bulk[i], 200);
	kmem_cache_free_bulk(cache, n, bulk);

	pool = mempool_create_slab_pool(4, cache);
	p = pool ? mempool_alloc(pool, GFP_KERNEL) : NULL;
	if (usable("mempool-slab", p, 200))
		mempool_free(p, pool);
	mempool_destroy(pool);
	kmem_cache_destroy(ready);
	kmem_cache_destroy(cache);
}

static void shared_pool(void)
{
	mempool_t *pool = mempool_create_kmalloc_pool(4, 120);
	void *p = pool ? mempool_alloc(pool, GFP_KERNEL) : NULL;

	if (usable("mempool-kmalloc", p, 120))
		mempool_free(p, pool);
	mempool_destroy(pool);
}

static void bitmaps(void)
{
	cpumask_var_t mask;

	ZEROED("bitmap", 64, bitmap_free, bitmap_zalloc(500, GFP_KERNEL));
	FREED("bitmap-node", 64, bitmap_free, bitmap_alloc_node(500, GFP_KERNEL, numa_node_id()));
	ZEROED("bitmap-node-zero", 64, bitmap_free,
	       bitmap_zalloc_node(500, GFP_KERNEL, numa_node_id()));
	if (!alloc_cpumask_var(&mask, GFP_KERNEL))
		tell("cpumask", "no memory");
	else if (usable("cpumask", mask, cpumask_size()))
		free_cpumask_var(mask);
}

static void queue(void)
{
	DECLARE_KFIFO_PTR(fifo, u32);
	u32 i, out;
	bool good = true;

	if (kfifo_alloc(&fifo, 16, GFP_KERNEL)) {
		tell("kfifo", "no memory");
		return;
	}
	for (i = 0; i < 40; i++)
		good &= kfifo_put(&fifo, i) && kfifo_get(&fifo, &out) && out == i;
	expect("kfifo", good);
	kfifo_free(&fifo);
}

/* A list of pieces of the same page, none of which follows another */
static void scattered_pages(unsigned int pieces)
{
	static struct page *pages[200];
	struct scatterlist *entry;
	struct sg_table table;
	bool good = true;
	unsigned int i;

	for (i = 0; i < pieces; i++)
		pages[i] = virt_to_page(dev);
	if (sg_alloc_table_from_pages(&table, pages, pieces, 16, pieces * PAGE_SIZE - 32,
				      GFP_KERNEL)) {
		tell("sg-pages", "no memory");
		return;
	}
	for_each_sgtable_sg(&table, entry, i)
		sg_dma_address(entry) = 4711 + i;
	for_each_sgtable_sg(&table, entry, i)
		good &= sg_dma_address(entry) == 4711 + i && sg_page(entry) == virt_to_page(dev) &&
			entry->length == PAGE_SIZE - (i ? 0 : 16) - (i == pieces - 1 ? 16 : 0);
	good &= table.orig_nents == pieces && sg_is_last(sg_last(table.sgl, pieces));
	expect("sg-pages", good);
	sg_free_table(&table);
}

/* Lists of one piece, of one that is large, of one that is a page, and of several */
static void scatterlists(void)
{
	static const unsigned int lengths[] = { 3, 100, SG_MAX_SINGLE_ALLOC,
						SG_MAX_SINGLE_ALLOC + 2, 3 * SG_MAX_SINGLE_ALLOC };
	struct scatterlist *entry;
	struct sg_table table;
	unsigned int i, n;
	bool good = true;

	for (n = 0; n < ARRAY_SIZE(lengths); n++) {
		if (sg_alloc_table(&table, lengths[n], GFP_KERNEL)) {
			tell("sg-table", "no memory");
			return;
		}
		for_each_sg(table.sgl, entry, lengths[n], i)
			sg_set_page(entry, virt_to_page(dev), 16, i);
		for_each_sg(table.sgl, entry, lengths[n], i)
			good &= entry->offset == i;
		expect("sg-table", good);
		sg_free_table(&table);
	}
	scattered_pages(1);
	scattered_pages(200);
}

static void counters(const char *name, u64 __percpu *counts)
{
	bool good = true;
	int cpu;

	if (!counts) {
		tell(name, "no memory");
		return;
	}
	for_each_possible_cpu(cpu)
		good &= fill((u8 *)per_cpu_ptr(counts, cpu), sizeof(*counts));
	expect(name, good);
}

static void each_cpu(void)
{
	u64 __percpu *counts = alloc_percpu(u64);

	counters("percpu", counts);
	free_percpu(counts);
	counters("devm-percpu", devm_alloc_percpu(dev, u64));
}

static void whole_pages(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 1);
	void *p;

	if (usable("pages", page ? page_address(page) : NULL, 2 * PAGE_SIZE))
		__free_pages(page, 1);
	page = &folio_alloc(GFP_KERNEL, 1)->page;
	if (usable("folio", page ? page_address(page) : NULL, 2 * PAGE_SIZE))
		__free_pages(page, 1);
	p = (void *)__get_free_pages(GFP_KERNEL, 1);
	if (usable("free-pages", p, 2 * PAGE_SIZE))
		free_pages((unsigned long)p, 1);
	p = (void *)get_zeroed_page(GFP_KERNEL);
	if (zeroed("zeroed-page", p, PAGE_SIZE))
		free_page((unsigned long)p);
	p = alloc_pages_exact(3 * PAGE_SIZE, GFP_KERNEL);
	if (usable("pages-exact", p, 3 * PAGE_SIZE))
		free_pages_exact(p, 3 * PAGE_SIZE);
	FREED("vmalloc", 3 * PAGE_SIZE, vfree, vmalloc(3 * PAGE_SIZE));
	ZEROED("vzalloc", 3 * PAGE_SIZE, vfree, vzalloc(3 * PAGE_SIZE));
	FREED("vmalloc-node", PAGE_SIZE, vfree, vmalloc_node(PAGE_SIZE, numa_node_id()));
	FREED("vmalloc-user", PAGE_SIZE, vfree, vmalloc_user(PAGE_SIZE));
	FREED("vmalloc-32", PAGE_SIZE, vfree, vmalloc_32(PAGE_SIZE));
	expect("vmalloc-array-too-large", !vmalloc_array(SIZE_MAX / 2, 3));
	FREED("vmalloc-array", 300 * 100, vfree, vmalloc_array(300, 100));
	ZEROED("vcalloc", 300 * 100, vfree, vcalloc(300, 100));
}

static int __init allocations_init(void)
{
	/* Not a constant, and not all of its size class */
	size_t size = 33 + (current->pid & 1);

	dev = root_device_register("allocations");
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	slab(size);
	virtual(size);
	copies(33);
	managed(size);
	caches();
	bitmaps();
	each_cpu();
	whole_pages();
	scatterlists();
	queue();
	if (shared) {
		shared_slab(size);
		resources(33);
		shared_pool();
	}
	pr_info("allocations: kept %u\n", kept);
	return 0;
}

static void __exit allocations_exit(void)
{
	root_device_unregister(dev);
	tell("exit", "ok");
}

module_init(allocations_init);
module_exit(allocations_exit);
MODULE_DESCRIPTION("memory in many ways that Chariot's agent knows of");
MODULE_LICENSE("GPL");
