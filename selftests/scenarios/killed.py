# SPDX-License-Identifier: GPL-2.0-only
"""QEMU is killed while its isolated driver moves traffic: nothing stays behind, and the next VM works."""

import signal
import time

import labguest
from download import check_download, check_isolated
from report import Report


def main():
    """Kills one guest in its download, then runs another to its end."""
    report = Report()
    labguest.server()
    report.check("host module loads", labguest.load_host_module())
    device = {"chariot": "isolate=e1000,policy=block", "options": "chariot.agent=1", "smp": 2}
    after = labguest.server(8)
    with labguest.Guest("killed", "download", **device) as guest:
        report.equal("driver loads", guest.wait_said("e1000", 120), "0")
        time.sleep(3)
        report.check("still in its download", guest.said("sha256") is None)
        guest.process.send_signal(signal.SIGKILL)
        guest.process.wait()
    report.check("host module unloads", labguest.unload_host_module())
    report.check("host module loads again", labguest.load_host_module())
    with labguest.Guest("next", "download", mib=8, **device) as guest:
        check_download(report, guest, after, 200)
        check_isolated(report, guest)
    report.check("host module unloads again", labguest.unload_host_module())
    report.done()


if __name__ == "__main__":
    main()
