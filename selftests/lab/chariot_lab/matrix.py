# SPDX-License-Identifier: GPL-2.0-only
"""
make check-matrix: every mode of KVM, on every kernel, with every test; and docs/matrix.md, which says what came of it.

Whatever runs a scenario notes its outcome (outcomes.py), so that the table can also be made from single runs.
"""

import dataclasses

from . import build, ktap, machine, outcomes, paths, quality, runner, table
from .kernels import DEBIAN
from .progress import say

PAGE = paths.SOURCE / "docs" / "matrix.md"
#: the main job
MAIN_JOB = "isolated"
#: the module built with W=1 and sparse: noted as a test of no mode
WARNINGS = "warnings"
PASS, FAIL, SKIP = "pass", "FAIL", "skip"
HEAD = """# What was run where

Made by `make check-matrix`: modes of KVM × kernels of the lab host × tests. The modes are those of `lab run --mode`, the kernels
Debian's own; the tests are the kselftests of `/dev/chariot` ([selftests/kvm](../selftests/kvm/README.md)) and the main job: Debian's
e1000, isolated, downloads a file whose checksum must be right. A lab guest's kernel is Debian 13's 6.12. Under AMD modes QEMU emulates
the processor, under Intel modes Bochs does: what neither can show is in [selftests/lab](../selftests/lab/README.md).

"pass" is followed by the number of tests in the program; "skip" and "FAIL" by a number are explained below the table.
"""


def tests():
    """The rows: the main job and each kselftest."""
    return [MAIN_JOB, *(name for name in table.scenarios() if name.startswith("kvm-"))]


def scenario(mode, name):
    """The scenario that is the test called name in that mode."""
    if machine.MODES[mode].intel and name == MAIN_JOB:
        name = f"ept-{name}"
    return dataclasses.replace(table.scenarios()[name], mode="", kernel="")


def _cell(entry, reasons):
    """What the table says about a cell; reasons gets what has to be said below."""
    if entry is None:
        outcome, why = SKIP, "not run"
    elif entry["failed"]:
        outcome, why = FAIL, "; ".join(entry["failed"][:3])
    elif not entry["passed"]:
        outcome, why = SKIP, entry["skipped"][0] if entry["skipped"] else "nothing ran"
    else:
        skipped = len(entry["skipped"])
        return f"{PASS} {entry['passed']}" + (f", {skipped} skipped" if skipped else "")
    why = " ".join(why.split())
    if why not in reasons:
        reasons.append(why)
    return f"{outcome} ({reasons.index(why) + 1})"


def _trees(notes):
    """Which sources the table speaks of: runs that were kept may be older than the others."""
    trees = {}
    for (mode, kernel, test), entry in notes.items():
        if mode and test in tests():
            trees.setdefault(entry.get("tree") or "unknown", {}).setdefault((mode, kernel), []).append(test)
    lines = ["## Commits", "", "The sources that were run: cells that were kept are older than others. + stands for changes on top.", ""]
    for name, cells in trees.items():
        lines.append(f"- {name}: " + ", ".join(f"{mode} {kernel} ({len(ran)})" for (mode, kernel), ran in sorted(cells.items())))
    return lines


def page():
    """The table, as docs/matrix.md has it."""
    notes, reasons, lines = outcomes.all_noted(), [], [HEAD]
    columns = [(mode, kernel) for mode in machine.MODES for kernel in DEBIAN]
    lines += ["| kernel | Debian's package | host module built with W=1 and sparse |", "| --- | --- | --- |"]
    ran = {kernel for _, kernel, _ in notes}
    for name, kernel in DEBIAN.items():
        lines.append(f"| {name} | {kernel.version if name in ran else 'not run'} | "
                     f"{_cell(notes.get(('', name, WARNINGS)), reasons)} |")
    for mode in machine.MODES:
        here = [kernel for m, kernel in columns if m == mode]
        lines += ["", f"## {mode}: {machine.MODES[mode].about}", "", "| test | " + " | ".join(here) + " |",
                  "| --- |" + " --- |" * len(here)]
        for test in tests():
            cells = [_cell(notes.get((mode, kernel, test)), reasons) for kernel in here]
            lines.append(f"| {test} | " + " | ".join(cells) + " |")
    lines += ["", *_trees(notes), "", "## Reasons", ""]
    lines += [f"{number}. {why}" for number, why in enumerate(reasons, 1)]
    return "\n".join(lines) + "\n"


def run(modes, kernel_names, names, jobs, keep):
    """Runs the chosen cells (empty: all), writes the page and prints it; returns the exit status."""
    if not keep:
        outcomes.FILE.unlink(missing_ok=True)
    build.products(["qemu", "kselftests"])
    good = True
    for kernel_name in kernel_names or DEBIAN:
        build.products(["modules"], keep_going=True, kernel=DEBIAN[kernel_name])
        warnings = quality.module_warnings("kvm-chariot", DEBIAN[kernel_name])
        outcomes.note(machine.Machine("", kernel_name), WARNINGS, [warnings])
        good = good and warnings.outcome == ktap.PASSED
        for mode in modes or machine.MODES:
            scenarios = [scenario(mode, name) for name in names or tests()]
            say(f"{mode}, kernel {kernel_name}: {len(scenarios)} tests")
            done = runner.Runner(scenarios, jobs, machine=machine.Machine(mode, kernel_name)).run()
            good = good and not any(r.outcome == ktap.FAILED for r in done)
    PAGE.write_text(page())
    print(page())
    return 0 if good else 1
