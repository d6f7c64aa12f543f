/*
 * Chariot: isolation of guest drivers, device chariot-pci
 *
 * The device is the control plane: it ties the VM to the host's kvm-chariot
 * module, shows registers to the guest's agent, and reports to the operator.
 * Everything that happens per fault or per report of the guest is the module's
 * work. The parts:
 *
 *   chariot-pci.c      properties, realize, reset
 *   chariot-regs.c     the registers; also works without a backend (qtest)
 *   chariot-backend.c  /dev/chariot
 *   chariot-symbols.c  the drivers' symbol tables, read from guest memory
 *   chariot-events.c   the module's events, their rate limit and history
 *   chariot-sites.c    places in drivers that violate, each once
 *   chariot-qmp.c, chariot-hmp.c, chariot-stub.c  monitor commands
 *
 * Everything runs under the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#ifndef HW_MISC_CHARIOT_H
#define HW_MISC_CHARIOT_H

#include "hw/pci/pci_device.h"
#include "qapi/qapi-types-chariot.h"
#include "qemu/timer.h"
#include "qom/object.h"
#include "uapi/chariot.h"
#include "uapi/chariot_ring.h"

#define TYPE_CHARIOT_PCI "chariot-pci"
OBJECT_DECLARE_SIMPLE_TYPE(ChariotState, CHARIOT_PCI)

#define CHARIOT_DEVICE_NODE "/dev/chariot"

/* The most that CHARIOT_ATTACH takes as events_max. */
#define CHARIOT_EVENTS_LIMIT 65536

/* What the device offers, if the module knows of it, too. */
#define CHARIOT_FEATURES \
    (CHARIOT_F_RING | CHARIOT_F_SYMTAB | CHARIOT_F_EVENTS | \
     CHARIOT_F_GROUPS | CHARIOT_F_FREES)

/* Reports that query-chariot shows. */
#define CHARIOT_HISTORY 16

/*
 * Places that violate: as many are listed, of others there is a number. All
 * domains share them evenly, but each has the least.
 */
#define CHARIOT_SITES 512
#define CHARIOT_SITES_LEAST 64

/* Registers that the guest can write, and what they lead to. */
typedef struct ChariotRegs {
    uint32_t guest_features;
    uint32_t status;
    uint32_t ring_order;
    uint32_t irq_status;
    uint32_t domain_select;
    uint32_t sym_result;
    uint64_t ring_addr;
    uint64_t sym_addr;
} ChariotRegs;

/* An open /dev/chariot. */
typedef struct ChariotBackend {
    int fd; /* -1: none, nothing is isolated */
    struct chariot_info info;
} ChariotBackend;

typedef struct ChariotSymbols ChariotSymbols;

/* Kinds of events to the monitor, each limited on its own. */
typedef enum ChariotSignal {
    CHARIOT_SIGNAL_VIOLATION,
    CHARIOT_SIGNAL_DOMAIN, /* up and down: the last is what counts */
    CHARIOT_SIGNAL_RING,
    CHARIOT_SIGNAL__MAX,
} ChariotSignal;

/*
 * A token bucket. While it is empty, events are not sent, but the last one is
 * held and sent as soon as there is a token again: so the monitor always learns
 * how a burst ended. Those that were held and replaced are counted.
 */
typedef struct ChariotLimit {
    unsigned tokens;
    int64_t refilled; /* ms */
    uint64_t suppressed; /* since the last event that was sent */
    /* what is held: at most one of the two */
    struct chariot_event *event;
    ChariotViolation *violation;
} ChariotLimit;

typedef struct ChariotDomainState {
    char *name;
    uint32_t policy; /* CHARIOT_POLICY_* */
    bool up;         /* as the monitor has been told */
    bool was_reset;  /* and did not come up since */
    unsigned n_sites; /* its places */
    unsigned n_old;   /* those of them that it had before it came up */
    uint64_t sites_lost; /* violations at others */
    ChariotSymbols *symbols;
} ChariotDomainState;

struct ChariotState {
    PCIDevice parent_obj;

    MemoryRegion bar;
    MemoryRegion regs_mr;
    MemoryRegion doorbell_mr;

    /* properties */
    char *isolate;
    char *device_node;
    char *policy;
    uint32_t events_max;
    uint64_t grants_max;
    uint64_t view_pages_max;

