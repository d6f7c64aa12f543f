# SPDX-License-Identifier: GPL-2.0-only
"""
make bench: what isolation costs, in events rather than in time: an emulated processor's times say nothing.

A download of 32 MiB through Debian's e1000, counted from before the driver loads until after it is done.
"""

import sys

import labguest
from download import check_download
from report import Report

MIB = 32


def counts(name, **arguments):
    """Runs one download; returns KVM's and Chariot's counters, the packets and whether all was well."""
    expected = labguest.server(MIB)
    with labguest.Guest(name, "download", mib=MIB, **arguments) as guest:
        guest.wait_said("up", 120)
        guest.measure()
        before = dict(guest.exits)
        check_download(REPORT, guest, expected, 600)
        result = {key: value - before.get(key, 0) for key, value in guest.exits.items()}
        result.update(guest.info.get("counters", {}))
        result["packets"] = int(guest.said("packets") or 0)
    return result


def table(title, rows):
    """Prints a table in Markdown."""
    print(f"\n{title}\n")
    widths = [max(len(str(row[n])) for row in rows) for n in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |")
        if number == 0:
            print("| " + " | ".join("-" * width for width in widths) + " |")


def main():
    """Without the device, with it and nothing isolated, with e1000 isolated."""
    REPORT.check("host module loads", labguest.load_host_module())
    runs = {
        "no device": counts("absent"),
        "device, nothing isolated": counts("unarmed", chariot="", options="chariot.agent=1"),
        "e1000 isolated": counts("isolated", chariot="isolate=e1000,policy=block", options="chariot.agent=1"),
    }
    REPORT.check("host module unloads", labguest.unload_host_module())
    rows = [["per packet", *runs], ["packets", *(r["packets"] for r in runs.values())]]
    for name, key in (("exits", "exits"), ("page faults that KVM handled", "pf_taken"), ("crossings, each way", "crossings-in"),
                      ("fills of a view", "fills"), ("emulated writes", "emulated"), ("ring records", "records"),
                      ("doorbells", "doorbells"), ("violations", "violations")):
        rows.append([name, *(f"{r[key] / max(r['packets'], 1):.3f}" if key in r else "" for r in runs.values())])
    table(f"Download of {MIB} MiB through Debian's e1000, one processor", rows)
    rows = [["per MiB", *runs]]
    for name, key in (("exits", "exits"), ("crossings, each way", "crossings-in"), ("fills of a view", "fills"),
                      ("emulated writes", "emulated")):
        rows.append([name, *(f"{r[key] / MIB:.0f}" if key in r else "" for r in runs.values())])
    table("The same", rows)
    isolated = runs["e1000 isolated"]
    if isolated.get("crossings-in"):
        print(f"\nExits for each crossing into the driver and back: {isolated['exits'] / isolated['crossings-in']:.2f}; "
              f"view memory at its peak: {isolated.get('view-pages-peak', 0) * 4} KiB")
    sys.exit(1 if REPORT.failed else 0)


if __name__ == "__main__":
    REPORT = Report()
    main()
