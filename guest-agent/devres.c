// SPDX-License-Identifier: GPL-2.0-only
/* Memory that is freed with a device, from the domain's heap. */
#include <linux/device.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <uapi/chariot_ring.h>

#include "devres.h"
#include "heap.h"
#include "memory.h"
#include "track.h"

struct devm_memory {
	void *p;
};

static void devm_release(struct device *dev, void *res)
{
	kfree(((struct devm_memory *)res)->p);
}

static int devm_match(struct device *dev, void *res, void *p)
{
	return ((struct devm_memory *)res)->p == p;
}

void *chariot_devm_kmalloc(u16 domain, struct device *dev, size_t size, gfp_t flags)
{
	struct devm_memory *res;
	void *p;

	p = chariot_heap_alloc(domain, size, flags, dev_to_node(dev));
	if (ZERO_OR_NULL_PTR(p))
		return p;
	res = devres_alloc(devm_release, sizeof(*res), flags);
	if (!res) {
		kfree(p);
		return NULL;
	}
	res->p = p;
	devres_add(dev, res);
	return p;
}

void *chariot_devm_kmemdup(u16 domain, struct device *dev, const void *src, size_t len, gfp_t flags)
{
	void *p = chariot_devm_kmalloc(domain, dev, len, flags);

	if (!ZERO_OR_NULL_PTR(p))
		memcpy(p, src, len);
	return p;
}

char *chariot_devm_kstrdup(u16 domain, struct device *dev, const char *s, gfp_t flags)
{
	return s ? chariot_devm_kmemdup(domain, dev, s, strlen(s) + 1, flags) : NULL;
}

char *chariot_devm_text_move(u16 domain, struct device *dev, char *text, gfp_t flags)
{
	char *p = chariot_devm_kstrdup(domain, dev, text, flags);

	if (text)
		devm_kfree(dev, text);
	return p;
}

void chariot_devm_kfree(struct device *dev, const void *p)
{
	if (!ZERO_OR_NULL_PTR(p) && devres_release(dev, devm_release, devm_match, (void *)p))
		devm_kfree(dev, p);
}

/* Memory that the kernel allocated: it stays in the kernel's caches. */
static void *krealloc_foreign(u16 domain, struct device *dev, void *p, size_t size, gfp_t flags)
{
	void *new = devm_krealloc(dev, p, size, flags);

	if (new)
		chariot_grant(domain, new, size, CHARIOT_KIND_SLAB);
	return new;
}

void *chariot_devm_krealloc(u16 domain, struct device *dev, void *p, size_t size, gfp_t flags)
{
	struct devm_memory *res;
	void *new;

	if (!size) {
		chariot_devm_kfree(dev, p);
		return ZERO_SIZE_PTR;
	}
	if (ZERO_OR_NULL_PTR(p))
		return chariot_devm_kmalloc(domain, dev, size, flags);
	res = devres_find(dev, devm_release, devm_match, p);
	if (!res)
		return krealloc_foreign(domain, dev, p, size, flags);
	/*
	 * Its place among what is freed with the device stays what it was. Once
	 * it is freed its address may be somebody else's, who is to find himself.
	 */
	res->p = NULL;
	new = chariot_krealloc(domain, p, size, flags);
	res->p = new ?: p;
	return new;
}
