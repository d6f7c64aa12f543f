// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/string.h>

#include "ring_guest.h"

void ring_guest_init(struct ring_guest *guest, u64 position)
{
	u64 i;

	memset(guest, 0, sizeof(*guest));
	guest->fail_at = ~0ull;
	guest->memory.header.head = position;
	guest->memory.header.tail = position;
	/* the position that used each slot last, if any did */
	for (i = 1; i <= GUEST_SLOTS && i <= position; i++)
		guest->memory.rec[(position - i) % GUEST_SLOTS].seq = (u32)(position - i + 1);
}

/* The offset in the guest's memory, or -1. */
static s64 offset_of(struct ring_guest *guest, u64 gpa, size_t len)
{
	u64 offset = gpa - GUEST_GPA;

	if (guest->accesses++ >= guest->fail_at)
		return -1;
	if (offset > sizeof(guest->memory) || len > sizeof(guest->memory) - offset) {
		guest->strayed = true;
		return -1;
	}
	return (s64)offset;
}

/*
 * In bytes, as copy_from_user() does it for less than 8 of them, and for all
 * of them on CPUs where "rep movsb" is fast.
 */
static void copy(struct ring_guest *guest, u64 offset, u8 *to, const u8 *from, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (guest->meanwhile)
			guest->meanwhile(guest, offset + i);
		to[i] = from[i];
	}
}

static bool is_later(struct ring_guest *guest)
{
	return guest->later && guest->accesses % guest->later == 0;
}

static int guest_read(void *ctx, u64 gpa, void *to, size_t len)
{
	struct ring_guest *guest = ctx;
	s64 offset = offset_of(guest, gpa, len);

	if (offset < 0)
		return -EFAULT;
	if (is_later(guest))
		return -EAGAIN;
	copy(guest, (u64)offset, to, (u8 *)&guest->memory + offset, len);
	return 0;
}

static int guest_write(void *ctx, u64 gpa, const void *from, size_t len)
{
	struct ring_guest *guest = ctx;
	s64 offset = offset_of(guest, gpa, len);

	if (offset < 0 || guest->read_only)
		return -EFAULT;
	/* the host may write tail and nothing else */
	if (offset != offsetof(struct chariot_ring_header, tail) || len != sizeof(u64))
		guest->strayed = true;
	if (is_later(guest))
		return -EAGAIN;
	copy(guest, (u64)offset, (u8 *)&guest->memory + offset, from, len);
	return 0;
}

const struct chariot_ring_io ring_guest_io = { .read = guest_read, .write = guest_write };
