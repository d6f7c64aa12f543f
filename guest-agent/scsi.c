// SPDX-License-Identifier: GPL-2.0-only
/* SCSI commands: the struct and the driver's part behind it, and a buffer for sense data. */
#include <linux/mm.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_host.h>
#include <uapi/chariot_ring.h>

#include "ring.h"
#include "scsi.h"
#include "track.h"

void chariot_scsi_cmnd_give(u16 domain, const struct scsi_cmnd *cmd)
{
	/* Again after the kernel gave it up, which nobody hears of: still one grant. */
	chariot_scsi_cmnd_take(domain, cmd);
	chariot_grant(domain, cmd, sizeof(*cmd) + cmd->device->host->hostt->cmd_size,
		      CHARIOT_KIND_OBJECT);
	chariot_grant(domain, cmd->sense_buffer, SCSI_SENSE_BUFFERSIZE, CHARIOT_KIND_OBJECT);
}

void chariot_scsi_cmnd_take(u16 domain, const struct scsi_cmnd *cmd)
{
	bool whole = chariot_release_all(virt_to_phys((void *)cmd));

	if (chariot_release_all(virt_to_phys(cmd->sense_buffer)) || whole)
		chariot_ring_sync();
}
