/*
 * Chariot: the host module, by way of /dev/chariot
 *
 * Every way in which attaching can fail has a message that says what is wrong
 * and a hint that says what to do.
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "system/kvm.h"
#include "system/qtest.h"
#include "chariot.h"

static int backend_ioctl(ChariotState *s, unsigned long request, void *arg)
{
    int ret;

    do {
        ret = ioctl(s->backend.fd, request, arg);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

static bool backend_open(ChariotState *s, Error **errp)
{
    ERRP_GUARD();
    const char *node = s->device_node ?: CHARIOT_DEVICE_NODE;
    struct stat st;
    int err;

    s->backend.fd = qemu_open_old(node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (s->backend.fd >= 0) {
        return true;
    }
    err = errno;
    error_setg_errno(errp, err, "cannot open %s", node);
    switch (err) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
        error_append_hint(errp, "Load the host module: modprobe kvm-chariot\n"
                          "Under libvirt, also list %s in "
                          "cgroup_device_acl of /etc/libvirt/qemu.conf.\n",
                          node);
        break;
    case EACCES:
    case EPERM:
        if (stat(node, &st) == 0) {
            error_append_hint(errp, "The node belongs to user %u, group %u, "
                              "mode %03o; this QEMU runs as user %u, "
                              "group %u.\n", st.st_uid, st.st_gid,
                              st.st_mode & 0777, geteuid(), getegid());
        }
        error_append_hint(errp, "The node should belong to group kvm with "
                          "mode 660 (a udev rule), and the user to that "
                          "group. Under libvirt, also list %s in "
                          "cgroup_device_acl of /etc/libvirt/qemu.conf.\n",
                          node);
        break;
    default:
        break;
    }
    return false;
}

static bool backend_get_info(ChariotState *s, Error **errp)
{
    ERRP_GUARD();
    const char *node = s->device_node ?: CHARIOT_DEVICE_NODE;
    struct chariot_info *info = &s->backend.info;
    int ret = backend_ioctl(s, CHARIOT_GET_INFO, info);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s is not the device of kvm-chariot",
                         node);
        return false;
    }
    if (info->abi != CHARIOT_ABI_VERSION) {
        error_setg(errp, "kvm-chariot has ABI version %u, this QEMU needs %d",
                   info->abi, CHARIOT_ABI_VERSION);
        error_append_hint(errp, "Install the module and QEMU from the same "
                          "release of Chariot.\n");
        return false;
    }
    if (info->event_size != sizeof(struct chariot_event)) {
        error_setg(errp, "kvm-chariot has events of %u bytes, this QEMU needs "
                   "%zu", info->event_size, sizeof(struct chariot_event));
        error_append_hint(errp, "Install the module and QEMU from the same "
                          "release of Chariot.\n");
        return false;
    }
    if (s->n_domains > info->domains_max) {
        error_setg(errp, "'isolate' names %u domains, kvm-chariot allows %u",
                   s->n_domains, info->domains_max);
        return false;
    }
    return true;
}

static const struct {
    int err;
    const char *what;
    const char *hint;
} attach_errors[] = {
    { EBADF, "KVM is not in use", "Start QEMU with -accel kvm." },
    { ENOTTY, "the file descriptor of the VM is not KVM's",
      "The host's kvm module is not the one that kvm-chariot was built for." },
    { EPERM, "the VM belongs to another process", NULL },
    { EBUSY, "the VM is attached already",
      "Only one chariot-pci device, and nothing else that uses /dev/chariot, "
      "can serve a VM." },
    { EPROTOTYPE, "the VM is confidential (SEV, TDX or protected)",
      "Chariot must read the memory of the guest: leave out "
      "confidential-guest-support." },
    { ENOEXEC, "a virtual CPU has no long mode",
      "Chariot isolates drivers of 64-bit guests: choose a 64-bit CPU model, "
      "for example -cpu host." },
    { EOPNOTSUPP, "KVM uses a paging mode that kvm-chariot does not support",
      "Modes that it supports are in the kernel log; nested paging is "
      "switched on by kvm-amd.npt=1 or kvm-intel.ept=1." },
    { ENXIO, "kvm-chariot could not hook KVM on this kernel",
      "See the kernel log for the function that is missing; kvm-chariot must "
      "be built for the running kernel, and the kernel with "
      "CONFIG_DYNAMIC_FTRACE." },
    { EPROTO, "kvm-chariot has another ABI version",
      "Install the module and QEMU from the same release of Chariot." },
    { ENOSPC, "as many VMs are attached as kvm-chariot allows",
      "Stop another VM that has a chariot-pci device." },
    { EINVAL, "kvm-chariot refuses the limits",
      "See 'events-max', 'grants-max' and 'view-pages-max'." },
    { ENOMEM, "the host is out of memory", NULL },
};

static void attach_error(Error **errp, int err)
{
    ERRP_GUARD();

    for (int i = 0; i < ARRAY_SIZE(attach_errors); i++) {
        if (attach_errors[i].err == err) {
            error_setg(errp, "cannot attach to the VM: %s",
                       attach_errors[i].what);
            if (attach_errors[i].hint) {
                error_append_hint(errp, "%s\n", attach_errors[i].hint);
            }
            return;
        }
    }
    error_setg_errno(errp, err, "cannot attach to the VM");
    error_append_hint(errp, "See the kernel log for the reason.\n");
}

static bool backend_tie(ChariotState *s, Error **errp)
{
    struct chariot_attach attach = {
        .abi = CHARIOT_ABI_VERSION,
        .vm_fd = chariot_kvm_vm_fd(),
        .events_max = s->events_max,
        .grants_max = s->grants_max,
        .view_pages_max = s->view_pages_max,
    };
    int ret = backend_ioctl(s, CHARIOT_ATTACH, &attach);

    if (ret < 0) {
        attach_error(errp, -ret);
        return false;
    }
    for (uint32_t id = 1; id <= s->n_domains; id++) {
        struct chariot_domain domain = {
            .id = id,
            .policy = s->domains[id - 1].policy,
        };

        pstrcpy(domain.name, sizeof(domain.name), s->domains[id - 1].name);
        ret = backend_ioctl(s, CHARIOT_ADD_DOMAIN, &domain);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "kvm-chariot refuses domain '%s'",
                             domain.name);
            return false;
        }
    }
    return true;
}

bool chariot_backend_attach(ChariotState *s, Error **errp)
{
    ERRP_GUARD();

    /* Registers can be tested without the module, and without KVM. */
    if (qtest_enabled() && !s->device_node) {
        return true;
    }
    if (!kvm_enabled() && !qtest_enabled()) {
        error_setg(errp, "KVM is not in use");
        error_append_hint(errp, "Chariot isolates drivers by KVM's page "
                          "tables: start QEMU with -accel kvm.\n");
        return false;
    }
    if (!backend_open(s, errp)) {
        return false;
    }
    if (!backend_get_info(s, errp) || !backend_tie(s, errp)) {
        chariot_backend_detach(s);
        return false;
    }
    return true;
}

