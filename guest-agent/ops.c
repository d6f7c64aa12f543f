// SPDX-License-Identifier: GPL-2.0-only
/* Slots, and copies of tables of operations. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hash.h>
#include <linux/list.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "agent.h"
#include "call.h"
#include "entry.h"
#include "ops.h"

#define SLOT_HASH_BITS	8

struct slot {
	struct hlist_node node;	/* in its hash chain, or in the list of free ones */
	void *func;		/* the driver's */
	const struct chariot_op *op;
	u16 domain;
};

struct copy {
	struct list_head node;
	const void *table;	/* the driver's */
	const struct chariot_ops *type;
	u16 domain;
	/* Twice the type's size: the copy, then the driver's table as it was copied. */
	u8 data[] __aligned(sizeof(long));
};

static DEFINE_RAW_SPINLOCK(ops_lock);	/* all of these; slots in use are read without */
static struct slot slots[CHARIOT_SLOTS];
static struct hlist_head slot_hash[1 << SLOT_HASH_BITS];
static HLIST_HEAD(slots_free);
static unsigned int slots_fresh;	/* from here on never used */
static LIST_HEAD(copies);

atomic_t chariot_ops_slots_used, chariot_ops_slots_refused;

static bool is_slot(const void *func)
{
	/* Not by the stubs' end: objtool takes that address for a function's, too. */
	return (unsigned long)func - (unsigned long)chariot_slot_stubs <
	       CHARIOT_SLOTS * CHARIOT_SLOT_SIZE;
}

static struct hlist_head *slot_chain(const void *func)
{
	return &slot_hash[hash_ptr(func, SLOT_HASH_BITS)];
}

static const void *slot_address(const struct slot *s)
{
	return chariot_slot_stubs + (s - slots) * CHARIOT_SLOT_SIZE;
}

/* The lock must be held. */
static struct slot *slot_take(void)
{
	struct slot *s;

	if (slots_free.first) {
		s = hlist_entry(slots_free.first, struct slot, node);
		hlist_del(&s->node);
		return s;
	}
	return slots_fresh < CHARIOT_SLOTS ? &slots[slots_fresh++] : NULL;
}

/* What stands for @func. The lock must be held. */
static const void *slot_for(u16 domain, const struct chariot_op *op, void *func)
{
	struct slot *s;

	if (!func || is_slot(func))
		return func;
	hlist_for_each_entry(s, slot_chain(func), node)
		if (s->func == func && s->op == op && s->domain == domain)
			return slot_address(s);
	s = slot_take();
	if (!s) {
		atomic_inc(&chariot_ops_slots_refused);
		return func;
	}
	s->func = func;
	s->op = op;
	s->domain = domain;
	hlist_add_head(&s->node, slot_chain(func));
	atomic_inc(&chariot_ops_slots_used);
	return slot_address(s);
}

/* The lock must be held. Each member is written at once: the kernel may be calling it. */
static void exchange_members(u16 domain, const struct chariot_ops *type, void *table)
{
	const struct chariot_op *op;

	for (op = type->ops; op < type->ops + type->count; op++) {
		const void **member = table + op->offset;
		const void *func = slot_for(domain, op, (void *)*member);

		if (func != *member)
			WRITE_ONCE(*member, func);
	}
}

/* The lock must be held. */
static struct copy *copy_of(u16 domain, const struct chariot_ops *type, const void *table)
{
	struct copy *c;

	list_for_each_entry(c, &copies, node) {
		if (c->type != type || c->domain != domain)
			continue;
		if (c->data == table)
			return c;
		/* A table in memory that was another table before. */
		if (c->table == table && !memcmp(c->data + type->size, table, type->size))
			return c;
	}
	return NULL;
}

/* Exchanges it if there is a copy already. */
static bool exchange_known(u16 domain, const struct chariot_ops *type, const void **table)
{
	unsigned long flags;
	struct copy *c;

	raw_spin_lock_irqsave(&ops_lock, flags);
	c = copy_of(domain, type, *table);
	if (c)
		WRITE_ONCE(*table, c->data);
	raw_spin_unlock_irqrestore(&ops_lock, flags);
	return c;
}

void chariot_ops_exchange(u16 domain, const struct chariot_ops *type, const void **table)
{
	struct copy *c, *new;
	unsigned long flags;

	if (!*table)
		return;
	if (exchange_known(domain, type, table))
		return;
	new = kmalloc(struct_size(new, data, 2 * type->size), GFP_ATOMIC);
	raw_spin_lock_irqsave(&ops_lock, flags);
	c = copy_of(domain, type, *table);
	if (!c && new) {
		c = new;
		new = NULL;
		c->table = *table;
		c->type = type;
		c->domain = domain;
		memcpy(c->data, *table, type->size);
		memcpy(c->data + type->size, *table, type->size);
		exchange_members(domain, type, c->data);
		list_add(&c->node, &copies);
	}
	if (c)
		WRITE_ONCE(*table, c->data);
	raw_spin_unlock_irqrestore(&ops_lock, flags);
	if (!c)
		pr_err_ratelimited("no memory: what %s is lent will be reported\n",
				   chariot_domains[domain].name);
	kfree(new);
}

void chariot_ops_members(u16 domain, const struct chariot_ops *type, void *table)
{
	unsigned long flags;

	if (!table)
		return;
	raw_spin_lock_irqsave(&ops_lock, flags);
	exchange_members(domain, type, table);
	raw_spin_unlock_irqrestore(&ops_lock, flags);
}

void chariot_ops_callback(u16 domain, const struct chariot_op *op, const void **func)
{
	unsigned long flags;

	if (!*func || is_slot(*func))
		return;
	raw_spin_lock_irqsave(&ops_lock, flags);
	*func = slot_for(domain, op, (void *)*func);
	raw_spin_unlock_irqrestore(&ops_lock, flags);
}

void chariot_ops_forget(u16 domain)
{
	struct copy *c, *next;
	struct hlist_node *n;
	unsigned int i;
	struct slot *s;
	LIST_HEAD(gone);

	raw_spin_lock_irq(&ops_lock);
	for (i = 0; i < ARRAY_SIZE(slot_hash); i++) {
		hlist_for_each_entry_safe(s, n, &slot_hash[i], node) {
			if (s->domain != domain)
				continue;
			hlist_del(&s->node);
			hlist_add_head(&s->node, &slots_free);
			atomic_dec(&chariot_ops_slots_used);
		}
	}
	list_for_each_entry_safe(c, next, &copies, node)
		if (c->domain == domain)
			list_move(&c->node, &gone);
	raw_spin_unlock_irq(&ops_lock);
	if (list_empty(&gone))
		return;
	/* Who looked an operation up in a copy has done so. */
	synchronize_rcu();
	list_for_each_entry_safe(c, next, &gone, node)
		kfree(c);
}

/* The entry's: what is to be called. The slot was filled before its address was given away. */
asmlinkage void *chariot_slot_before(struct chariot_call *c)
{
	const struct slot *s = &slots[c->slot];

	c->domain = s->domain;
	if (s->op->before)
		s->op->before(c);
	return s->func;
}

asmlinkage void chariot_slot_after(struct chariot_call *c)
{
	const struct slot *s = &slots[c->slot];

	if (s->op->after)
		s->op->after(c);
}
