# SPDX-License-Identifier: GPL-2.0-only
"""
make check-debug: the kselftests, "stress" first, on kernels that look for faults of their own (kernels.DEBUG), on AMD with
nested and with shadow paging.

What such a kernel has to say about the host module fails a run, as any warning does; races of the stock kernel with itself are
counted.
"""

from . import build, kernels, ktap, matrix, runner
from .machine import Machine
from .progress import say

MODES = ["npt", "shadow"]
FIRST = "kvm-stress"


def _tests():
    """The names of all kselftests as scenarios, with that of the stress test in front."""
    names = [name for name in matrix.tests() if name.startswith("kvm-")]
    return sorted(names, key=lambda name: name != FIRST)


def run(kernel_names, modes, names, jobs):
    """Runs the chosen tests on the chosen kernels in the chosen modes (empty: all); returns the exit status."""
    build.products(["kselftests"], keep_going=True)
    results = []
    for kernel_name in kernel_names or kernels.DEBUG:
        build.products(["modules"], kernel=kernels.KERNELS[kernel_name])
        for mode in modes or MODES:
            say(f"{mode}, kernel {kernel_name}: {kernels.KERNELS[kernel_name].about}")
            at_work = runner.Runner([matrix.scenario(mode, name) for name in names or _tests()], jobs,
                                    machine=Machine(mode, kernel_name))
            done = at_work.run()
            results += done
            print(f"{mode}, kernel {kernel_name}: {ktap.summary(done)}; {at_work.others_races.total()} reports of "
                  f"{len(at_work.others_races)} data races in the stock kernel alone", flush=True)
            for title, number in at_work.others_races.most_common():
                print(f"  {number:4} {title}")
    failed = [result for result in results if result.outcome == ktap.FAILED]
    for result in failed:
        print(f"not ok: {result.name}")
    print(ktap.summary(results), flush=True)
    return 0 if ktap.good(results) else 1