void chariot_backend_detach(ChariotState *s)
{
    if (chariot_attached(s)) {
        close(s->backend.fd);
        s->backend.fd = -1;
    }
}

int chariot_backend_set_policy(ChariotState *s, uint32_t id, uint32_t policy)
{
    struct chariot_policy arg = { .id = id, .policy = policy };

    return chariot_attached(s) ?
        backend_ioctl(s, CHARIOT_SET_POLICY, &arg) : 0;
}

int chariot_backend_set_ring(ChariotState *s, uint64_t gpa, uint32_t order,
                             uint64_t doorbell)
{
    struct chariot_ring arg = {
        .gpa = gpa,
        .order = order,
        .doorbell_gpa = doorbell,
    };

    return chariot_attached(s) ? backend_ioctl(s, CHARIOT_SET_RING, &arg) : 0;
}

int chariot_backend_kick(ChariotState *s)
{
    return chariot_attached(s) ? backend_ioctl(s, CHARIOT_KICK, NULL) : 0;
}

int chariot_backend_reset(ChariotState *s)
{
    return chariot_attached(s) ? backend_ioctl(s, CHARIOT_RESET, NULL) : 0;
}

int chariot_backend_stats(ChariotState *s, struct chariot_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    return chariot_attached(s) ?
        backend_ioctl(s, CHARIOT_GET_STATS, stats) : 0;
}

int chariot_backend_domain_stats(ChariotState *s, uint32_t id,
                                 struct chariot_domain_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    stats->id = id;
    return chariot_attached(s) ?
        backend_ioctl(s, CHARIOT_GET_DOMAIN_STATS, stats) : 0;
}

int chariot_backend_read(ChariotState *s, struct chariot_event *events,
                         int max)
{
    ssize_t len;

    if (!chariot_attached(s)) {
        return 0;
    }
    len = RETRY_ON_EINTR(read(s->backend.fd, events, max * sizeof(*events)));
    if (len < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    return len / sizeof(*events);
}
