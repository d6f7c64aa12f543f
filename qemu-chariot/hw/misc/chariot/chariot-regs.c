/*
 * Chariot: the registers
 *
 * The specification is chariot_ring.h's, and docs/device.md's at more length.
 * Everything that it forbids is counted, logged and without effect.
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/log.h"
#include "hw/pci/msix.h"
#include "chariot.h"

#define STATUS_SETTABLE \
    (CHARIOT_STATUS_FEATURES | CHARIOT_STATUS_RING | CHARIOT_STATUS_READY)

/* MSI-X vector of events. */
#define VECTOR_EVENTS 0

void chariot_guest_error(ChariotState *s, const char *fmt, ...)
{
    s->guest_errors++;
    if (qemu_loglevel_mask(LOG_GUEST_ERROR)) {
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, fmt);
        text = g_strdup_vprintf(fmt, args);
        va_end(args);
        qemu_log("chariot-pci: %s\n", text);
    }
}

void chariot_raise_irq(ChariotState *s, uint32_t bits)
{
    PCIDevice *pdev = PCI_DEVICE(s);
    uint32_t new = bits & ~s->regs.irq_status;

    if (!(s->regs.status & CHARIOT_STATUS_FEATURES) ||
        !(s->regs.guest_features & CHARIOT_F_EVENTS)) {
        return;
    }
    s->regs.irq_status |= bits;
    if (new && msix_enabled(pdev)) {
        msix_notify(pdev, VECTOR_EVENTS);
    }
}

/* Address of the doorbell's page, ~0 while it is not mapped. */
static uint64_t doorbell_address(ChariotState *s)
{
    pcibus_t bar = pci_get_bar_addr(PCI_DEVICE(s), 0);

    return bar == PCI_BAR_UNMAPPED ? ~0ULL : bar + CHARIOT_REG_DOORBELL;
}

static bool regs_set_ring(ChariotState *s)
{
    ChariotRegs *regs = &s->regs;
    int ret;

    if (regs->ring_addr & (CHARIOT_RING_RECORDS - 1) ||
        regs->ring_order < CHARIOT_RING_ORDER_MIN ||
        regs->ring_order > CHARIOT_RING_ORDER_MAX) {
        chariot_guest_error(s, "bad ring: address 0x%" PRIx64 ", order %u",
                            regs->ring_addr, regs->ring_order);
        return false;
    }
    s->doorbell = doorbell_address(s);
    ret = chariot_backend_set_ring(s, regs->ring_addr, regs->ring_order,
                                   s->doorbell);
    if (ret < 0) {
        chariot_guest_error(s, "ring at 0x%" PRIx64 ", order %u refused: %s",
                            regs->ring_addr, regs->ring_order, strerror(-ret));
        return false;
    }
    return true;
}

void chariot_regs_bar_moved(ChariotState *s)
{
    ChariotRegs *regs = &s->regs;
    uint64_t doorbell;

    if (!(regs->status & CHARIOT_STATUS_RING) ||
        regs->status & CHARIOT_STATUS_BROKEN) {
        return;
    }
    doorbell = doorbell_address(s);
    if (doorbell == s->doorbell) {
        return;
    }
    s->doorbell = doorbell;
    if (chariot_backend_set_ring(s, regs->ring_addr, regs->ring_order,
                                 doorbell) < 0) {
        regs->status |= CHARIOT_STATUS_BROKEN;
    }
}

void chariot_regs_reset(ChariotState *s)
{
    chariot_backend_reset(s);
    /* What happened before the reset is reported with the old symbols. */
    chariot_events_drain(s);
    chariot_events_all_down(s);
    memset(&s->regs, 0, sizeof(s->regs));
    s->doorbell = ~0ULL;
}

/* Features that are records are the module's as well. */
static uint32_t offered_features(ChariotState *s)
{
    if (chariot_attached(s)) {
        return CHARIOT_FEATURES &
               (~CHARIOT_F_FREES | s->backend.info.ring_features);
    }
    return CHARIOT_FEATURES;
}

/* What an agent must accept. */
static uint32_t needed_features(ChariotState *s)
{
    for (unsigned i = 0; i < s->n_domains; i++) {
        /* An agent that does not know of groups would isolate nothing there. */
        if (strchr(s->domains[i].name, '+')) {
            return CHARIOT_F_RING | CHARIOT_F_GROUPS;
        }
    }
    return CHARIOT_F_RING;
}

