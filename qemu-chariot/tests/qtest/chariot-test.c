/*
 * QTest for chariot-pci: properties, registers, negotiation, misuse
 *
 * There is no backend here, so nothing that the device asks of the host module
 * is tested: chariot-backend-test does that.
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#include "qemu/osdep.h"
#include "chariot-test.h"

#define RAM_END (64ULL << 20)

static void read_name(Vm *vm, uint32_t id, char name[CHARIOT_NAME_MAX])
{
    set(vm, CHARIOT_REG_DOMAIN_SELECT, id);
    for (int i = 0; i < CHARIOT_NAME_MAX; i += 4) {
        stl_le_p(name + i, get(vm, CHARIOT_REG_DOMAIN_NAME + i));
    }
}

static void test_identity(void)
{
    Vm *vm = vm_start("isolate=e1000:snd-ens1370+snd_ac97-codec,"
                      "policy=audit");
    char name[CHARIOT_NAME_MAX];
    char zeros[CHARIOT_NAME_MAX] = "";

    g_assert_cmphex(qpci_config_readw(vm->dev, PCI_VENDOR_ID), ==,
                    CHARIOT_PCI_VENDOR_ID);
    g_assert_cmphex(qpci_config_readw(vm->dev, PCI_DEVICE_ID), ==,
                    CHARIOT_PCI_DEVICE_ID);
    g_assert_cmphex(qpci_config_readb(vm->dev, PCI_REVISION_ID), ==, 1);
    g_assert_cmphex(get(vm, CHARIOT_REG_MAGIC), ==, CHARIOT_MAGIC);
    g_assert_cmphex(get(vm, CHARIOT_REG_VERSION), ==, CHARIOT_VERSION);
    g_assert_cmphex(get(vm, CHARIOT_REG_FEATURES), ==, FEATURES);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==, 0);
    g_assert_cmpuint(get(vm, CHARIOT_REG_DOMAINS), ==, 2);

    read_name(vm, 1, name);
    g_assert_cmpstr(name, ==, "e1000");
    g_assert_cmpmem(name + 5, sizeof(name) - 5, zeros, sizeof(name) - 5);
    g_assert_cmphex(get(vm, CHARIOT_REG_DOMAIN_POLICY), ==,
                    CHARIOT_POLICY_AUDIT);
    read_name(vm, 2, name);
    g_assert_cmpstr(name, ==, "snd_ens1370+snd_ac97_codec");
    for (uint32_t id = 0; id != 6; id = id ? id * 2 : 3) {
        read_name(vm, id, name);
        g_assert_cmpmem(name, sizeof(name), zeros, sizeof(name));
        g_assert_cmphex(get(vm, CHARIOT_REG_DOMAIN_POLICY), ==, ~0U);
    }
    read_name(vm, ~0U, name);
    g_assert_cmphex(get(vm, CHARIOT_REG_DOMAIN_POLICY), ==, ~0U);
    g_assert_cmpint(guest_errors(vm), ==, 0);
    vm_stop(vm);
}

static void test_nothing_isolated(void)
{
    Vm *vm = vm_start("isolate=");
    QDict *info = query(vm);

    g_assert_cmpuint(get(vm, CHARIOT_REG_DOMAINS), ==, 0);
    g_assert_true(qdict_get_bool(info, "enabled"));
    g_assert_false(qdict_get_bool(info, "attached"));
    g_assert_true(qlist_empty(qdict_get_qlist(info, "domains")));
    g_assert_false(qdict_haskey(info, "counters"));
    qobject_unref(info);
    bring_up(vm);
    vm_stop(vm);
}

static void test_negotiation(void)
{
    Vm *vm = vm_start("isolate=e1000");
    QDict *info, *agent;

    bring_up(vm);
    g_assert_cmpint(guest_errors(vm), ==, 0);
    info = query(vm);
    agent = qdict_get_qdict(info, "agent");
    g_assert_cmpint(qdict_get_int(agent, "features"), ==, FEATURES);
    g_assert_true(qdict_get_bool(agent, "negotiated"));
    g_assert_true(qdict_get_bool(agent, "ring"));
    g_assert_true(qdict_get_bool(agent, "ready"));
    g_assert_false(qdict_get_bool(agent, "broken"));
    g_assert_cmphex(qdict_get_int(agent, "ring-address"), ==, RING_GPA);
    g_assert_cmpint(qdict_get_int(agent, "ring-records"), ==, 256);
    g_assert_cmphex(qdict_get_int(agent, "doorbell"), ==,
                    vm->bar.addr + CHARIOT_REG_DOORBELL);
    qobject_unref(info);

    /* The registers of what is in use are locked. */
    set(vm, CHARIOT_REG_GUEST_FEATURES, CHARIOT_F_RING);
    set_ring(vm, 0x400000, 9);
    g_assert_cmphex(get(vm, CHARIOT_REG_GUEST_FEATURES), ==, FEATURES);
    g_assert_cmphex(get(vm, CHARIOT_REG_RING_ADDR_LO), ==, RING_GPA);
    g_assert_cmpuint(get(vm, CHARIOT_REG_RING_ORDER), ==, 8);
    g_assert_cmpint(guest_errors(vm), ==, 4);

    /* The device starts over, and remembers its domains. */
    set(vm, CHARIOT_REG_STATUS, 0);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==, 0);
    g_assert_cmphex(get(vm, CHARIOT_REG_GUEST_FEATURES), ==, 0);
    g_assert_cmphex(get(vm, CHARIOT_REG_RING_ADDR_LO), ==, 0);
    g_assert_cmpuint(get(vm, CHARIOT_REG_DOMAINS), ==, 1);
    bring_up(vm);

    qtest_system_reset(vm->qts);
    qpci_device_enable(vm->dev);
    qpci_config_writel(vm->dev, PCI_BASE_ADDRESS_0, vm->bar.addr);
    g_assert_cmphex(get(vm, CHARIOT_REG_MAGIC), ==, CHARIOT_MAGIC);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==, 0);
    g_assert_cmphex(get(vm, CHARIOT_REG_GUEST_FEATURES), ==, 0);
    bring_up(vm);
    vm_stop(vm);
}

