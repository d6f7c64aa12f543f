# SPDX-License-Identifier: GPL-2.0-only
"""The table of scenarios: selftests/scenarios/table.toml, and the kselftests that were built."""

import tomllib
from dataclasses import dataclass, field, replace

from . import kernels, paths
from .machine import MODES
from .progress import Failed

HOST_MODULE = "modules/kvm-chariot.ko"
#: the kinds of machine that the kselftests run on: mode and kernel (none: the usual one), prefix of the scenario's name,
#: time limit, target, which programs (none: all)
KSELFTESTS = [("", "", "", 240, "check", ()), ("ept", "", "ept-", 100, "check", ()),
              ("shadow", "", "shadow-", 240, "check", ("attach", "crossings", "memslots", "mmio", "stack", "stale")),
              ("", "6.1", "6.1-", 240, "check", ("attach", "crossings", "memslots", "mmio", "stack")),
              ("ept-noad", "", "ept-noad-", 100, "full", ()), ("ept-nopml", "", "ept-nopml-", 100, "full", ()),
              ("ept-shadow", "", "ept-shadow-", 150, "full", ())]
#: A driver's row is run by `make check-drivers` on other guests, too. Guest kernel, processors and private heaps have two values each:
#: with the row itself, each pair of values of any two occurs.
VARIANTS = [("", "-smp-no-heaps"), ("6.1", "-no-heaps"), ("6.1", "-smp")]
#: A driver's life, with fewer reloads, on the guest that has the other value of each
OPPOSITE = [("6.1", "-smp-no-heaps-brief")]
OPTIONS = {"-smp": " --smp 2", "-no-heaps": " --options chariot_agent.heaps=0", "-brief": " --most 3"}
#: everything at once is for check-full where one emulated CPU would have to do it
LATER = ["ept-kvm-stress"]


def product(name, kernel_name=kernels.USUAL):
    """Where the build product is that a lab host with that kernel sees as /lab/<name>."""
    if kernel_name != kernels.USUAL and name == HOST_MODULE:
        return paths.KERNEL_PRODUCTS / kernel_name / name
    return paths.PRODUCTS / name


@dataclass
class Scenario:
    """
    One run of a command in a lab host. Its output is KTAP. mode: see machine.py; none: as whoever runs it says.

    oracle: in a lab host of its own, whose log is judged afterwards. variants, opposite: on other lab guests, too, in these targets.
    """

    name: str
    command: str
    seconds: int = 120
    about: str = ""
    runs: list = field(default_factory=lambda: ["check"])
    needs: list = field(default_factory=list)
    alone: bool = False
    mode: str = ""
    kernel: str = ""
    oracle: bool = False
    variants: list | None = None
    opposite: list | None = None

    def other_guests(self):
        """The same with other lab guests, by name."""
        result = {}
        guests = [(*guest, targets) for guests, targets in ((VARIANTS, self.variants), (OPPOSITE, self.opposite))
                  if targets is not None for guest in guests]
        for kernel_name, words, targets in guests:
            options = "".join(option for word, option in OPTIONS.items() if word in words)
            if kernel_name:
                options += f" --guest-kernel {kernel_name}"
            needs = [need.replace("modules/chariot-agent", f"modules-{kernel_name}/chariot-agent") if kernel_name else need
                     for need in self.needs]
            name = f"guest-{kernel_name}-" * bool(kernel_name) + self.name + words
            result[name] = replace(self, name=name, command=self.command + options, seconds=self.seconds + 200, needs=needs,
                                   about=f"{self.name} with{options}", runs=targets, variants=None, opposite=None)
        return result

    def missing(self, kernel_name=kernels.USUAL):
        """The build products that it needs, in a lab host with that kernel, and that are not there."""
        return [need for need in self.needs if not product(need, kernel_name).exists()]


def scenarios():
    """All scenarios by name, in the table's order."""
    with (paths.SCENARIOS / "table.toml").open("rb") as file:
        table = tomllib.load(file)
    result = {}
    for name, row in table.items():
        result[name] = Scenario(name=name, **row)
        result |= result[name].other_guests()
    folder = paths.PRODUCTS / "kselftests"
    programs = [p.name for p in sorted(folder.iterdir()) if p.suffix != ".sh"] if folder.exists() else []
    for mode, kernel, prefix, seconds, target, chosen in KSELFTESTS:
        where = ", ".join([*([MODES[mode].about] if mode else []), *([f"kernel {kernel}"] if kernel else [])])
        for program in [p for p in programs if p in (chosen or programs)]:
            name = f"{prefix}kvm-{program}"
            about = f"kselftest of /dev/chariot{where and f' ({where})'}"
            result[name] = Scenario(name=name, command=f"bash /lab/scenarios/kselftest.sh {program}", seconds=seconds,
                                    about=about, runs=["full" if name in LATER else target], needs=[HOST_MODULE],
                                    mode=mode, kernel=kernel)
    return result


def other_kernels(chosen):
    """The kernels, beside the usual one, that some of the scenarios name."""
    return sorted({scenario.kernel for scenario in chosen} - {"", kernels.USUAL})


def select(names, target=None):
    """The scenarios with these names; without names, those of the target."""
    table = scenarios()
    if not names:
        return [s for s in table.values() if target in s.runs]
    unknown = [name for name in names if name not in table]
    if unknown:
        raise Failed(f"no such scenario: {', '.join(unknown)}; there are: {', '.join(table)}")
    return [table[name] for name in names]
