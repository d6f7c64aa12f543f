/*
 * QTest for chariot-pci: what it asks of the host module, and what it makes of
 * the module's events
 *
 * The module's place is taken by a stand-in, chariot-fake.c, named by the
 * environment variable CHARIOT_FAKE. Nothing here shows that a driver is
 * isolated: that takes KVM and the module.
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#include "qemu/osdep.h"
#include "chariot-test.h"

#define MSIX_GPA 0x100000

static bool have_fake(void)
{
    if (!g_getenv("CHARIOT_FAKE")) {
        g_test_skip("CHARIOT_FAKE does not name the stand-in");
        return false;
    }
    return true;
}

static Vm *vm_start_fake(const char *props)
{
    g_autofree char *dir = g_dir_make_tmp("chariot-XXXXXX", NULL);
    g_autofree char *log = g_strdup_printf("%s/log", dir);
    g_autofree char *fifo = g_strdup_printf("%s/device", dir);
    g_autofree char *all = g_strdup_printf("%s,x-device=%s", props, fifo);
    Vm *vm;

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_setenv("CHARIOT_FAKE_LOG", log, true);
    g_setenv("LD_PRELOAD", g_getenv("CHARIOT_FAKE"), true);
    vm = vm_start(all);
    g_unsetenv("LD_PRELOAD");
    vm->dir = g_steal_pointer(&dir);
    vm->log = g_steal_pointer(&log);
    vm->events = open(fifo, O_WRONLY);
    g_assert_cmpint(vm->events, >=, 0);
    return vm;
}

/* The symbols of the first domain. */
static void pass_symbols(Vm *vm)
{
    Symtab tab = symtab();

    set(vm, CHARIOT_REG_DOMAIN_SELECT, 1);
    g_assert_cmpuint(try_symtab(vm, &tab), ==, 0);
}

/* With an agent at work that has passed the symbols of e1000. */
static Vm *vm_start_symbols(void)
{
    Vm *vm = vm_start_fake("isolate=e1000");

    bring_up(vm);
    pass_symbols(vm);
    return vm;
}

/* What the device asked of the module since the last time. */
static char *take_log(Vm *vm)
{
    char *text = NULL;

    if (!g_file_get_contents(vm->log, &text, NULL, NULL)) {
        return g_strdup("");
    }
    unlink(vm->log);
    return text;
}

static void check_log(Vm *vm, const char *want)
{
    g_autofree char *log = take_log(vm);

    g_assert_cmpstr(log, ==, want);
}

static void put_event(Vm *vm, const struct chariot_event *event)
{
    g_assert_cmpint(write(vm->events, event, sizeof(*event)), ==,
                    sizeof(*event));
}

static void test_attach(void)
{
    g_autofree char *want = NULL;
    Vm *vm;

    if (!have_fake()) {
        return;
    }
    vm = vm_start_fake("isolate=e1000:snd-hda-intel,policy=audit,"
                       "events-max=77,grants-max=88,view-pages-max=99");
    check_log(vm, "attach abi=" stringify(CHARIOT_ABI_VERSION) " vm_fd=-1 "
              "events_max=77 grants_max=88 view_pages_max=99\n"
              "domain 1 e1000 policy=0\n"
              "domain 2 snd_hda_intel policy=0\nreset\n");
    bring_up(vm);
    want = g_strdup_printf("ring 0x%x order=8 doorbell=0x%" PRIx64 "\n",
                           RING_GPA, vm->bar.addr + CHARIOT_REG_DOORBELL);
    check_log(vm, want);

    set(vm, CHARIOT_REG_DOORBELL, 1);
    check_log(vm, "kick\n");

    qtest_qmp_assert_success(vm->qts, "{'execute': 'chariot-set-policy', "
                             "'arguments': {'domain': 'e1000', "
                             "'policy': 'block'}}");
    check_log(vm, "policy 1 1\n");
    g_assert_cmphex(get(vm, CHARIOT_REG_VIOLATIONS), ==, 111);

    set(vm, CHARIOT_REG_STATUS, 0);
    check_log(vm, "reset\n");
    qtest_system_reset(vm->qts);
    check_log(vm, "reset\n");
    vm_stop(vm);
}

