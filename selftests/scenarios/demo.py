# SPDX-License-Identifier: GPL-2.0-only
"""
make demo: the same faulty driver without Chariot and with it, and a correct one, for people to read.

Exit status 0: everything was as the text says.
"""

import sys
import textwrap
import time

import faulty
import labguest

WIDTH = 100
FAILURES = []


def title(text):
    """A step's headline."""
    print(f"\n\033[1m== {text}\033[0m", flush=True)


def line(text, good=None):
    """A line, with a mark for good or bad."""
    mark = {None: "  ", True: "\033[32m✔\033[0m ", False: "\033[31m✘\033[0m "}[good]
    print(textwrap.fill(text, WIDTH, initial_indent=f"   {mark}", subsequent_indent="     "), flush=True)


def expect(text, good, why=""):
    """A line that says whether something is as it must be; if not, the demo fails."""
    line(text if good else f"{text}: NO. {why}", bool(good))
    if not good:
        FAILURES.append(text)
    return good


def violation(report):
    """A violation as a person reads it."""
    action = "blocked" if report["blocked"] else "seen, let through"
    place = report.get("caller-function") if report["library"] else report.get("function")
    place = place or f"{report['rip']:#x}"
    by = f"a function of the kernel, called from {report['name']}: {place}" if report["library"] else \
        f"{report['name']}: {place}"
    rows = [("violation", f"{action}, policy {report['policy']}, processor {report.get('vcpu', '?')}"),
            ("driver", f"{by} (instruction at {report['rip']:#x})"),
            ("target", f"{report['address']:#x}: {report['target']}"),
            ("write", f"{report['size']} bytes" + (f", data {report['data']}" if report.get("data") else ""))]
    call = report.get("call")
    if call:
        rows.append(("called by", f"the kernel at {call['return']:#x}, through {call.get('function', 'the driver')}"))
    print("     ┌" + "─" * 92)
    for name, text in rows:
        lines = textwrap.wrap(text, 78) or [""]
        print(f"     │ {name:10} {lines[0]}")
        for more in lines[1:]:
            print(f"     │ {'':10} {more}")
    print("     └" + "─" * 92, flush=True)


def without(mutant, what):
    """A faulty driver without Chariot."""
    fault = faulty.about(mutant)
    expected = labguest.server(8)
    with labguest.Guest(f"{mutant}-without", "download", extra=mutant, may_crash=True, mib=8,
                        options=faulty.guest_options(fault)) as guest:
        guest.wait_end(90)
        harm = faulty.harm(guest, expected)
        expect(what, harm, f"the guest said {guest.messages()}")
        for text in harm:
            line(text, None)


def isolated(mutant, begin):
    """A driver, faulty or not, with Chariot."""
    fault = faulty.about(mutant) if mutant else None
    expected = labguest.server(8 if fault else 32)
    own_harm = bool(fault) and fault["kind"] == "memcpy-overrun"
    with labguest.Guest(f"{mutant or 'correct'}-with", "download", extra=mutant,
                        chariot="isolate=e1000,policy=block", mib=8 if fault else 32,
                        options=f"chariot.agent=1 {faulty.guest_options(fault) if fault else ''}") as guest:
        if fault:
            event = guest.qmp.wait_event("CHARIOT_VIOLATION", 280, stop=lambda: guest.said("done") is not None)
            if expect("the write is stopped before memory changes, and reported:", event, str(guest.info)):
                violation(event["data"])
                if begin:
                    line(f"({time.monotonic() - begin:.0f} s after the lab host was up)")
        ended = guest.wait_end(280)
        harm = faulty.harm(guest, expected)
        if not own_harm:
            expect("the guest runs on to its end", ended, f"it said {guest.messages()}")
            expect(f"the download of {8 if fault else 32} MiB completes, checksum equal",
                   guest.said("sha256") == expected, str(harm))
        if own_harm:
            line("what of the memory behind the buffer is the driver's own, the driver may destroy; here it " +
                 (f"did: {'; '.join(harm)}" if harm else "did not matter, and the download completed"))
        elif fault:
            expect("no harm to the kernel", not harm, str(harm))
        if fault:
            expect(f"the report names the faulty instruction, {fault['faulting']}",
                   faulty.matching(guest.violations(), fault))
        else:
            counters = guest.info["counters"]
            expect("no false alarm: 0 violations", counters["violations"] == 0,
                   str([v.get("target") for v in guest.violations()[:3]]))
            line(f"isolated all the while: {counters['crossings-in']} crossings into the driver and back")


def main():
    """The steps."""
    begin = time.monotonic()
    title("A wild write, without Chariot")
    line("Debian's e1000.ko with one store added: after a while it writes 8 bytes over kernel data.")
    without("wild-data", "the guest's kernel is corrupted:")
    title("The same driver, isolated by Chariot")
    labguest.load_host_module()
    isolated("wild-data", begin)
    title("A write that crashes, without Chariot")
    without("wild-crash", "the guest crashes:")
    title("The same driver, isolated by Chariot")
    isolated("wild-crash", None)
    title("A copy past the end of a buffer, by the kernel's memcpy on the driver's behalf")
    isolated("overrun", None)
    title("Debian's e1000.ko as it is, isolated")
    isolated(None, None)
    expect("the host module unloads", labguest.unload_host_module())
    print()
    if FAILURES:
        print(f"The demo failed: {len(FAILURES)} of its statements did not hold.")
    else:
        print("A driver's wild writes: corruption and a crash without Chariot; with it, a report, and the VM runs on.")
    sys.exit(1 if FAILURES else 0)


if __name__ == "__main__":
    main()
