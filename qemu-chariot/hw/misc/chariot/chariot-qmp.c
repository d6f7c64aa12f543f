/*
 * Chariot: QMP commands
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#include "qemu/osdep.h"
#include "qapi/clone-visitor.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-chariot.h"
#include "qapi/qapi-visit-chariot.h"
#include "qemu/cutils.h"
#include "chariot.h"

static ChariotModeList *query_modes(ChariotState *s)
{
    uint32_t modes = s->backend.info.modes;
    ChariotModeList *list = NULL;

    for (int mode = QAPI_CHARIOT_MODE__MAX - 1; mode >= 0; mode--) {
        if (modes & (1u << mode)) {
            QAPI_LIST_PREPEND(list, mode);
        }
    }
    return list;
}

static ChariotAgent *query_agent(ChariotState *s)
{
    const ChariotRegs *regs = &s->regs;
    ChariotAgent *agent = g_new0(ChariotAgent, 1);

    agent->negotiated = regs->status & CHARIOT_STATUS_FEATURES;
    agent->features = agent->negotiated ? regs->guest_features : 0;
    agent->ring = regs->status & CHARIOT_STATUS_RING;
    agent->ready = regs->status & CHARIOT_STATUS_READY;
    agent->broken = regs->status & CHARIOT_STATUS_BROKEN;
    if (agent->ring) {
        agent->has_ring_address = true;
        agent->ring_address = regs->ring_addr;
        agent->has_ring_records = true;
        agent->ring_records = 1u << regs->ring_order;
        agent->has_doorbell = s->doorbell != ~0ULL;
        agent->doorbell = s->doorbell;
    }
    agent->guest_errors = s->guest_errors;
    return agent;
}

static ChariotKindCountList *
query_kinds(const struct chariot_domain_stats *stats)
{
    ChariotKindCountList *list = NULL;

    for (int kind = QAPI_CHARIOT_KIND__MAX - 1; kind >= 0; kind--) {
        if (stats->emulated_kinds[kind]) {
            ChariotKindCount *entry = g_new0(ChariotKindCount, 1);

            entry->kind = kind;
            entry->count = stats->emulated_kinds[kind];
            QAPI_LIST_PREPEND(list, entry);
        }
    }
    return list;
}

static ChariotDomainList *query_domains(ChariotState *s)
{
    ChariotDomainList *list = NULL;

    for (uint32_t id = s->n_domains; id >= 1; id--) {
        ChariotDomainState *state = chariot_domain(s, id);
        ChariotDomain *domain = g_new0(ChariotDomain, 1);
        struct chariot_domain_stats stats;

        chariot_backend_domain_stats(s, id, &stats);
        domain->id = id;
        domain->name = g_strdup(state->name);
        domain->policy = state->policy;
        domain->up = stats.up;
        domain->symbols = chariot_symbols_count(state->symbols);
        domain->crossings_in = stats.crossings_in;
        domain->crossings_out = stats.crossings_out;
        domain->fills = stats.fills;
        domain->emulated = stats.emulated;
        domain->emulated_by_kind = query_kinds(&stats);
        domain->violations = stats.violations;
        domain->bad_frees = stats.bad_frees;
        domain->grants = stats.grants;
        domain->grants_peak = stats.grants_peak;
        domain->granted_bytes = stats.granted_bytes;
        domain->granted_bytes_peak = stats.granted_bytes_peak;
        domain->text_bytes = stats.text_bytes;
        QAPI_LIST_PREPEND(list, domain);
    }
    return list;
}

static ChariotBadRecords *query_bad_records(const struct chariot_stats *stats)
{
    ChariotBadRecords *bad = g_new0(ChariotBadRecords, 1);

    bad->type = stats->bad_records[CHARIOT_BAD_TYPE];
    bad->domain = stats->bad_records[CHARIOT_BAD_DOMAIN];
    bad->address = stats->bad_records[CHARIOT_BAD_ADDRESS];
    bad->length = stats->bad_records[CHARIOT_BAD_LENGTH];
    bad->overlap = stats->bad_records[CHARIOT_BAD_OVERLAP];
    bad->sequence = stats->bad_records[CHARIOT_BAD_SEQUENCE];
    bad->torn = stats->bad_records[CHARIOT_BAD_TORN];
    bad->unmapped = stats->bad_records[CHARIOT_BAD_UNMAPPED];
    bad->limit = stats->bad_records[CHARIOT_BAD_LIMIT];
    bad->state = stats->bad_records[CHARIOT_BAD_STATE];
    return bad;
}

static ChariotCounters *query_counters(const struct chariot_stats *stats)
{
    ChariotCounters *counters = g_new0(ChariotCounters, 1);

    counters->faults = stats->faults;
    counters->delegated = stats->delegated;
    counters->fills = stats->fills;
    counters->drops_all = stats->drops_all;
    counters->drops_range = stats->drops_range;
    counters->roots_changed = stats->roots_changed;
    counters->refused_fills = stats->refused_fills;
    counters->crossings_in = stats->crossings_in;
    counters->crossings_out = stats->crossings_out;
    counters->emulated = stats->emulated;
    counters->unemulatable = stats->unemulatable;
    counters->violations = stats->violations;
    counters->bad_frees = stats->bad_frees;
    counters->records = stats->records;
    counters->bad_records = query_bad_records(stats);
    counters->doorbells = stats->doorbells;
    counters->ring_waits = stats->ring_waits;
    counters->walk_pages = stats->walk_pages;
    counters->events_dropped = stats->events_dropped;
    counters->grants = stats->grants;
    counters->view_pages = stats->view_pages;
    counters->view_pages_peak = stats->view_pages_peak;
    counters->view_resets = stats->view_resets;
    counters->revoke_misses = stats->revoke_misses;
    counters->event_deliveries = stats->event_deliveries;
    counters->mmio_faults = stats->mmio_faults;
    counters->walks_completed = stats->walks_completed;
    counters->flushes_vm = stats->flushes_vm;
    counters->flushes_vcpu = stats->flushes_vcpu;
    counters->flushes_address = stats->flushes_address;
    return counters;
}

static ChariotViolationList *query_violations(ChariotState *s)
{
    ChariotViolationList *list = NULL;
    uint64_t oldest = s->n_violations -
                      MIN(s->n_violations, CHARIOT_HISTORY);

    for (uint64_t i = s->n_violations; i > oldest; i--) {
        QAPI_LIST_PREPEND(list, QAPI_CLONE(ChariotViolation,
                                           s->history[(i - 1) %
                                                      CHARIOT_HISTORY]));
    }
    return list;
}

ChariotInfo *qmp_query_chariot(Error **errp)
{
    ChariotState *s = chariot_find();
    ChariotInfo *info = g_new0(ChariotInfo, 1);
    struct chariot_stats stats;

    if (!s) {
        return info;
    }
    /* So that the answer is one that holds together. */
    chariot_events_drain(s);
    chariot_backend_stats(s, &stats);

    info->enabled = true;
    info->has_attached = true;
    info->attached = chariot_attached(s);
    info->has_armed = true;
    info->armed = stats.armed;
    info->agent = query_agent(s);
    info->has_domains = true;
    info->domains = query_domains(s);
    if (info->attached) {
        info->has_modes = true;
        info->modes = query_modes(s);
        info->counters = query_counters(&stats);
    }
    info->has_suppressed = true;
    info->suppressed = s->suppressed;
    info->has_violations = true;
    info->violations = query_violations(s);
    info->has_sites = true;
    info->sites = chariot_sites_list(s);
    info->has_sites_lost = true;
    info->sites_lost = chariot_sites_lost(s);
    return info;
}

