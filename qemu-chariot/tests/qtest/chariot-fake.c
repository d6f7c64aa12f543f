/*
 * A stand-in for the host module kvm-chariot, for chariot-test
 *
 * Preloaded into QEMU, it answers the ioctls of /dev/chariot, whatever file
 * they are used on, and appends a line for each to a log. The test gives QEMU
 * a FIFO as the device and writes events into it. This shows how the device
 * uses the module; it cannot show that the module does what it is asked.
 *
 * Environment: CHARIOT_FAKE_LOG: the log. CHARIOT_FAKE_FAIL: "NR:ERRNO" makes
 * the ioctl of that number fail. CHARIOT_FAKE_ABI: the version to report.
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include "../../hw/misc/chariot/uapi/chariot.h"
#include "../../hw/misc/chariot/uapi/chariot_ring.h"

static void log_line(const char *fmt, ...)
{
    const char *path = getenv("CHARIOT_FAKE_LOG");
    FILE *log = path ? fopen(path, "a") : NULL;
    va_list args;

    if (log) {
        va_start(args, fmt);
        vfprintf(log, fmt, args);
        va_end(args);
        fclose(log);
    }
}

static int failure(unsigned long request)
{
    const char *fail = getenv("CHARIOT_FAKE_FAIL");
    unsigned int nr;
    int err;

    return fail && sscanf(fail, "%u:%d", &nr, &err) == 2 &&
        nr == _IOC_NR(request) ? -err : 0;
}

static void get_info(struct chariot_info *info)
{
    const char *abi = getenv("CHARIOT_FAKE_ABI");

    memset(info, 0, sizeof(*info));
    info->abi = abi ? atoi(abi) : CHARIOT_ABI_VERSION;
    info->modes = CHARIOT_MODE_NPT | CHARIOT_MODE_SHADOW;
    info->domains_max = CHARIOT_DOMAINS_MAX;
    info->event_size = sizeof(struct chariot_event);
    info->ring_features = getenv("CHARIOT_FAKE_OLD") ? 0 : CHARIOT_F_FREES;
}

/* Each 64-bit counter gets its own number, so that none can be mixed up. */
static void get_stats(struct chariot_stats *stats)
{
    __u64 *counter = &stats->faults;

    memset(stats, 0, sizeof(*stats));
    stats->armed = 1;
    for (int i = 0; &counter[i] < stats->reserved; i++) {
        counter[i] = (1ULL << 32) + 100 + i;
    }
}

static void get_domain_stats(struct chariot_domain_stats *stats)
{
    __u64 *counter = &stats->crossings_in;

    stats->up = stats->id == 1;
    for (int i = 0; &counter[i] < stats->reserved; i++) {
        counter[i] = stats->id * 1000 + i;
    }
}

static int answer(unsigned long request, void *arg)
{
    struct chariot_attach *attach = arg;
    struct chariot_domain *domain = arg;
    struct chariot_policy *policy = arg;
    struct chariot_ring *ring = arg;

    switch (request) {
    case CHARIOT_GET_INFO:
        get_info(arg);
        break;
    case CHARIOT_ATTACH:
        log_line("attach abi=%u vm_fd=%d events_max=%u grants_max=%llu "
                 "view_pages_max=%llu\n", attach->abi, attach->vm_fd,
                 attach->events_max, attach->grants_max,
                 attach->view_pages_max);
        break;
    case CHARIOT_ADD_DOMAIN:
        log_line("domain %u %s policy=%u\n", domain->id, domain->name,
                 domain->policy);
        break;
    case CHARIOT_SET_POLICY:
        log_line("policy %u %u\n", policy->id, policy->policy);
        break;
    case CHARIOT_SET_RING:
        log_line("ring 0x%llx order=%u doorbell=0x%llx\n", ring->gpa,
                 ring->order, ring->doorbell_gpa);
        break;
    case CHARIOT_KICK:
        log_line("kick\n");
        break;
    case CHARIOT_GET_STATS:
        get_stats(arg);
        break;
    case CHARIOT_GET_DOMAIN_STATS:
        get_domain_stats(arg);
        break;
    case CHARIOT_RESET:
        log_line("reset\n");
        break;
    default:
        return -ENOTTY;
    }
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    va_list args;
    void *arg;
    int err;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);

    if (_IOC_TYPE(request) == CHARIOT_IOC) {
        err = failure(request);
        if (!err) {
            err = answer(request, arg);
        }
        errno = -err;
        return err ? -1 : 0;
    }
    if (!real) {
        real = dlsym(RTLD_NEXT, "ioctl");
    }
    return real(fd, request, arg);
}