/* The module is told where the doorbell is, whenever that changes. */
static void test_bar_moves(void)
{
    uint64_t bar;
    Vm *vm;

    if (!have_fake()) {
        return;
    }
    vm = vm_start_fake("isolate=e1000");
    bar = vm->bar.addr;
    bring_up(vm);
    g_free(take_log(vm));

    qpci_config_writew(vm->dev, PCI_COMMAND, 0);
    check_log(vm, "ring 0x200000 order=8 doorbell=0xffffffffffffffff\n");
    qpci_config_writel(vm->dev, PCI_BASE_ADDRESS_0, 0xe8000000);
    check_log(vm, "");
    qpci_config_writew(vm->dev, PCI_COMMAND,
                       PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    check_log(vm, "ring 0x200000 order=8 doorbell=0xe8001000\n");
    vm->bar.addr = 0xe8000000;
    set(vm, CHARIOT_REG_DOORBELL, 1);
    check_log(vm, "kick\n");
    qpci_config_writel(vm->dev, PCI_BASE_ADDRESS_0, bar);
    vm->bar.addr = bar;
    g_free(take_log(vm));
    /* Nothing of this is told before there is a ring, or after a reset. */
    set(vm, CHARIOT_REG_STATUS, 0);
    g_free(take_log(vm));
    qpci_config_writew(vm->dev, PCI_COMMAND, 0);
    check_log(vm, "");
    vm_stop(vm);
}

static void test_refusals(void)
{
    static const struct {
        unsigned nr;
        int err;
        const char *message;
    } cases[] = {
        { 0, ENOTTY, " is not the device of kvm-chariot: Inappropriate ioctl "
          "for device" },
        { 1, EBADF, "cannot attach to the VM: KVM is not in use\n"
          "Start QEMU with -accel kvm." },
        { 1, ENOTTY, "cannot attach to the VM: the file descriptor of the VM "
          "is not KVM's\nThe host's kvm module is not the one that "
          "kvm-chariot was built for." },
        { 1, EPERM, "cannot attach to the VM: the VM belongs to another "
          "process" },
        { 1, EBUSY, "cannot attach to the VM: the VM is attached already\n"
          "Only one chariot-pci device, and nothing else that uses "
          "/dev/chariot, can serve a VM." },
        { 1, EPROTOTYPE, "cannot attach to the VM: the VM is confidential "
          "(SEV, TDX or protected)\nChariot must read the memory of the "
          "guest: leave out confidential-guest-support." },
        { 1, ENOEXEC, "cannot attach to the VM: a virtual CPU has no long "
          "mode\nChariot isolates drivers of 64-bit guests: choose a 64-bit "
          "CPU model, for example -cpu host." },
        { 1, EOPNOTSUPP, "cannot attach to the VM: KVM uses a paging mode "
          "that kvm-chariot does not support\nModes that it supports are in "
          "the kernel log; nested paging is switched on by kvm-amd.npt=1 or "
          "kvm-intel.ept=1." },
        { 1, ENXIO, "cannot attach to the VM: kvm-chariot could not hook "
          "KVM on this kernel\nSee the kernel log for the function that is "
          "missing; kvm-chariot must be built for the running kernel, and "
          "the kernel with CONFIG_DYNAMIC_FTRACE." },
        { 1, EPROTO, "cannot attach to the VM: kvm-chariot has another ABI "
          "version\nInstall the module and QEMU from the same release of "
          "Chariot." },
        { 1, ENOSPC, "cannot attach to the VM: as many VMs are attached as "
          "kvm-chariot allows\nStop another VM that has a chariot-pci "
          "device." },
        { 1, EINVAL, "cannot attach to the VM: kvm-chariot refuses the "
          "limits\nSee 'events-max', 'grants-max' and 'view-pages-max'." },
        { 1, ENOMEM, "cannot attach to the VM: the host is out of memory" },
        { 1, EIO, "cannot attach to the VM: Input/output error\n"
          "See the kernel log for the reason." },
        { 2, ERANGE, "kvm-chariot refuses domain 'e1000': Numerical result "
          "out of range" },
    };
    g_autofree char *dir = NULL, *node = NULL, *devices = NULL;

    if (!have_fake()) {
        return;
    }
    dir = g_dir_make_tmp("chariot-XXXXXX", NULL);
    node = g_strdup_printf("%s/device", dir);
    devices = g_strdup_printf("-device chariot-pci,isolate=e1000,x-device=%s",
                              node);
    g_assert_cmpint(mkfifo(node, 0600), ==, 0);
    g_setenv("LD_PRELOAD", g_getenv("CHARIOT_FAKE"), true);
    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *fail = g_strdup_printf("%u:%d", cases[i].nr,
                                                cases[i].err);
        g_autofree char *message = NULL;

        /* Only the first message names the node. */
        message = g_strconcat(i == 0 ? node : "", cases[i].message, NULL);
        g_setenv("CHARIOT_FAKE_FAIL", fail, true);
        check_refused("qtest", devices, message);
    }
    g_unsetenv("CHARIOT_FAKE_FAIL");
    g_setenv("CHARIOT_FAKE_ABI", "1", true);
    check_refused("qtest", devices, "kvm-chariot has ABI version 1, this QEMU "
                  "needs " stringify(CHARIOT_ABI_VERSION) "\nInstall the "
                  "module and QEMU from the same release of Chariot.");
    g_unsetenv("CHARIOT_FAKE_ABI");
    g_unsetenv("LD_PRELOAD");
    unlink(node);
    rmdir(dir);
}

static struct chariot_event violation(uint64_t seq)
{
    struct chariot_event event = {
        .seq = seq,
        .time_ns = 123456789,
        .type = CHARIOT_EVENT_VIOLATION,
        .domain = 1,
        .vcpu = 3,
        .violation = {
            .rip = TEXT + 0x112,
            .gva = 0xffff888002f1c070ULL,
            .gpa = 0x2f1c070,
            .size = 8,
            .count = 2,
            .flags = CHARIOT_VF_DATA | CHARIOT_VF_BLOCKED | CHARIOT_VF_CALL |
                     CHARIOT_VF_NEAR | CHARIOT_VF_GPA,
            .policy = CHARIOT_POLICY_BLOCK,
            .region = CHARIOT_REGION_DIRECTMAP,
            .near_kind = CHARIOT_KIND_SLAB,
            .rsp = 0xffffc90000013e58ULL,
            .call_entry = TEXT,
            .call_return = 0xffffffff81234567ULL,
            .call_rsp = 0xffffc90000013f00ULL,
            .call_args = { 1, 2, 3, 4, 5, 0xffffffffffffffffULL },
            .near_distance = 16,
            .near_gpa = 0x2f1c000,
            .near_va = 0xffff888002f1c000ULL,
            .near_len = 96,
            .near_domain = 1,
            .data_len = 8,
            .data = { 0xef, 0xbe, 0xad, 0xde },
        },
    };

