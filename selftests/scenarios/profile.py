# SPDX-License-Identifier: GPL-2.0-only
"""
From an audit to a profile, and to block.

The agent is made to forget which fields of a PCI device drivers may write. An audit finds what e1000 writes there, the
tool makes a profile of it, and with the profile e1000 runs in block without a violation. Without it, or with a profile
that nobody has reviewed, it does not, and neither with one that names the bytes beside a field.

The same once more with a variable of the kernel's, which a changed e1000 writes. And libata, whose profile is shipped: with it
the driver is suspended in block without a violation; when the agent is made to forget it, what it names is what is missed.
"""

import json
import re
import subprocess

import labguest
from disk import DISKS, Image
from download import check_download
from report import Report

MIB = 2
TOOL = f"{labguest.LAB}/profile/chariot-profile"
#: where the agent looks
FILE = "firmware/chariot/e1000.profile"
OPTIONS = "chariot.agent=1 chariot.devices=1 firmware_class.path=/firmware"
FORGET = "chariot_agent.forget=pci_dev"
#: what this mutant writes, and where the kernel's data ends: the tool asks what lies behind a variable
MUTANT, VARIABLE = "wild-data", "init_uts_ns"
SYMBOLS = f"chariot.symbol={VARIABLE} chariot.symbol=_edata"


def said_all(guest, word):
    """The rest of each line that begins with word."""
    return [m.partition(" ")[2] for m in guest.messages() if m.split(" ")[0] == word]


