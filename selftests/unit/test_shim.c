// SPDX-License-Identifier: GPL-2.0-only
/* The shim itself: what the other tests rely on. */
#include <linux/bitmap.h>
#include <linux/bug.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mem_encrypt.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/printk.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/errno.h>
#include <linux/err.h>
#include <linux/limits.h>

#include "ktap.h"

TEST(allocations_are_counted_and_can_fail)
{
	unsigned long live = shim_live();
	void *p[3];

	shim_fail_alloc(1, false);
	p[0] = kmalloc(8, GFP_KERNEL);
	p[1] = kmalloc(8, GFP_KERNEL);
	p[2] = kmalloc(8, GFP_KERNEL);
	CHECK(p[0] && !p[1] && p[2]);
	CHECK_EQ(shim_live(), live + 2);
	kfree(p[0]);
	kfree(p[2]);
	shim_fail_alloc(0, true);
	CHECK(!get_zeroed_page(GFP_KERNEL_ACCOUNT));
	CHECK(!kvmalloc_array(1, 8, GFP_KERNEL_ACCOUNT));
	shim_fail_alloc(~0ul, false);
	CHECK(!kcalloc(SIZE_MAX / 2, 4, GFP_KERNEL));
}

TEST(sleeping_under_a_spinlock_warns)
{
	DEFINE_SPINLOCK(lock);
	DEFINE_MUTEX(mutex);

	mutex_lock(&mutex);
	lockdep_assert_held(&mutex);
	kfree(kmalloc(8, GFP_KERNEL));
	CHECK_EQ(shim_warnings(), 0);
	spin_lock(&lock);
	lockdep_assert_held(&lock);
	kfree(kmalloc(8, GFP_ATOMIC));
	CHECK_EQ(shim_warnings(), 0);
	kfree(kmalloc(8, GFP_KERNEL));
	CHECK_EQ(shim_warnings(), 1);
	spin_unlock(&lock);
	mutex_unlock(&mutex);
	lockdep_assert_held(&lock);
	CHECK_EQ(shim_warnings(), 2);
	shim_reset();
}

struct thing {
	struct rb_node node;
	struct list_head link;
};

TEST(kernel_containers_link)
{
	struct rb_root root = RB_ROOT;
	DECLARE_BITMAP(bits, 100);
	struct thing thing;
	LIST_HEAD(list);

	rb_link_node(&thing.node, NULL, &root.rb_node);
	rb_insert_color(&thing.node, &root);
	CHECK(rb_entry(rb_first(&root), struct thing, node) == &thing);
	list_add(&thing.link, &list);
	CHECK(list_first_entry(&list, struct thing, link) == &thing);
	bitmap_zero(bits, 100);
	__set_bit(70, bits);
	CHECK_EQ(find_first_bit(bits, 100), 70);
	CHECK_EQ(min_t(u64, 1, 2), 1);
}
