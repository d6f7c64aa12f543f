# SPDX-License-Identifier: GPL-2.0-only
"""Pages in docs/ that are tables of the figures which scenarios print, a line each; outcomes.py keeps them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import kernels, ktap, outcomes, runner, table
from .progress import Failed

COMMITS = "Commits that were run: "


def guest(entry):
    """A column: what the guest was."""
    return f"{entry['kernel'] or kernels.USUAL}, {entry['smp']} vCPU{'s' * (entry['smp'] > 1)}, heaps {'on' if entry['heaps'] else 'off'}"


def work(entry):
    """A column: what it did, and under which policy."""
    return f"{entry['units']:,} × {entry['unit']}, `{entry['policy']}`"


@dataclass
class Page:
    """head: all above the lines of the table. row(entry): the cells of a line. oracle: whether of the oracle's scenarios, or of the others."""

    path: Path
    head: str
    row: Callable
    oracle: bool
    #: the scenarios that are run when nobody names any: a pattern
    usual: str

    def _scenarios(self):
        return {name: scenario for name, scenario in table.scenarios().items() if scenario.oracle == self.oracle}

    def _kept(self):
        """What the page says already: (lines by scenario, commits)."""
        text = self.path.read_text() if self.path.exists() else ""
        found = re.search(f"^{COMMITS}(.*)\\.$", text, re.MULTILINE)
        return ({line.split(" ")[1]: line for line in text.splitlines() if line.startswith("| ")},
                found.group(1).split(", ") if found else [])

    def text(self, keep):
        """The page; keep: with the lines that it has for scenarios of which nothing is noted here."""
        noted = outcomes.all_figures()
        lines, commits = self._kept() if keep else ({}, [])
        entries = [noted[name] for name in self._scenarios() if name in noted]
        lines |= {entry["scenario"]: f"| {' | '.join(self.row(entry))} |" for entry in entries}
        lines = [lines[name] for name in self._scenarios() if name in lines]
        if not lines:
            raise Failed("no scenario printed figures")
        commits = sorted({*commits, *(entry["tree"] for entry in entries)})
        return self.head + "".join(f"{line}\n" for line in lines) + f"\n{COMMITS}{', '.join(commits)}.\n"

    def make(self, names, jobs, keep):
        """Runs scenarios, writes the page and prints it; keep: what it said of others stays in it. Returns the exit status."""
        if not keep:
            outcomes.forget_figures(self._scenarios())
        usual = [name for name in self._scenarios() if re.match(self.usual, name)]
        results = runner.Runner(table.select(names or usual), jobs).run()
        self.path.write_text(self.text(keep))
        print(self.path.read_text())
        return 0 if ktap.good(results) else 1
