// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the consumer of the report ring with arbitrary memory that changes
 * while it is read.
 *
 * Input: 8 bytes position, 8 bytes head, 1 byte of settings, then the records
 * (as much as there is; the rest is as an honest guest leaves it), of which
 * the last bytes are used up as script: what is done next, what changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring_guest.h"
#include "shim/shim.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define REQUIRE(cond)								\
	do {									\
		if (!(cond)) {							\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();						\
		}								\
	} while (0)

static const u8 *script, *script_end;

static u8 script_byte(void)
{
	return script < script_end ? *script++ : 0;
}

/* Another CPU writes something near to what is being read, or to head. */
static void change(struct ring_guest *guest, u64 offset)
{
	u8 what = script_byte();
	u8 *memory = (u8 *)&guest->memory;

	if (what < 200)
		return;
	if (what < 220)
		guest->memory.header.head += (s8)script_byte();
	else if (offset + what % 32 < sizeof(guest->memory))
		memory[offset + what % 32] = script_byte();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct ring_guest guest;
	struct chariot_ring_reader ring;
	struct chariot_rec rec;
	u64 position, head;
	unsigned int step;
	u8 settings;

	if (size < 17)
		return 0;
	memcpy(&position, data, 8);
	memcpy(&head, data + 8, 8);
	settings = data[16];
	data += 17;
	size -= 17;

	ring_guest_init(&guest, position);
	/* mostly a head that is possible */
	guest.memory.header.head = settings & 1 ? head : position + head % (GUEST_SLOTS + 1);
	for (step = 0; size >= 2 * sizeof(rec) && step < GUEST_SLOTS; step++) {
		struct chariot_rec *to = &guest.memory.rec[(position + step) % GUEST_SLOTS];

		memcpy(to, data, sizeof(rec));
		/* one in two is completed, whatever it holds */
		if (to->seq & 1)
			to->seq = (u32)(position + step + 1);
		data += sizeof(rec);
		size -= sizeof(rec);
	}
	script = data;
	script_end = data + size;

	if (settings & 2)
		guest.meanwhile = change;
	if (chariot_ring_set(&ring, &ring_guest_io, &guest, GUEST_GPA, GUEST_ORDER))
		abort();
	if (settings & 4)
		guest.fail_at = guest.accesses + script_byte();
	if (settings & 8)
		guest.later = 2 + script_byte();

	for (step = 0; step < 4 * GUEST_SLOTS; step++) {
		unsigned int bad = ~0u;
		bool was_broken = ring.broken;
		u64 tail = ring.tail;
		enum chariot_ring_next ret = chariot_ring_next(&ring, &rec, &bad);

		REQUIRE(!guest.strayed);
		REQUIRE(ring.tail == tail + (ret == CHARIOT_RING_RECORD || ret == CHARIOT_RING_BAD));
		REQUIRE(!was_broken || ret == CHARIOT_RING_EMPTY);
		switch (ret) {
		case CHARIOT_RING_RECORD:
			REQUIRE(rec.seq == (u32)ring.tail);
			break;
		case CHARIOT_RING_BAD:
			REQUIRE(bad == CHARIOT_BAD_SEQUENCE);
			break;
		case CHARIOT_RING_BROKEN:
			REQUIRE(ring.broken);
			REQUIRE(bad == CHARIOT_BAD_SEQUENCE || bad == CHARIOT_BAD_UNMAPPED);
			break;
		case CHARIOT_RING_LATER:
			REQUIRE(guest.later);
			break;
		case CHARIOT_RING_PENDING:
			REQUIRE(ring.head != ring.tail && ring.head - ring.tail <= GUEST_SLOTS);
			if (script_byte() & 1) {
				chariot_ring_skip(&ring);
				REQUIRE(ring.tail == tail + 1);
			}
			break;
		case CHARIOT_RING_EMPTY:
			if (script == script_end)
				return 0;
			if (script_byte() & 1 && chariot_ring_publish(&ring) == 0)
				REQUIRE(!ring.broken);
			break;
		}
	}
	return 0;
}