    return event;
}

static uint64_t get_u64(QDict *dict, const char *key)
{
    return qnum_get_uint(qobject_to(QNum, qdict_get(dict, key)));
}

static void test_violation(void)
{
    static const struct {
        uint32_t flags;
        int64_t distance;
        uint8_t region;
        const char *words;
    } targets[] = {
        { CHARIOT_VF_NEAR | CHARIOT_VF_OWNER, 0, CHARIOT_REGION_DIRECTMAP,
          "inside a 96-byte slab object of e1000" },
        { CHARIOT_VF_NEAR, 0, CHARIOT_REGION_DIRECTMAP,
          "right behind a 96-byte slab object of e1000" },
        { CHARIOT_VF_NEAR, -8, CHARIOT_REGION_DIRECTMAP,
          "8 bytes before a 96-byte slab object of e1000" },
        { CHARIOT_VF_NEAR, 4096, CHARIOT_REGION_DIRECTMAP,
          "4096 bytes past a 96-byte slab object of e1000" },
        { CHARIOT_VF_NEAR, 4097, CHARIOT_REGION_DATA, "data of the kernel" },
        { CHARIOT_VF_NEAR, -1 << 20, CHARIOT_REGION_TEXT,
          "code of the kernel" },
        { 0, 0, CHARIOT_REGION_USER, "an address of user space" },
    };
    struct chariot_event event = violation(41);
    QDict *answer, *v, *near, *call;
    const QListEntry *arg;
    g_autofree char *hmp = NULL;
    Vm *vm;

    if (!have_fake()) {
        return;
    }
    vm = vm_start_symbols();

    put_event(vm, &event);
    answer = qtest_qmp_eventwait_ref(vm->qts, "CHARIOT_VIOLATION");
    v = qdict_get_qdict(answer, "data");
    g_assert_cmpint(qdict_get_int(v, "sequence"), ==, 41);
    g_assert_cmpint(qdict_get_int(v, "time"), ==, 123456789);
    g_assert_cmpint(qdict_get_int(v, "domain"), ==, 1);
    g_assert_cmpstr(qdict_get_str(v, "name"), ==, "e1000");
    g_assert_cmpint(qdict_get_int(v, "vcpu"), ==, 3);
    g_assert_cmpstr(qdict_get_str(v, "policy"), ==, "block");
    g_assert_true(qdict_get_bool(v, "blocked"));
    g_assert_cmpstr(qdict_get_str(v, "reason"), ==, "write");
    g_assert_cmphex(get_u64(v, "rip"), ==, TEXT + 0x112);
    g_assert_cmpstr(qdict_get_str(v, "function"), ==, "e1000_clean+0x12");
    g_assert_false(qdict_get_bool(v, "library"));
    g_assert_false(qdict_haskey(v, "caller"));
    g_assert_cmphex(get_u64(v, "address"), ==, 0xffff888002f1c070ULL);
    g_assert_cmphex(get_u64(v, "physical"), ==, 0x2f1c070);
    g_assert_cmpint(qdict_get_int(v, "size"), ==, 8);
    g_assert_cmpint(qdict_get_int(v, "count"), ==, 2);
    g_assert_cmpstr(qdict_get_str(v, "region"), ==, "directmap");
    g_assert_false(qdict_get_bool(v, "owned"));
    g_assert_cmpstr(qdict_get_str(v, "data"), ==, "efbeadde00000000");
    g_assert_cmpstr(qdict_get_str(v, "target"), ==,
                    "16 bytes past a 96-byte slab object of e1000");
    near = qdict_get_qdict(v, "near");
    g_assert_cmpstr(qdict_get_str(near, "kind"), ==, "slab");
    g_assert_cmpint(qdict_get_int(near, "distance"), ==, 16);
    g_assert_cmphex(get_u64(near, "address"), ==, 0xffff888002f1c000ULL);
    call = qdict_get_qdict(v, "call");
    g_assert_cmpstr(qdict_get_str(call, "function"), ==, "probe+0x0");
    g_assert_cmphex(get_u64(call, "return"), ==, 0xffffffff81234567ULL);
    arg = qlist_first(qdict_get_qlist(call, "arguments"));
    g_assert_cmphex(qnum_get_uint(qobject_to(QNum, arg->value)), ==, 1);
    g_assert_cmpuint(qlist_size(qdict_get_qlist(call, "arguments")), ==, 6);
    g_assert_cmpint(qdict_get_int(v, "dropped"), ==, 0);
    g_assert_cmpint(qdict_get_int(v, "suppressed"), ==, 0);
    qobject_unref(answer);
    g_assert_cmphex(get(vm, CHARIOT_REG_IRQ_STATUS), ==,
                    CHARIOT_IRQ_VIOLATION);

    /* as a person sees it */
    hmp = qtest_hmp(vm->qts, "info chariot");
    g_assert_nonnull(strstr(
        hmp, "#41 e1000 stopped at e1000_clean+0x12 (0xffffffffc0100112), "
        "CPU 3\r\n"
        "    8 bytes to 0xffff888002f1c070, data efbeadde00000000\r\n"
        "    16 bytes past a 96-byte slab object of e1000\r\n"
        "    entered at probe+0x0 (0xffffffffc0100000), returns to "
        "0xffffffff81234567\r\n"));

    /* in a library function, into an object of another domain's */
    event = violation(42);
    event.violation.flags = CHARIOT_VF_LIBRARY | CHARIOT_VF_OWNER;
    event.violation.caller = TEXT + 0x40; /* right behind "probe" */
    event.violation.near_distance = 0;
    event.violation.near_kind = CHARIOT_KIND_NETDEV;
    event.violation.near_domain = 0;
    event.vcpu = ~0U;
    put_event(vm, &event);
    answer = qtest_qmp_eventwait_ref(vm->qts, "CHARIOT_VIOLATION");
    v = qdict_get_qdict(answer, "data");
    g_assert_true(qdict_get_bool(v, "library"));
    g_assert_true(qdict_get_bool(v, "owned"));
    g_assert_false(qdict_get_bool(v, "blocked"));
    g_assert_false(qdict_haskey(v, "function"));
    g_assert_false(qdict_haskey(v, "vcpu"));
    g_assert_false(qdict_haskey(v, "physical"));
    g_assert_false(qdict_haskey(v, "data"));
    g_assert_cmpstr(qdict_get_str(v, "caller-function"), ==, "probe+0x40");
    g_assert_cmpstr(qdict_get_str(v, "target"), ==,
                    "inside a 96-byte net_device of kernel");
    qobject_unref(answer);

    /* wherever the target lies */
    for (int i = 0; i < ARRAY_SIZE(targets); i++) {
        event = violation(43 + i);
        event.violation.flags = targets[i].flags;
        event.violation.near_distance = targets[i].distance;
        event.violation.region = targets[i].region;
        put_event(vm, &event);
        answer = qtest_qmp_eventwait_ref(vm->qts, "CHARIOT_VIOLATION");
        v = qdict_get_qdict(answer, "data");
        g_assert_cmpstr(qdict_get_str(v, "target"), ==, targets[i].words);
        qobject_unref(answer);
    }

    /* values that the device does not know are no reason to crash */
    event = violation(99);
    event.domain = 12345;
    event.violation.rip = 0;
    event.violation.flags = ~0U;
    event.violation.region = event.violation.near_kind = 255;
    event.violation.why = event.violation.policy = 255;
    event.violation.data_len = ~0U;
    event.violation.near_distance = INT64_MIN;
    event.violation.near_domain = ~0U;
    put_event(vm, &event);
    event.type = 99;
    put_event(vm, &event);
    answer = qtest_qmp_eventwait_ref(vm->qts, "CHARIOT_VIOLATION");
    v = qdict_get_qdict(answer, "data");
    g_assert_cmpstr(qdict_get_str(v, "region"), ==, "other");
    g_assert_cmpuint(strlen(qdict_get_str(v, "data")), ==,
                     2 * CHARIOT_EVENT_DATA);
    qobject_unref(answer);
    vm_stop(vm);
}

