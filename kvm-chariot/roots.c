// SPDX-License-Identifier: GPL-2.0-only
/* Which of KVM's roots a vCPU's views belong to; see roots.h. */
#include <linux/kernel.h>

#include "roots.h"

void chariot_roots_init(struct chariot_roots *roots)
{
	int i;

	for (i = 0; i < CHARIOT_ROOTS; i++)
		roots->root[i].base = CHARIOT_BASE_NONE;
}

static void give_to(struct chariot_root *root, u64 base)
{
	int d;

	root->base = base;
	for (d = 0; d <= CHARIOT_DOMAINS_MAX; d++) {
		if (root->view[d])
			chariot_view_set_base(root->view[d], base);
	}
}

/* A free one, the same again and again so that few have tables; else the one used longest ago. */
static struct chariot_root *choose(struct chariot_roots *roots)
{
	struct chariot_root *oldest = &roots->root[0];
	int i;

	for (i = 0; i < CHARIOT_ROOTS; i++) {
		if (roots->root[i].base == CHARIOT_BASE_NONE)
			return &roots->root[i];
		if (roots->root[i].used < oldest->used)
			oldest = &roots->root[i];
	}
	return oldest;
}

struct chariot_root *chariot_roots_load(struct chariot_roots *roots, u64 base, bool *flush)
{
	struct chariot_root *root;
	int i;

	*flush = false;
	for (i = 0; i < CHARIOT_ROOTS; i++) {
		root = &roots->root[i];
		if (root->base == base)
			goto found;
	}
	root = choose(roots);
	*flush = root->base != CHARIOT_BASE_NONE;
	give_to(root, base);
found:
	root->used = ++roots->clock;
	roots->cur = root;
	return root;
}

static bool is_held(const u64 *bases, unsigned int nr, u64 base)
{
	while (nr) {
		if (bases[--nr] == base)
			return true;
	}
	return false;
}

void chariot_roots_flush(struct chariot_roots *roots, const u64 *bases, unsigned int nr)
{
	struct chariot_root *root;
	int i, d;

	for (i = 0; i < CHARIOT_ROOTS; i++) {
		root = &roots->root[i];
		if (root->base == CHARIOT_BASE_NONE)
			continue;
		if (bases && !is_held(bases, nr, root->base)) {
			if (roots->cur == root)
				roots->cur = NULL;
			give_to(root, CHARIOT_BASE_NONE);
			continue;
		}
		for (d = 0; d <= CHARIOT_DOMAINS_MAX; d++) {
			if (root->view[d])
				root->view[d]->stale = true;
		}
	}
}

void chariot_roots_add(struct chariot_root *root, struct chariot_view *view)
{
	chariot_view_set_base(view, root->base);
	root->view[view->domain] = view;
}
