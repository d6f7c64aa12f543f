// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stands in for the device and the host: consumes the ring and checks each
 * record against what the host promises to refuse: order, unknown domains,
 * overlapping grants, revokes of what was never granted.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": dryrun: " fmt

#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "agent.h"
#include "dryrun.h"
#include "frees.h"
#include "ring.h"

#define DRYRUN_TYPES	(CHARIOT_REC_BAD_FREE + 1)

struct extent {
	struct rb_node node;
	u64 gpa, len;
	u8 kind;
};

static DEFINE_RAW_SPINLOCK(lock);
static struct rb_root grants[CHARIOT_DOMAINS + 1];
static bool domain_up[CHARIOT_DOMAINS + 1];
static u64 count[DRYRUN_TYPES], live[CHARIOT_DOMAINS + 1][CHARIOT_KIND_MAX + 1];
static u64 bad, tail;

/* The first extent that ends behind @gpa. */
static struct extent *extent_at(struct rb_root *root, u64 gpa)
{
	struct rb_node *n = root->rb_node;
	struct extent *best = NULL;

	while (n) {
		struct extent *e = rb_entry(n, struct extent, node);

		if (e->gpa + e->len > gpa) {
			best = e;
			n = n->rb_left;
		} else {
			n = n->rb_right;
		}
	}
	return best;
}

static void extent_insert(struct rb_root *root, struct extent *new)
{
	struct rb_node **p = &root->rb_node, *parent = NULL;

	while (*p) {
		parent = *p;
		if (new->gpa < rb_entry(parent, struct extent, node)->gpa)
			p = &parent->rb_left;
		else
			p = &parent->rb_right;
	}
	rb_link_node(&new->node, parent, p);
	rb_insert_color(&new->node, root);
}

static void extent_drop(u16 domain, struct extent *e)
{
	live[domain][e->kind]--;
	rb_erase(&e->node, &grants[domain]);
	kfree(e);
}

static void drop_all(u16 domain)
{
	struct rb_node *n;

	while ((n = rb_first(&grants[domain])))
		extent_drop(domain, rb_entry(n, struct extent, node));
}

static const char *consume(const struct chariot_rec *r)
{
	struct extent *e;

	if (!r->type || r->type >= DRYRUN_TYPES)
		return "unknown type";
	if (r->domain > CHARIOT_DOMAINS && r->type != CHARIOT_REC_CPU)
		return "unknown domain";
	count[r->type]++;
	switch (r->type) {
	case CHARIOT_REC_DOMAIN_UP:
		drop_all(r->domain);
		domain_up[r->domain] = true;
		break;
	case CHARIOT_REC_DOMAIN_DOWN:
		drop_all(r->domain);
		domain_up[r->domain] = false;
		break;
	case CHARIOT_REC_TEXT:
	case CHARIOT_REC_TEXT_GONE:
		if (!domain_up[r->domain] || !r->len || !PAGE_ALIGNED(r->gpa | r->len))
			return "text";
		break;
	case CHARIOT_REC_BAD_FREE:
		pr_warn("domain %u frees 0x%llx (kind %u), returning to %pS: 0x%llx\n", r->domain,
			r->gpa, r->kind, (void *)r->va, r->len);
		break;
	case CHARIOT_REC_GRANT:
		if (!domain_up[r->domain])
			return "grant to a domain that is not up";
		if (!r->len || r->kind > CHARIOT_KIND_MAX)
			return "length or kind";
		e = extent_at(&grants[r->domain], r->gpa);
		if (e && e->gpa < r->gpa + r->len) {
			pr_err("overlaps 0x%llx+0x%llx kind %u\n", e->gpa, e->len, e->kind);
			return "overlap";
		}
		e = kmalloc(sizeof(*e), GFP_ATOMIC);
		if (!e)
			return "no memory here";
		e->gpa = r->gpa;
		e->len = r->len;
		e->kind = r->kind;
		extent_insert(&grants[r->domain], e);
		live[r->domain][e->kind]++;
		break;
	case CHARIOT_REC_REVOKE:
		if (r->kind)
			return "unused field";
		if (!domain_up[r->domain])
			return "revoke from a domain that is not up";
		e = extent_at(&grants[r->domain], r->gpa);
		if (!r->len) {
			if (!e || e->gpa != r->gpa)
				return "revoke of nothing";
			extent_drop(r->domain, e);
			break;
		}
		if (!e || e->gpa >= r->gpa + r->len)
			return "revoke of nothing";
		while (e && e->gpa >= r->gpa && e->gpa + e->len <= r->gpa + r->len) {
			extent_drop(r->domain, e);
			e = extent_at(&grants[r->domain], r->gpa);
		}
		break;
	}
	return NULL;
}

/*
 * Frees its own nodes, which the kfree tracepoint reports to the agent: never
 * a tracked object, so it does not come back here.
 */
static void dryrun_doorbell(void)
{
	const struct chariot_ring *ring = chariot_ring_get();
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	for (;;) {
		struct chariot_rec *r = &ring->rec[tail & ((1ULL << ring->order) - 1)];
		const char *why;

		/* Pairs with the producer's release of seq. */
		if (smp_load_acquire(&r->seq) != (u32)(tail + 1))
			break;
		why = consume(r);
		if (why) {
			bad++;
			pr_err("%s: type %u kind %u domain %u gpa 0x%llx va 0x%llx len 0x%llx\n",
			       why, r->type, r->kind, r->domain, r->gpa, r->va, r->len);
		}
		tail++;
		/* Pairs with the producer's acquire of tail: the slot is free. */
		smp_store_release(&ring->header->tail, tail);
	}
	raw_spin_unlock_irqrestore(&lock, flags);
}

static bool dryrun_broken(void)
{
	return false;
}

static bool dryrun_refuses(u16 domain)
{
	return false;
}

int chariot_dryrun_start(const char *list)
{
	char *copy, *cur, *name;
	u16 id = 0;
	int ret = 0;

	copy = kstrdup(list, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	cur = copy;
	while (!ret && (name = strsep(&cur, ":")))
		if (*name)
			ret = chariot_domain_add(++id, name);
	kfree(copy);
	if (!ret)
		ret = chariot_ring_alloc(CHARIOT_RING_ORDER_MIN, dryrun_doorbell, dryrun_broken);
	if (!ret)
		chariot_frees_init(dryrun_refuses);
	if (!ret)
		ret = chariot_arm();
	return ret;
}

void chariot_dryrun_show(struct seq_file *m)
{
	unsigned long flags;
	unsigned int i, k;

	raw_spin_lock_irqsave(&lock, flags);
	seq_printf(m, "dryrun_bad %llu\n", bad);
	for (i = 1; i < DRYRUN_TYPES; i++)
		seq_printf(m, "dryrun_records_type%u %llu\n", i, count[i]);
	for (i = 1; i <= chariot_nr_domains; i++)
		for (k = 0; k <= CHARIOT_KIND_MAX; k++)
			if (live[i][k])
				seq_printf(m, "dryrun_grants_domain%u_kind%u %llu\n", i, k,
					   live[i][k]);
	raw_spin_unlock_irqrestore(&lock, flags);
}
