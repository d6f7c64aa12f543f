# SPDX-License-Identifier: GPL-2.0-only
"""make check: everything, and one line at the end that says how much passed."""

import sys
import threading

from . import build, ktap, mutants, paths, provision, quality, runner, table
from .progress import Failed, say, step


def _tell(part, results):
    """Says what became of a part, and every failure in it."""
    failed = [r for r in results if r.outcome == ktap.FAILED]
    say(f"{'FAILED' if failed else 'ok    '} {part}: {ktap.summary(results)}")
    for result in failed:
        print(f"         not ok: {result.name}", file=sys.stderr, flush=True)
    return results


def _built(what, function):
    """The result of building a part: a test like any other."""
    try:
        function()
        return [ktap.Result(f"build: {what}", ktap.PASSED)]
    except Failed as failure:
        return [ktap.Result(f"build: {what}: {failure}", ktap.FAILED)]


def _qemu():
    results = _built("QEMU", lambda: build.products(["qemu"], refresh=False))
    if results[0].outcome == ktap.PASSED and (paths.SOURCE / "qemu-chariot" / "build.sh").exists():
        with step("testing the QEMU device"):
            results += ktap.parse("qemu", build.qemu_tests())
    return results


def _sources():
    with step("checking the sources"):
        results = quality.run()
    return results


def _unit():
    with step("unit tests and fuzzers"):
        return ktap.parse("unit", build.unit_tests())


def _write(results):
    """All results as one KTAP file."""
    lines = ["KTAP version 1", f"1..{len(results)}"]
    for number, result in enumerate(results, 1):
        name = result.name.replace("\n", "\n# ")
        skip = f" # SKIP {result.reason}" if result.outcome == ktap.SKIPPED else ""
        lines.append(f"{'not ok' if result.outcome == ktap.FAILED else 'ok'} {number} {name}{skip}")
    (paths.BUILD / "check.ktap").write_text("\n".join(lines) + "\n")


def run(target, jobs):
    """Runs all tests of a target ("check" or "long"); returns the exit status."""
    provision.install_machine_packages()
    provision.build_tree()
    provision.tree("lab-host")
    results = []
    # QEMU's build is long and shares nothing with the checks that need no lab.
    other = []
    thread = threading.Thread(target=lambda: other.extend(_tell("QEMU", _qemu())))
    thread.start()
    results += _tell("sources", _sources())
    results += _tell("modules", _built("modules", lambda: build.products(["modules"], refresh=False)))
    results += _tell("kselftests", _built("kselftests", lambda: build.products(["kselftests"], refresh=False)))
    if (paths.SOURCE / "selftests" / "unit" / "Makefile").exists():
        results += _tell("unit", _unit())
    thread.join()
    results += other
    results += _tell("mutants", _built("mutants", mutants.build))
    build.products(["none"])
    chosen = [s for s in table.scenarios().values() if "check" in s.runs or target in s.runs]
    results += runner.Runner(chosen, jobs).run()
    _write(results)
    failed = [r for r in results if r.outcome == ktap.FAILED]
    if failed:
        print("\nNot ok:", file=sys.stderr)
        for result in failed:
            print(f"  {result.name}", file=sys.stderr)
        sys.stderr.flush()
    print(ktap.summary(results), flush=True)
    return 0 if ktap.good(results) else 1
