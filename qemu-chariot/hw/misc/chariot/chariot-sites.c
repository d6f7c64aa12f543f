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
    bool old; /* the domain came up since it violated last */
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

static gboolean of_domain(gpointer key, gpointer site, gpointer domain)
{
    return ((SiteKey *)key)->domain == *(uint32_t *)domain;
}

/* The number of places of one domain: no other's are taken. */
static unsigned quota(const ChariotState *s)
{
    return MAX(CHARIOT_SITES / MAX(s->n_domains, 1), CHARIOT_SITES_LEAST);
}

/* Makes room for a place of @domain's; false if there is none. */
static bool make_room(ChariotState *s, uint32_t id, ChariotDomainState *domain)
{
    GHashTableIter iter;
    gpointer p;

    if (domain->n_sites < quota(s)) {
        return true;
    }
    if (!domain->n_old) {
        return false;
    }
    g_hash_table_iter_init(&iter, s->sites);
    while (g_hash_table_iter_next(&iter, NULL, &p)) {
        Site *site = p;

        if (site->key.domain == id && site->old) {
            domain->sites_lost += site->site->count;
            domain->n_old--;
            domain->n_sites--;
            g_hash_table_iter_remove(&iter);
            return true;
        }
    }
    return false;
}

bool chariot_sites_add(ChariotState *s, const ChariotViolation *v)
{
    ChariotDomainState *domain = chariot_domain(s, v->domain);
    SiteKey key = key_of(v);
    Site *site;

    if (!domain) {
        return true;
    }
    if (!s->sites) {
        s->sites = g_hash_table_new_full(key_hash, key_equal, NULL, site_free);
    }
    site = g_hash_table_lookup(s->sites, &key);
    if (site) {
        site->site->count += v->count;
        site->site->lowest = MIN(site->site->lowest, v->address);
        site->site->highest = MAX(site->site->highest, v->address);
        if (!site->old) {
            return false;
        }
        site->old = false;
        domain->n_old--;
        return true;
    }
    if (!make_room(s, v->domain, domain)) {
        domain->sites_lost += v->count;
        return true;
    }
    site = g_new0(Site, 1);
    site->key = key;
    site->site = g_new0(ChariotSite, 1);
    site->site->count = v->count;
    site->site->lowest = site->site->highest = v->address;
    site->site->first = QAPI_CLONE(ChariotViolation, v);
    g_hash_table_insert(s->sites, &site->key, site);
    domain->n_sites++;
    return true;
}

void chariot_sites_up(ChariotState *s, uint32_t id)
{
    ChariotDomainState *domain = chariot_domain(s, id);
    GHashTableIter iter;
    gpointer p;

    /* Addresses of before a reset mean nothing to the guest of now. */
    if (domain->was_reset) {
        if (s->sites) {
            g_hash_table_foreach_remove(s->sites, of_domain, &id);
        }
        domain->n_sites = domain->n_old = 0;
        domain->sites_lost = 0;
        domain->was_reset = false;
        return;
    }
    if (!domain->n_sites) {
        return;
    }
    g_hash_table_iter_init(&iter, s->sites);
    while (g_hash_table_iter_next(&iter, NULL, &p)) {
        Site *site = p;

        if (site->key.domain == id) {
            site->old = true;
        }
    }
    domain->n_old = domain->n_sites;
}

uint64_t chariot_sites_lost(ChariotState *s)
{
    uint64_t lost = 0;

    for (uint32_t id = 1; id <= s->n_domains; id++) {
        lost += chariot_domain(s, id)->sites_lost;
    }
    return lost;
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