def tool(*argv):
    """(exit status, output, errors) of the tool."""
    done = subprocess.run([TOOL, *argv], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def audit(report, name, expected, options, extra=None):
    """A guest after its audit; what query-chariot answered is in NAME.json."""
    with labguest.Guest(name, "download", chariot="isolate=e1000,policy=audit", options=f"{OPTIONS} {options}", mib=MIB,
                        extra=extra) as guest:
        check_download(report, guest, expected, 200)
    sites = guest.info.get("sites", [])
    report.check(f"{name}: it finds places", sites, str(guest.info.get("counters")))
    with open(f"{name}.json", "w", encoding="utf-8") as file:
        json.dump({"return": guest.info}, file)
    return guest


def check_sites(report, guest):
    """Each place is told, once, and what it did is counted."""
    info, sites = guest.info, guest.info["sites"]
    counted, seen = sum(site["count"] for site in sites), info["counters"]["violations"]
    report.check("each violation is counted at one place", counted >= seen and not info["sites-lost"],
                 f"{counted} at {len(sites)} places, {seen} in all")
    told, firsts = [event["sequence"] for event in guest.violations()], [site["first"]["sequence"] for site in sites]
    report.check("events tell of places", told and set(told) <= set(firsts), f"{told}, {firsts}")
    # The limit on their rate may hold some back, and these are counted.
    report.equal("an event tells of each place once", (len(set(told)), len(told) + info["suppressed"]),
                 (len(told), len(firsts)))


def make_profile(report, name, *words):
    """What the tool makes of that audit."""
    status, profile, errors = tool("--domain", "e1000", *words, f"{name}.json")
    report.check(f"{name}: the tool makes a profile", status == 0, errors)
    report.note(profile)
    return profile


def write_file(name, text):
    """For the tool."""
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    return name


def block(name, profile, options=FORGET, extra=None):
    """A guest in block with a profile: (info, violations, what it said of the profile, checksum, what its kernel calls itself)."""
    with labguest.Guest(name, "download", chariot="isolate=e1000,policy=block", options=f"{OPTIONS} {options}", mib=MIB,
                        may_crash=True, extra=extra, files={FILE: profile}) as guest:
        guest.wait_end(150)
        return guest.info, guest.violations(), said_all(guest, "profile"), guest.said("sha256"), guest.said("ostype")


def variable(report, expected):
    """A rule for a variable of the kernel's: its bytes are granted, and no others."""
    guest = audit(report, "variable", expected, SYMBOLS, MUTANT)
    kallsyms = write_file("kallsyms", "\n".join(said_all(guest, "symbol")) + "\n")
    found = make_profile(report, "variable", "--kallsyms", kallsyms)
    rules = [line for line in found.splitlines() if line.startswith("?")]
    report.check("it is all about the variable", len(rules) == 1 and f" symbol:{VARIABLE} 0x0+8 " in rules[0] and
                 "in no object" not in found, found)
    reviewed = re.sub(r"(?m)^\? ", "", found)
    info, violations, said, checksum, ostype = block("granted", reviewed, extra=MUTANT, options="")
    report.check("the rule is taken", any(line.endswith("1 rules") for line in said), str(said))
    report.equal("with it: no violation", (violations, info.get("counters", {}).get("violations")), ([], 0))
    report.check("and the variable is written", ostype not in (None, "Linux"), ostype)
    report.equal("download's checksum (variable)", checksum, expected)
    beside = reviewed.replace(" 0x0+8 ", " 0x8+8 ")
    _, violations, said, _, ostype = block("behind", beside, extra=MUTANT, options="")
    report.check("a rule for the bytes behind it is taken", any(line.endswith("1 rules") for line in said), str(said))
    report.check("the first bytes are not granted by it: a violation", len(violations) == 1, str(violations))
    report.equal("and the variable is as it was", ostype, "Linux")


def suspended(report, name, disk, image, options):
    """
    A guest whose isolated disk driver is suspended: (the functions that violated, what it said of the disk afterwards). Its
    domain's file is wrong.
    """
    image.make()
    with labguest.Guest(name, "disk", chariot=f"isolate={disk.isolate},policy=block", devices=disk.words(image),
                        files={f"firmware/chariot/{disk.isolate}.profile": "f pci_dev 0x0+8 # why\nnonsense\n"},
                        options=f"{disk.options()} firmware_class.path=/firmware chariot.agent=1 chariot.life=suspend {image.known()} {options}") as guest:
        report.check(f"{name}: guest runs to its end", guest.wait_end(150), f"it said: {guest.messages()}")
        return {violation["function"].partition("+")[0] for violation in guest.violations()}, guest.said("checked")


def twice(report, expected):
    """Rules that share bytes with each other: they are one."""
    same = "\n".join(f"f{n} {what} # one of several" for n, what in enumerate(
        ["pci_dev 0x0+8", "pci_dev 0x4+8", "pci_dev 0x0+4", f"symbol:{VARIABLE} 0x0+8", f"symbol:{VARIABLE} 0x4+8", f"symbol:{VARIABLE} 0x0+8"]))
    info, violations, said, checksum, ostype = block("twice", same + "\n", options="", extra=MUTANT)
    report.check("rules that share bytes are taken", any(line.endswith("6 rules") for line in said), str(said))
    report.equal("and make no bad record", sum(info["counters"]["bad-records"].values()), 0)
    report.equal("no violation, and the variable is written", (violations, ostype in (None, "Linux")), ([], False))
    report.equal("download's checksum (rules that share bytes)", checksum, expected)


def shipped(report):
    """A profile that the agent holds: a file that is refused does not touch it; what it names, and no more, is missed without it."""
    disk, image = DISKS["ahci"], Image("/run/disk.raw", 8)
    with open(f"{labguest.LAB}/profile/libata.profile", encoding="utf-8") as file:
        named = {line.split()[0] for line in file if line.strip() and not line.startswith("#")}
    violated, works = suspended(report, "shipped", disk, image, "")
    report.equal("with the profile that is shipped: no violation", violated, set())
    report.equal("and the disk can be read when it is awake again", works, "suspend 1 0")
    violated, works = suspended(report, "forgotten", disk, image, "chariot_agent.forget=profiles")
    report.equal("without it: what it names", violated, named)
    report.equal("and the driver does not learn what it has to do when it wakes up", works, "suspend 1 1")


def main():
    """Audit, review, block."""
    report = Report()
    expected = labguest.server(MIB)
    report.check("host module loads", labguest.load_host_module())
    guest = audit(report, "audit", expected, FORGET)
    check_sites(report, guest)
    found = make_profile(report, "audit", "--devices", write_file("devices", "\n".join(said_all(guest, "device")) + "\n"))
    rules = [line for line in found.splitlines() if line.startswith("?")]
    report.check("it is all about fields of the device", rules and "in no object" not in found and
                 all(" pci_dev 0x" in rule for rule in rules), found)
    report.check("e1000_probe sets the driver's data", any(rule.startswith("? e1000_probe ") for rule in rules), found)

    status, _, errors = tool("--check", write_file("found.profile", found))
    report.check("a profile that nobody reviewed is refused by the tool", status and "reviewed" in errors, errors)
    _, violations, said, _, _ = block("unreviewed", found)
    report.check("and by the agent", any("reviewed" in line for line in said), str(said))
    report.check("without a profile: violations", violations)

    # The reviewer: agrees with each of them, and says why.
    reviewed = re.sub(r"(?m)^\? ", "", found)
    status, _, errors = tool("--check", write_file("reviewed.profile", reviewed))
    report.equal("the reviewed profile is accepted by the tool", (status, errors), (0, ""))
    info, violations, said, checksum, _ = block("reviewed", reviewed)
    report.check("and by the agent", any(line.endswith(f"{len(rules)} rules") for line in said), str(said))
    report.equal("with it: no violation", (violations, info.get("counters", {}).get("violations")), ([], 0))
    report.check("the driver was isolated", info["domains"][0]["crossings-in"] > 0, str(info["domains"]))
    report.equal("download's checksum", checksum, expected)

    # What e1000_probe writes first lies eight bytes before what this one grants.
    probe = next(rule for rule in reviewed.splitlines() if rule.startswith("e1000_probe "))
    offset = re.search(r"(0x[0-9a-f]+)\+", probe).group(1)
    beside = reviewed.replace(probe, probe.replace(offset, f"{int(offset, 0) + 8:#x}"))
    others = [r for r in reviewed.splitlines() if not r.startswith("#") and f" {offset}+" in r and r != probe]
    for other in others:
        beside = beside.replace(other + "\n", "")
    _, violations, said, _, _ = block("beside", beside)
    report.check("a rule for the bytes beside is taken", any(line.endswith(" rules") for line in said), str(said))
    report.check("the field itself is not granted by it",
                 any(v.get("function", "").startswith("e1000_probe+") for v in violations),
                 str([v.get("function") for v in violations]))
    variable(report, expected)
    shipped(report)
    twice(report, expected)
    report.check("host module unloads", labguest.unload_host_module())
    report.done()


if __name__ == "__main__":
    main()
