/*
 * Chariot: events of the host module
 *
 * Events are read, turned into what the monitor shows while the symbols that
 * this needs are there, and sent at a limited rate: a guest can cause any
 * number.
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#include "qemu/osdep.h"
#include "qapi/clone-visitor.h"
#include "qapi/qapi-events-chariot.h"
#include "qapi/qapi-visit-chariot.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "chariot.h"

/* Events read at once. */
#define BATCH 32

/* Farther off than this, what lies nearest says nothing about the target. */
#define NEAR_BYTES 4096

/* Burst, and the time until there is one more token. */
#define LIMIT_TOKENS 16
#define LIMIT_TOKEN_MS 125

/* The names of the ABI's values are QAPI's, in the same order. */
QEMU_BUILD_BUG_ON((int)QAPI_CHARIOT_REGION__MAX != CHARIOT_REGION_MAX + 1);
QEMU_BUILD_BUG_ON((int)QAPI_CHARIOT_KIND__MAX != CHARIOT_KIND_MAX + 1);
QEMU_BUILD_BUG_ON((int)CHARIOT_REASON_INVALID_FREE != CHARIOT_WHY_FREE_INVALID);
QEMU_BUILD_BUG_ON((int)CHARIOT_RING_ERROR_BROKEN != CHARIOT_BAD_STATE + 1);

static const char *const kind_nouns[QAPI_CHARIOT_KIND__MAX] = {
    [CHARIOT_KIND_UNKNOWN] = "range",
    [CHARIOT_KIND_SECTION] = "module section",
    [CHARIOT_KIND_PERCPU] = "per-CPU area",
    [CHARIOT_KIND_SLAB] = "slab object",
    [CHARIOT_KIND_HEAP] = "range of the private heap",
    [CHARIOT_KIND_PAGES] = "range of pages",
    [CHARIOT_KIND_VMALLOC] = "vmalloc area",
    [CHARIOT_KIND_DMA] = "DMA buffer",
    [CHARIOT_KIND_MMIO] = "I/O mapping",
    [CHARIOT_KIND_NETDEV] = "net_device",
    [CHARIOT_KIND_SKB] = "sk_buff",
    [CHARIOT_KIND_SKB_DATA] = "sk_buff data area",
    [CHARIOT_KIND_ARGUMENT] = "argument",
    [CHARIOT_KIND_RULE] = "field of a rule",
    [CHARIOT_KIND_OBJECT] = "object",
    [CHARIOT_KIND_STACK] = "stack",
};

static const char *const region_nouns[QAPI_CHARIOT_REGION__MAX] = {
    [CHARIOT_REGION_OTHER] = "an address of no known region",
    [CHARIOT_REGION_TEXT] = "code of the kernel",
    [CHARIOT_REGION_RODATA] = "read-only data of the kernel",
    [CHARIOT_REGION_DATA] = "data of the kernel",
    [CHARIOT_REGION_PERCPU] = "per-CPU variables of the kernel",
    [CHARIOT_REGION_DIRECTMAP] = "memory that the driver does not own",
    [CHARIOT_REGION_VMALLOC] = "a vmalloc area that the driver does not own",
    [CHARIOT_REGION_VMEMMAP] = "the array of struct page",
    [CHARIOT_REGION_MODULES] = "memory of another module",
    [CHARIOT_REGION_USER] = "an address of user space",
};

static const char *domain_name(ChariotState *s, uint32_t id)
{
    ChariotDomainState *domain = chariot_domain(s, id);

    return domain ? domain->name : "kernel";
}

static char *hex(const uint8_t *data, size_t len)
{
    GString *text = g_string_sized_new(2 * len);

    for (size_t i = 0; i < len; i++) {
        g_string_append_printf(text, "%02x", data[i]);
    }
    return g_string_free(text, FALSE);
}

/* "16 bytes past a 96-byte slab object of e1000" */
static char *describe_target(const ChariotViolation *v)
{
    const ChariotNeighbour *near = v->near;
    g_autofree char *where = NULL;
    uint64_t distance;

    if (!near) {
        return g_strdup(region_nouns[v->region]);
    }
    distance = near->distance < 0 ? -(uint64_t)near->distance : near->distance;
    if (distance > NEAR_BYTES) {
        return g_strdup(region_nouns[v->region]);
    }
    if (v->owned) {
        where = g_strdup("inside");
    } else if (distance == 0) {
        where = g_strdup("right behind");
    } else {
        where = g_strdup_printf("%" PRIu64 " byte%s %s", distance,
                                distance == 1 ? "" : "s",
                                near->distance < 0 ? "before" : "past");
    }
    return g_strdup_printf("%s a %" PRIu64 "-byte %s of %s", where,
                           near->length, kind_nouns[near->kind], near->name);
}

