# SPDX-License-Identifier: GPL-2.0-only
"""Holds every store of a log against the records that were in force when it happened, and against what was reported."""

from collections import Counter, namedtuple

import storelog
from acl import Acl
from decode import Instruction
from ring import Ring

EXIT_PF, EXIT_NPF, EXIT_IO = 0x4e, 0x400, 0x7b
WRITE, WALK = 1 << 1, 1 << 33
VALID = 1 << 31
RCX, RDI = 1, 7

#: who executed it, what became of it
CPU, KVM = "by the processor", "by KVM"
STACK, MMIO, RULE, MEMORY, REPORTED, MISSED = "on the stack", "MMIO", "per-CPU, rules", "in a grant", "reported", "MISSED"
#: how a grant's kind (chariot_ring.h) is counted
KINDS = {2: RULE, 8: MMIO, 13: RULE}

Missed = namedtuple("Missed", "pc address size first end how")


class Reports:
    """The violations that Chariot reported. Bad frees are no stores: they are counted."""

    def __init__(self, violations):
        self.by_rip = {}
        self.frees = 0
        for violation in violations:
            if violation["reason"].endswith("-free"):
                self.frees += 1
            else:
                self.by_rip.setdefault(violation["rip"], []).append(violation)
        self.used = set()

    def covers(self, pc, first, end):
        """Whether they say that the instruction wrote these bytes: one report, or several that touch."""
        found = [v for v in self.by_rip.get(pc, ()) if v["address"] < end and first < v["address"] + v["size"]]
        for violation in sorted(found, key=lambda v: v["address"]):
            if violation["address"] <= first:
                first = max(first, violation["address"] + violation["size"])
        if first < end:
            return False
        self.used |= {v["sequence"] for v in found}
        return True

    def unused(self):
        """Those that no store of the log explains."""
        return [v for found in self.by_rip.values() for v in found if v["sequence"] not in self.used]


