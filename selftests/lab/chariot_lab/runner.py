# SPDX-License-Identifier: GPL-2.0-only
"""Runs scenarios in lab hosts, some at the same time, and judges each by its KTAP and the kernels' logs."""

import collections
import dataclasses
import sys
import threading
import time

from . import health, ktap, oracle, outcomes
from .bochs_host import lab_host as new_lab_host
from .machine import Machine
from .progress import Failed, say

#: logs of kernels that must be well, in a scenario's folder. A guest that may crash logs to victim*.log.
KERNEL_LOGS = ["dmesg.log", "kmemleak.log", "guest*.log"]
#: lines of the emulator's that a failed scenario shows: one guest's shutdown
MOST_WORDS = 80


class Runner:
    """
    Scenarios and the workers that take from them; machine is for those that do not name a mode of their own.

    A worker keeps to its lab host's kind of machine as long as it can: a boot is dear, on Bochs above all.
    """

    def __init__(self, scenarios, workers, verbose=False, machine=Machine()):
        self.machine = machine
        self.waiting = [(scenario, 1) for scenario in scenarios]
        #: the kinds of machine that workers have now
        self.at_work = {}
        self.workers = min(workers, len(scenarios))
        self.verbose = verbose
        self.results = []
        #: data races in the lab host's stock kernel alone, which fail nothing
        self.others_races = collections.Counter()
        self.missing = {scenario.name for scenario in scenarios}
        self.lock = threading.Lock()

    def run(self):
        """Runs all scenarios and returns their results."""
        threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(self.workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(1)
        self.results += [ktap.Result(f"{name}: did not run: its lab host's worker died", ktap.FAILED)
                         for name in sorted(self.missing)]
        return self.results

    def _kind(self, scenario):
        """The kind of machine that a scenario runs on."""
        return dataclasses.replace(self.machine, mode=scenario.mode or self.machine.mode,
                                   kernel_name=scenario.kernel or self.machine.kernel_name, oracle=scenario.oracle)

    def _next(self, number, kind):
        """
        The next scenario for a worker whose lab host is of that kind, and its tries; None: there is none.

        First one of the same kind, then one of a kind that nobody else is at, then any for which a second boot pays.
        """
        with self.lock:
            others = [k for worker, k in self.at_work.items() if worker != number]
            for fits in (lambda k: k == kind, lambda k: k not in others, lambda k: not k.intel()):
                for entry in self.waiting:
                    if fits(self._kind(entry[0])):
                        self.waiting.remove(entry)
                        self.at_work[number] = self._kind(entry[0])
                        return entry
            self.at_work.pop(number, None)
        return None

    def _work(self, number):
        lab_host = None
        kind = None
        try:
            while entry := self._next(number, kind):
                scenario, tries = entry
                missing = scenario.missing(self._kind(scenario).kernel_name)
                if missing:
                    self._report(scenario, [ktap.Result(f"{scenario.name}: needs {', '.join(missing)}, which did not "
                                                        "build", ktap.FAILED)], 0, None)
                    continue
                if lab_host is not None and self._kind(scenario) != kind:
                    lab_host.stop()
                    lab_host = None
                kind = self._kind(scenario)
                if lab_host is None:
                    try:
                        lab_host = new_lab_host(f"lab{number}", kind)
                        lab_host.boot()
                    except Failed as failure:
                        lab_host = None
                        self._retry_or_fail(scenario, tries, str(failure))
                        continue
                if not self._run_one(lab_host, scenario, tries):
                    lab_host.stop()
                    lab_host = None
        finally:
            if lab_host is not None:
                lab_host.stop()

    def _retry_or_fail(self, scenario, tries, why):
        if tries < 2:
            say(f"{scenario.name}: the lab's fault ({why}); trying once more")
            with self.lock:
                self.waiting.append((scenario, tries + 1))
        else:
            self._report(scenario, [ktap.Result(f"{scenario.name}: {why}", ktap.FAILED)], 0, None)

    def _run_one(self, lab_host, scenario, tries):
        """Runs one scenario; returns whether the lab host is fit for another."""
        begin = time.monotonic()
        folder = lab_host.run_folder / scenario.name
        before = len(health.emulators_words(lab_host.run_folder))
        status = lab_host.run(scenario.name, scenario.command, scenario.seconds)
        console = (lab_host.run_folder / "host-console.log").read_text(errors="replace")
        if status is None and health.emulators_fault(console):
            self._retry_or_fail(scenario, tries, "the emulator ran a stale int3")
            return False
        output = folder / "output"
        results = ktap.parse(scenario.name, output.read_text(errors="replace") if output.exists() else "")
        problems, excerpts = [], []
        if status is None:
            problems.append("the lab host died or hung: " + "; ".join(health.sick_lines(console)[:3]))
        elif status in (124, 137):
            problems.append(f"out of time after {scenario.seconds * self._kind(scenario).slowness} s")
        elif status and not any(r.outcome == ktap.FAILED for r in results):
            problems.append(f"ended with status {status}")
        for pattern in KERNEL_LOGS:
            for log in sorted(folder.glob(pattern)):
                text = log.read_text(errors="replace")
                sick = health.sick_lines(text)
                self.others_races.update(health.others_races(text))
                if sick:
                    problems.append(f"{log.name}: {sick[0]}" + (f" (and {len(sick) - 1} more)" if sick[1:] else ""))
                    excerpts += health.excerpt(text)
        if scenario.oracle:
            # The log is complete when the emulator has ended.
            lab_host.stop()
            results += ktap.parse(scenario.name, oracle.judge(lab_host.run_folder, folder))
        results += [ktap.Result(f"{scenario.name}: {problem}", ktap.FAILED) for problem in problems]
        if not problems:
            results.append(ktap.Result(f"{scenario.name}: {outcomes.CLEAN_LOGS}", ktap.PASSED))
        if any(r.outcome == ktap.FAILED for r in results):
            excerpts += health.emulators_words(lab_host.run_folder)[before:before + MOST_WORDS]
        if ktap.good(results) and output.exists():
            outcomes.note_figures(scenario.name, self._kind(scenario).mode, output.read_text(errors="replace"))
        self._report(scenario, results, time.monotonic() - begin, folder, excerpts)
        return not problems and not scenario.oracle

    def _report(self, scenario, results, seconds, folder, excerpts=()):
        """excerpts: lines of kernel logs, or the emulator's, on what is wrong, for whoever has no more than what is printed."""
        with self.lock:
            self.results += results
            outcomes.note(self._kind(scenario), scenario.name, results)
            self.missing.discard(scenario.name)
            failed = [r for r in results if r.outcome == ktap.FAILED]
            say(f"{'FAILED' if failed else 'ok    '} {scenario.name}: {ktap.summary(results)} in {seconds:.0f} s")
            for result in failed:
                print(f"         not ok: {result.name}", file=sys.stderr)
            for line in excerpts:
                print(f"         | {line}", file=sys.stderr)
            if folder and failed:
                print(f"         logs: {folder}", file=sys.stderr, flush=True)
            if folder and self.verbose:
                print((folder / "output").read_text(errors="replace"), file=sys.stderr, flush=True)