/* "not where a 192-byte object begins, but 64 bytes on" */
static char *describe_free(const ChariotViolation *v)
{
    const char *noun = kind_nouns[v->frees];

    switch (v->reason) {
    case CHARIOT_REASON_DOUBLE_FREE:
        return g_strdup_printf("a %s that is free already", noun);
    case CHARIOT_REASON_INTERIOR_FREE:
        return v->object ?
            g_strdup_printf("%" PRIu64 " bytes into a %" PRIu64 "-byte object",
                            v->address - v->object->address,
                            v->object->length) :
            g_strdup_printf("inside a %s", noun);
    case CHARIOT_REASON_FOREIGN_FREE:
        return g_strdup_printf("a %s that is not the driver's to free", noun);
    default:
        return g_strdup_printf("no %s", noun);
    }
}

static ChariotNeighbour *near_new(ChariotState *s,
                                  const struct chariot_event *event)
{
    ChariotNeighbour *near = g_new0(ChariotNeighbour, 1);

    near->domain = event->violation.near_domain;
    near->name = g_strdup(domain_name(s, near->domain));
    near->kind = event->violation.near_kind < QAPI_CHARIOT_KIND__MAX ?
        event->violation.near_kind : QAPI_CHARIOT_KIND_UNKNOWN;
    near->distance = event->violation.near_distance;
    near->address = event->violation.near_va;
    near->physical = event->violation.near_gpa;
    near->length = event->violation.near_len;
    return near;
}

static ChariotCall *call_new(const ChariotSymbols *syms,
                             const struct chariot_event *event)
{
    ChariotCall *call = g_new0(ChariotCall, 1);

    call->entry = event->violation.call_entry;
    call->function = chariot_symbols_name(syms, call->entry);
    call->q_return = event->violation.call_return;
    call->rsp = event->violation.call_rsp;
    for (int i = ARRAY_SIZE(event->violation.call_args) - 1; i >= 0; i--) {
        QAPI_LIST_PREPEND(call->arguments, event->violation.call_args[i]);
    }
    return call;
}

static void free_fill(ChariotViolation *v, const ChariotSymbols *syms,
                      const struct chariot_event *event)
{
    v->frees = event->violation.free_kind < QAPI_CHARIOT_KIND__MAX ?
        event->violation.free_kind : QAPI_CHARIOT_KIND_UNKNOWN;
    v->function = chariot_symbols_return_name(syms, v->rip);
    if (event->violation.object_len) {
        v->object = g_new0(ChariotObject, 1);
        v->object->address = event->violation.object_va;
        v->object->length = event->violation.object_len;
    }
}

static ChariotViolation *violation_new(ChariotState *s,
                                       const struct chariot_event *event)
{
    ChariotDomainState *domain = chariot_domain(s, event->domain);
    const ChariotSymbols *syms = domain ? domain->symbols : NULL;
    uint32_t flags = event->violation.flags;
    ChariotViolation *v = g_new0(ChariotViolation, 1);

    v->sequence = event->seq;
    v->time = event->time_ns;
    v->domain = event->domain;
    v->name = g_strdup(domain_name(s, event->domain));
    v->has_vcpu = event->vcpu != ~0U;
    v->vcpu = event->vcpu;
    v->policy = MIN(event->violation.policy, QAPI_CHARIOT_POLICY__MAX - 1);
    v->blocked = flags & CHARIOT_VF_BLOCKED;
    v->reason = MIN(event->violation.why, CHARIOT_REASON__MAX - 1);
    v->rip = event->violation.rip;
    v->has_frees = v->reason >= CHARIOT_REASON_DOUBLE_FREE;
    v->library = flags & CHARIOT_VF_LIBRARY;
    if (v->has_frees) {
        free_fill(v, syms, event);
    } else if (v->library) {
        v->has_caller = true;
        v->caller = event->violation.caller;
        v->caller_function = chariot_symbols_return_name(syms, v->caller);
    } else {
        v->function = chariot_symbols_name(syms, v->rip);
    }
    v->rsp = event->violation.rsp;
    v->address = event->violation.gva;
    v->has_physical = flags & CHARIOT_VF_GPA;
    v->physical = event->violation.gpa;
    v->size = event->violation.size;
    v->count = event->violation.count;
    v->region = event->violation.region < QAPI_CHARIOT_REGION__MAX ?
        event->violation.region : QAPI_CHARIOT_REGION_OTHER;
    v->owned = flags & CHARIOT_VF_OWNER;
    if (flags & CHARIOT_VF_DATA) {
        v->data = hex(event->violation.data,
                      MIN(event->violation.data_len, CHARIOT_EVENT_DATA));
    }
    if (flags & (CHARIOT_VF_NEAR | CHARIOT_VF_OWNER)) {
        v->near = near_new(s, event);
    }
    if (flags & CHARIOT_VF_CALL) {
        v->call = call_new(syms, event);
    }
    v->target = v->has_frees ? describe_free(v) : describe_target(v);
    v->dropped = event->dropped;
    return v;
}