static void test_features_refused(void)
{
    static const uint32_t bad[] = {
        0,
        CHARIOT_F_SYMTAB,
        CHARIOT_F_RING | (1u << 5),
        ~0U,
    };
    Vm *vm = vm_start("isolate=e1000");

    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        set(vm, CHARIOT_REG_GUEST_FEATURES, bad[i]);
        set(vm, CHARIOT_REG_STATUS, CHARIOT_STATUS_FEATURES);
        g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==, 0);
        g_assert_cmpint(guest_errors(vm), ==, i + 1);
    }
    bring_up(vm);
    vm_stop(vm);
}

/* An agent that does not know of domains of several modules is told no. */
static void test_groups_refused(void)
{
    Vm *vm = vm_start("isolate=e1000:ahci+libahci");

    set(vm, CHARIOT_REG_GUEST_FEATURES, FEATURES & ~CHARIOT_F_GROUPS);
    set(vm, CHARIOT_REG_STATUS, CHARIOT_STATUS_FEATURES);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==, 0);
    g_assert_cmpint(guest_errors(vm), ==, 1);
    bring_up(vm);
    vm_stop(vm);
    /* Where there are none it need not know. */
    vm = vm_start("isolate=e1000");
    set(vm, CHARIOT_REG_GUEST_FEATURES, CHARIOT_F_RING);
    set(vm, CHARIOT_REG_STATUS, CHARIOT_STATUS_FEATURES);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==, CHARIOT_STATUS_FEATURES);
    vm_stop(vm);
}

static void test_ring_refused(void)
{
    static const struct {
        uint64_t gpa;
        uint32_t order;
    } bad[] = {
        { RING_GPA, 0 },
        { RING_GPA, CHARIOT_RING_ORDER_MIN - 1 },
        { RING_GPA, CHARIOT_RING_ORDER_MAX + 1 },
        { RING_GPA, ~0U },
        { RING_GPA + 8, 8 },
        { RING_GPA + 0x800, 8 },
        { ~0ULL, 8 },
    };
    Vm *vm = vm_start("isolate=e1000");

    set(vm, CHARIOT_REG_GUEST_FEATURES, FEATURES);
    set(vm, CHARIOT_REG_STATUS, CHARIOT_STATUS_FEATURES);
    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        set_ring(vm, bad[i].gpa, bad[i].order);
        set(vm, CHARIOT_REG_STATUS,
            CHARIOT_STATUS_FEATURES | CHARIOT_STATUS_RING);
        g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==,
                        CHARIOT_STATUS_FEATURES);
        g_assert_cmpint(guest_errors(vm), ==, i + 1);
    }
    /* A refusal is not the end. */
    set_ring(vm, RING_GPA, 8);
    set(vm, CHARIOT_REG_STATUS, CHARIOT_STATUS_FEATURES | CHARIOT_STATUS_RING);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==,
                    CHARIOT_STATUS_FEATURES | CHARIOT_STATUS_RING);
    vm_stop(vm);
}