/* An audit tells of each place once, and counts. */
static void test_sites(void)
{
    struct chariot_event event;
    QDict *answer, *info, *site;
    QList *sites;
    Vm *vm;

    if (!have_fake()) {
        return;
    }
    vm = vm_start_fake("isolate=e1000,policy=audit");
    bring_up(vm);
    for (int i = 0; i < 50; i++) {
        event = violation(i + 1);
        event.violation.policy = CHARIOT_POLICY_AUDIT;
        event.violation.gva += 8 * i;
        put_event(vm, &event);
    }
    event.seq = 51;
    event.violation.rip++;
    put_event(vm, &event);
    for (int i = 0; i < 2; i++) {
        answer = qtest_qmp_eventwait_ref(vm->qts, "CHARIOT_VIOLATION");
        g_assert_cmphex(get_u64(qdict_get_qdict(answer, "data"), "rip"), ==,
                        TEXT + 0x112 + i);
        qobject_unref(answer);
    }
    info = query(vm);
    g_assert_cmpint(get_u64(info, "sites-lost"), ==, 0);
    sites = qdict_get_qlist(info, "sites");
    g_assert_cmpuint(qlist_size(sites), ==, 2);
    site = qobject_to(QDict, qlist_entry_obj(qlist_first(sites)));
    /* Each event stands for two writes. */
    g_assert_cmpint(get_u64(site, "count"), ==, 100);
    g_assert_cmphex(get_u64(site, "lowest"), ==, 0xffff888002f1c070ULL);
    g_assert_cmphex(get_u64(site, "highest"), ==,
                    0xffff888002f1c070ULL + 49 * 8);
    g_assert_cmpint(get_u64(qdict_get_qdict(site, "first"), "sequence"), ==, 1);
    qobject_unref(info);
    vm_stop(vm);

    /* They are bounded, and nothing else is told of less for it. */
    vm = vm_start_fake("isolate=e1000,policy=block");
    bring_up(vm);
    for (int i = 0; i < 600; i++) {
        event = violation(i + 1);
        event.violation.rip += i;
        put_event(vm, &event);
    }
    info = query(vm);
    g_assert_cmpuint(qlist_size(qdict_get_qlist(info, "sites")), ==, 512);
    g_assert_cmpint(get_u64(info, "sites-lost"), ==, 88 * 2);
    qobject_unref(info);
    vm_stop(vm);
}

/* Puts @n violations of an audit at different places, and waits for them. */
static void put_places(Vm *vm, uint32_t domain, uint64_t rip, int n)
{
    static uint64_t seq;

    for (int i = 0; i < n; i++) {
        struct chariot_event event = violation(++seq);

        event.domain = domain;
        event.violation.policy = CHARIOT_POLICY_AUDIT;
        event.violation.rip = rip + i;
        put_event(vm, &event);
    }
}

