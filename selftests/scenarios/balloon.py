# SPDX-License-Identifier: GPL-2.0-only
"""
The guest's balloon: while its isolated e1000 downloads, the host takes memory and gives it back, again and again. QEMU drops
each page that the guest puts into the balloon, by an madvise() of its own, and KVM maps a fresh one later.
"""

import argparse
import time

import labguest
from download import check_download, check_isolated
from report import Report

MIB = 1 << 20


def memory(guest):
    """How much memory the guest has now, in MiB."""
    return guest.qmp.command("query-balloon")["actual"] // MIB


def resize(guest, mib, seconds):
    """Asks the guest to have that much memory; returns whether it has."""
    guest.qmp.command("balloon", value=mib * MIB)
    end = time.monotonic() + seconds
    while time.monotonic() < end and guest.process.poll() is None:
        if memory(guest) == mib:
            return True
        if guest.said("done") is not None:
            break
        time.sleep(0.1)
    return False


def main():
    """Runs one guest and squeezes it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mib", type=int, default=12, help="size of the file")
    parser.add_argument("--small", type=int, default=480, help="MiB of memory that the guest keeps")
    parser.add_argument("--turns", type=int, default=2, help="how often memory is to be taken and given, at least")
    args = parser.parse_args()
    report = Report()
    expected = labguest.server(args.mib)
    report.check("host module loads", labguest.load_host_module())
    with labguest.Guest("balloon", "download", mib=args.mib, chariot="isolate=e1000,policy=block",
                        options="chariot.agent=1 chariot.load=virtio_balloon",
                        devices=["-device", "virtio-balloon-pci"]) as guest:
        report.equal("driver loads before", guest.wait_said("e1000", 120), "0")
        full = memory(guest)
        took = gave = 0
        while guest.said("sha256") is None and resize(guest, args.small, 60):
            took += 1
            if not resize(guest, full, 60):
                break
            gave += 1
        report.check("memory taken and given back during the download", gave >= args.turns,
                     f"taken {took} times, given back {gave} times; the guest has {memory(guest)} of {full} MiB")
        report.note(f"{took} times from {full} to {args.small} MiB, {gave} times back")
        guest.qmp.command("balloon", value=full * MIB)
        check_download(report, guest, expected, 240)
        check_isolated(report, guest)
        # Not of a page that nobody has touched since it was last given back: KVM does not map it.
        counters = guest.info["counters"]
        report.check("views were told of more than half of the pages taken",
                     counters["drops-all"] + counters["drops-range"] > took * (full - args.small) * MIB // 4096 // 2,
                     str(counters))
    report.check("host module unloads", labguest.unload_host_module())
    report.done()


if __name__ == "__main__":
    main()
