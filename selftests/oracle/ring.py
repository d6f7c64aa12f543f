# SPDX-License-Identifier: GPL-2.0-only
"""
Chariot's report ring, put together again from the stores of the guest's agent.

Layout and protocol are those of docs/ring.md and include/uapi/chariot_ring.h: a record of 32 bytes is complete when its seq,
the first word, is position + 1. Where the ring is, the first record tells: it is HELLO, at position 0, at the start of a page.
"""

import struct
from collections import namedtuple

RECORD = struct.Struct("<IBBHQQQ")
Record = namedtuple("Record", "position type kind domain gpa va len")

HELLO, CPU, REGION, LIBRARY, TEXT, TEXT_GONE, GRANT, REVOKE, DOMAIN_UP, DOMAIN_DOWN, GRANT_ALL, BAD_FREE = range(1, 13)
TYPES = {HELLO: "hello", CPU: "cpu", REGION: "region", LIBRARY: "library", TEXT: "text", TEXT_GONE: "text gone",
         GRANT: "grant", REVOKE: "revoke", DOMAIN_UP: "domain up", DOMAIN_DOWN: "domain down", GRANT_ALL: "grant to all",
         BAD_FREE: "bad free"}
DIRECTMAP = 5
ORDERS = range(6, 17)


class Ring:
    """Takes the agent's stores; gives complete records, in the order of their positions."""

    def __init__(self):
        self.base = self.order = None
        self.slots = {}
        self.complete = {}
        self.next = 0
        self.complaints = []

    def store(self, address, size, value):
        """One store of a module that is no domain's; returns the records that it completes."""
        if self.base is not None and not 0 <= address - self.base < RECORD.size << ORDERS[-1]:
            return ()
        slot = address & -RECORD.size
        image = self.slots.setdefault(slot, bytearray(RECORD.size))
        at = address - slot
        # A store across two slots is none of the ring's.
        image[at:at + size] = value.to_bytes(8, "little")[:min(size, RECORD.size - at)]
        if at or size != 4 or not value:
            return ()
        if self.base is None:
            if value != 1 or address & 0xfff or image[4] != HELLO:
                return ()
            self.base = address
            self.slots = {slot: image}
        return self._completed(value - 1, (slot - self.base) // RECORD.size, image)

    def _completed(self, position, index, image):
        """The word at the start of a slot was written: is it the seq of a record, and whose turn is it?"""
        if self.order is None and index == 0 and position:
            self.order = position.bit_length() - 1
            if position != 1 << self.order or self.order not in ORDERS:
                self.complaints.append(f"the ring wraps at position {position}")
        if index != (position if self.order is None else position % (1 << self.order)):
            # Behind the ring there is other memory.
            return ()
        if position < self.next or position in self.complete:
            self.complaints.append(f"position {position} is written twice")
            return ()
        _, *rest = RECORD.unpack(image)
        self.complete[position] = Record(position, *rest)
        ready = []
        while self.next in self.complete:
            ready.append(self.complete.pop(self.next))
            self.next += 1
        return ready