class Judge:
    """
    Goes through a log once.

    violations: as the QMP events have them. sections: {module: {section: address}}. text: ranges of the driver's own
    sections, (start, length). forget: positions of records that are to be overlooked.
    """

    def __init__(self, violations, sections, text, forget=()):
        self.acl = Acl(forget)
        self.ring = Ring()
        self.reports = Reports(violations)
        self.text = text
        self.sections = sorted((address, module, name) for module, found in sections.items() for name, address in found.items())
        self.table = Counter()
        self.kinds = Counter()
        #: how many stores were in grants of which records, one or two of them
        self.uses = Counter()
        self.kind_of = {}
        self.missed, self.undecoded, self.disagreed = [], [], []
        self.artefacts = Counter()
        self.unannounced = Counter()
        self.end = None
        self._owners, self._owners_of = {}, 0
        self._code, self._checked = {}, set()
        self._pending = {}

    def run(self, path):
        """Reads the log at that path."""
        handlers = {storelog.STORE: self._stored, storelog.CODE: self._coded, storelog.EXIT: self._left,
                    storelog.REGS: self._registers, storelog.ENTRY: self._entered, storelog.END: self._ended}
        for pc, addr, value, rsp, size, vcpu, kind, _ in storelog.records(path):
            handlers[kind](pc, addr, value, rsp, size, vcpu)
        return self

    def where(self, pc):
        """An address in a module's text, in words."""
        found = [s for s in self.sections if s[0] <= pc]
        return f"{found[-1][1]} {found[-1][2]}+{pc - found[-1][0]:#x}" if found else f"{pc:#x}"

    def _owner(self, pc):
        if self._owners_of != self.acl.text_changes:
            self._owners, self._owners_of = {}, self.acl.text_changes
        if pc not in self._owners:
            self._owners[pc] = self.acl.domain_of(pc)
        return self._owners[pc]

    def _coded(self, pc, addr, value, _rsp, size, _vcpu):
        self._code[pc] = (addr.to_bytes(8, "little") + value.to_bytes(8, "little"))[:size]
        self._checked.discard(pc)

    def _ended(self, pc, addr, value, rsp, size, _vcpu):
        self.end = {"stores": pc, "exits": addr, "refused": value, "strays": rsp, "vcpus": size}

    def _stored(self, pc, addr, value, rsp, size, _vcpu):
        """A store that the processor completed."""
        number = self._owner(pc)
        if number is None:
            self._not_of_a_domain(pc)
            for record in self.ring.store(addr, size, value):
                self.acl.take(record)
            return
        if pc not in self._checked:
            self._checked.add(pc)
            self._compare(pc, addr, rsp, size)
        self._judge(number, pc, addr, size, rsp, CPU)

    def _not_of_a_domain(self, pc):
        """A store of the agent, or of another module; or of the driver's text, and nobody announced it?"""
        # Before the driver is loaded, something else may be where it will be.
        if self.acl.up and any(start <= pc < start + length for start, length in self.text) and \
                not any(start <= pc < start + length for start, length in self.acl.gone):
            self.unannounced[pc] += 1

    def _compare(self, pc, addr, rsp, size):
        """The first store of an instruction: does the decoder see it as the emulator did?"""
        store = Instruction(self._code[pc]).store(dict.fromkeys(range(18), 0), pc)
        if store is None and self.acl.on_stack(addr, rsp):
            self.artefacts["frames of exceptions, pushed while an instruction was at work"] += 1
        elif store is None or size != min(store[1], 8):
            self.disagreed.append((pc, self._code[pc].hex(), size, store))

    def _left(self, pc, addr, value, rsp, size, vcpu):
        self._pending[vcpu] = (pc, size, value, addr, rsp, {})

    def _registers(self, pc, addr, value, rsp, size, vcpu):
        self._pending[vcpu][5].update(storelog.registers((pc, addr, value, rsp), size))

    def _entered(self, pc, addr, value, _rsp, size, vcpu):
        """The guest goes on behind an exit: what did KVM make of the instruction?"""
        rip, code, info, target, delivering, regs = self._pending.pop(vcpu)
        number = self._owner(rip)
        if number is None:
            return
        fault = code in (EXIT_NPF, EXIT_PF)
        if fault and delivering & VALID:
            self.artefacts["faults of the delivery of an event"] += 1
            return
        if code == EXIT_NPF and info & WALK:
            self.artefacts["faults of a page-table walk"] += 1
        if rip not in self._code:
            # It was still to be fetched. What has been completed without that is no instruction that we can judge.
            if pc == rip:
                self.artefacts["faults before the instruction was fetched"] += 1
            else:
                self.undecoded.append((rip, "never fetched", target))
            return
        instruction = Instruction(self._code[rip])
        advanced = instruction.string and addr != regs[RCX]
        if pc == rip and not advanced:
            self.artefacts["exceptions instead of the instruction" if size & VALID and size >> 8 & 7 == 3 else
                           "faults after which the instruction ran again"] += 1
            return
        store = instruction.store(regs, rip)
        if store is None:
            if fault and info & WRITE and not info & WALK:
                self.undecoded.append((rip, self._code[rip].hex(), target))
            else:
                self.artefacts[f"instructions without a store, completed by KVM (exit {code:#x})"] += 1
            return
        address, size = store
        gpa = None
        if code == EXIT_NPF and info & WRITE and not info & WALK and (address & 0xfff) + size <= 0x1000:
            # The processor says where: is it where the instruction says, within the page?
            if (address ^ target) & 0xfff:
                self.undecoded.append((rip, self._code[rip].hex(), target))
            gpa = target
        if instruction.string and value != regs[RDI]:
            # KVM may have done several of a string.
            address, size, gpa = min(address, value), abs(value - regs[RDI]), None
        self._judge(number, rip, address, size, regs[4], KVM, gpa)

    def _judge(self, number, pc, addr, size, rsp, how, gpa=None):
        """The one question: may a domain's text have stored there?"""
        acl = self.acl
        if (addr ^ rsp) & -acl.thread_size == 0 or acl.on_stack(addr, rsp):
            self.table[STACK, how] += 1
            return
        grant = acl.holder(number, addr, gpa)
        last = acl.holder(number, addr + size - 1, None if gpa is None else gpa + size - 1)
        if grant is not None and grant is last:
            self._granted(KINDS.get(grant.kind, MEMORY), how, grant)
            return
        outside = [i for i in range(size) if acl.holder(number, addr + i, None if gpa is None else gpa + i) is None]
        if not outside:
            self._granted(MEMORY, how, grant, last)
            return
        first, end = addr + outside[0], addr + outside[-1] + 1
        reported = self.reports.covers(pc, first, end)
        self.table[REPORTED if reported else MISSED, how] += 1
        if not reported:
            self.missed.append(Missed(pc, addr, size, first, end, how))

    def _granted(self, row, how, *grants):
        """A store was in these."""
        self.table[row, how] += 1
        for grant in grants:
            self.kinds[grant.kind] += 1
            self.kind_of[grant.position] = grant.kind
        self.uses[tuple({grant.position: None for grant in grants})] += 1

    def most_used(self):
        """Of each kind of grants the record that most stores were in: {kind: position}."""
        by_record = Counter()
        for positions, uses in self.uses.items():
            for position in positions:
                by_record[position] += uses
        found = {}
        for position, _ in by_record.most_common():
            found.setdefault(self.kind_of[position], position)
        return found
