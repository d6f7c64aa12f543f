# SPDX-License-Identifier: GPL-2.0-only
"""
Attaching, arming, detaching and dying over and over leaves no kernel memory behind.

Debian's kernel has no kmemleak. What is compared is what the kernel accounts for exactly: slab objects, vmalloc areas,
page tables and kernel stacks. Pages taken directly are not among them: free memory varies by megabytes from one reading
to the next by itself. KVM's and the module's own warnings at detach are for those.
"""

import argparse
import subprocess

import labguest
from report import Report

COUNTED = ("SUnreclaim", "VmallocUsed", "PageTables", "KernelStack", "Percpu")


def kernel_memory():
    """Kilobytes that the kernel has for itself."""
    subprocess.run("sync; sleep 1; echo 3 >/proc/sys/vm/drop_caches; sleep 1; cat /proc/sys/vm/stat_refresh", shell=True,
                   check=True)
    with open("/proc/meminfo", encoding="ascii") as file:
        fields = {line.split(":")[0]: int(line.split()[1]) for line in file}
    return sum(fields[name] for name in COUNTED)


def main():
    """Runs kselftests again and again."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("program", nargs="+")
    args = parser.parse_args()
    report = Report()
    report.check("host module loads", labguest.load_host_module())
    readings = []
    for number in range(args.rounds):
        for program in args.program:
            with open(f"{program}-{number}.log", "wb") as log:
                subprocess.run([f"{labguest.LAB}/kselftests/{program}"], stdout=log, stderr=log, check=False)
        readings.append(kernel_memory())
    report.note(f"kilobytes after each round: {readings}")
    # The least of each half: a leak grows, caches come and go.
    half = len(readings) // 2
    growth = min(readings[half:]) - min(readings[1:half])
    report.check("kernel memory does not grow", growth < 16 * half, f"{growth} kB in {half} rounds")
    report.check("host module unloads", labguest.unload_host_module())
    with open("/proc/slabinfo", encoding="ascii") as file:
        left = [line.split()[0] for line in file if line.startswith("chariot")]
    report.equal("no slab cache stays", left, [])
    report.done()


if __name__ == "__main__":
    main()
