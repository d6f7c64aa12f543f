/*
 * Chariot: HMP command "info chariot"
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#include "qemu/osdep.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands-chariot.h"
#include "chariot.h"

static const char *yes_no(bool value)
{
    return value ? "yes" : "no";
}

static void print_agent(Monitor *mon, const ChariotAgent *agent)
{
    if (!agent->negotiated) {
        monitor_printf(mon, "agent: has not come yet\n");
    } else {
        monitor_printf(mon, "agent: %s, features 0x%x\n",
                       agent->broken ? "its ring was given up" :
                       agent->ready ? "ready" : "coming up", agent->features);
    }
    if (agent->ring) {
        monitor_printf(mon, "ring: %u records at 0x%" PRIx64 "\n",
                       agent->ring_records, agent->ring_address);
    }
    if (agent->guest_errors) {
        monitor_printf(mon, "forbidden register accesses: %" PRIu64 "\n",
                       agent->guest_errors);
    }
}

static void print_kinds(Monitor *mon, const ChariotKindCountList *kinds)
{
    if (!kinds) {
        return;
    }
    monitor_printf(mon, "   emulated writes:");
    for (; kinds; kinds = kinds->next) {
        monitor_printf(mon, " %s %" PRIu64 "%s",
                       ChariotKind_str(kinds->value->kind),
                       kinds->value->count, kinds->next ? "," : "\n");
    }
}

static void print_domains(Monitor *mon, const ChariotDomainList *domains)
{
    monitor_printf(mon, "\n%2s %-20s %-7s %-4s %12s %10s %12s %10s\n", "id",
                   "domain", "policy", "up", "crossings", "grants", "bytes",
                   "violations");
    for (; domains; domains = domains->next) {
        const ChariotDomain *domain = domains->value;

        monitor_printf(mon, "%2u %-20s %-7s %-4s %12" PRIu64 " %10" PRIu64
                       " %12" PRIu64 " %10" PRIu64 "\n", domain->id,
                       domain->name, ChariotPolicy_str(domain->policy),
                       yes_no(domain->up),
                       domain->crossings_in + domain->crossings_out,
                       domain->grants, domain->granted_bytes,
                       domain->violations);
        print_kinds(mon, domain->emulated_by_kind);
    }
}

static void print_counters(Monitor *mon, const ChariotCounters *c)
{
    const ChariotBadRecords *bad = c->bad_records;
    uint64_t n_bad = bad->type + bad->domain + bad->address + bad->length +
                     bad->overlap + bad->sequence + bad->torn +
                     bad->unmapped + bad->limit + bad->state;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        { "faults", c->faults },
        { "given to KVM", c->delegated },
        { "fills", c->fills },
        { "fills refused", c->refused_fills },
        { "crossings in", c->crossings_in },
        { "crossings out", c->crossings_out },
        { "emulated", c->emulated },
        { "not emulatable", c->unemulatable },
        { "flushes of the VM", c->flushes_vm },
        { "flushes of a vCPU", c->flushes_vcpu },
        { "of one address", c->flushes_address },
        { "drops of all", c->drops_all },
        { "drops of a range", c->drops_range },
        { "roots changed", c->roots_changed },
        { "walker pages", c->walk_pages },
        { "walks completed", c->walks_completed },
        { "records", c->records },
        { "bad records", n_bad },
        { "doorbells", c->doorbells },
        { "ring waits", c->ring_waits },
        { "revoke misses", c->revoke_misses },
        { "grants", c->grants },
        { "view pages", c->view_pages },
        { "view pages, peak", c->view_pages_peak },
        { "view resets", c->view_resets },
        { "event deliveries", c->event_deliveries },
        { "MMIO faults", c->mmio_faults },
        { "events dropped", c->events_dropped },
        { "violations", c->violations },
        { "of them, bad frees", c->bad_frees },
    };

    monitor_printf(mon, "\n");
    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        monitor_printf(mon, "%-18s%12" PRIu64 "%s", rows[i].name,
                       rows[i].value, i % 2 ? "\n" : "    ");
    }
    if (ARRAY_SIZE(rows) % 2) {
        monitor_printf(mon, "\n");
    }
}

static void print_free(Monitor *mon, const ChariotViolation *v)
{
    monitor_printf(mon, "#%" PRIu64 " %s %s: %s of 0x%" PRIx64 "\n    called "
                   "by %s, returns to 0x%" PRIx64 "\n    %s\n", v->sequence,
                   v->name, v->blocked ? "stopped" : "seen",
                   ChariotReason_str(v->reason), v->address,
                   v->function ?: "unknown code", v->rip, v->target);
}

static void print_violation(Monitor *mon, const ChariotViolation *v)
{
    if (v->has_frees) {
        print_free(mon, v);
        return;
    }
    monitor_printf(mon, "#%" PRIu64 " %s %s", v->sequence, v->name,
                   v->blocked ? "stopped" : "seen");
    if (v->library) {
        monitor_printf(mon, " in a library function called from %s",
                       v->caller_function ?: "unknown code");
        monitor_printf(mon, " (0x%" PRIx64 ")", v->caller);
    } else {
        monitor_printf(mon, " at %s (0x%" PRIx64 ")",
                       v->function ?: "unknown code", v->rip);
    }
    if (v->has_vcpu) {
        monitor_printf(mon, ", CPU %u", v->vcpu);
    }
    monitor_printf(mon, "\n    %u byte%s to 0x%" PRIx64, v->size,
                   v->size == 1 ? "" : "s", v->address);
    if (v->data) {
        monitor_printf(mon, ", data %s", v->data);
    }
    monitor_printf(mon, "\n    %s\n", v->target);
    if (v->call) {
        monitor_printf(mon, "    entered at %s (0x%" PRIx64 "), returns to 0x%"
                       PRIx64 "\n", v->call->function ?: "unknown code",
                       v->call->entry, v->call->q_return);
    }
}

static void hmp_info_chariot(Monitor *mon, const QDict *qdict)
{
    g_autoptr(ChariotInfo) info = qmp_query_chariot(NULL);

    if (!info->enabled) {
        monitor_printf(mon, "this VM has no chariot-pci device\n");
        return;
    }
    monitor_printf(mon, "attached: %s, armed: %s\n", yes_no(info->attached),
                   yes_no(info->armed));
    print_agent(mon, info->agent);
    if (info->domains) {
        print_domains(mon, info->domains);
    } else {
        monitor_printf(mon, "\nnothing is to be isolated\n");
    }
    if (info->counters) {
        print_counters(mon, info->counters);
    }
    if (info->violations) {
        monitor_printf(mon, "\nmost recent violations:\n");
    }
    for (ChariotViolationList *v = info->violations; v; v = v->next) {
        print_violation(mon, v->value);
    }
}

void chariot_hmp_init(void)
{
    monitor_register_hmp("chariot", true, hmp_info_chariot);
}
