/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SCSI commands while a driver has them. What may be called where the functions
 * may be called that the catalogue names.
 */
#ifndef CHARIOT_SCSI_H
#define CHARIOT_SCSI_H

#include <linux/types.h>

struct scsi_cmnd;

/* A command, the driver's part behind it, and where it puts sense data. */
void chariot_scsi_cmnd_give(u16 domain, const struct scsi_cmnd *cmd);

/* Whoever ends it, it is nobody's: commands that the kernel gives up do not come here. */
void chariot_scsi_cmnd_take(u16 domain, const struct scsi_cmnd *cmd);

#endif /* CHARIOT_SCSI_H */
