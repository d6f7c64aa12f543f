/*
 * Chariot: the PCI device
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#include "qemu/osdep.h"
#include "hw/pci/msix.h"
#include "hw/qdev-properties.h"
#include "hw/resettable.h"
#include "migration/blocker.h"
#include "qapi/error.h"
#include "qapi/util.h"
#include "qemu/module.h"
#include "chariot.h"

QEMU_BUILD_BUG_ON(CHARIOT_NAME_MAX != CHARIOT_DOMAIN_NAME_MAX);
QEMU_BUILD_BUG_ON((int)QAPI_CHARIOT_POLICY__MAX != CHARIOT_POLICY_BLOCK + 1);

ChariotDomainState *chariot_domain(ChariotState *s, uint32_t id)
{
    return id >= 1 && id <= s->n_domains ? &s->domains[id - 1] : NULL;
}

ChariotState *chariot_find(void)
{
    Object *obj = object_resolve_path_type("", TYPE_CHARIOT_PCI, NULL);

    return obj && DEVICE(obj)->realized ? CHARIOT_PCI(obj) : NULL;
}

/* The value of 'policy', or -1. */
static int parse_policy(ChariotState *s, Error **errp)
{
    ERRP_GUARD();
    int policy;

    if (!s->policy) {
        return CHARIOT_POLICY_BLOCK;
    }
    policy = qapi_enum_parse(&ChariotPolicy_lookup, s->policy, -1, NULL);
    if (policy < 0) {
        error_setg(errp, "'policy' cannot be '%s'", s->policy);
        error_append_hint(errp, "It is one of:");
        for (int i = 0; i < QAPI_CHARIOT_POLICY__MAX; i++) {
            error_append_hint(errp, " %s", ChariotPolicy_str(i));
        }
        error_append_hint(errp, "\n");
    }
    return policy;
}

/* Whether one of the modules of a domain, which '+' separates, is @module. */
static bool names_module(const char *domain, const char *module)
{
    g_auto(GStrv) names = g_strsplit(domain, "+", -1);

    return g_strv_contains((const char *const *)names, module);
}

/* A module's name as the kernel shows it; @module is what the user wrote. */
static char *parse_module(ChariotState *s, const char *module, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *name = g_strdup(module);

    if (!*name) {
        error_setg(errp, "'isolate' has an empty module name");
        error_append_hint(errp, "Write isolate=MODULE[:MODULE...], as in "
                          "isolate=e1000:ahci+libahci\n");
        return NULL;
    }
    for (char *c = name; *c; c++) {
        if (!g_ascii_islower(*c) && !g_ascii_isdigit(*c) &&
            *c != '_' && *c != '-') {
            error_setg(errp, "bad character '%c' in module name '%s' of "
                       "'isolate'", *c, module);
            error_append_hint(errp, "Names are those that lsmod shows in the "
                              "guest: lower-case letters, digits, '_' and "
                              "'-', separated by ':', or by '+' where several "
                              "modules are one domain.\n");
            return NULL;
        }
        /* The kernel takes them for the same, and shows '_'. */
        if (*c == '-') {
            *c = '_';
        }
    }
    for (unsigned i = 0; i < s->n_domains; i++) {
        if (names_module(s->domains[i].name, name)) {
            error_setg(errp, "'isolate' names module '%s' twice", name);
            return NULL;
        }
    }
    return g_steal_pointer(&name);
}

/* Adds the domain of one module, or of several with '+' between them. */
static bool add_domain(ChariotState *s, const char *domain, uint32_t policy,
                       Error **errp)
{
    g_auto(GStrv) modules = g_strsplit(*domain ? domain : "+", "+", -1);
    g_autoptr(GString) name = g_string_new(NULL);

    for (char **module = modules; *module; module++) {
        g_autofree char *parsed = parse_module(s, *module, errp);

        if (!parsed) {
            return false;
        }
        if (names_module(name->str, parsed)) {
            error_setg(errp, "'isolate' names module '%s' twice", parsed);
            return false;
        }
        g_string_append_printf(name, "%s%s", name->len ? "+" : "", parsed);
    }
    if (name->len >= CHARIOT_DOMAIN_NAME_MAX) {
        error_setg(errp, "domain name in 'isolate' is longer than %d "
                   "characters: '%s'", CHARIOT_DOMAIN_NAME_MAX - 1, name->str);
        return false;
    }
    if (s->n_domains == CHARIOT_DOMAINS_MAX) {
        error_setg(errp, "'isolate' names more than %d domains",
                   CHARIOT_DOMAINS_MAX);
        return false;
    }
    s->domains[s->n_domains].name = g_string_free(g_steal_pointer(&name),
                                                  false);
    s->domains[s->n_domains].policy = policy;
    s->n_domains++;
    return true;
}

static bool add_domains(ChariotState *s, Error **errp)
{
    g_auto(GStrv) domains = NULL;
    int policy = parse_policy(s, errp);

    if (policy < 0) {
        return false;
    }
    if (!s->isolate || !*s->isolate) {
        return true;
    }
    domains = g_strsplit(s->isolate, ":", -1);
    for (char **domain = domains; *domain; domain++) {
        if (!add_domain(s, *domain, policy, errp)) {
            return false;
        }
    }
    return true;
}

