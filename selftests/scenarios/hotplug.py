# SPDX-License-Identifier: GPL-2.0-only
"""
A processor that QEMU plugs in and out (device_add, device_del) while the guest's isolated e1000 downloads: KVM makes a vCPU
for it, or gives it one that it had before, and the driver runs on it like on the others.
"""

import argparse
import time

import labguest
from download import check_isolated
from report import Report


def wait_round(guest, word, number, seconds=150):
    """Waits until the guest says word with this number."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and guest.process.poll() is None:
        if guest.said(word) == str(number):
            return True
        time.sleep(0.2)
    return False


def processors(guest):
    """How many the guest has."""
    return len(guest.qmp.command("query-cpus-fast"))


def wait_processors(guest, count, seconds=60):
    """Waits until the guest has so many."""
    end = time.monotonic() + seconds
    while processors(guest) != count and time.monotonic() < end:
        time.sleep(0.2)
    return processors(guest)


def main():
    """Runs one guest and plugs a processor in and out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    report = Report()
    expected = labguest.server(8)
    report.check("host module loads", labguest.load_host_module())
    with labguest.Guest("hotplug", "hotplug", smp="1,maxcpus=2", mib=8, chariot="isolate=e1000,policy=block",
                        options=f"chariot.rounds={args.rounds}") as guest:
        for number in range(1, args.rounds + 1):
            report.check(f"round {number}: a download is under way", wait_round(guest, "plug", number),
                         f"it said: {guest.messages()}")
            free = [cpu for cpu in guest.qmp.command("query-hotpluggable-cpus") if "qom-path" not in cpu]
            guest.qmp.command("device_add", driver=free[0]["type"], id="second", **free[0]["props"])
            report.check(f"round {number}: another one", wait_round(guest, "unplug", number), f"it said: {guest.messages()}")
            report.equal(f"round {number}: processors", processors(guest), 2)
            guest.qmp.command("device_del", id="second")
            report.equal(f"round {number}: processors afterwards", wait_processors(guest, 1), 1)
        report.check("guest runs to its end", guest.wait_end(150), f"it said: {guest.messages()}")
        said = guest.messages()
        report.equal("the processor was on each time", said.count("online 1"), args.rounds)
        interrupts = [0] + [int(line.split()[1]) for line in said if line.startswith("interrupts ")]
        report.check("it took the driver's interrupts each time", len(interrupts) == 1 + args.rounds and
                     all(after - before > 10 for before, after in zip(interrupts, interrupts[1:])),
                     f"interrupts: {interrupts}")
        report.equal("checksum equal each time", said.count(f"sha256 {expected}"), 2 * args.rounds)
        check_isolated(report, guest)
        report.note(f"{guest.seconds:.1f} s, {guest.exits.get('exits')} exits, interrupts {interrupts}")
    report.check("host module unloads", labguest.unload_host_module())
    report.done()


if __name__ == "__main__":
    main()
