# SPDX-License-Identifier: GPL-2.0-only
"""
A copy of e1000 with one fault in it (selftests/inject), in the middle of a download, or when it is unloaded after it.

Without Chariot the guest comes to harm. With it, the write never reaches memory, the report names the driver, the
instruction and the target, and the download completes with the right checksum.

A copy that overruns an object runs through whatever lies behind it. Whom that harms without Chariot is chance, so harm is
told there, not asked for; so it is with some bad frees. What of it is the driver's own is the driver's to destroy, and it may crash of it: there, the
download need not complete.
"""

import argparse

import health_signs
import labguest
from report import Report

#: enough for the fault to strike in the middle
MIB = 8
#: harm to others is chance
CHANCE = ("memcpy-overrun", "interior-free", "foreign-free", "early-free", "free-twice", "page-double-free")


def about(mutant, kernel=""):
    """What the mutator says about a mutant."""
    with open(f"{labguest.folder_for('extra', kernel)}/{mutant}/about", encoding="utf-8") as file:
        lines = [line.partition(":") for line in file.read().splitlines()]
    return {key.strip(): value.strip() for key, _, value in lines}


def guest_options(fault):
    """The guest's options for a fault: where its target is, and a crash ends it."""
    symbol = fault.get("target", "").partition("+")[0]
    return ("oops=panic" + " chariot.unload=1" * (fault["kind"] == "free-twice") +
            (f" chariot.symbol={symbol}" if symbol.isidentifier() and symbol != "directmap" else ""))


def harm(guest, expected):
    """The ways in which a guest came to harm, in words."""
    found = []
    crash = health_signs.crash(guest.console)
    if crash:
        found.append(f"kernel crashed: {crash}")
    if guest.said("ostype") not in (None, "Linux"):
        found.append(f"kernel data overwritten: it calls itself {guest.said('ostype')!r}, not 'Linux'")
    if guest.said("sha256") != expected:
        found.append("download did not complete" if guest.said("sha256") is None else "download is corrupted")
    return found


def target_address(guest, fault):
    """The guest's virtual address that a wild store aims at; None when it is not at a symbol."""
    symbol = guest.said("symbol")
    if not symbol:
        return None
    return int(symbol.split()[0], 16) + int(fault["target"].partition("+")[2] or "0", 0)


def matching(violations, fault):
    """
    The violations that are at the fault's place.

    Where a library function wrote, that is the call: the mutator names the address that it returns to, a report the
    byte before that, as backtraces do.
    """
    function, _, offset = fault["faulting"].rpartition("+")
    places = {fault["faulting"], f"{function}+{int(offset, 16) - 1:#x}"}
    return [v for v in violations if v.get("caller-function" if v["library"] else "function") in places]


def without(report, mutant, fault, expected, kernel):
    """The fault strikes."""
    with labguest.Guest("without", "download", extra=mutant, may_crash=True, mib=MIB, options=guest_options(fault),
                        kernel=kernel) as guest:
        guest.wait_end(90)
        found = harm(guest, expected)
        if fault["kind"] in CHANCE:
            report.equal("without Chariot: the driver loads", guest.said("e1000"), "0")
        else:
            report.check("without Chariot: the guest comes to harm", found, f"it said {guest.messages()}")
        for line in found:
            report.note(line)


def check_free(report, guest, fault, found):
    """What the report of a bad free says, and that it is counted."""
    report.equal("report names the kind", [(v["reason"], v["frees"]) for v in found],
                 [(fault["reason"], fault["frees"])])
    lies = found[0].get("object")
    if fault["reason"] in ("double-free", "invalid-free"):
        report.equal("no live object there", lies, None)
    elif fault["reason"] == "interior-free":
        report.equal("report names the object", lies,
                     {"address": found[0]["address"] - int(fault["shift"]), "length": int(fault["size"])})
    else:
        report.check("report names the object: a buffer", lies and lies["address"] == found[0]["address"] and
                     (found[0]["owned"], found[0]["near"]["kind"]) == (True, "skb"), str(found[0]))
    if "shift" in fault:
        # Nobody but the driver knows where the object was: in its heap, at least.
        report.equal("report names the address: in the driver's heap", (found[0]["owned"], found[0]["near"]["kind"]),
                     (True, "heap"))
    report.equal("counted as a bad free, of the driver and the VM",
                 (guest.info["domains"][0]["bad-frees"], guest.info["counters"]["bad-frees"]), (1, 1))


def isolated(report, mutant, fault, expected, smp, kernel):  # pylint: disable=too-many-arguments
    """The fault is stopped and reported."""
    report.check("host module loads", labguest.load_host_module())
    own_harm = fault["kind"] == "memcpy-overrun"
    with labguest.Guest("with", "download", extra=mutant, smp=smp, mib=MIB, may_crash=own_harm, kernel=kernel,
                        chariot="isolate=e1000,policy=block", options=f"chariot.agent=1 {guest_options(fault)}") as guest:
        report.check("guest runs to its end", guest.wait_end(280), f"it said: {guest.messages()}")
        if own_harm:
            report.note(f"harm by the driver to itself: {harm(guest, expected)}")
        else:
            report.equal("no harm", harm(guest, expected), [])
        violations = guest.violations()
        report.check("violation reported", violations, f"query-chariot: {guest.info}")
        found = matching(violations, fault)
        report.check(f"report names the instruction: {fault['faulting']}", found,
                     "\n".join(f"{v.get('function')} caller {v.get('caller-function')} -> {v.get('target')}"
                               for v in violations[:5]))
        if not own_harm:
            report.equal("no other violation", [v for v in violations if v not in found], [])
        report.check("every report names the driver, and is a block",
                     all(v["name"] == "e1000" and v["blocked"] for v in violations))
        if found:
            if "reason" in fault:
                check_free(report, guest, fault, found)
            elif fault["kind"] == "wild-store":
                report.equal("report names the target", found[0]["address"], target_address(guest, fault))
                report.equal("report names the size", found[0]["size"], int(fault["size"], 0))
            else:
                report.check("report names the library function's caller", found[0]["library"], str(found[0]))
            report.note(f"{found[0]}")
    report.check("host module unloads", labguest.unload_host_module())


def main():
    """Runs a mutant without Chariot, then with it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mutant")
    parser.add_argument("--smp", type=int, default=1)
    labguest.kernel_option(parser)
    args = parser.parse_args()
    report = Report()
    expected = labguest.server(MIB)
    fault = about(args.mutant, args.guest_kernel)
    report.note(f"fault: {fault}")
    without(report, args.mutant, fault, expected, args.guest_kernel)
    isolated(report, args.mutant, fault, expected, args.smp, args.guest_kernel)
    report.done()


if __name__ == "__main__":
    main()
