# SPDX-License-Identifier: GPL-2.0-only
"""
A VM with the device that isolates nothing runs as one without: KVM never passes Chariot a fault, and exits are as many.

Timer ticks and the like make the number of exits differ a little from run to run; what is exact is Chariot's own count of
the faults that it saw, which must be 0.
"""

import glob

import labguest
from report import Report


def exits(guest):
    """KVM's counts of exits and page faults."""
    guest.measure()
    return guest.exits["exits"], guest.exits.get("pf_taken", 0)


def measured(report, name, **arguments):
    """The exits of the guest's work."""
    with labguest.Guest(name, "idle", **arguments) as guest:
        if not report.check(f"{name}: begins", guest.wait_said("begin", 90) is not None):
            return None, {}
        before = exits(guest)
        report.check(f"{name}: ends", guest.wait_said("done", 90) is not None)
        after = exits(guest)
        report.note(f"{name}: {after[0] - before[0]} exits, {after[1] - before[1]} page faults")
        return [b - a for a, b in zip(before, after)], guest.info


def main():
    """Measures without the device, and with it."""
    report = Report()
    without, _ = measured(report, "absent")
    report.check("host module loads", labguest.load_host_module())
    present, info = measured(report, "present", chariot="", options="chariot.agent=1")
    counters = info.get("counters", {})
    for counter in ("faults", "fills", "crossings-in", "emulated", "view-pages"):
        report.equal(f"present, nothing isolated: {counter}", counters.get(counter), 0)
    if without and present:
        report.check("page faults as without the device (10 %)", present[1] <= without[1] * 1.1 + 50,
                     f"{without[1]} without, {present[1]} with")
    report.check("host module unloads", labguest.unload_host_module())
    report.note(f"debugfs: {glob.glob('/sys/kernel/debug/kvm/*')[:3]}")
    report.done()


if __name__ == "__main__":
    main()
