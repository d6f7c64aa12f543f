/*
 * Chariot: monitor commands of a QEMU that has no chariot-pci device
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-chariot.h"

ChariotInfo *qmp_query_chariot(Error **errp)
{
    return g_new0(ChariotInfo, 1);
}

void qmp_chariot_set_policy(const char *domain, ChariotPolicy policy,
                            Error **errp)
{
    error_setg(errp, "this QEMU was built without chariot-pci");
}
