# SPDX-License-Identifier: GPL-2.0-only
"""
Scenarios below an emulator that writes down what lab guests' modules store (selftests/oracle).

This half runs in the lab host, at the end of a driver's work: it leaves what Chariot reported, and where the guest's modules
were, in facts.json. The judgement follows outside, when the log is complete.
"""

import json


def option(parser):
    """Lets a scenario leave what the oracle needs."""
    parser.add_argument("--oracle", nargs="?", const="", metavar="KIND,...",
                        help="leave facts for the oracle; these kinds of grants must have been stored to")


def words(args):
    """What the guest is told to say for it."""
    return "" if args.oracle is None else "chariot.sections=1"


def sections(guest):
    """Where the guest's modules had their text: {module: {section: address}}."""
    found = {}
    for line in guest.messages():
        word, _, rest = line.partition(" ")
        if word == "section":
            module, name, address = rest.split()
            found.setdefault(module, {})[name] = int(address, 16)
    return found


def leave_facts(report, guest, figures, kinds, faulty=None):
    """figures: of the work, see download.cost(). kinds: what the option says. faulty: a folder of changed modules, or none."""
    facts = {"figures": figures, "kinds": kinds.split(",") if kinds else [], "faulty": faulty, "info": guest.info,
             "violations": guest.violations(), "sections": sections(guest)}
    report.equal("no report was left out", guest.info.get("suppressed"), 0)
    report.equal("the domain's text was found", [m for m in figures["domain"].split("+") if m not in facts["sections"]], [])
    with open("facts.json", "w", encoding="ascii") as file:
        json.dump(facts, file, indent=1)
