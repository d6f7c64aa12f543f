# SPDX-License-Identifier: GPL-2.0-only
"""What scenarios with one lab guest and one driver have in common: options, the host module around them, what may stay behind."""

import re
from contextlib import contextmanager

import labguest
import oracle
from life import Hands, check_life, life_option, shortened

#: counters of the agent's that are 0 when no driver is isolated any more
NOTHING = ("grants_live", "slots_used", "grants_refused", "slots_refused", "records_lost")


def single_options(parser):
    """The options that all of them have."""
    parser.add_argument("--smp", type=int, default=1)
    parser.add_argument("--chariot", help="options of the device; without: no device")
    parser.add_argument("--seconds", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=1, help="load the driver, let it work and unload it so often")
    life_option(parser)
    parser.add_argument("--options", default="", help="more words for the guest's kernel")
    labguest.kernel_option(parser)
    oracle.option(parser)


@contextmanager
def single_guest(report, args, scenario, options, **words):
    """The lab guest that the options ask for; words are more arguments of labguest.Guest."""
    options = [*options, args.options, f"chariot.rounds={args.rounds}", oracle.words(args)]
    if args.life:
        if args.most:
            args.life = shortened(args.life, args.most)
        options.append(f"chariot.life={args.life}")
    if args.chariot is not None:
        report.check("host module loads", labguest.load_host_module())
        options.append("chariot.agent=1")
    with labguest.Guest(scenario, scenario, smp=args.smp, chariot=args.chariot, kernel=args.guest_kernel,
                        options=" ".join(options), **words) as guest:
        yield guest
    if args.chariot is not None:
        report.check("host module unloads", labguest.unload_host_module())


def check_lived(report, guest, args, actions=None):
    """Does what a guest asks for whose driver's life --life told, and checks what became of it; returns how often it was at work."""
    report.check("guest runs to its end", Hands(guest, actions).serve(args.seconds), f"it said: {guest.messages()}")
    for line in guest.messages():
        if line.split(" ")[0] in ("mtu", "full", "ethops"):
            report.note(line)
    report.note(f"{guest.seconds:.1f} s, {guest.exits.get('exits')} exits")
    return check_life(report, guest, args.life), "check"


def domain_of(args):
    """The name of the domain that the options ask for."""
    return re.search("isolate=([^,:]*)", args.chariot).group(1)


def check_nothing_left(report, guest, domain):
    """After the last driver was unloaded."""
    found = [d for d in guest.info.get("domains", []) if d["name"] == domain]
    report.check("nothing isolated after the last unload", found and not found[0]["up"], str(found))
    report.check("nothing granted after the last unload", found and found[0]["granted-bytes"] == 0, str(found))
    for counter in NOTHING:
        report.equal(f"agent's {counter} after that", guest.said(counter), "0")