static void put_domain(Vm *vm, uint32_t type, const char *name)
{
    struct chariot_event event = {
        .type = type, .domain = 1, .vcpu = ~0U,
    };

    put_event(vm, &event);
    qtest_qmp_eventwait(vm->qts, name);
}

static void expect_place(Vm *vm, uint64_t rip)
{
    QDict *answer = qtest_qmp_eventwait_ref(vm->qts, "CHARIOT_VIOLATION");

    g_assert_cmphex(get_u64(qdict_get_qdict(answer, "data"), "rip"), ==, rip);
    qobject_unref(answer);
}

static void check_sites(Vm *vm, size_t n, uint64_t first, uint64_t lost)
{
    QDict *info = query(vm);
    QList *sites = qdict_get_qlist(info, "sites");

    g_assert_cmpuint(qlist_size(sites), ==, n);
    if (n) {
        QDict *site = qobject_to(QDict, qlist_entry_obj(qlist_first(sites)));

        g_assert_cmpuint(get_u64(site, "count"), ==, first);
    }
    g_assert_cmpuint(get_u64(info, "sites-lost"), ==, lost);
    qobject_unref(info);
}

/* A driver that comes up again is told of again; none takes another's places */
static void test_sites_again(void)
{
    Vm *vm;

    if (!have_fake()) {
        return;
    }
    vm = vm_start_fake("isolate=e1000:ahci,policy=audit");
    bring_up(vm);
    put_domain(vm, CHARIOT_EVENT_DOMAIN_UP, "CHARIOT_DOMAIN_UP");
    put_places(vm, 1, 0x1000, 1);
    expect_place(vm, 0x1000);
    put_places(vm, 1, 0x1000, 1);
    put_places(vm, 1, 0x2000, 1);
    expect_place(vm, 0x2000);
    check_sites(vm, 2, 4, 0);

    /* Loaded again: an event again, counts are kept. */
    put_domain(vm, CHARIOT_EVENT_DOMAIN_DOWN, "CHARIOT_DOMAIN_DOWN");
    check_sites(vm, 2, 4, 0);
    put_domain(vm, CHARIOT_EVENT_DOMAIN_UP, "CHARIOT_DOMAIN_UP");
    put_places(vm, 1, 0x1000, 1);
    expect_place(vm, 0x1000);
    put_places(vm, 1, 0x1000, 1);
    check_sites(vm, 2, 8, 0);

    /* More than its half: the one of before (two writes) makes room. */
    put_places(vm, 1, 0x10000, 256);
    check_sites(vm, 256, 8, 2 + 2);
    put_places(vm, 2, 0x1000, 256);
    check_sites(vm, 512, 8, 2 + 2);
    put_places(vm, 2, 0x2000, 1);
    check_sites(vm, 512, 8, 2 + 2 + 2);

    /* Reset: what was seen stays until the domain is up in the new guest. */
    set(vm, CHARIOT_REG_STATUS, 0);
    check_sites(vm, 512, 8, 2 + 2 + 2);
    bring_up(vm);
    put_domain(vm, CHARIOT_EVENT_DOMAIN_UP, "CHARIOT_DOMAIN_UP");
    check_sites(vm, 256, 2, 2);
    vm_stop(vm);

    vm = vm_start_fake("isolate=e1000,policy=audit");
    bring_up(vm);
    put_domain(vm, CHARIOT_EVENT_DOMAIN_UP, "CHARIOT_DOMAIN_UP");
    put_places(vm, 1, 0x1000, 1);
    expect_place(vm, 0x1000);
    qtest_system_reset(vm->qts);
    qpci_device_enable(vm->dev);
    qpci_config_writel(vm->dev, PCI_BASE_ADDRESS_0, vm->bar.addr);
    bring_up(vm);
    put_domain(vm, CHARIOT_EVENT_DOMAIN_UP, "CHARIOT_DOMAIN_UP");
    check_sites(vm, 0, 0, 0);
    put_places(vm, 1, 0x1000, 1);
    expect_place(vm, 0x1000);
    check_sites(vm, 1, 2, 0);
    vm_stop(vm);
}

static struct chariot_event bad_free(uint64_t seq, uint8_t why)
{
    struct chariot_event event = {
        .seq = seq,
        .type = CHARIOT_EVENT_VIOLATION,
        .domain = 1,
        .vcpu = ~0U,
        .violation = {
            .rip = TEXT + 0x40, /* right behind "probe" */
            .gva = 0xffff888002f1c040ULL,
            .count = 1,
            .flags = CHARIOT_VF_BLOCKED,
            .why = why,
            .policy = CHARIOT_POLICY_BLOCK,
            .region = CHARIOT_REGION_DIRECTMAP,
            .object_va = 0xffff888002f1c000ULL,
            .object_len = 192,
            .free_kind = CHARIOT_KIND_SLAB,
        },
    };

    return event;
}

