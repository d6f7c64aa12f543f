# SPDX-License-Identifier: GPL-2.0-only
"""
A module gets memory in many ways that the agent's tables of memory know (selftests/scenarios/modules/allocations), writes to
it with its own text, and frees it: nothing of it is a violation, each grant ends with its memory, and what can come from the
private heap does.
"""

import argparse
import re

from download import check_isolated
from report import Report
from single import check_nothing_left, single_guest, single_options

DOMAIN = "allocations"
#: CHARIOT_KIND_*
PERCPU, SLAB, HEAP, PAGES, RULE = 2, 3, 4, 5, 13


def live(guest):
    """How many grants of each kind (CHARIOT_KIND_*) were left of what was freed, and of what lasts as long as the module."""
    counts = {int(kind): int(count) for count, kind in re.findall(r"(\d+):(\d+)", guest.said("live") or "")}
    counts.pop(HEAP, None)
    return counts


def expected_live(guest, args, options):
    """The same, as the module says: objects that end with its device, per-CPU memory, pages, and a note of the kernel's."""
    kept = {PERCPU: args.smp, PAGES: 1}
    if not guest.heaps:
        kept[SLAB] = int(guest.said("kept"))
    if "shared=0" not in options:
        kept[RULE] = 1
    return kept


def run(report, args, name, chariot, options=""):
    """A guest that loads the module; returns (the guest, what it said of each way)."""
    args.chariot = chariot
    with single_guest(report, args, DOMAIN, [options], extra=DOMAIN) as guest:
        report.check(f"{name}: guest runs to its end", guest.wait_end(args.seconds), f"it said: {guest.messages()}")
    ways = [line.split(" ", 2)[1:] for line in guest.messages() if line.startswith("way ")]
    report.equal(f"{name}: module loads and unloads", (guest.said("loaded"), guest.said("unloaded")), ("0", "0"))
    report.equal(f"{name}: ways that do not work", [way for way in ways if way[1] != "ok"], [])
    if chariot:
        report.equal(f"{name}: frees that were reported, or of what nobody knows",
                     (guest.said("frees_bad"), guest.said("frees_unknown")), ("0", "0"))
        report.equal(f"{name}: what is still granted before the module goes", live(guest), expected_live(guest, args, options))
        check_isolated(report, guest, DOMAIN)
        check_nothing_left(report, guest, DOMAIN)
    return guest, ways


def main():
    """Runs the module without Chariot, and with it; then what must come from the private heap alone."""
    parser = argparse.ArgumentParser()
    single_options(parser)
    args = parser.parse_args()
    report = Report()
    isolate = f"isolate={DOMAIN},policy=block"
    _, ways = run(report, args, "without", None)
    report.check("it tries many ways", len(ways) > 55, str(ways))
    guest, found = run(report, args, "with", isolate)
    report.equal("the same ways with Chariot", found, ways)
    if guest.heaps:
        guest, found = run(report, args, "private", isolate, f"{DOMAIN}.shared=0")
        report.check("fewer ways without the kernel's slabs", 40 < len(found) < len(ways), str(found))
        domain = guest.info["domains"][0]
        report.equal("emulated writes to the kernel's slabs then",
                     [entry for entry in domain["emulated-by-kind"] if entry["kind"] == "slab" and entry["count"]], [])
    report.done()


if __name__ == "__main__":
    main()
