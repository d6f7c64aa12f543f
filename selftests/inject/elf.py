# SPDX-License-Identifier: GPL-2.0-only
"""
Relocatable x86-64 ELF files, as far as adding code and data to one needs them.

What is there keeps its place and its bytes, unless it is changed on purpose;
what is added goes behind it. Tables that grow (symbols, strings, section
headers) move to the end of the file.
"""

import struct

SHT_PROGBITS, SHT_SYMTAB, SHT_RELA, SHT_NOBITS = 1, 2, 4, 8
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_INFO_LINK = 1, 2, 4, 0x40
SHN_UNDEF = 0
STB_GLOBAL, STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_SECTION = 1, 0, 1, 2, 3
R_X86_64_64, R_X86_64_PC32, R_X86_64_PLT32 = 1, 2, 4

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
SHDR = struct.Struct("<IIQQQQIIQQ")
SYM = struct.Struct("<IBBHQQ")
RELA = struct.Struct("<QQq")

SIGNATURE_MARK = b"~Module signature appended~\n"
SIGNATURE_TAIL = struct.Struct(">8xI")


class ElfError(Exception):
    """The file is not what it should be."""


class Section:
    """A section header; the data stays in the file's bytes or in @new."""

    def __init__(self, fields, new=None):
        (self.name_at, self.type, self.flags, self.addr, self.offset, self.size, self.link, self.info,
         self.align, self.entsize) = fields
        self.name = ""
        self.new = new

    def pack(self):
        """The header's bytes."""
        return SHDR.pack(self.name_at, self.type, self.flags, self.addr, self.offset, self.size, self.link, self.info,
                         self.align, self.entsize)


class Symbol:
    """An entry of the symbol table."""

    def __init__(self, index, name, info, shndx, value, size):
        self.index, self.name, self.info, self.shndx, self.value, self.size = index, name, info, shndx, value, size

    @property
    def is_function(self):
        """Has code."""
        return self.info & 15 == STT_FUNC and self.shndx != SHN_UNDEF


def strip_signature(data):
    """A kernel module without the signature that may follow it."""
    if not data.endswith(SIGNATURE_MARK):
        return data
    end = len(data) - len(SIGNATURE_MARK)
    (length,) = SIGNATURE_TAIL.unpack_from(data, end - SIGNATURE_TAIL.size)
    return data[: end - SIGNATURE_TAIL.size - length]


class Elf:
    """A relocatable file."""

    def __init__(self, data):
        self.data = bytearray(strip_signature(data))
        if len(self.data) < EHDR.size or self.data[:6] != b"\x7fELF\x02\x01":
            raise ElfError("not a 64-bit little-endian ELF file")
        self.header = list(EHDR.unpack_from(self.data))
        if self.header[1] != 1 or self.header[2] != 62:
            raise ElfError("not a relocatable x86-64 file")
        offset, count, names = self.header[6], self.header[12], self.header[13]
        try:
            self.sections = [Section(SHDR.unpack_from(self.data, offset + i * SHDR.size)) for i in range(count)]
            self.names = names
            for section in self.sections:
                section.name = self._string(self.sections[names], section.name_at)
            self.symtab = next(s for s in self.sections if s.type == SHT_SYMTAB)
            self.strtab = self.sections[self.symtab.link]
            self.symbols = [self._symbol(i) for i in range(self.symtab.size // SYM.size)]
        except (struct.error, IndexError, StopIteration, ValueError) as error:
            raise ElfError("damaged, or without a symbol table") from error

    def _string(self, section, at):
        start = section.offset + at
        return self.data[start:self.data.index(0, start)].decode()

    def _symbol(self, index):
        name, info, _, shndx, value, size = SYM.unpack_from(self.data, self.symtab.offset + index * SYM.size)
        return Symbol(index, self._string(self.strtab, name), info, shndx, value, size)

    def contents(self, section):
        """A section's bytes."""
        return bytes(section.new if section.new is not None else
                     self.data[section.offset:section.offset + section.size])

    def relocations(self, section_index):
        """Yields (file offset, offset in section, symbol index, type, addend) of a section."""
        for rela in self.sections:
            if rela.type != SHT_RELA or rela.info != section_index:
                continue
            for at in range(rela.offset, rela.offset + rela.size, RELA.size):
                where, info, addend = RELA.unpack_from(self.data, at)
                yield at, where, info >> 32, info & 0xffffffff, addend

    def retarget(self, at, symbol):
        """Points the relocation at a file offset to another symbol."""
        where, info, addend = RELA.unpack_from(self.data, at)
        RELA.pack_into(self.data, at, where, symbol.index << 32 | info & 0xffffffff, addend)

    def _add_string(self, section, text):
        if section.new is None:
            section.new = bytearray(self.contents(section))
        at = len(section.new)
        section.new += text.encode() + b"\0"
        return at

    def add_symbol(self, name, kind, shndx, value=0, size=0):
        """Adds a global symbol. Globals come last in the table, so the order stays right."""
        if self.symtab.new is None:
            self.symtab.new = bytearray(self.contents(self.symtab))
        symbol = Symbol(len(self.symbols), name, STB_GLOBAL << 4 | kind, shndx, value, size)
        self.symtab.new += SYM.pack(self._add_string(self.strtab, name), symbol.info, 0, shndx, value, size)
        self.symbols.append(symbol)
        return symbol

    def rename_section(self, section, name):
        """Gives a section another name."""
        section.name_at, section.name = self._add_string(self.sections[self.names], name), name

    def find(self, name):
        """A symbol by name, or None."""
        return next((s for s in self.symbols if s.name == name), None)

    def imported(self, name):
        """
        The undefined symbol of that name, added if it is missing. A kernel refuses an import without a checksum among
        those that a module has; it takes a module that has none at all, as modprobe --force makes of one.
        """
        found = self.find(name)
        if found:
            return found
        for section in self.sections:
            if section.name in ("__versions", "__version_ext_crcs", "__version_ext_names"):
                self.rename_section(section, "unused" + section.name)
        return self.add_symbol(name, STT_NOTYPE, SHN_UNDEF)

    def add_section(self, name, flags, contents, align=16):
        """Adds a section; returns its index."""
        section = Section((self._add_string(self.sections[self.names], name), SHT_PROGBITS, flags, 0, 0, len(contents),
                           0, 0, align, 0), bytearray(contents))
        section.name = name
        self.sections.append(section)
        return len(self.sections) - 1

    def add_relocations(self, section_index, entries):
        """Adds relocations (offset, symbol, type, addend) to a section that has none."""
        contents = b"".join(RELA.pack(where, symbol.index << 32 | kind, addend)
                            for where, symbol, kind, addend in entries)
        index = self.add_section(".rela" + self.sections[section_index].name, SHF_INFO_LINK, contents, 8)
        section = self.sections[index]
        section.type, section.entsize = SHT_RELA, RELA.size
        section.link, section.info = self.sections.index(self.symtab), section_index

    def pack(self):
        """The whole file."""
        out = bytearray(self.data)
        for section in self.sections:
            if section.new is None:
                continue
            align = max(section.align, 1)
            out += bytes(-len(out) % align)
            section.offset, section.size = len(out), len(section.new)
            out += section.new
        out += bytes(-len(out) % 8)
        self.header[6], self.header[12] = len(out), len(self.sections)
        for section in self.sections:
            out += section.pack()
        EHDR.pack_into(out, 0, *self.header)
        return bytes(out)
