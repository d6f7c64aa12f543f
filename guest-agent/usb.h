/* SPDX-License-Identifier: GPL-2.0-only */
/* USB host controllers, and transfers. Any context. */
#ifndef CHARIOT_USB_H
#define CHARIOT_USB_H

#include <linux/types.h>

struct urb;
struct usb_hcd;

/* A host controller with its driver's part. */
size_t chariot_hcd_size(const struct usb_hcd *hcd);

/* Its registers, where they are memory. */
void chariot_hcd_registers_grant(u16 domain, const struct usb_hcd *hcd);

/* A transfer with its packets. */
size_t chariot_urb_size(const struct urb *urb);

/*
 * A transfer that a driver of a device allocated: all of its memory, which is
 * nobody else's. It is taken from the driver when that submits it, if it was
 * granted (true) and is no piece of another object; it returns when the kernel
 * says that it is complete, or does not take it.
 */
size_t chariot_urb_room(const struct urb *urb);
bool chariot_urb_submit(u16 domain, struct urb *urb);
void chariot_urb_return(u16 domain, struct urb *urb);

/* A transfer that a host controller's driver works on. */
void chariot_urb_give(u16 domain, struct urb *urb);
void chariot_urb_take(u16 domain, struct urb *urb);

#endif /* CHARIOT_USB_H */
