# SPDX-License-Identifier: GPL-2.0-only
"""
A lab guest's isolated driver at work, below an emulator that writes down its stores (selftests/oracle).

This half runs in the lab host: it leaves what Chariot reported, and where the guest's modules were, in facts.json. The
judgement follows outside, when the log is complete.
"""

import argparse
import json

import labguest
from download import check_download
from report import Report

#: isolated driver -> QEMU's device, modules that it needs, and what must have been seen beside stores in memory
DRIVERS = {"e1000": ("e1000", [], ["MMIO", "per-CPU, rules"]),
           "8139cp": ("rtl8139", ["mii"], ["MMIO"]),
           "pcnet32": ("pcnet", ["mii"], []),
           "virtio_net": ("virtio-net-pci", ["failover", "net_failover"], [])}


def sections(guest):
    """Where the guest's modules had their text: {module: {section: address}}."""
    found = {}
    for line in guest.messages():
        word, _, rest = line.partition(" ")
        if word == "section":
            module, name, address = rest.split()
            found.setdefault(module, {})[name] = int(address, 16)
    return found


def main():
    """Runs one guest."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", choices=DRIVERS, default="e1000")
    parser.add_argument("--mib", type=int, default=4, help="how much it downloads")
    parser.add_argument("--smp", type=int, default=1, help="processors of the guest, one of the lab host's for all")
    parser.add_argument("--policy", default="block")
    parser.add_argument("--faulty", help="take the driver from /lab/extra/<this>")
    parser.add_argument("--seconds", type=int, default=400)
    args = parser.parse_args()
    device, needs, rows = DRIVERS[args.driver]
    report = Report()
    expected = labguest.server(args.mib)
    report.check("host module loads", labguest.load_host_module())
    with labguest.Guest("oracle", "download", smp=args.smp, mib=args.mib, network=device, extra=args.faulty,
                        chariot=f"isolate={args.driver},policy={args.policy}",
                        options=" ".join(["chariot.agent=1 chariot.sections=1", f"chariot.driver={args.driver}",
                                          *(f"chariot.needs={module}" for module in needs)])) as guest:
        check_download(report, guest, expected, args.seconds, args.driver)
        facts = {"driver": args.driver, "faulty": args.faulty, "rows": rows, "info": guest.info,
                 "violations": guest.violations(), "sections": sections(guest)}
    report.equal("no report was left out", facts["info"].get("suppressed"), 0)
    report.check("the driver's text was found", facts["sections"].get(args.driver), str(guest.messages()))
    with open("facts.json", "w", encoding="ascii") as file:
        json.dump(facts, file, indent=1)
    report.check("host module unloads", labguest.unload_host_module())
    report.done()


if __name__ == "__main__":
    main()