static void write_status(ChariotState *s, uint32_t val)
{
    ChariotRegs *regs = &s->regs;
    uint32_t settable = regs->status & STATUS_SETTABLE;
    uint32_t set;

    if (val == 0) {
        chariot_regs_reset(s);
        return;
    }
    val &= ~CHARIOT_STATUS_BROKEN;
    if (val & ~STATUS_SETTABLE || settable & ~val) {
        chariot_guest_error(s, "status 0x%x written to 0x%x", val,
                            regs->status);
        return;
    }
    set = val & ~settable;
    if (set & CHARIOT_STATUS_FEATURES) {
        if (regs->guest_features & ~offered_features(s) ||
            needed_features(s) & ~regs->guest_features) {
            chariot_guest_error(s, "features 0x%x not acceptable",
                                regs->guest_features);
            return;
        }
        regs->status |= CHARIOT_STATUS_FEATURES;
    }
    if (set & CHARIOT_STATUS_RING) {
        if (!(regs->status & CHARIOT_STATUS_FEATURES)) {
            chariot_guest_error(s, "ring before features");
            return;
        }
        if (!regs_set_ring(s)) {
            return;
        }
        regs->status |= CHARIOT_STATUS_RING;
    }
    if (set & CHARIOT_STATUS_READY) {
        if (!(regs->status & CHARIOT_STATUS_RING)) {
            chariot_guest_error(s, "ready without a ring");
            return;
        }
        regs->status |= CHARIOT_STATUS_READY;
    }
}

static void write_sym_len(ChariotState *s, uint32_t len)
{
    ChariotRegs *regs = &s->regs;
    ChariotDomainState *domain = chariot_domain(s, regs->domain_select);
    ChariotSymbols *syms;
    int err;

    if (!(regs->status & CHARIOT_STATUS_FEATURES) ||
        !(regs->guest_features & CHARIOT_F_SYMTAB)) {
        err = EOPNOTSUPP;
    } else if (!domain) {
        err = ENOENT;
    } else {
        /*
         * That the driver was unloaded before it was loaded again, and what
         * it did until then, may not have been heard of yet: hear it first,
         * or it would be blamed on the new symbols, or take them away.
         */
        chariot_backend_kick(s);
        chariot_events_drain(s);
        syms = chariot_symbols_read(regs->sym_addr, len, &err);
        if (syms) {
            chariot_symbols_free(domain->symbols);
            domain->symbols = syms;
        }
    }
    regs->sym_result = err;
    if (err) {
        chariot_guest_error(s, "symbols of domain %u, %u bytes at 0x%" PRIx64
                            ", refused: %s", regs->domain_select, len,
                            regs->sym_addr, strerror(err));
    }
}

/* The registers that are locked while a bit of STATUS is set; else true. */
static bool unlocked(ChariotState *s, hwaddr addr, uint32_t status)
{
    if (s->regs.status & status) {
        chariot_guest_error(s, "register 0x%" HWADDR_PRIx " written while in "
                            "use", addr);
        return false;
    }
    return true;
}

static void regs_write32(ChariotState *s, hwaddr addr, uint32_t val)
{
    ChariotRegs *regs = &s->regs;

    switch (addr) {
    case CHARIOT_REG_GUEST_FEATURES:
        if (unlocked(s, addr, CHARIOT_STATUS_FEATURES)) {
            regs->guest_features = val;
        }
        break;
    case CHARIOT_REG_STATUS:
        write_status(s, val);
        break;
    case CHARIOT_REG_RING_ADDR_LO:
        if (unlocked(s, addr, CHARIOT_STATUS_RING)) {
            regs->ring_addr = deposit64(regs->ring_addr, 0, 32, val);
        }
        break;
    case CHARIOT_REG_RING_ADDR_HI:
        if (unlocked(s, addr, CHARIOT_STATUS_RING)) {
            regs->ring_addr = deposit64(regs->ring_addr, 32, 32, val);
        }
        break;
    case CHARIOT_REG_RING_ORDER:
        if (unlocked(s, addr, CHARIOT_STATUS_RING)) {
            regs->ring_order = val;
        }
        break;
    case CHARIOT_REG_IRQ_STATUS:
        regs->irq_status &= ~val;
        break;
    case CHARIOT_REG_DOMAIN_SELECT:
        regs->domain_select = val;
        break;
    case CHARIOT_REG_SYM_ADDR_LO:
        regs->sym_addr = deposit64(regs->sym_addr, 0, 32, val);
        break;
    case CHARIOT_REG_SYM_ADDR_HI:
        regs->sym_addr = deposit64(regs->sym_addr, 32, 32, val);
        break;
    case CHARIOT_REG_SYM_LEN:
        write_sym_len(s, val);
        break;
    default:
        chariot_guest_error(s, "write to register 0x%" HWADDR_PRIx, addr);
    }
}

static uint32_t read_violations(ChariotState *s)
{
    struct chariot_stats stats;

    return chariot_backend_stats(s, &stats) < 0 ? 0 : stats.violations;
}

