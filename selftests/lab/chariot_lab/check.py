# SPDX-License-Identifier: GPL-2.0-only
"""make check: everything, and one line at the end that says how much passed."""

import sys
import threading

from . import bochs, build, host, kernels, ktap, mutants, oracle, paths, provision, quality, runner, table
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


def _emulator(target):
    results = [] if host.nested_kvm() else _built("the lab's emulator", build.emulator)
    if any(scenario.oracle for scenario in _chosen(target)):
        results += _built("the oracle's plugin", oracle.plugin)
    return results


def _modules():
    """For the usual kernel, and the host module for those that the kselftests of make check run on."""
    names = [kernels.USUAL, *sorted({row[1] for row in table.KSELFTESTS if row[1] and row[4] == "check"})]
    return [result for name in names for result in _built(f"modules for kernel {name}", lambda name=name: build.products(
        ["modules"], refresh=False, kernel=kernels.KERNELS[name]))]


def _sources():
    with step("checking the sources"):
        results = quality.run()
    return results


def _unit():
    results = []
    for folder in ("agent", "inject", "oracle", "unit"):
        with step(f"tests of selftests/{folder}"):
            results += ktap.parse(folder, build.unit_tests(folder))
    return results


def _write(results):
    """All results as one KTAP file."""
    lines = ["KTAP version 1", f"1..{len(results)}"]
    for number, result in enumerate(results, 1):
        name = result.name.replace("\n", "\n# ")
        skip = f" # SKIP {result.reason}" if result.outcome == ktap.SKIPPED else ""
        lines.append(f"{'not ok' if result.outcome == ktap.FAILED else 'ok'} {number} {name}{skip}")
    (paths.BUILD / "check.ktap").write_text("\n".join(lines) + "\n")


def _safely(part, function):
    """The results of a part; an error of the lab itself is a failure like any other."""
    try:
        return _tell(part, function())
    except Exception as error:  # pylint: disable=broad-except
        return _tell(part, [ktap.Result(f"{part}: {type(error).__name__}: {error}", ktap.FAILED)])


def _provision():
    provision.install_machine_packages()
    provision.build_tree()
    provision.tree("lab-host")
    return [ktap.Result("lab: packages and trees", ktap.PASSED)]


#: each target with those that it includes
TARGETS = {"check": ["check"], "long": ["check", "long"], "full": ["check", "long", "full"]}


def _chosen(target):
    return [s for s in table.scenarios().values() if set(s.runs) & set(TARGETS[target])]


def _scenarios(target, jobs):
    build.products(["none"])
    return runner.Runner(_chosen(target), jobs).run()


def _all(target, jobs):
    results = _safely("lab", _provision)
    if not ktap.good(results):
        return results
    # These builds are long and share nothing with the checks that need no lab.
    other = []
    thread = threading.Thread(target=lambda: other.extend(
        _safely("QEMU", _qemu) + _safely("emulator", lambda: _emulator(target)) + _safely("Bochs", lambda: _built("Bochs", bochs.build))))
    thread.start()
    results += _safely("sources", _sources)
    results += _safely("modules", _modules)
    results += _safely("kselftests", lambda: _built("kselftests", lambda: build.products(["kselftests"], refresh=False)))
    results += _safely("unit", _unit)
    thread.join()
    results += other
    results += _safely("mutants", lambda: _built("mutants", mutants.build))
    return results + _safely("scenarios", lambda: _scenarios(target, jobs))


def run(target, jobs):
    """Runs all tests of a target; returns the exit status."""
    paths.BUILD.mkdir(exist_ok=True)
    results = _all(target, jobs)
    _write(results)
    failed = [r for r in results if r.outcome == ktap.FAILED]
    if failed:
        print("\nNot ok:", file=sys.stderr)
        for result in failed:
            print(f"  {result.name}", file=sys.stderr)
        sys.stderr.flush()
    print(ktap.summary(results), flush=True)
    return 0 if ktap.good(results) else 1
