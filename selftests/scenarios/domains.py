# SPDX-License-Identifier: GPL-2.0-only
"""
Several domains at once: a copy of e1000 writes into a variable of nvme_core in the middle of a download, while the disk behind nvme
is read and random bytes come from virtio_rng.

Without Chariot the variable is changed. With it, each domain is protected from the others: the write is blocked and reported
as e1000's into the other domain's memory, and all three drivers' work is right.
"""

import labguest
from device import rng_check, rng_source
from disk import DISKS, Image
from faulty import MIB, about, matching, target_address
from report import Report

MUTANT = "wild-domain"
DOMAINS = ["nvme_core+nvme", "e1000", "virtio_rng"]


def start(image, chariot=None):
    """A guest with the three devices."""
    devices = DISKS["nvme"].words(image) + ["-object", f"rng-random,id=letters,filename={rng_source()}",
                                            "-device", "virtio-rng-pci,rng=letters"]
    return labguest.Guest("with" if chariot else "without", "domains", extra=MUTANT, mib=MIB, chariot=chariot, devices=devices,
                          options="chariot.agent=1" if chariot else "")


def check_work(report, guest, image, expected):
    """What the three drivers did."""
    for driver in ("nvme", "virtio_rng", "e1000"):
        report.equal(f"{guest.name}: {driver} loads", guest.said(driver), "0")
    report.equal(f"{guest.name}: download: checksum equal", guest.said("sha256"), expected)
    report.equal(f"{guest.name}: disk: checksums equal", guest.messages().count(f"read {image.sum(1)}"), 3)
    rng_check(report, guest)


def check_report(report, guest, fault):
    """The one violation, and whom it is charged to."""
    violations = guest.violations()
    found = matching(violations, fault)
    report.equal("one violation, where the fault is", (len(violations), len(found)), (1, 1))
    if found:
        violation = found[0]
        report.equal("it is e1000's, and blocked", (violation["name"], violation["blocked"]), ("e1000", True))
        report.equal("it names the target", violation["address"], target_address(guest, fault))
        report.equal("it names the domain whose memory that is", (violation["owned"], violation["near"]["name"]),
                     (True, "nvme_core+nvme"))
        report.note(f"{violation['function']} writes {violation['size']} bytes: {violation['target']}")
    states = {d["name"]: d for d in guest.info["domains"]}
    report.equal("all ran as domains of their own", sorted(n for n, d in states.items() if d["crossings-in"]), sorted(DOMAINS))
    report.equal("charged to e1000 alone", {name: state["violations"] for name, state in states.items()},
                 {name: int(name == "e1000") for name in DOMAINS})
    for name, state in states.items():
        report.note(f"{name}: {state}")


def main():
    """Runs the mutant among other drivers without Chariot, then with it."""
    report = Report()
    expected = labguest.server(MIB)
    fault = about(MUTANT)
    image = Image("/run/disk.raw", 8)
    image.make()
    with start(image) as guest:
        report.check("without: guest runs to its end", guest.wait_end(120), f"it said: {guest.messages()}")
        check_work(report, guest, image, expected)
        report.check("without: the other driver's variable is changed", guest.said("before") not in (None, guest.said("after")),
                     f"{guest.said('before')}, {guest.said('after')}")
    report.check("host module loads", labguest.load_host_module())
    with start(image, f"isolate={':'.join(DOMAINS)},policy=block") as guest:
        report.check("with: guest runs to its end", guest.wait_end(240), f"it said: {guest.messages()}")
        report.equal("agent loads", guest.said("agent"), "0")
        check_work(report, guest, image, expected)
        report.check("with: the other driver's variable stays as it was",
                     guest.said("before") is not None and guest.said("before") == guest.said("after"),
                     f"{guest.said('before')}, {guest.said('after')}")
        check_report(report, guest, fault)
        report.equal("no bad ring record", sum(guest.info["counters"]["bad-records"].values()), 0)
    report.check("host module unloads", labguest.unload_host_module())
    report.done()


if __name__ == "__main__":
    main()