    Error *migration_blocker;
    ChariotBackend backend;
    ChariotRegs regs;
    uint64_t guest_errors;
    uint64_t doorbell; /* address that the backend knows, ~0 for none */

    unsigned n_domains;
    ChariotDomainState domains[CHARIOT_DOMAINS_MAX]; /* of id index + 1 */

    QEMUTimer *limit_timer;
    /* by domain (0: none) */
    ChariotLimit limits[CHARIOT_DOMAINS_MAX + 1][CHARIOT_SIGNAL__MAX];
    uint64_t suppressed; /* violations */
    ChariotViolation *history[CHARIOT_HISTORY];
    uint64_t n_violations; /* in history so far; the last is at n - 1 */
    GHashTable *sites; /* NULL: none yet */
};

/* The domain of @id, or NULL. */
ChariotDomainState *chariot_domain(ChariotState *s, uint32_t id);

/* Counts and logs an access of the guest that the specification forbids. */
void chariot_guest_error(ChariotState *s, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/* chariot-regs.c */
void chariot_regs_init(ChariotState *s);
/* Forgets all that the guest has set up, here and in the backend. */
void chariot_regs_reset(ChariotState *s);
/* To be called when the BAR may have moved. */
void chariot_regs_bar_moved(ChariotState *s);
/* Sets @bits of IRQ_STATUS and interrupts the guest if it wants to know. */
void chariot_raise_irq(ChariotState *s, uint32_t bits);

/* chariot-backend.c */
bool chariot_backend_attach(ChariotState *s, Error **errp);
void chariot_backend_detach(ChariotState *s);
static inline bool chariot_attached(ChariotState *s)
{
    return s->backend.fd >= 0;
}
/*
 * Each returns 0 or a negative errno, and 0 without doing anything while there
 * is no backend.
 */
int chariot_backend_set_policy(ChariotState *s, uint32_t id, uint32_t policy);
int chariot_backend_set_ring(ChariotState *s, uint64_t gpa, uint32_t order,
                             uint64_t doorbell);
int chariot_backend_kick(ChariotState *s);
int chariot_backend_reset(ChariotState *s);
/* These zero the result while there is no backend. */
int chariot_backend_stats(ChariotState *s, struct chariot_stats *stats);
int chariot_backend_domain_stats(ChariotState *s, uint32_t id,
                                 struct chariot_domain_stats *stats);
/* Reads up to @max events; 0 if there is none, negative errno. */
int chariot_backend_read(ChariotState *s, struct chariot_event *events,
                         int max);

/* chariot-kvm.c: fd of the VM, -1 if this is not KVM. */
int chariot_kvm_vm_fd(void);

/* chariot-symbols.c */
/* Reads a table from guest memory; NULL and a positive errno in @err. */
ChariotSymbols *chariot_symbols_read(hwaddr addr, uint32_t len, int *err);
void chariot_symbols_free(ChariotSymbols *syms);
uint32_t chariot_symbols_count(const ChariotSymbols *syms);
/* "function+0x12", or NULL if @va is in none; @syms may be NULL. */
char *chariot_symbols_name(const ChariotSymbols *syms, uint64_t va);
/*
 * The same for a return address. It lies behind the call, which may be the very
 * last instruction of its function.
 */
char *chariot_symbols_return_name(const ChariotSymbols *syms, uint64_t va);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChariotSymbols, chariot_symbols_free)

/* chariot-events.c */
void chariot_events_init(ChariotState *s);
void chariot_events_exit(ChariotState *s);
/* Reads and handles all events that the backend has now. */
void chariot_events_drain(ChariotState *s);
/* Handles the end of every driver: the guest has been reset. */
void chariot_events_all_down(ChariotState *s);

/* chariot-sites.c */
/*
 * Counts a violation; whether it is the first at its place since the domain
 * came up.
 */
bool chariot_sites_add(ChariotState *s, const ChariotViolation *v);
/* The domain of @id comes up. */
void chariot_sites_up(ChariotState *s, uint32_t id);
/* Violations at places that are not listed. */
uint64_t chariot_sites_lost(ChariotState *s);
ChariotSiteList *chariot_sites_list(ChariotState *s);
void chariot_sites_exit(ChariotState *s);

/* chariot-hmp.c */
void chariot_hmp_init(void);

/* The VM's device, or NULL. */
ChariotState *chariot_find(void);

#endif
