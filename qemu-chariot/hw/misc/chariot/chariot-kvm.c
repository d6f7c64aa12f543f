/*
 * Chariot: the VM's file descriptor
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#include "qemu/osdep.h"
#include "system/kvm.h"
#include "system/kvm_int.h"
#include "chariot.h"

int chariot_kvm_vm_fd(void)
{
    return kvm_enabled() ? kvm_state->vmfd : -1;
}