/* The domain that is named, or else numbered, @ref; 0 if there is none. */
static uint32_t domain_id(ChariotState *s, const char *ref, Error **errp)
{
    unsigned number;

    for (uint32_t id = 1; id <= s->n_domains; id++) {
        if (!strcmp(chariot_domain(s, id)->name, ref)) {
            return id;
        }
    }
    if (qemu_strtoui(ref, NULL, 10, &number) == 0 &&
        chariot_domain(s, number)) {
        return number;
    }
    error_setg(errp, "no domain has name or id '%s'", ref);
    return 0;
}

void qmp_chariot_set_policy(const char *domain, ChariotPolicy policy,
                            Error **errp)
{
    ChariotState *s = chariot_find();
    uint32_t id;
    int ret;

    if (!s) {
        error_setg(errp, "this VM has no chariot-pci device");
        return;
    }
    id = domain_id(s, domain, errp);
    if (!id) {
        return;
    }
    ret = chariot_backend_set_policy(s, id, policy);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "kvm-chariot refuses policy %s",
                         ChariotPolicy_str(policy));
        return;
    }
    if (chariot_domain(s, id)->policy != policy) {
        chariot_domain(s, id)->policy = policy;
        chariot_raise_irq(s, CHARIOT_IRQ_POLICY);
    }
}