static uint32_t regs_read32(ChariotState *s, hwaddr addr)
{
    ChariotRegs *regs = &s->regs;
    ChariotDomainState *domain = chariot_domain(s, regs->domain_select);

    switch (addr) {
    case CHARIOT_REG_MAGIC:
        return CHARIOT_MAGIC;
    case CHARIOT_REG_VERSION:
        return CHARIOT_VERSION;
    case CHARIOT_REG_FEATURES:
        return offered_features(s);
    case CHARIOT_REG_GUEST_FEATURES:
        return regs->guest_features;
    case CHARIOT_REG_STATUS:
        return regs->status;
    case CHARIOT_REG_RING_ADDR_LO:
        return extract64(regs->ring_addr, 0, 32);
    case CHARIOT_REG_RING_ADDR_HI:
        return extract64(regs->ring_addr, 32, 32);
    case CHARIOT_REG_RING_ORDER:
        return regs->ring_order;
    case CHARIOT_REG_IRQ_STATUS:
        return regs->irq_status;
    case CHARIOT_REG_VIOLATIONS:
        return read_violations(s);
    case CHARIOT_REG_DOMAINS:
        return s->n_domains;
    case CHARIOT_REG_DOMAIN_SELECT:
        return regs->domain_select;
    case CHARIOT_REG_DOMAIN_POLICY:
        return domain ? domain->policy : ~0U;
    case CHARIOT_REG_DOMAIN_NAME ...
         CHARIOT_REG_DOMAIN_NAME + CHARIOT_NAME_MAX - 1: {
        char name[CHARIOT_NAME_MAX] = "";

        if (domain) {
            pstrcpy(name, sizeof(name), domain->name);
        }
        return ldl_le_p(name + (addr - CHARIOT_REG_DOMAIN_NAME));
    }
    case CHARIOT_REG_SYM_ADDR_LO:
        return extract64(regs->sym_addr, 0, 32);
    case CHARIOT_REG_SYM_ADDR_HI:
        return extract64(regs->sym_addr, 32, 32);
    case CHARIOT_REG_SYM_LEN:
        return regs->sym_result;
    default:
        chariot_guest_error(s, "read from register 0x%" HWADDR_PRIx, addr);
        return 0;
    }
}

static bool access_valid(ChariotState *s, const char *what, hwaddr addr,
                         unsigned size)
{
    if (size != 4 || addr & 3) {
        chariot_guest_error(s, "%s of %u bytes at 0x%" HWADDR_PRIx, what,
                            size, addr);
        return false;
    }
    return true;
}

static uint64_t chariot_regs_read(void *opaque, hwaddr addr, unsigned size)
{
    ChariotState *s = opaque;

    return access_valid(s, "read", addr, size) ? regs_read32(s, addr) : 0;
}

static void chariot_regs_write(void *opaque, hwaddr addr, uint64_t val,
                               unsigned size)
{
    ChariotState *s = opaque;

    if (access_valid(s, "write", addr, size)) {
        regs_write32(s, addr, val);
    }
}

/*
 * The doorbell. While a driver is isolated, the module sees the write first
 * and it never comes here. When this returns, the ring has been consumed.
 */
static uint64_t chariot_doorbell_read(void *opaque, hwaddr addr, unsigned size)
{
    chariot_guest_error(opaque, "read from the doorbell");
    return 0;
}

static void chariot_doorbell_write(void *opaque, hwaddr addr, uint64_t val,
                                   unsigned size)
{
    ChariotState *s = opaque;
    int ret;

    if (addr != 0 || size != 4) {
        chariot_guest_error(s, "write of %u bytes at 0x%" HWADDR_PRIx
                            " of the doorbell", size, addr);
        return;
    }
    if (!(s->regs.status & CHARIOT_STATUS_RING)) {
        chariot_guest_error(s, "doorbell without a ring");
        return;
    }
    ret = chariot_backend_kick(s);
    if (ret < 0) {
        qemu_log_mask(LOG_GUEST_ERROR, "chariot-pci: doorbell: %s\n",
                      strerror(-ret));
    }
}

/* Every size and alignment comes through, to be judged and counted here. */
static const MemoryRegionOps chariot_regs_ops = {
    .read = chariot_regs_read,
    .write = chariot_regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

static const MemoryRegionOps chariot_doorbell_ops = {
    .read = chariot_doorbell_read,
    .write = chariot_doorbell_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

void chariot_regs_init(ChariotState *s)
{
    memory_region_init(&s->bar, OBJECT(s), "chariot", CHARIOT_BAR_SIZE);
    memory_region_init_io(&s->regs_mr, OBJECT(s), &chariot_regs_ops, s,
                          "chariot-regs", CHARIOT_REG_DOORBELL);
    memory_region_add_subregion(&s->bar, 0, &s->regs_mr);
    memory_region_init_io(&s->doorbell_mr, OBJECT(s), &chariot_doorbell_ops, s,
                          "chariot-doorbell",
                          CHARIOT_BAR_SIZE - CHARIOT_REG_DOORBELL);
    memory_region_add_subregion(&s->bar, CHARIOT_REG_DOORBELL,
                                &s->doorbell_mr);
    s->doorbell = ~0ULL;
}
