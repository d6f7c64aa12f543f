# SPDX-License-Identifier: GPL-2.0-only
"""
What isolation costs a download of 32 MiB through Debian's e1000, in events: an emulated processor's times say nothing.

The exits are KVM's own count (debugfs), from the guest's init to its end: agent, driver and download, not the boot. All
other counters are Chariot's (query-chariot), of the VM's whole life. Packets are the guest's rx_packets + tx_packets.
"""

import sys

import labguest
from download import check_download
from report import Report

MIB = 32
NO_DEVICE, NOTHING, ISOLATED = "no device", "nothing isolated", "e1000 isolated"
#: KVM's
EXITS = [("exits", "exits"), ("- by the host's interrupts", "irq_exits"), ("- halts", "halt_exits"), ("- ports", "io_exits"),
         ("- device registers, in QEMU", "mmio_exits"), ("instructions that KVM emulated", "insn_emulation")]
#: Chariot's
COUNTERS = [("page faults seen by Chariot", "faults"), ("crossings into the driver", "crossings-in"),
            ("crossings out of it", "crossings-out"), ("fills of a view", "fills"), ("emulated writes", "emulated"),
            ("ring records", "records"), ("doorbells", "doorbells"), ("violations", "violations")]


def counts(name, **arguments):
    """Runs one download; returns the counters and the packets."""
    expected = labguest.server(MIB)
    with labguest.Guest(name, "download", mib=MIB, **arguments) as guest:
        guest.wait_said("up", 120)
        guest.measure()
        before = dict(guest.exits)
        check_download(REPORT, guest, expected, 600)
        packets = guest.said("packets")
        REPORT.check(f"{name}: packets were counted", packets)
        result = {key: guest.exits[key] - before[key] for _, key in EXITS if key in before}
        result.update(guest.info.get("counters", {}), packets=int(packets or 1))
        result["kinds"] = {entry["kind"]: entry["count"] for domain in guest.info.get("domains", [])
                           for entry in domain["emulated-by-kind"]}
        return result


def table(rows):
    """Prints a table in Markdown; numbers to the right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    for first, *rest in rows:
        print("| " + " | ".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:]))]) + " |")
    print()


def show(runs):
    """All counters, in all, per packet and per MiB."""
    rows = [["in all", *runs], ["packets", *(f"{run['packets']:,}" for run in runs.values())]]
    table(rows + [[name, *(f"{run[key]:,}" if key in run else "-" for run in runs.values())] for name, key in EXITS + COUNTERS])
    for title, unit in (("per packet", lambda run: run["packets"]), ("per MiB", lambda run: MIB)):
        table([[title, *runs], *([name, *(f"{run[key] / unit(run):,.2f}" if key in run else "-" for run in runs.values())]
                                 for name, key in EXITS + COUNTERS if not name.startswith("-"))])


def main():
    """Without the device, with it and nothing isolated, with e1000 isolated."""
    REPORT.check("host module loads", labguest.load_host_module())
    runs = {
        NO_DEVICE: counts("absent"),
        NOTHING: counts("present", chariot="", options="chariot.agent=1"),
        ISOLATED: counts("isolated", chariot="isolate=e1000,policy=block", options="chariot.agent=1"),
    }
    REPORT.check("host module unloads", labguest.unload_host_module())
    idle = {key: runs[NOTHING].get(key) for key in ("faults", "fills", "crossings-in", "crossings-out", "emulated")}
    REPORT.equal("nothing isolated: no exit is Chariot's", idle, dict.fromkeys(idle, 0))
    print(f"\nA download of {MIB} MiB through Debian's e1000, one virtual processor, policy block. Exits and what KVM\n"
          "emulated: KVM's counters, from the guest's init on; they differ from run to run with timing (timer ticks,\n"
          "packets for each interrupt). All others: Chariot's counters, of the whole life of the VM.\n")
    show(runs)
    isolated = runs[ISOLATED]
    table([["emulated writes, by what shares its pages", "in all", "per packet"],
           *([kind, f"{count:,}", f"{count / isolated['packets']:,.2f}"] for kind, count in isolated["kinds"].items())])
    print(f"Extra exits that Chariot causes with nothing isolated: {sum(v or 0 for v in idle.values())} "
          f"({', '.join(f'{key} {value}' for key, value in idle.items())})")
    crossings = runs[ISOLATED].get("crossings-in")
    if crossings:
        extra = runs[ISOLATED]["exits"] - runs[NO_DEVICE]["exits"]
        print(f"Extra exits with e1000 isolated: {extra:,}, {extra / crossings:.2f} for each crossing in and back out")
    sys.exit(1 if REPORT.failed else 0)


if __name__ == "__main__":
    REPORT = Report()
    main()