/* Frees of what the driver must not free are violations, too. */
static void test_bad_free(void)
{
    static const struct {
        uint8_t why;
        bool object;
        const char *reason, *words;
    } frees[] = {
        { CHARIOT_WHY_FREE_TWICE, false, "double-free",
          "a slab object that is free already" },
        { CHARIOT_WHY_FREE_INSIDE, true, "interior-free",
          "64 bytes into a 192-byte object" },
        { CHARIOT_WHY_FREE_INSIDE, false, "interior-free",
          "inside a slab object" },
        { CHARIOT_WHY_FREE_FOREIGN, true, "foreign-free",
          "a slab object that is not the driver's to free" },
        { CHARIOT_WHY_FREE_INVALID, false, "invalid-free", "no slab object" },
    };
    struct chariot_event event;
    QDict *answer, *v;
    g_autofree char *hmp = NULL;
    Vm *vm;

    if (!have_fake()) {
        return;
    }
    vm = vm_start_symbols();
    for (int i = 0; i < ARRAY_SIZE(frees); i++) {
        event = bad_free(i + 1, frees[i].why);
        if (!frees[i].object) {
            event.violation.object_len = 0;
        }
        put_event(vm, &event);
        answer = qtest_qmp_eventwait_ref(vm->qts, "CHARIOT_VIOLATION");
        v = qdict_get_qdict(answer, "data");
        g_assert_cmpstr(qdict_get_str(v, "reason"), ==, frees[i].reason);
        g_assert_cmpstr(qdict_get_str(v, "target"), ==, frees[i].words);
        g_assert_cmpstr(qdict_get_str(v, "frees"), ==, "slab");
        g_assert_cmpstr(qdict_get_str(v, "function"), ==, "probe+0x40");
        g_assert_cmphex(get_u64(v, "address"), ==, 0xffff888002f1c040ULL);
        g_assert_true(qdict_get_bool(v, "blocked"));
        g_assert_false(qdict_haskey(v, "vcpu"));
        g_assert_cmpint(qdict_haskey(v, "object"), ==, frees[i].object);
        if (frees[i].object) {
            g_assert_cmphex(get_u64(qdict_get_qdict(v, "object"), "address"),
                            ==, 0xffff888002f1c000ULL);
            g_assert_cmpint(get_u64(qdict_get_qdict(v, "object"), "length"),
                            ==, 192);
        }
        qobject_unref(answer);
    }
    g_assert_cmphex(get(vm, CHARIOT_REG_IRQ_STATUS), ==,
                    CHARIOT_IRQ_VIOLATION);
    hmp = qtest_hmp(vm->qts, "info chariot");
    g_assert_nonnull(strstr(
        hmp, "#2 e1000 stopped: interior-free of 0xffff888002f1c040\r\n"
        "    called by probe+0x40, returns to 0xffffffffc0100040\r\n"
        "    64 bytes into a 192-byte object\r\n"));

    /* values that the device does not know are no reason to crash */
    event = bad_free(99, 255);
    event.violation.free_kind = ~0U;
    put_event(vm, &event);
    answer = qtest_qmp_eventwait_ref(vm->qts, "CHARIOT_VIOLATION");
    v = qdict_get_qdict(answer, "data");
    g_assert_cmpstr(qdict_get_str(v, "frees"), ==, "unknown");
    qobject_unref(answer);
    vm_stop(vm);
}

/* A module that does not know of the records is not sent any. */
static void test_old_module(void)
{
    Vm *vm;

    if (!have_fake()) {
        return;
    }
    g_setenv("CHARIOT_FAKE_OLD", "1", true);
    vm = vm_start_fake("isolate=e1000");
    g_unsetenv("CHARIOT_FAKE_OLD");
    g_assert_cmphex(get(vm, CHARIOT_REG_FEATURES), ==,
                    FEATURES & ~CHARIOT_F_FREES);
    set(vm, CHARIOT_REG_GUEST_FEATURES, FEATURES);
    set(vm, CHARIOT_REG_STATUS, CHARIOT_STATUS_FEATURES);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==, 0);
    vm_stop(vm);
}

/* A storm is told of in few events, and none of it goes uncounted. */
static void test_storm(void)
{
    const int n = 100;
    uint64_t seen = 0, suppressed = 0, last = 0;
    QDict *info;
    Vm *vm;

    if (!have_fake()) {
        return;
    }
    vm = vm_start_fake("isolate=e1000");
    for (int i = 1; i <= n; i++) {
        struct chariot_event event = violation(i);

        put_event(vm, &event);
    }
    while (last != n) {
        QDict *answer = qtest_qmp_eventwait_ref(vm->qts, "CHARIOT_VIOLATION");
        QDict *v = qdict_get_qdict(answer, "data");

        seen++;
        suppressed += qdict_get_int(v, "suppressed");
        g_assert_cmpuint(qdict_get_int(v, "sequence"), ==, seen + suppressed);
        last = qdict_get_int(v, "sequence");
        qobject_unref(answer);
    }
    g_assert_cmpuint(seen + suppressed, ==, n);
    g_assert_cmpuint(seen, <, n / 2);
    info = query(vm);
    g_assert_cmpuint(qdict_get_int(info, "suppressed"), ==, suppressed);
    g_assert_cmpuint(qlist_size(qdict_get_qlist(info, "violations")), ==, 16);
    qobject_unref(info);
    vm_stop(vm);
}

/* However often a driver comes and goes, the monitor learns its last state. */
static void test_domain_storm(void)
{
    const int n = 101;
    uint64_t seen = 0;
    Vm *vm;

    if (!have_fake()) {
        return;
    }
    vm = vm_start_fake("isolate=e1000");
    for (int i = 0; i < n; i++) {
        struct chariot_event event = {
            .type = i % 2 ? CHARIOT_EVENT_DOMAIN_DOWN :
                            CHARIOT_EVENT_DOMAIN_UP,
            .domain = 1,
        };

        put_event(vm, &event);
    }
    while (seen < n) {
        QDict *answer = qtest_qmp_receive_dict(vm->qts);
        const char *name = qdict_get_str(answer, "event");

        seen += 1 + qdict_get_int(qdict_get_qdict(answer, "data"),
                                  "suppressed");
        /* Those before went in order, too. */
        g_assert_cmpstr(name, ==, seen % 2 ? "CHARIOT_DOMAIN_UP" :
                                             "CHARIOT_DOMAIN_DOWN");
        qobject_unref(answer);
    }
    g_assert_cmpuint(seen, ==, n);
    vm_stop(vm);
}