/* Each is counted once, and changes nothing. */
static void test_misuse(void)
{
    static const uint32_t bad_status[] = {
        /* too early */
        CHARIOT_STATUS_RING,
        CHARIOT_STATUS_READY,
        CHARIOT_STATUS_RING | CHARIOT_STATUS_READY,
        /* unknown */
        1u << 3,
        1u << 31,
        CHARIOT_STATUS_FEATURES | (1u << 8),
    };
    static const uint32_t read_only[] = {
        CHARIOT_REG_MAGIC, CHARIOT_REG_VERSION, CHARIOT_REG_FEATURES,
        CHARIOT_REG_VIOLATIONS, CHARIOT_REG_DOMAINS,
        CHARIOT_REG_DOMAIN_POLICY, CHARIOT_REG_DOMAIN_NAME,
        CHARIOT_REG_DOMAIN_NAME + CHARIOT_NAME_MAX - 4,
    };
    static const uint32_t nowhere[] = {
        0x34, 0x3c, 0x8c, 0x100, CHARIOT_REG_DOORBELL - 4,
    };
    Vm *vm = vm_start("isolate=e1000");
    int64_t n = 0;

    for (int i = 0; i < ARRAY_SIZE(bad_status); i++) {
        set(vm, CHARIOT_REG_STATUS, bad_status[i]);
        g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==, 0);
        g_assert_cmpint(guest_errors(vm), ==, ++n);
    }
    for (int i = 0; i < ARRAY_SIZE(read_only); i++) {
        uint32_t was = get(vm, read_only[i]);

        set(vm, read_only[i], ~was);
        g_assert_cmphex(get(vm, read_only[i]), ==, was);
        g_assert_cmpint(guest_errors(vm), ==, ++n);
    }
    for (int i = 0; i < ARRAY_SIZE(nowhere); i++) {
        set(vm, nowhere[i], 1);
        g_assert_cmpint(guest_errors(vm), ==, ++n);
        g_assert_cmphex(get(vm, nowhere[i]), ==, 0);
        g_assert_cmpint(guest_errors(vm), ==, ++n);
    }

    /* size and alignment */
    g_assert_cmphex(qpci_io_readb(vm->dev, vm->bar, 0), ==, 0);
    g_assert_cmpint(guest_errors(vm), ==, ++n);
    g_assert_cmphex(qpci_io_readw(vm->dev, vm->bar, 0), ==, 0);
    g_assert_cmpint(guest_errors(vm), ==, ++n);
    g_assert_cmphex(qpci_io_readq(vm->dev, vm->bar, 0), ==, 0);
    g_assert_cmpint(guest_errors(vm), ==, ++n);
    g_assert_cmphex(qpci_io_readl(vm->dev, vm->bar, 2), ==, 0);
    g_assert_cmpint(guest_errors(vm), ==, ++n);
    qpci_io_writeb(vm->dev, vm->bar, CHARIOT_REG_GUEST_FEATURES, 1);
    g_assert_cmpint(guest_errors(vm), ==, ++n);
    qpci_io_writew(vm->dev, vm->bar, CHARIOT_REG_GUEST_FEATURES, 1);
    g_assert_cmpint(guest_errors(vm), ==, ++n);
    qpci_io_writeq(vm->dev, vm->bar, CHARIOT_REG_FEATURES, ~0ULL);
    g_assert_cmpint(guest_errors(vm), ==, ++n);
    qpci_io_writel(vm->dev, vm->bar, CHARIOT_REG_GUEST_FEATURES - 1, ~0U);
    g_assert_cmpint(guest_errors(vm), ==, ++n);
    g_assert_cmphex(get(vm, CHARIOT_REG_GUEST_FEATURES), ==, 0);

    /* doorbell: without a ring, elsewhere in its page, of another size, read */
    set(vm, CHARIOT_REG_DOORBELL, 1);
    g_assert_cmpint(guest_errors(vm), ==, ++n);
    bring_up(vm);
    set(vm, CHARIOT_REG_DOORBELL, 1);
    g_assert_cmpint(guest_errors(vm), ==, n);
    set(vm, CHARIOT_REG_DOORBELL + 4, 1);
    g_assert_cmpint(guest_errors(vm), ==, ++n);
    qpci_io_writeb(vm->dev, vm->bar, CHARIOT_REG_DOORBELL, 1);
    g_assert_cmpint(guest_errors(vm), ==, ++n);
    g_assert_cmphex(get(vm, CHARIOT_REG_DOORBELL), ==, 0);
    g_assert_cmpint(guest_errors(vm), ==, ++n);

    /* Bits of STATUS are taken back all at once or not at all. */
    set(vm, CHARIOT_REG_STATUS, CHARIOT_STATUS_FEATURES);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==, CHARIOT_STATUS_FEATURES |
                    CHARIOT_STATUS_RING | CHARIOT_STATUS_READY);
    g_assert_cmpint(guest_errors(vm), ==, ++n);
    vm_stop(vm);
}

