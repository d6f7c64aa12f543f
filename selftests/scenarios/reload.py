# SPDX-License-Identifier: GPL-2.0-only
"""The isolated driver is unloaded and loaded again, and again: each time it works, and nothing of it stays behind."""

import argparse

import labguest
from download import check_isolated
from report import Report


def main():
    """Runs one guest that loads the driver several times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smp", type=int, default=1)
    labguest.kernel_option(parser)
    args = parser.parse_args()
    report = Report()
    expected = labguest.server(1)
    report.check("host module loads", labguest.load_host_module())
    with labguest.Guest("reload", "download", smp=args.smp, mib=1, chariot="isolate=e1000,policy=block",
                        options=f"chariot.agent=1 chariot.rounds={args.rounds}", kernel=args.guest_kernel) as guest:
        report.check("guest runs to its end", guest.wait_end(280), f"it said: {guest.messages()}")
        said = guest.messages()
        report.equal("driver loads each time", said.count("e1000 0"), args.rounds)
        report.equal("checksum equal each time", said.count(f"sha256 {expected}"), args.rounds)
        report.equal("driver unloads each time", said.count("unloaded 0"), args.rounds)
        check_isolated(report, guest)
        domain = guest.info["domains"][0]
        report.check("nothing isolated after the last unload", not domain["up"], str(domain))
        report.equal("nothing granted after the last unload", domain["granted-bytes"], 0)
    report.check("host module unloads", labguest.unload_host_module())
    report.done()


if __name__ == "__main__":
    main()
