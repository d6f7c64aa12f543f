// SPDX-License-Identifier: GPL-2.0-only
/* What the catalogue says of USB and cannot say by itself. */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/usb.h>
#include <linux/usb/hcd.h>
#include <uapi/chariot_ring.h>

#include "call.h"
#include "kmem.h"
#include "track.h"
#include "usb.h"

size_t chariot_hcd_size(const struct usb_hcd *hcd)
{
	return sizeof(*hcd) + hcd->driver->hcd_priv_size;
}

void chariot_hcd_registers_grant(u16 domain, const struct usb_hcd *hcd)
{
	if (hcd->driver->flags & HCD_MEMORY && hcd->regs && hcd->rsrc_len)
		chariot_grant_phys(domain, hcd->rsrc_start, (unsigned long __force)hcd->regs,
				   hcd->rsrc_len, CHARIOT_KIND_MMIO);
}

size_t chariot_urb_size(const struct urb *urb)
{
	return struct_size(urb, iso_frame_desc, urb->number_of_packets);
}

size_t chariot_urb_room(const struct urb *urb)
{
	size_t size = chariot_slab_size(urb);

	return size ? size : chariot_urb_size(urb);
}

bool chariot_urb_submit(u16 domain, struct urb *urb)
{
	size_t size;

	if (!urb || chariot_held(domain, virt_to_phys(urb), &size) != BIT(CHARIOT_KIND_OBJECT))
		return false;
	chariot_call_release(domain, urb, size);
	return true;
}

void chariot_urb_return(u16 domain, struct urb *urb)
{
	phys_addr_t slab = page_to_phys(virt_to_head_page(urb));
	size_t size;

	/*
	 * A driver may have copied the pointer that brought us here into a transfer
	 * that it holds, or that lies in its heap.
	 */
	if (chariot_held(domain, virt_to_phys(urb), &size) ||
	    (chariot_held(domain, slab, &size) && size >= PAGE_SIZE))
		return;
	chariot_grant(domain, urb, chariot_urb_room(urb), CHARIOT_KIND_OBJECT);
}

/* Drivers change the device's toggles, inlined (usb_settoggle()). Nothing here spans a page. */
void chariot_urb_give(u16 domain, struct urb *urb)
{
	chariot_grant(domain, urb, chariot_urb_size(urb), CHARIOT_KIND_OBJECT);
	chariot_grant(domain, urb->dev->toggle, sizeof(urb->dev->toggle), CHARIOT_KIND_RULE);
}

void chariot_urb_take(u16 domain, struct urb *urb)
{
	chariot_call_release(domain, urb->dev->toggle, sizeof(urb->dev->toggle));
	chariot_call_release(domain, urb, chariot_urb_size(urb));
}