static void test_symbols(void)
{
    Vm *vm = vm_start("isolate=e1000");
    Symtab tab = symtab();

    set(vm, CHARIOT_REG_DOMAIN_SELECT, 1);
    g_assert_cmpuint(try_symtab(vm, &tab), ==, EOPNOTSUPP);
    bring_up(vm);
    set(vm, CHARIOT_REG_DOMAIN_SELECT, 2);
    g_assert_cmpuint(try_symtab(vm, &tab), ==, ENOENT);
    set(vm, CHARIOT_REG_DOMAIN_SELECT, 1);
    g_assert_cmpuint(try_symtab(vm, &tab), ==, 0);
    g_assert_cmpint(n_symbols(vm), ==, 3);

    /* length and address */
    g_assert_cmpuint(set_symtab(vm, SYMTAB_GPA, 0), ==, E2BIG);
    g_assert_cmpuint(set_symtab(vm, SYMTAB_GPA, 7), ==, E2BIG);
    g_assert_cmpuint(set_symtab(vm, SYMTAB_GPA, CHARIOT_SYMTAB_MAX + 1), ==,
                     E2BIG);
    g_assert_cmpuint(set_symtab(vm, SYMTAB_GPA, ~0U), ==, E2BIG);
    g_assert_cmpuint(set_symtab(vm, SYMTAB_GPA, 8 + 3 * 16), ==, EINVAL);
    g_assert_cmpuint(set_symtab(vm, RAM_END - 8, sizeof(tab)), ==, EFAULT);
    g_assert_cmpuint(set_symtab(vm, 1ULL << 40, sizeof(tab)), ==, EFAULT);
    g_assert_cmpuint(set_symtab(vm, -8ULL, sizeof(tab)), ==, EFAULT);
    /* no memory, but registers */
    g_assert_cmpuint(set_symtab(vm, vm->bar.addr, sizeof(tab)), ==, EFAULT);

    /* content */
    tab.magic ^= 1;
    g_assert_cmpuint(try_symtab(vm, &tab), ==, EINVAL);
    tab = symtab();
    tab.count = cpu_to_le32(4);
    g_assert_cmpuint(try_symtab(vm, &tab), ==, EINVAL);
    tab.count = cpu_to_le32(~0U);
    g_assert_cmpuint(try_symtab(vm, &tab), ==, EINVAL);
    tab.count = cpu_to_le32(0x10000001);
    g_assert_cmpuint(try_symtab(vm, &tab), ==, EINVAL);
    tab = symtab();
    tab.sym[0].va = cpu_to_le64(TEXT + 0x200);
    g_assert_cmpuint(try_symtab(vm, &tab), ==, EINVAL);
    tab = symtab();
    tab.sym[2].va = cpu_to_le64(-8ULL);
    g_assert_cmpuint(try_symtab(vm, &tab), ==, EINVAL);
    tab = symtab();
    tab.sym[1].name = cpu_to_le32(sizeof(tab));
    g_assert_cmpuint(try_symtab(vm, &tab), ==, EINVAL);
    tab.sym[1].name = cpu_to_le32(4);
    g_assert_cmpuint(try_symtab(vm, &tab), ==, EINVAL);
    tab = symtab();
    tab.names[sizeof(tab.names) - 1] = 'x';
    g_assert_cmpuint(try_symtab(vm, &tab), ==, EINVAL);

    /* What was refused did not replace what was accepted. */
    g_assert_cmpint(n_symbols(vm), ==, 3);
    tab = symtab();
    tab.count = 0;
    g_assert_cmpuint(try_symtab(vm, &tab), ==, 0);
    g_assert_cmpint(n_symbols(vm), ==, 0);

    tab = symtab();
    g_assert_cmpuint(try_symtab(vm, &tab), ==, 0);
    set(vm, CHARIOT_REG_STATUS, 0);
    g_assert_cmpint(n_symbols(vm), ==, 0);
    vm_stop(vm);
}

