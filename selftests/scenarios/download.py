# SPDX-License-Identifier: GPL-2.0-only
"""
The main job: Debian's e1000, or another network driver, downloads a file, without Chariot or isolated by it, and nothing
is out of order.
"""

import argparse

import labguest
import oracle
from report import Report
from single import check_lived, check_nothing_left, domain_of, single_guest, single_options

#: QEMU's devices, where they have other names than their drivers
DEVICES = {"8139cp": "rtl8139", "pcnet32": "pcnet", "virtio_net": "virtio-net-pci", "e100": "i82557b"}


def check_download(report, guest, expected, seconds, driver="e1000"):
    """Waits for the guest to finish its download and checks what it says."""
    ended = guest.wait_end(seconds)
    report.check(f"{guest.name}: guest runs to its end", ended, f"it said: {guest.messages()}")
    report.equal(f"{guest.name}: driver loads", guest.said(driver), "0")
    report.equal(f"{guest.name}: checksum equal", guest.said("sha256"), expected)
    report.note(f"{guest.name}: {guest.seconds:.1f} s, {guest.exits.get('exits')} exits")


def cost(guest, domain, work):
    """What the work of an isolated driver took, for tables. work: how many of what were done."""
    state = next(d for d in guest.info["domains"] if d["name"] == domain)
    counters = guest.info["counters"]
    return {"domain": domain, "policy": state["policy"], "kernel": guest.kernel, "smp": guest.smp, "heaps": guest.heaps,
            "units": work[0], "unit": work[1], "crossings": state["crossings-in"], "emulated": state["emulated"],
            "violations": state["violations"], "grants": state["grants-peak"], "granted": state["granted-bytes-peak"],
            "kinds": {entry["kind"]: entry["count"] for entry in state["emulated-by-kind"]},
            "records": counters["records"], "doorbells": counters["doorbells"],
            "bad-records": sum(counters["bad-records"].values())}


def check_isolated(report, guest, domain="e1000", work=None, kinds=None):
    """
    Checks that Chariot was at work and saw nothing wrong. work: for the table of drivers, how many of what were done. kinds:
    what the scenario's option for the oracle says.
    """
    info = guest.info
    domains = {d["name"]: d for d in info.get("domains", [])}
    report.equal(f"{guest.name}: agent loads", guest.said("agent"), "0")
    report.check(f"{guest.name}: driver was isolated", domain in domains and all(d["crossings-in"] > 0 for d in domains.values()),
                 f"query-chariot: {info}")
    counters = info.get("counters", {})
    report.equal(f"{guest.name}: no violation", counters.get("violations"), 0)
    report.equal(f"{guest.name}: no bad ring record",
                 sum(v for v in counters.get("bad-records", {"": 1}).values()), 0)
    for violation in guest.violations()[:5]:
        report.note(f"violation: {violation.get('function')} writes {violation.get('size')} bytes: "
                    f"{violation.get('target')} ({violation})")
    report.note(f"{guest.name}: {counters}")
    report.note(f"{guest.name}: {info.get('domains')}")
    if kinds is not None:
        oracle.leave_facts(report, guest, cost(guest, domain, work), kinds)
    elif work and domain in domains:
        report.figures(**cost(guest, domain, work))


def check_rounds(report, guest, args, expected):
    """Checks what the guest says of each of its rounds."""
    said = guest.messages()
    if args.upload:
        sums = [line.split(" ")[1:] for line in said if line.startswith("upload ")]
        good = [len(two) == 2 and len(two[0]) == 64 and two[0] == two[1] for two in sums]
        report.check("upload: checksum equal", good == [True] * args.rounds, str(sums))
    if args.rounds > 1:
        report.equal("driver loads each time", said.count(f"{args.driver} 0"), args.rounds)
        report.equal("checksum equal each time", said.count(f"sha256 {expected}"), args.rounds)
        report.equal("driver unloads each time", said.count("unloaded 0"), args.rounds)


def main():
    """Reads the options and runs one guest."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", default="e1000")
    parser.add_argument("--mib", type=float, default=32, help="size of the file")
    parser.add_argument("--upload", type=int, default=0, help="MiB that the guest sends afterwards")
    parser.add_argument("--faulty", help="take the driver from /lab/extra/<this>; what it does is for the oracle to judge")
    single_options(parser)
    args = parser.parse_args()
    report = Report()
    args.mib = int(args.mib) if args.mib >= 1 else args.mib
    expected = labguest.server(args.mib)
    options = [f"chariot.driver={args.driver} chariot.sum={expected}"]
    if args.upload or args.life:
        labguest.sink()
        options.append(f"chariot.upload={args.upload}")
    with single_guest(report, args, "download", options, mib=args.mib, extra=args.faulty,
                      network=f"{DEVICES.get(args.driver, args.driver)},id=driven") as guest:
        if args.life:
            units = check_lived(report, guest, args)
        else:
            check_download(report, guest, expected, args.seconds, args.driver)
            check_rounds(report, guest, args, expected)
            units = args.rounds * (args.mib + args.upload), "MiB"
        if args.chariot is not None:
            if args.faulty:
                oracle.leave_facts(report, guest, cost(guest, domain_of(args), units), args.oracle, args.faulty)
            else:
                check_isolated(report, guest, domain_of(args), units, args.oracle)
            if args.life or args.rounds > 1:
                check_nothing_left(report, guest, domain_of(args))
    report.done()


if __name__ == "__main__":
    main()
