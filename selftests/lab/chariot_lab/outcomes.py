# SPDX-License-Identifier: GPL-2.0-only
"""Remembers what became of each test on each kind of machine, for the matrix, and the figures that scenarios print."""

import functools
import json
import re
import subprocess

from . import ktap, paths

#: the runner's own test, which every scenario has
CLEAN_LOGS = "kernel logs clean"
FILE = paths.LAB_BUILD / "outcomes.jsonl"
#: what isolated drivers did and cost, see drivers.py
FIGURES = paths.LAB_BUILD / "figures.jsonl"
FIGURES_LINE = re.compile(r"^# figures (\{.*\})$", re.MULTILINE)
#: what is tested, as opposed to what is written about it
TESTED = ["kvm-chariot", "guest-agent", "qemu-chariot", "include", "selftests"]


@functools.cache
def tree():
    """The commit of the sources, with a + when they differ from it; empty when there is no git."""
    def git(*words):
        done = subprocess.run(["git", "-C", paths.SOURCE, *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()
    return git("log", "-1", "--format=%h") + ("+" if git("status", "--porcelain", "-uno", "--", *TESTED) else "")


def plain_name(scenario):
    """The test that a scenario is: scenarios for a kind of machine have a prefix for it."""
    found = re.fullmatch(r"[a-z0-9.-]+-(kvm-.*|isolated)", scenario)
    return found.group(1) if found else scenario


def note(kind, scenario, results):
    """Remembers what became of a scenario on that kind of machine."""
    entry = {"mode": kind.mode, "kernel": kind.kernel_name, "test": plain_name(scenario), "tree": tree(),
             "passed": sum(r.outcome == ktap.PASSED and not r.name.endswith(CLEAN_LOGS) for r in results),
             "failed": [r.name for r in results if r.outcome == ktap.FAILED],
             "skipped": [r.reason or r.name for r in results if r.outcome == ktap.SKIPPED]}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with FILE.open("a") as file:
        file.write(json.dumps(entry) + "\n")


def all_noted():
    """The last outcome by mode, kernel and test."""
    if not FILE.exists():
        return {}
    entries = [json.loads(line) for line in FILE.read_text().splitlines()]
    return {(e["mode"], e["kernel"], e["test"]): e for e in entries}


def note_figures(scenario, mode, output):
    """Keeps the figures in the output of a scenario that passed."""
    with FIGURES.open("a") as file:
        for found in FIGURES_LINE.findall(output):
            entry = {"scenario": scenario, "mode": mode, "tree": tree(), **json.loads(found)}
            file.write(json.dumps(entry) + "\n")


def all_figures():
    """The last figures of each scenario."""
    if not FIGURES.exists():
        return {}
    entries = [json.loads(line) for line in FIGURES.read_text().splitlines()]
    return {entry["scenario"]: entry for entry in entries}


def forget_figures(scenarios):
    """Forgets the figures of these."""
    kept = [entry for name, entry in all_figures().items() if name not in scenarios]
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text("".join(json.dumps(entry) + "\n" for entry in kept))