static void test_domain_events(void)
{
    struct chariot_event event = {
        .type = CHARIOT_EVENT_DOMAIN_UP, .domain = 1, .vcpu = ~0U,
    };
    QDict *answer, *data;
    Vm *vm;

    if (!have_fake()) {
        return;
    }
    vm = vm_start_symbols();

    put_event(vm, &event);
    answer = qtest_qmp_eventwait_ref(vm->qts, "CHARIOT_DOMAIN_UP");
    data = qdict_get_qdict(answer, "data");
    g_assert_cmpstr(qdict_get_str(data, "name"), ==, "e1000");
    qobject_unref(answer);
    g_assert_cmpint(n_symbols(vm), ==, 3);

    event.type = CHARIOT_EVENT_DOMAIN_DOWN;
    put_event(vm, &event);
    qtest_qmp_eventwait(vm->qts, "CHARIOT_DOMAIN_DOWN");
    g_assert_cmpint(n_symbols(vm), ==, 0);

    /* The end of the last driver is heard of before the next one's symbols. */
    put_event(vm, &event);
    pass_symbols(vm);
    g_assert_cmpint(n_symbols(vm), ==, 3);

    event.type = CHARIOT_EVENT_BAD_RECORD;
    event.bad.bad_kind = CHARIOT_BAD_OVERLAP;
    event.bad.count = 3;
    event.bad.position = 17;
    put_event(vm, &event);
    answer = qtest_qmp_eventwait_ref(vm->qts, "CHARIOT_RING_ERROR");
    data = qdict_get_qdict(answer, "data");
    g_assert_cmpstr(qdict_get_str(data, "error"), ==, "overlap");
    g_assert_cmpint(qdict_get_int(data, "count"), ==, 3);
    g_assert_cmpint(qdict_get_int(data, "position"), ==, 17);
    g_assert_cmpuint(strlen(qdict_get_str(data, "record")), ==, 64);
    qobject_unref(answer);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS) & CHARIOT_STATUS_BROKEN, ==,
                    0);

    /* A reset is the end of a driver, too, of which the module says nothing. */
    event.type = CHARIOT_EVENT_DOMAIN_UP;
    put_event(vm, &event);
    qtest_qmp_eventwait(vm->qts, "CHARIOT_DOMAIN_UP");
    qtest_system_reset_nowait(vm->qts);
    qtest_qmp_eventwait(vm->qts, "CHARIOT_DOMAIN_DOWN");
    qpci_device_enable(vm->dev);
    qpci_config_writel(vm->dev, PCI_BASE_ADDRESS_0, vm->bar.addr);
    bring_up(vm);

    event.type = CHARIOT_EVENT_RING_BROKEN;
    put_event(vm, &event);
    answer = qtest_qmp_eventwait_ref(vm->qts, "CHARIOT_RING_ERROR");
    data = qdict_get_qdict(answer, "data");
    g_assert_cmpstr(qdict_get_str(data, "error"), ==, "broken");
    qobject_unref(answer);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS) & CHARIOT_STATUS_BROKEN, ==,
                    CHARIOT_STATUS_BROKEN);
    set(vm, CHARIOT_REG_STATUS, 0);
    g_assert_cmphex(get(vm, CHARIOT_REG_STATUS), ==, 0);
    vm_stop(vm);
}

