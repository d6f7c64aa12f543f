/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for the device and the host, to try the agent on any machine
 * (module parameter dryrun=): consumes the ring and checks every record as the
 * host would, but protects nothing.
 */
#ifndef CHARIOT_DRYRUN_H
#define CHARIOT_DRYRUN_H

#include <linux/types.h>

struct seq_file;

/* @list: module names, separated by colons */
int chariot_dryrun_start(const char *list);
void chariot_dryrun_show(struct seq_file *m);

#endif /* CHARIOT_DRYRUN_H */
