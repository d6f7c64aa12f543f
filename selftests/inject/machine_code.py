# SPDX-License-Identifier: GPL-2.0-only
"""
The few x86-64 instructions that faults are made of, with labels and relocations.
"""

import struct

import elf

RAX, RCX, RDX, RSI, RDI, R8, R9, R10, R11 = 0, 1, 2, 6, 7, 8, 9, 10, 11
# What a callee may change, and a caller of ours does not expect to be changed.
SCRATCH = (RAX, RCX, RDX, RSI, RDI, R8, R9, R10, R11)


class Code:
    """Machine code that grows."""

    def __init__(self):
        self.bytes = bytearray()
        self.relocations = []
        self.jumps = []

    @property
    def at(self):
        """Offset of the next instruction."""
        return len(self.bytes)

    def emit(self, text):
        """Raw bytes, in hexadecimal."""
        self.bytes += bytes.fromhex(text)

    def relative(self, symbol, addend=0, kind=elf.R_X86_64_PC32, behind=0):
        """A 32-bit displacement to symbol + addend; @behind: bytes of the instruction that still follow."""
        self.relocations.append((self.at, symbol, kind, addend - 4 - behind))
        self.bytes += bytes(4)

    def push(self, *registers):
        """push each."""
        for register in registers:
            self.bytes += bytes([0x41] if register >= 8 else []) + bytes([0x50 + register % 8])

    def pop(self, *registers):
        """pop each, in the order given."""
        for register in registers:
            self.bytes += bytes([0x41] if register >= 8 else []) + bytes([0x58 + register % 8])

    def load_address(self, register, symbol, addend):
        """movabs $symbol + addend, register (of the first eight)."""
        self.bytes += bytes([0x48, 0xb8 + register])
        self.relocations.append((self.at, symbol, elf.R_X86_64_64, addend))
        self.bytes += bytes(8)

    def load_constant(self, register, value):
        """movabs $value, register (of the first eight)."""
        self.bytes += bytes([0x48, 0xb8 + register]) + struct.pack("<Q", value & (1 << 64) - 1)

    def load_word(self, register, symbol):
        """mov symbol(%rip), register: 64 bits, register of the first eight."""
        self.bytes += bytes([0x48, 0x8b, 0x05 | register << 3])
        self.relative(symbol)

    def call(self, symbol):
        """call symbol."""
        self.emit("e8")
        self.relative(symbol, kind=elf.R_X86_64_PLT32)

    def jump(self, symbol, addend=0):
        """jmp symbol + addend."""
        self.emit("e9")
        self.relative(symbol, addend, kind=elf.R_X86_64_PLT32)

    def branch(self, opcode):
        """A conditional jump forward ("75" is jne), to where land() is called with what this returns."""
        self.emit("0f %02x" % (int(opcode, 16) + 0x10))
        self.bytes += bytes(4)
        return self.at

    def land(self, branch):
        """Here a branch arrives."""
        struct.pack_into("<i", self.bytes, branch - 4, self.at - branch)