static void test_counters(void)
{
    static const char *const names[] = {
        "faults", "delegated", "fills", "drops-all", "drops-range",
        "roots-changed", "refused-fills", "crossings-in", "crossings-out",
        "emulated", "unemulatable", "violations", "records",
    };
    static const char *const bad[] = {
        "type", "domain", "address", "length", "overlap", "sequence", "torn",
        "unmapped", "limit", "state",
    };
    static const char *const more[] = {
        "doorbells", "ring-waits", "walk-pages", "events-dropped", "grants",
        "view-pages", "view-pages-peak", "view-resets", "revoke-misses",
        "event-deliveries", "mmio-faults", "walks-completed", "flushes-vm",
        "flushes-vcpu", "flushes-address",
    };
    static const char *const of_domain[] = {
        "crossings-in", "crossings-out", "fills", "emulated", "violations",
        "grants", "granted-bytes", "text-bytes",
    };
    uint64_t value = (1ULL << 32) + 100;
    QDict *info, *counters, *domain;
    const QListEntry *entry;
    QList *kinds;
    Vm *vm;

    if (!have_fake()) {
        return;
    }
    vm = vm_start_fake("isolate=e1000:ahci");
    info = query(vm);
    g_assert_true(qdict_get_bool(info, "attached"));
    g_assert_true(qdict_get_bool(info, "armed"));
    g_assert_cmpuint(qlist_size(qdict_get_qlist(info, "modes")), ==, 2);
    counters = qdict_get_qdict(info, "counters");
    for (int i = 0; i < ARRAY_SIZE(names); i++) {
        g_assert_cmpuint(get_u64(counters, names[i]), ==, value + i);
    }
    value += ARRAY_SIZE(names);
    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_cmpuint(get_u64(qdict_get_qdict(counters, "bad-records"),
                                 bad[i]), ==, value + i);
    }
    value += CHARIOT_BAD_KINDS;
    for (int i = 0; i < ARRAY_SIZE(more); i++) {
        g_assert_cmpuint(get_u64(counters, more[i]), ==, value + i);
    }
    /* Between them is one that is not shown. */
    value += ARRAY_SIZE(more) + 1;
    g_assert_cmpuint(get_u64(counters, "bad-frees"), ==, value);
    domain = qobject_to(QDict, qlist_entry_obj(
        qlist_next(qlist_first(qdict_get_qlist(info, "domains")))));
    g_assert_cmpstr(qdict_get_str(domain, "name"), ==, "ahci");
    g_assert_false(qdict_get_bool(domain, "up"));
    for (int i = 0; i < ARRAY_SIZE(of_domain); i++) {
        g_assert_cmpuint(get_u64(domain, of_domain[i]), ==, 2000 + i);
    }
    g_assert_cmpuint(get_u64(domain, "bad-frees"), ==,
                     2000 + ARRAY_SIZE(of_domain) + CHARIOT_KINDS);
    g_assert_cmpuint(get_u64(domain, "grants-peak"), ==,
                     2001 + ARRAY_SIZE(of_domain) + CHARIOT_KINDS);
    g_assert_cmpuint(get_u64(domain, "granted-bytes-peak"), ==,
                     2002 + ARRAY_SIZE(of_domain) + CHARIOT_KINDS);
    kinds = qdict_get_qlist(domain, "emulated-by-kind");
    g_assert_cmpuint(qlist_size(kinds), ==, CHARIOT_KIND_MAX + 1);
    value = 2000 + ARRAY_SIZE(of_domain);
    QLIST_FOREACH_ENTRY(kinds, entry) {
        QDict *kind = qobject_to(QDict, qlist_entry_obj(entry));

        if (!strcmp(qdict_get_str(kind, "kind"), "skb")) {
            g_assert_cmpuint(get_u64(kind, "count"), ==,
                             value + CHARIOT_KIND_SKB);
        }
    }
    qobject_unref(info);
    vm_stop(vm);
}

/* MSI-X vector 0 comes when a bit of IRQ_STATUS becomes set, not before. */
static void test_interrupt(void)
{
    struct chariot_event event = violation(1);
    uint64_t table;
    Vm *vm;

    if (!have_fake()) {
        return;
    }
    vm = vm_start_fake("isolate=e1000");
    g_assert_cmpuint(qpci_msix_table_size(vm->dev), ==, CHARIOT_MSIX_VECTORS);
    qpci_msix_enable(vm->dev);
    table = vm->dev->msix_table_off;
    qpci_io_writel(vm->dev, vm->dev->msix_table_bar,
                   table + PCI_MSIX_ENTRY_LOWER_ADDR, MSIX_GPA);
    qpci_io_writel(vm->dev, vm->dev->msix_table_bar,
                   table + PCI_MSIX_ENTRY_UPPER_ADDR, 0);
    qpci_io_writel(vm->dev, vm->dev->msix_table_bar,
                   table + PCI_MSIX_ENTRY_DATA, 0x1234);
    qpci_io_writel(vm->dev, vm->dev->msix_table_bar,
                   table + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);

    /* not before the agent has accepted CHARIOT_F_EVENTS */
    put_event(vm, &event);
    qtest_qmp_eventwait(vm->qts, "CHARIOT_VIOLATION");
    g_assert_cmphex(get(vm, CHARIOT_REG_IRQ_STATUS), ==, 0);
    g_assert_cmphex(qtest_readl(vm->qts, MSIX_GPA), ==, 0);

    bring_up(vm);
    put_event(vm, &event);
    qtest_qmp_eventwait(vm->qts, "CHARIOT_VIOLATION");
    g_assert_cmphex(qtest_readl(vm->qts, MSIX_GPA), ==, 0x1234);
    qtest_writel(vm->qts, MSIX_GPA, 0);

    put_event(vm, &event);
    qtest_qmp_eventwait(vm->qts, "CHARIOT_VIOLATION");
    g_assert_cmphex(qtest_readl(vm->qts, MSIX_GPA), ==, 0);

    set(vm, CHARIOT_REG_IRQ_STATUS, CHARIOT_IRQ_VIOLATION);
    g_assert_cmphex(get(vm, CHARIOT_REG_IRQ_STATUS), ==, 0);
    put_event(vm, &event);
    qtest_qmp_eventwait(vm->qts, "CHARIOT_VIOLATION");
    g_assert_cmphex(qtest_readl(vm->qts, MSIX_GPA), ==, 0x1234);
    vm_stop(vm);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/chariot/attach", test_attach);
    qtest_add_func("/chariot/bar-moves", test_bar_moves);
    qtest_add_func("/chariot/refusals", test_refusals);
    qtest_add_func("/chariot/violation", test_violation);
    qtest_add_func("/chariot/sites", test_sites);
    qtest_add_func("/chariot/sites-again", test_sites_again);
    qtest_add_func("/chariot/bad-free", test_bad_free);
    qtest_add_func("/chariot/old-module", test_old_module);
    qtest_add_func("/chariot/storm", test_storm);
    qtest_add_func("/chariot/domain-events", test_domain_events);
    qtest_add_func("/chariot/domain-storm", test_domain_storm);
    qtest_add_func("/chariot/counters", test_counters);
    qtest_add_func("/chariot/interrupt", test_interrupt);
    return g_test_run();
}
