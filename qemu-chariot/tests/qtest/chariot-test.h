/*
 * What the tests of chariot-pci share: a VM with the device, and an agent
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#ifndef TESTS_CHARIOT_TEST_H
#define TESTS_CHARIOT_TEST_H

#include "qemu/bswap.h"
#include "libqtest.h"
#include "libqos/pci.h"
#include "libqos/pci-pc.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "hw/pci/pci_regs.h"
#include "../../hw/misc/chariot/uapi/chariot.h"
#include "../../hw/misc/chariot/uapi/chariot_ring.h"

#define MACHINE "-machine pc -nodefaults -m 64M "

#define RING_GPA 0x200000
#define SYMTAB_GPA 0x300000

/* Where the isolated driver's code is said to lie. */
#define TEXT 0xffffffffc0100000ULL

#define FEATURES (CHARIOT_F_RING | CHARIOT_F_SYMTAB | CHARIOT_F_EVENTS | \
                  CHARIOT_F_GROUPS | CHARIOT_F_FREES)

typedef struct Vm {
    QTestState *qts;
    QPCIBus *bus;
    QPCIDevice *dev;
    QPCIBar bar;
    /* with the stand-in only */
    char *dir;
    char *log;
    int events;
} Vm;

static inline Vm *vm_start(const char *props)
{
    Vm *vm = g_new0(Vm, 1);

    vm->events = -1;
    vm->qts = qtest_initf(MACHINE "-device chariot-pci,addr=04.0,%s", props);
    vm->bus = qpci_new_pc(vm->qts, NULL);
    vm->dev = qpci_device_find(vm->bus, QPCI_DEVFN(4, 0));
    g_assert_nonnull(vm->dev);
    qpci_device_enable(vm->dev);
    vm->bar = qpci_iomap(vm->dev, 0, NULL);
    return vm;
}

static inline void vm_stop(Vm *vm)
{
    g_free(vm->dev);
    qpci_free_pc(vm->bus);
    qtest_quit(vm->qts);
    if (vm->dir) {
        g_autofree char *fifo = g_strdup_printf("%s/device", vm->dir);

        close(vm->events);
        unlink(vm->log);
        unlink(fifo);
        rmdir(vm->dir);
    }
    g_free(vm->dir);
    g_free(vm->log);
    g_free(vm);
}

static inline uint32_t get(Vm *vm, uint64_t reg)
{
    return qpci_io_readl(vm->dev, vm->bar, reg);
}

static inline void set(Vm *vm, uint64_t reg, uint32_t val)
{
    qpci_io_writel(vm->dev, vm->bar, reg, val);
}

static inline QDict *query(Vm *vm)
{
    return qtest_qmp_assert_success_ref(vm->qts,
                                        "{'execute': 'query-chariot'}");
}

static inline int64_t guest_errors(Vm *vm)
{
    QDict *info = query(vm);
    int64_t n = qdict_get_int(qdict_get_qdict(info, "agent"), "guest-errors");

    qobject_unref(info);
    return n;
}

static inline void set_ring(Vm *vm, uint64_t gpa, uint32_t order)
{
    set(vm, CHARIOT_REG_RING_ADDR_LO, gpa);
    set(vm, CHARIOT_REG_RING_ADDR_HI, gpa >> 32);
    set(vm, CHARIOT_REG_RING_ORDER, order);
}

/* What an agent does, up to READY. */
static inline void bring_up(Vm *vm)
{
    set(vm, CHARIOT_REG_GUEST_FEATURES, FEATURES);
    set(vm, CHARIOT_REG_STATUS, CHARIOT_STATUS_FEATURES);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==, CHARIOT_STATUS_FEATURES);
    set_ring(vm, RING_GPA, 8);
    set(vm, CHARIOT_REG_STATUS, CHARIOT_STATUS_FEATURES | CHARIOT_STATUS_RING);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==,
                    CHARIOT_STATUS_FEATURES | CHARIOT_STATUS_RING);
    set(vm, CHARIOT_REG_STATUS, CHARIOT_STATUS_FEATURES |
        CHARIOT_STATUS_RING | CHARIOT_STATUS_READY);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==, CHARIOT_STATUS_FEATURES |
                    CHARIOT_STATUS_RING | CHARIOT_STATUS_READY);
}

/* A table of three symbols, the last an alias of the second. */
typedef struct Symtab {
    uint32_t magic;
    uint32_t count;
    struct chariot_sym sym[3];
    char names[32];
} QEMU_PACKED Symtab;

#define NAME_OFFSET(n) (offsetof(Symtab, names) + (n))

static inline Symtab symtab(void)
{
    Symtab tab = {
        .magic = cpu_to_le32(CHARIOT_SYMTAB_MAGIC),
        .count = cpu_to_le32(3),
        .sym = {
            { cpu_to_le64(TEXT), cpu_to_le32(0x40),
              cpu_to_le32(NAME_OFFSET(0)) },
            { cpu_to_le64(TEXT + 0x100), cpu_to_le32(0x80),
              cpu_to_le32(NAME_OFFSET(6)) },
            { cpu_to_le64(TEXT + 0x100), cpu_to_le32(0x80),
              cpu_to_le32(NAME_OFFSET(18)) },
        },
        .names = "probe\0e1000_clean\0al\x1bi\"as",
    };

    return tab;
}

static inline uint32_t set_symtab(Vm *vm, uint64_t gpa, uint32_t len)
{
    set(vm, CHARIOT_REG_SYM_ADDR_LO, gpa);
    set(vm, CHARIOT_REG_SYM_ADDR_HI, gpa >> 32);
    set(vm, CHARIOT_REG_SYM_LEN, len);
    return get(vm, CHARIOT_REG_SYM_LEN);
}

static inline uint32_t try_symtab(Vm *vm, const Symtab *tab)
{
    qtest_memwrite(vm->qts, SYMTAB_GPA, tab, sizeof(*tab));
    return set_symtab(vm, SYMTAB_GPA, sizeof(*tab));
}

static inline int64_t n_symbols(Vm *vm)
{
    QDict *info = query(vm);
    const QListEntry *first = qlist_first(qdict_get_qlist(info, "domains"));
    int64_t n = qdict_get_int(qobject_to(QDict, first->value), "symbols");

    qobject_unref(info);
    return n;
}

/*
 * Realize must fail, and say @message. @accel is tcg where the test is about a
 * VM without KVM.
 */
static inline void check_refused(const char *accel, const char *devices,
                                 const char *message)
{
    g_autofree char *command = g_strdup_printf(
        "%s -machine pc -nodefaults -display none -S -accel %s %s",
        g_getenv("QTEST_QEMU_BINARY"), accel, devices);
    g_autofree char *err = NULL;
    g_autofree char *want = g_strdup_printf(": %s\n", message);
    int status;

    g_assert_true(g_spawn_command_line_sync(command, NULL, &err, &status,
                                            NULL));
    g_assert_cmpint(status, !=, 0);
    if (!strstr(err, want)) {
        g_test_message("want '%s', have '%s'", message, err);
        g_test_fail();
    }
}

#endif