/* Accesses at random, most of them to registers that exist: nothing breaks. */
static void test_monkey(void)
{
    Vm *vm = vm_start("isolate=e1000:ahci:nvme");
    Symtab tab = symtab();

    qtest_memwrite(vm->qts, SYMTAB_GPA, &tab, sizeof(tab));
    for (int i = 0; i < 20000; i++) {
        uint64_t addr = g_test_rand_int_range(0, 0x90);
        uint64_t val = g_test_rand_int_range(0, 16);

        switch (g_test_rand_int_range(0, 16)) {
        case 0:
            addr = g_test_rand_int_range(0, CHARIOT_BAR_SIZE - 8);
            break;
        case 1:
            addr = CHARIOT_REG_DOORBELL;
            break;
        case 2:
            val = g_test_rand_int();
            break;
        case 3:
            val = SYMTAB_GPA;
            break;
        case 4:
            val = sizeof(tab);
            break;
        default:
            addr &= ~3;
            break;
        }
        switch (g_test_rand_int_range(0, 16)) {
        case 0:
            qpci_io_readb(vm->dev, vm->bar, addr);
            break;
        case 1:
            qpci_io_writeb(vm->dev, vm->bar, addr, val);
            break;
        case 2:
            qpci_io_readq(vm->dev, vm->bar, addr);
            break;
        case 3:
            qpci_io_writeq(vm->dev, vm->bar, addr, val);
            break;
        case 4 ... 6:
            get(vm, addr);
            break;
        default:
            set(vm, addr, val);
            break;
        }
    }
    set(vm, CHARIOT_REG_STATUS, 0);
    g_assert_cmphex(get(vm, CHARIOT_REG_MAGIC), ==, CHARIOT_MAGIC);
    g_assert_cmpuint(get(vm, CHARIOT_REG_DOMAINS), ==, 3);
    bring_up(vm);
    vm_stop(vm);
}

static void test_no_device(void)
{
    QTestState *qts = qtest_init(MACHINE);
    QDict *info = qtest_qmp_assert_success_ref(qts,
                                               "{'execute': 'query-chariot'}");
    char *text = qtest_hmp(qts, "info chariot");
    QDict *error;

    g_assert_false(qdict_get_bool(info, "enabled"));
    g_assert_cmpuint(qdict_size(info), ==, 1);
    qobject_unref(info);
    g_assert_cmpstr(text, ==, "this VM has no chariot-pci device\r\n");
    g_free(text);
    error = qtest_qmp_assert_failure_ref(
        qts, "{'execute': 'chariot-set-policy', 'arguments': "
        "{'domain': 'e1000', 'policy': 'audit'}}");
    g_assert_cmpstr(qdict_get_str(error, "desc"), ==,
                    "this VM has no chariot-pci device");
    qobject_unref(error);
    qtest_quit(qts);
}