static void free_domains(ChariotState *s)
{
    for (unsigned i = 0; i < s->n_domains; i++) {
        g_clear_pointer(&s->domains[i].symbols, chariot_symbols_free);
        g_clear_pointer(&s->domains[i].name, g_free);
    }
    s->n_domains = 0;
}

static void chariot_pci_realize(PCIDevice *pdev, Error **errp)
{
    ERRP_GUARD();
    ChariotState *s = CHARIOT_PCI(pdev);
    bool ambiguous;

    object_resolve_path_type("", TYPE_CHARIOT_PCI, &ambiguous);
    if (ambiguous) {
        error_setg(errp, "a VM can have only one chariot-pci device");
        error_append_hint(errp, "Name all modules in one device: "
                          "isolate=MODULE:MODULE\n");
        return;
    }
    if (s->events_max > CHARIOT_EVENTS_LIMIT) {
        error_setg(errp, "'events-max' must be at most %d",
                   CHARIOT_EVENTS_LIMIT);
        return;
    }
    if (!add_domains(s, errp)) {
        goto no_domains;
    }
    error_setg(&s->migration_blocker, "chariot-pci does not support migration "
               "and snapshots yet");
    if (migrate_add_blocker(&s->migration_blocker, errp) < 0) {
        goto no_domains;
    }
    if (!chariot_backend_attach(s, errp)) {
        goto no_backend;
    }
    chariot_regs_init(s);
    pci_register_bar(pdev, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->bar);
    if (msix_init_exclusive_bar(pdev, CHARIOT_MSIX_VECTORS, 1, errp) < 0) {
        goto no_msix;
    }
    for (int i = 0; i < CHARIOT_MSIX_VECTORS; i++) {
        msix_vector_use(pdev, i);
    }
    chariot_events_init(s);
    return;

no_msix:
    chariot_backend_detach(s);
no_backend:
    migrate_del_blocker(&s->migration_blocker);
no_domains:
    free_domains(s);
}

static void chariot_pci_exit(PCIDevice *pdev)
{
    ChariotState *s = CHARIOT_PCI(pdev);

    chariot_events_exit(s);
    msix_uninit_exclusive_bar(pdev);
    chariot_backend_detach(s);
    migrate_del_blocker(&s->migration_blocker);
    free_domains(s);
}

static void chariot_pci_write_config(PCIDevice *pdev, uint32_t addr,
                                     uint32_t val, int len)
{
    pci_default_write_config(pdev, addr, val, len);
    chariot_regs_bar_moved(CHARIOT_PCI(pdev));
}

static void chariot_pci_reset_hold(Object *obj, ResetType type)
{
    chariot_regs_reset(CHARIOT_PCI(obj));
}

static void chariot_pci_instance_init(Object *obj)
{
    CHARIOT_PCI(obj)->backend.fd = -1;
}

static const Property chariot_pci_properties[] = {
    DEFINE_PROP_STRING("isolate", ChariotState, isolate),
    DEFINE_PROP_STRING("policy", ChariotState, policy),
    DEFINE_PROP_UINT32("events-max", ChariotState, events_max, 0),
    DEFINE_PROP_UINT64("grants-max", ChariotState, grants_max, 0),
    DEFINE_PROP_UINT64("view-pages-max", ChariotState, view_pages_max, 0),
    /* for tests: another node than /dev/chariot */
    DEFINE_PROP_STRING("x-device", ChariotState, device_node),
};

static void describe_properties(ObjectClass *klass)
{
    static const struct {
        const char *name;
        const char *description;
    } properties[] = {
        { "isolate", "modules to isolate in the guest: MODULE[:MODULE...]" },
        { "policy", "what to do about a violation: audit or block" },
        { "events-max", "reports that the host queues, 0 for its default" },
        { "grants-max", "ranges granted at once, 0 for the host's default" },
        { "view-pages-max",
          "pages of page tables for views, 0 for the host's default" },
    };

    for (int i = 0; i < ARRAY_SIZE(properties); i++) {
        object_class_property_set_description(klass, properties[i].name,
                                              properties[i].description);
    }
}

static void chariot_pci_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    pc->realize = chariot_pci_realize;
    pc->exit = chariot_pci_exit;
    pc->config_write = chariot_pci_write_config;
    pc->vendor_id = CHARIOT_PCI_VENDOR_ID;
    pc->device_id = CHARIOT_PCI_DEVICE_ID;
    pc->revision = 1;
    pc->class_id = PCI_CLASS_SYSTEM_OTHER;

    rc->phases.hold = chariot_pci_reset_hold;
    device_class_set_props(dc, chariot_pci_properties);
    describe_properties(klass);
    dc->desc = "Chariot: isolation of guest drivers";
    /* The agent looks for it before it lets drivers load: only at boot. */
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo chariot_pci_info = {
    .name = TYPE_CHARIOT_PCI,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(ChariotState),
    .instance_init = chariot_pci_instance_init,
    .class_init = chariot_pci_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { }
    },
};

static void chariot_pci_register_types(void)
{
    type_register_static(&chariot_pci_info);
    chariot_hmp_init();
}

type_init(chariot_pci_register_types)
