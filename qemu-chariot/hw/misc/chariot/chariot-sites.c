/*
 * Chariot: places in drivers that violate
 *
 * An audit wants to know each of them, not each time. A site is the place in
 * the driver, what is wrong there, and what kind of memory it is about.
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#include "qemu/osdep.h"
#include "qapi/clone-visitor.h"
#include "qapi/qapi-visit-chariot.h"
#include "chariot.h"

/* All of it is compared: no padding. */
typedef struct SiteKey {
    uint64_t place;
    uint32_t domain;
    uint32_t size;
    uint8_t reason, region, near_kind, near_domain;
    uint32_t zero;
} SiteKey;

typedef struct Site {
    SiteKey key;
    ChariotSite *site;
} Site;

static guint key_hash(gconstpointer p)
{
    const SiteKey *key = p;

    return g_int64_hash(&key->place) ^ key->domain ^ key->size << 8 ^
           key->region << 16 ^ key->near_kind << 24;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    return !memcmp(a, b, sizeof(SiteKey));
}

static void site_free(gpointer p)
{
    Site *site = p;

    qapi_free_ChariotSite(site->site);
    g_free(site);
}

static SiteKey key_of(const ChariotViolation *v)
{
    SiteKey key = {
        .place = v->library ? v->caller : v->rip,
        .domain = v->domain,
        .size = v->size,
        .reason = v->reason,
        .region = v->region,
    };

    if (v->owned) {
        key.near_kind = v->near->kind;
        key.near_domain = v->near->domain;
    }
    return key;
}

bool chariot_sites_add(ChariotState *s, const ChariotViolation *v)
{
    SiteKey key = key_of(v);
    Site *site;

    if (!s->sites) {
        s->sites = g_hash_table_new_full(key_hash, key_equal, NULL, site_free);
    }
    site = g_hash_table_lookup(s->sites, &key);
    if (site) {
        site->site->count += v->count;
        site->site->lowest = MIN(site->site->lowest, v->address);
        site->site->highest = MAX(site->site->highest, v->address);
        return false;
    }
    if (g_hash_table_size(s->sites) == CHARIOT_SITES) {
        s->sites_lost += v->count;
        return true;
    }
    site = g_new0(Site, 1);
    site->key = key;
    site->site = g_new0(ChariotSite, 1);
    site->site->count = v->count;
    site->site->lowest = site->site->highest = v->address;
    site->site->first = QAPI_CLONE(ChariotViolation, v);
    g_hash_table_insert(s->sites, &site->key, site);
    return true;
}

static gint by_sequence(gconstpointer a, gconstpointer b)
{
    const Site *x = a, *y = b;
    uint64_t p = x->site->first->sequence, q = y->site->first->sequence;

    return p < q ? -1 : p > q;
}

ChariotSiteList *chariot_sites_list(ChariotState *s)
{
    ChariotSiteList *list = NULL, **tail = &list;
    GList *sites = s->sites ? g_hash_table_get_values(s->sites) : NULL;

    sites = g_list_sort(sites, by_sequence);
    for (GList *e = sites; e; e = e->next) {
        QAPI_LIST_APPEND(tail, QAPI_CLONE(ChariotSite,
                                          ((Site *)e->data)->site));
    }
    g_list_free(sites);
    return list;
}

void chariot_sites_exit(ChariotState *s)
{
    g_clear_pointer(&s->sites, g_hash_table_destroy);
}
