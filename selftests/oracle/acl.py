# SPDX-License-Identifier: GPL-2.0-only
"""What the records of the ring have granted, at any moment of the log."""

from collections import namedtuple

import ring

PAGE = 12
Grant = namedtuple("Grant", "position kind gpa va len")


class Domain:
    """One domain's grants, found by guest physical and by virtual address."""

    def __init__(self):
        self.grants = {}
        self.text = []
        self.by_gpa, self.by_va = {}, {}

    @staticmethod
    def _pages(start, length):
        return range(start >> PAGE, (start + length - 1 >> PAGE) + 1)

    def add(self, grant):
        """A range is granted. Returns whether none of it was before."""
        if not grant.len or any(g.gpa < grant.gpa + grant.len and grant.gpa < g.gpa + g.len
                                for page in self._pages(grant.gpa, grant.len) for g in self.by_gpa.get(page, ())):
            return False
        self.grants[grant.gpa] = grant
        for index, start in ((self.by_gpa, grant.gpa), (self.by_va, grant.va)):
            for page in self._pages(start, grant.len):
                index.setdefault(page, []).append(grant)
        return True

    def _remove(self, grant):
        del self.grants[grant.gpa]
        for index, start in ((self.by_gpa, grant.gpa), (self.by_va, grant.va)):
            for page in self._pages(start, grant.len):
                index[page].remove(grant)

    def revoke(self, gpa, length):
        """A range is granted no longer; length 0: the grant that starts there."""
        if not length:
            if gpa in self.grants:
                self._remove(self.grants[gpa])
            return
        for grant in {g for page in self._pages(gpa, length) for g in self.by_gpa.get(page, ())
                      if g.gpa < gpa + length and gpa < g.gpa + g.len}:
            self._remove(grant)
            for start, end in ((grant.gpa, gpa), (gpa + length, grant.gpa + grant.len)):
                if start < end:
                    self.add(grant._replace(gpa=start, va=grant.va + start - grant.gpa, len=end - start))

    def holder_gpa(self, gpa):
        """The grant that a byte is in, by its guest physical address."""
        for grant in self.by_gpa.get(gpa >> PAGE, ()):
            if 0 <= gpa - grant.gpa < grant.len:
                return grant
        return None

    def holder_va(self, va):
        """The same by its virtual address, as the grant names it."""
        for grant in self.by_va.get(va >> PAGE, ()):
            if 0 <= va - grant.va < grant.len:
                return grant
        return None


class Acl:
    """All domains, and what else the records tell. forget: positions of records to overlook, to see what that does."""

    def __init__(self, forget=()):
        self.forget = frozenset(forget)
        self.domains = {}
        self.page_offset = self.thread_size = self.directmap = None
        self.irq_stacks = []
        self.everybody = []
        self.counts = dict.fromkeys(ring.TYPES, 0)
        self.complaints = []
        #: domains whose drivers are loaded
        self.up = set()
        #: what was text once; something else may be there now
        self.gone = []
        #: how often the text of domains has changed
        self.text_changes = 0

    def domain(self, number):
        """A domain by its number."""
        return self.domains.setdefault(number, Domain())

    def domain_of(self, pc):
        """The number of the domain whose text an instruction is in, or None."""
        for number, domain in self.domains.items():
            if any(start <= pc < start + length for start, length in domain.text):
                return number
        return None

    def take(self, record):
        """A record takes effect."""
        if record.type not in self.counts:
            self.complaints.append(f"unknown type: {record}")
            return
        self.counts[record.type] += 1
        if record.position in self.forget:
            return
        grant = Grant(record.position, record.kind, record.gpa, record.va, record.len)
        if record.type == ring.HELLO:
            self.thread_size, self.page_offset = record.gpa, record.va
        elif record.type == ring.CPU:
            top = record.gpa + 0xfff & ~0xfff
            self.irq_stacks.append((top - record.len, top))
        elif record.type == ring.REGION and record.kind == ring.DIRECTMAP:
            self.directmap = record.va, record.len
        elif record.type in (ring.TEXT, ring.TEXT_GONE):
            self._text(record)
        elif record.type == ring.GRANT:
            if not self.domain(record.domain).add(grant):
                self.complaints.append(f"a grant overlaps: {record}")
        elif record.type == ring.REVOKE:
            self.domain(record.domain).revoke(record.gpa, record.len)
        elif record.type == ring.GRANT_ALL:
            self.everybody.append(grant)
            for domain in self.domains.values():
                domain.add(grant)
        elif record.type in (ring.DOMAIN_UP, ring.DOMAIN_DOWN):
            self.text_changes += 1
            (self.up.add if record.type == ring.DOMAIN_UP else self.up.discard)(record.domain)
            self.domains[record.domain] = Domain()
            for grant in self.everybody:
                self.domains[record.domain].add(grant)

    def _text(self, record):
        self.text_changes += 1
        text = self.domain(record.domain).text
        if record.type == ring.TEXT:
            text.append((record.va, record.len))
            self.gone = [range_ for range_ in self.gone if range_ != (record.va, record.len)]
        else:
            self.gone.append((record.va, record.len))
            left = []
            for start, length in text:
                end, gone, gone_end = start + length, record.va, record.va + record.len
                left += [(a, b - a) for a, b in ((start, min(end, gone)), (max(start, gone_end), end)) if a < b]
            self.domain(record.domain).text = left

    def holder(self, number, va, gpa=None):
        """The live grant of a domain that a byte is in, or None. gpa: its guest physical address where it is known."""
        domain = self.domains[number]
        if gpa is None and self.directmap and 0 <= va - self.directmap[0] < self.directmap[1]:
            gpa = va - self.page_offset
        return (gpa is not None and domain.holder_gpa(gpa)) or domain.holder_va(va)

    def on_stack(self, va, rsp):
        """Whether an address is on the stack in use: the one that the stack pointer is in, or a CPU's interrupt stack."""
        return (va ^ rsp) & -self.thread_size == 0 or any(low <= va < top for low, top in self.irq_stacks)
