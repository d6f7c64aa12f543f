# SPDX-License-Identifier: GPL-2.0-only
"""The table of scenarios: selftests/scenarios/table.toml, and the kselftests that were built."""

import tomllib
from dataclasses import dataclass, field

from . import paths
from .progress import Failed


@dataclass
class Scenario:
    """One run of a command in a lab host. Its output is KTAP."""

    name: str
    command: str
    seconds: int = 120
    about: str = ""
    runs: list = field(default_factory=lambda: ["check"])
    needs: list = field(default_factory=list)
    alone: bool = False

    def missing(self):
        """The build products that it needs and that are not there."""
        return [need for need in self.needs if not (paths.PRODUCTS / need).exists()]


def scenarios():
    """All scenarios by name, in the table's order."""
    with (paths.SCENARIOS / "table.toml").open("rb") as file:
        table = tomllib.load(file)
    result = {name: Scenario(name=name, **row) for name, row in table.items()}
    folder = paths.PRODUCTS / "kselftests"
    for program in sorted(folder.iterdir()) if folder.exists() else []:
        if program.suffix == ".sh":
            continue
        name = f"kvm-{program.name}"
        result[name] = Scenario(name=name, command=f"bash /lab/scenarios/kselftest.sh {program.name}", seconds=240,
                                about="kselftest of /dev/chariot", needs=["modules/kvm-chariot.ko"])
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