static ChariotLimit *limit_of(ChariotState *s, uint32_t domain,
                              ChariotSignal signal)
{
    return &s->limits[domain <= s->n_domains ? domain : 0][signal];
}

static bool limit_take(ChariotLimit *limit)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    int64_t fresh = (now - limit->refilled) / LIMIT_TOKEN_MS;

    if (limit->tokens + fresh >= LIMIT_TOKENS) {
        limit->tokens = LIMIT_TOKENS;
        limit->refilled = now;
    } else {
        limit->tokens += fresh;
        limit->refilled += fresh * LIMIT_TOKEN_MS;
    }
    if (!limit->tokens) {
        return false;
    }
    limit->tokens--;
    return true;
}

static bool limit_holds(const ChariotLimit *limit)
{
    return limit->event || limit->violation;
}

static void limit_arm(ChariotState *s)
{
    if (!timer_pending(s->limit_timer)) {
        timer_mod(s->limit_timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                  LIMIT_TOKEN_MS);
    }
}

static void send_violation(ChariotLimit *limit, ChariotViolation *v)
{
    v->suppressed = limit->suppressed;
    limit->suppressed = 0;
    qapi_event_send_chariot_violation(v);
}

static void send_event(ChariotState *s, ChariotLimit *limit,
                       const struct chariot_event *event)
{
    const char *name = domain_name(s, event->domain);
    g_autofree char *record = NULL;
    uint64_t suppressed = limit->suppressed;

    limit->suppressed = 0;
    switch (event->type) {
    case CHARIOT_EVENT_DOMAIN_UP:
        qapi_event_send_chariot_domain_up(event->domain, name, suppressed);
        break;
    case CHARIOT_EVENT_DOMAIN_DOWN:
        qapi_event_send_chariot_domain_down(event->domain, name, suppressed);
        break;
    case CHARIOT_EVENT_BAD_RECORD:
        record = hex(event->bad.rec, sizeof(event->bad.rec));
        qapi_event_send_chariot_ring_error(MIN(event->bad.bad_kind,
                                               CHARIOT_BAD_STATE),
                                           event->bad.count,
                                           event->bad.position, record,
                                           suppressed);
        break;
    case CHARIOT_EVENT_RING_BROKEN:
        qapi_event_send_chariot_ring_error(CHARIOT_RING_ERROR_BROKEN,
                                           event->bad.count,
                                           event->bad.position, NULL,
                                           suppressed);
        break;
    }
}

static void signal_event(ChariotState *s, ChariotSignal signal,
                         const struct chariot_event *event)
{
    ChariotLimit *limit = limit_of(s, event->domain, signal);

    if (!limit_holds(limit) && limit_take(limit)) {
        send_event(s, limit, event);
        return;
    }
    if (limit->event) {
        limit->suppressed++;
        g_free(limit->event);
    }
    limit->event = g_memdup2(event, sizeof(*event));
    limit_arm(s);
}

static void signal_violation(ChariotState *s, ChariotViolation *v)
{
    ChariotLimit *limit = limit_of(s, v->domain, CHARIOT_SIGNAL_VIOLATION);

    if (!limit_holds(limit) && limit_take(limit)) {
        send_violation(limit, v);
        return;
    }
    if (limit->violation) {
        limit->suppressed++;
        s->suppressed++;
        qapi_free_ChariotViolation(limit->violation);
    }
    limit->violation = QAPI_CLONE(ChariotViolation, v);
    limit_arm(s);
}