static void test_set_policy(void)
{
    Vm *vm = vm_start("isolate=e1000:nvme");
    QDict *error;

    bring_up(vm);
    qtest_qmp_assert_success(vm->qts, "{'execute': 'chariot-set-policy', "
                             "'arguments': {'domain': 'nvme', "
                             "'policy': 'audit'}}");
    set(vm, CHARIOT_REG_DOMAIN_SELECT, 1);
    g_assert_cmphex(get(vm, CHARIOT_REG_DOMAIN_POLICY), ==,
                    CHARIOT_POLICY_BLOCK);
    set(vm, CHARIOT_REG_DOMAIN_SELECT, 2);
    g_assert_cmphex(get(vm, CHARIOT_REG_DOMAIN_POLICY), ==,
                    CHARIOT_POLICY_AUDIT);
    g_assert_cmphex(get(vm, CHARIOT_REG_IRQ_STATUS), ==, CHARIOT_IRQ_POLICY);
    set(vm, CHARIOT_REG_IRQ_STATUS, CHARIOT_IRQ_POLICY);
    g_assert_cmphex(get(vm, CHARIOT_REG_IRQ_STATUS), ==, 0);

    /* by number; and the same again, which is no change */
    qtest_qmp_assert_success(vm->qts, "{'execute': 'chariot-set-policy', "
                             "'arguments': {'domain': '2', "
                             "'policy': 'audit'}}");
    g_assert_cmphex(get(vm, CHARIOT_REG_IRQ_STATUS), ==, 0);

    error = qtest_qmp_assert_failure_ref(
        vm->qts, "{'execute': 'chariot-set-policy', 'arguments': "
        "{'domain': '3', 'policy': 'audit'}}");
    g_assert_cmpstr(qdict_get_str(error, "desc"), ==,
                    "no domain has name or id '3'");
    qobject_unref(error);
    vm_stop(vm);
}

static void test_migration(void)
{
    Vm *vm = vm_start("isolate=e1000");
    QDict *error = qtest_qmp_assert_failure_ref(
        vm->qts, "{'execute': 'migrate', 'arguments': "
        "{'uri': 'exec:cat >/dev/null'}}");

    g_assert_cmpstr(qdict_get_str(error, "desc"), ==,
                    "chariot-pci does not support migration and snapshots "
                    "yet");
    qobject_unref(error);
    vm_stop(vm);
}

static void test_bad_properties(void)
{
    static const char hint[] =
        "\nNames are those that lsmod shows in the guest: lower-case letters, "
        "digits, '_' and '-', separated by ':', or by '+' where several "
        "modules are one domain.";
    static const char empty[] =
        "'isolate' has an empty module name\n"
        "Write isolate=MODULE[:MODULE...], as in isolate=e1000:ahci+libahci";
    static const struct {
        const char *props;
        const char *message;
    } cases[] = {
        { "isolate=:", empty },
        { "isolate=e1000:", empty },
        { "isolate=e1000::ahci", empty },
        { "isolate=e1000:+ahci", empty },
        { "isolate=ahci+", empty },
        { "isolate=a-b:c:a_b", "'isolate' names module 'a_b' twice" },
        { "isolate=a:c+a_b+a-b", "'isolate' names module 'a_b' twice" },
        { "isolate=a+b:c+b", "'isolate' names module 'b' twice" },
        { "isolate=a:b:c:d:e:f:g:h:i:j:k:l:m:n:o:p:q",
          "'isolate' names more than 16 domains" },
        { "policy=panic", "'policy' cannot be 'panic'\n"
          "It is one of: audit block" },
        { "policy=", "'policy' cannot be ''\nIt is one of: audit block" },
        { "events-max=65537", "'events-max' must be at most 65536" },
        { "no-such-property=1",
          "Property 'chariot-pci.no-such-property' not found" },
    };
    g_autofree char *names64 = g_strnfill(64, 'a');
    g_autofree char *props64 = g_strdup_printf(
        "-device chariot-pci,isolate=%s", names64);
    g_autofree char *message64 = g_strdup_printf(
        "domain name in 'isolate' is longer than 63 characters: '%s'",
        names64);
    g_autofree char *group64 = g_strdup_printf(
        "-device chariot-pci,isolate=b+%.62s", names64);
    g_autofree char *group64_message = g_strdup_printf(
        "domain name in 'isolate' is longer than 63 characters: 'b+%.62s'",
        names64);
    g_autofree char *names63 = g_strnfill(63, 'a');
    g_autofree char *props63 = g_strdup_printf("isolate=%s", names63);
    char name[CHARIOT_NAME_MAX];
    Vm *vm;

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *devices = g_strdup_printf("-device chariot-pci,%s",
                                                   cases[i].props);

        check_refused("qtest", devices, cases[i].message);
    }
    for (const char *c = "E/.%"; *c; c++) {
        g_autofree char *devices = g_strdup_printf(
            "-device chariot-pci,isolate=x%cy", *c);
        g_autofree char *message = g_strdup_printf(
            "bad character '%c' in module name 'x%cy' of 'isolate'%s", *c, *c,
            hint);

        check_refused("qtest", devices, message);
    }
    check_refused("qtest", props64, message64);
    check_refused("qtest", group64, group64_message);
    vm = vm_start(props63);
    read_name(vm, 1, name);
    g_assert_cmpstr(name, ==, names63);
    vm_stop(vm);
    vm = vm_start("isolate=a:b:c:d:e:f:g:h:i:j:k:l:m:n:o:p");
    g_assert_cmpuint(get(vm, CHARIOT_REG_DOMAINS), ==, 16);
    vm_stop(vm);
}

