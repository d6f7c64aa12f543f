# SPDX-License-Identifier: GPL-2.0-only
"""
Which bytes an x86-64 instruction would store to: for stores that faulted, of which the processor tells no size.

Only what compilers make of a driver; what is not known stores nothing, and the judge notices when it faulted as a store.
"""

GS, FS = 16, 17
RSP, RDI = 4, 7
MASK = (1 << 64) - 1

#: one-byte opcodes with a memory operand that is written, and for which values of the opcode extension (none: all)
STORES = {0x80: {0, 1, 2, 3, 4, 5, 6}, 0x81: {0, 1, 2, 3, 4, 5, 6}, 0x83: {0, 1, 2, 3, 4, 5, 6}, 0x86: None, 0x87: None,
          0x88: None, 0x89: None, 0xc0: None, 0xc1: None, 0xd0: None, 0xd1: None, 0xd2: None, 0xd3: None, 0xc6: {0}, 0xc7: {0},
          0xf6: {2, 3}, 0xf7: {2, 3}, 0xfe: {0, 1}, 0xff: {0, 1}}
STORES |= {op: None for op in range(0x38) if op & 7 < 2}
#: likewise behind 0f
STORES_0F = {0xb0: None, 0xb1: None, 0xc0: None, 0xc1: None, 0xc3: None, 0xa4: None, 0xa5: None, 0xac: None, 0xad: None,
             0xab: None, 0xb3: None, 0xbb: None, 0xba: {5, 6, 7}}
BIT_BY_REGISTER = {0xab, 0xb3, 0xbb}
#: of these, the even one is for bytes
BYTE_OR_MORE = {0x80, 0x86, 0x88, 0xc0, 0xd0, 0xd2, 0xc6, 0xf6, 0xfe} | {op for op in range(0x38) if op & 7 == 0}
PUSHES = {*range(0x50, 0x58), 0x68, 0x6a, 0x9c, 0xe8}
STRINGS = {0x6c, 0x6d, 0xa4, 0xa5, 0xaa, 0xab}


def _signed(value, bits):
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


class Instruction:
    """One instruction: its bytes, and what of its encoding matters here."""

    def __init__(self, code):
        self.code = code
        self.segment = None
        self.rep = self.word = False
        self.rex = 0
        at = 0
        while code[at] in (0x66, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65):
            self.word |= code[at] == 0x66
            self.rep |= code[at] in (0xf2, 0xf3)
            self.segment = {0x64: FS, 0x65: GS}.get(code[at], self.segment)
            at += 1
        if code[at] & 0xf0 == 0x40:
            self.rex = code[at]
            at += 1
        self.long = code[at] == 0x0f
        at += self.long
        self.opcode = code[at]
        self.at = at + 1
        self.string = not self.long and self.opcode in STRINGS

    @property
    def width(self):
        """Bytes of an operand whose size the opcode does not say."""
        return 8 if self.rex & 8 else 2 if self.word else 4

    def _modrm(self):
        """mod, reg (or the opcode's extension), rm."""
        modrm = self.code[self.at]
        return modrm >> 6, modrm >> 3 & 7, modrm & 7

    def _memory(self, regs, rip):
        """The address of the memory operand."""
        mod, _, rm = self._modrm()
        at = self.at + 1
        base = None
        address = 0
        if rm == 4:
            sib = self.code[at]
            at += 1
            index = sib >> 3 & 7 | (self.rex & 2) << 2
            if index != 4:
                address = regs[index] << (sib >> 6)
            if sib & 7 != 5 or mod:
                base = sib & 7 | (self.rex & 1) << 3
        elif rm == 5 and mod == 0:
            address = rip + len(self.code)
        else:
            base = rm | (self.rex & 1) << 3
        if base is not None:
            address += regs[base]
        size = 1 if mod == 1 else 4 if mod == 2 or base is None else 0
        address += _signed(int.from_bytes(self.code[at:at + size], "little"), 8 * size) if size else 0
        if self.segment is not None:
            address += regs[self.segment]
        return address & MASK

    def store(self, regs, rip):
        """(address, size) of what it stores; of a string instruction, what it stores next. None: nothing."""
        op = self.opcode
        if not self.long and op in PUSHES:
            return (regs[RSP] - 8) & MASK, 8
        if self.string:
            return regs[RDI], 1 if op & 1 == 0 else min(self.width, 4) if op == 0x6d else self.width
        if not self.long and op in (0xa2, 0xa3):
            return int.from_bytes(self.code[self.at:self.at + 8], "little"), 1 if op == 0xa2 else self.width
        if self.at >= len(self.code):
            return None
        mod, reg, _ = self._modrm()
        if not self.long and op == 0xff and reg in (2, 6):
            return (regs[RSP] - 8) & MASK, 8
        if mod == 3:
            return None
        if self.long:
            return self._store_0f(regs, rip, op, reg)
        if op in STORES and (STORES[op] is None or reg in STORES[op]):
            return self._memory(regs, rip), 1 if op in BYTE_OR_MORE else self.width
        return None

    def _store_0f(self, regs, rip, op, reg):
        if op & 0xf0 == 0x90:
            return self._memory(regs, rip), 1
        if op == 0xc7 and reg == 1:
            return self._memory(regs, rip), 16 if self.rex & 8 else 8
        if op not in STORES_0F or (STORES_0F[op] and reg not in STORES_0F[op]):
            return None
        size = 1 if op in (0xb0, 0xc0) else self.width
        address = self._memory(regs, rip)
        if op in BIT_BY_REGISTER:
            bit = _signed(regs[reg | (self.rex & 4) << 1] & (1 << 8 * size) - 1, 8 * size)
            address += (bit // (8 * size)) * size
        return address & MASK, size
