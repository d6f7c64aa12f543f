# SPDX-License-Identifier: GPL-2.0-only
"""Reads what stores.c wrote; README.md explains the fields."""

import struct

RECORD = struct.Struct("<QQQQIHBB")
CODE, STORE, EXIT, REGS, ENTRY, END = 1, 2, 3, 4, 5, 6
VERSION = 1
CHUNK = RECORD.size << 16


def records(path):
    """All records as tuples: pc, addr, value, rsp, size, vcpu, kind, version."""
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            yield from RECORD.iter_unpack(chunk[:len(chunk) - len(chunk) % RECORD.size])


def registers(four, group):
    """The registers that a REGS record holds, by their number: 0 to 15, then the bases of GS and FS."""
    return {group + i: value for i, value in enumerate(four)}