static void test_refused(void)
{
    check_refused("qtest", "-device chariot-pci -device chariot-pci",
                  "a VM can have only one chariot-pci device\n"
                  "Name all modules in one device: isolate=MODULE:MODULE");
    check_refused("tcg", "-device chariot-pci", "KVM is not in use\n"
                  "Chariot isolates drivers by KVM's page tables: start QEMU "
                  "with -accel kvm.");
    check_refused("qtest", "-device chariot-pci,x-device=/nonexistent/chariot",
                  "cannot open /nonexistent/chariot: No such file or "
                  "directory\nLoad the host module: modprobe kvm-chariot\n"
                  "Under libvirt, also list /nonexistent/chariot in "
                  "cgroup_device_acl of /etc/libvirt/qemu.conf.");
    check_refused("qtest", "-device chariot-pci,x-device=/dev/null",
                  "/dev/null is not the device of kvm-chariot: Inappropriate "
                  "ioctl for device");
}

static void test_no_permission(void)
{
    g_autofree char *dir = g_dir_make_tmp("chariot-XXXXXX", NULL);
    g_autofree char *node = g_strdup_printf("%s/device", dir);
    g_autofree char *devices = g_strdup_printf(
        "-device chariot-pci,x-device=%s", node);
    g_autofree char *message = g_strdup_printf(
        "cannot open %s: Permission denied\nThe node belongs to user %u, "
        "group %u, mode 000; this QEMU runs as user %u, group %u.\n"
        "The node should belong to group kvm with mode 660 (a udev rule), and "
        "the user to that group. Under libvirt, also list %s in "
        "cgroup_device_acl of /etc/libvirt/qemu.conf.", node, geteuid(),
        getegid(), geteuid(), getegid(), node);

    if (geteuid() == 0) {
        g_test_skip("nothing is forbidden to root");
        rmdir(dir);
        return;
    }
    close(open(node, O_CREAT | O_RDWR, 0));
    check_refused("qtest", devices, message);
    unlink(node);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/chariot/identity", test_identity);
    qtest_add_func("/chariot/nothing-isolated", test_nothing_isolated);
    qtest_add_func("/chariot/negotiation", test_negotiation);
    qtest_add_func("/chariot/features-refused", test_features_refused);
    qtest_add_func("/chariot/groups-refused", test_groups_refused);
    qtest_add_func("/chariot/ring-refused", test_ring_refused);
    qtest_add_func("/chariot/misuse", test_misuse);
    qtest_add_func("/chariot/symbols", test_symbols);
    qtest_add_func("/chariot/monkey", test_monkey);
    qtest_add_func("/chariot/no-device", test_no_device);
    qtest_add_func("/chariot/set-policy", test_set_policy);
    qtest_add_func("/chariot/migration", test_migration);
    qtest_add_func("/chariot/bad-properties", test_bad_properties);
    qtest_add_func("/chariot/refused", test_refused);
    qtest_add_func("/chariot/no-permission", test_no_permission);
    return g_test_run();
}
