# SPDX-License-Identifier: GPL-2.0-only
"""Writes KTAP: one line a test, diagnostics in front of the line that they explain."""

import atexit
import json
import sys


class Report:
    """The results of one scenario. The plan comes last, for it is known then."""

    def __init__(self):
        self.count = self.failed = 0
        self.finished = False
        print("KTAP version 1", flush=True)
        atexit.register(self._end)

    def note(self, text):
        """A line for people."""
        for line in str(text).splitlines():
            print(f"# {line}", flush=True)

    def figures(self, **values):
        """Figures for the table of drivers; see drivers.py of the lab."""
        self.note(f"figures {json.dumps(values)}")

    def check(self, name, good, why=""):
        """A test named so passed or failed; why is shown when it failed."""
        self.count += 1
        if not good:
            self.failed += 1
            if why:
                self.note(why)
        print(f"{'ok' if good else 'not ok'} {self.count} {name}", flush=True)
        return good

    def equal(self, name, found, expected):
        """The test passes when found is expected."""
        return self.check(name, found == expected, f"expected {expected!r}, found {found!r}")

    def skip(self, name, reason):
        """A test that cannot run here."""
        self.count += 1
        print(f"ok {self.count} {name} # SKIP {reason}", flush=True)

    def done(self):
        """Call at the end: a scenario that does not get there has no plan, and fails."""
        self.finished = True
        sys.exit(1 if self.failed else 0)

    def _end(self):
        if self.finished:
            print(f"1..{self.count}", flush=True)