static void limit_timer(void *opaque)
{
    ChariotState *s = opaque;
    ChariotLimit *limit = &s->limits[0][0];

    for (size_t i = 0; i < sizeof(s->limits) / sizeof(*limit); i++, limit++) {
        if (!limit_holds(limit)) {
            continue;
        }
        if (!limit_take(limit)) {
            limit_arm(s);
            continue;
        }
        if (limit->violation) {
            send_violation(limit, limit->violation);
            g_clear_pointer(&limit->violation, qapi_free_ChariotViolation);
        } else {
            send_event(s, limit, limit->event);
            g_clear_pointer(&limit->event, g_free);
        }
    }
}

static void handle_violation(ChariotState *s,
                             const struct chariot_event *event)
{
    ChariotViolation **slot = &s->history[s->n_violations++ % CHARIOT_HISTORY];

    qapi_free_ChariotViolation(*slot);
    *slot = violation_new(s, event);
    /* Of an audit, each place once while it is up: the rest is counted. */
    if (chariot_sites_add(s, *slot) ||
        (*slot)->policy != QAPI_CHARIOT_POLICY_AUDIT) {
        signal_violation(s, *slot);
    }
    chariot_raise_irq(s, CHARIOT_IRQ_VIOLATION);
}

static void handle_event(ChariotState *s, const struct chariot_event *event)
{
    ChariotDomainState *domain = chariot_domain(s, event->domain);

    switch (event->type) {
    case CHARIOT_EVENT_VIOLATION:
        handle_violation(s, event);
        break;
    case CHARIOT_EVENT_DOMAIN_UP:
        if (domain) {
            domain->up = true;
            chariot_sites_up(s, event->domain);
        }
        signal_event(s, CHARIOT_SIGNAL_DOMAIN, event);
        break;
    case CHARIOT_EVENT_DOMAIN_DOWN:
        if (domain) {
            domain->up = false;
            g_clear_pointer(&domain->symbols, chariot_symbols_free);
        }
        signal_event(s, CHARIOT_SIGNAL_DOMAIN, event);
        break;
    case CHARIOT_EVENT_RING_BROKEN:
        s->regs.status |= CHARIOT_STATUS_BROKEN;
        /* fall through */
    case CHARIOT_EVENT_BAD_RECORD:
        signal_event(s, CHARIOT_SIGNAL_RING, event);
        break;
    }
}

/* Handles one batch; the number of events in it. */
static int events_read(ChariotState *s)
{
    struct chariot_event events[BATCH];
    int n = chariot_backend_read(s, events, BATCH);

    if (n < 0) {
        error_report("chariot-pci: cannot read events: %s", strerror(-n));
        /* It will not get better, and the main loop must not spin. */
        qemu_set_fd_handler(s->backend.fd, NULL, NULL, NULL);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        handle_event(s, &events[i]);
    }
    return n;
}

static void events_ready(void *opaque)
{
    events_read(opaque);
}

void chariot_events_drain(ChariotState *s)
{
    /* No more than can be queued: a guest on other CPUs may go on. */
    int left = CHARIOT_EVENTS_LIMIT;
    int n;

    do {
        n = events_read(s);
        left -= n;
    } while (n == BATCH && left > 0);
}

void chariot_events_all_down(ChariotState *s)
{
    for (uint32_t id = 1; id <= s->n_domains; id++) {
        struct chariot_event event = {
            .type = CHARIOT_EVENT_DOMAIN_DOWN,
            .domain = id,
        };

        if (chariot_domain(s, id)->up) {
            handle_event(s, &event);
        }
        chariot_domain(s, id)->was_reset = true;
        g_clear_pointer(&chariot_domain(s, id)->symbols, chariot_symbols_free);
    }
}

void chariot_events_init(ChariotState *s)
{
    s->limit_timer = timer_new_ms(QEMU_CLOCK_REALTIME, limit_timer, s);
    if (chariot_attached(s)) {
        qemu_set_fd_handler(s->backend.fd, events_ready, NULL, s);
    }
}

void chariot_events_exit(ChariotState *s)
{
    ChariotLimit *limit = &s->limits[0][0];

    if (chariot_attached(s)) {
        qemu_set_fd_handler(s->backend.fd, NULL, NULL, NULL);
    }
    timer_free(s->limit_timer);
    for (size_t i = 0; i < sizeof(s->limits) / sizeof(*limit); i++, limit++) {
        g_clear_pointer(&limit->event, g_free);
        g_clear_pointer(&limit->violation, qapi_free_ChariotViolation);
    }
    for (int i = 0; i < CHARIOT_HISTORY; i++) {
        g_clear_pointer(&s->history[i], qapi_free_ChariotViolation);
    }
    chariot_sites_exit(s);
}
