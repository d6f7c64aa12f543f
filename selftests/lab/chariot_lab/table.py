# SPDX-License-Identifier: GPL-2.0-only
"""The table of scenarios: selftests/scenarios/table.toml, and the kselftests that were built."""

import tomllib
from dataclasses import dataclass, field

from . import paths
from .machine import MODES
from .progress import Failed

#: the kinds of machine that the kselftests run on: mode (none: the usual one), prefix of the scenario's name, time limit,
#: target
KSELFTESTS = [("", "", 240, "check"), ("ept", "ept-", 60, "check"), ("ept-noad", "ept-noad-", 60, "full"),
              ("ept-nopml", "ept-nopml-", 60, "full"), ("ept-shadow", "ept-shadow-", 100, "full")]


@dataclass
class Scenario:
    """One run of a command in a lab host. Its output is KTAP. mode: see machine.py; none: as whoever runs it says."""

    name: str
    command: str
    seconds: int = 120
    about: str = ""
    runs: list = field(default_factory=lambda: ["check"])
    needs: list = field(default_factory=list)
    alone: bool = False
    mode: str = ""

    def missing(self):
        """The build products that it needs and that are not there."""
        return [need for need in self.needs if not (paths.PRODUCTS / need).exists()]


def scenarios():
    """All scenarios by name, in the table's order."""
    with (paths.SCENARIOS / "table.toml").open("rb") as file:
        table = tomllib.load(file)
    result = {name: Scenario(name=name, **row) for name, row in table.items()}
    folder = paths.PRODUCTS / "kselftests"
    programs = [p.name for p in sorted(folder.iterdir()) if p.suffix != ".sh"] if folder.exists() else []
    for mode, prefix, seconds, target in KSELFTESTS:
        for program in programs:
            name = f"{prefix}kvm-{program}"
            about = f"kselftest of /dev/chariot{f' ({MODES[mode].about})' if mode else ''}"
            result[name] = Scenario(name=name, command=f"bash /lab/scenarios/kselftest.sh {program}", seconds=seconds,
                                    about=about, runs=[target], needs=["modules/kvm-chariot.ko"], mode=mode)
    return result


def select(names, target=None):
    """The scenarios with these names; without names, those of the target."""
    table = scenarios()
    if not names:
        return [s for s in table.values() if target in s.runs]
    unknown = [name for name in names if name not in table]
    if unknown:
        raise Failed(f"no such scenario: {', '.join(unknown)}; there are: {', '.join(table)}")
    return [table[name] for name in names]
