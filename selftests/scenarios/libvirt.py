# SPDX-License-Identifier: GPL-2.0-only
"""
libvirt, as Debian 13 has it, runs the project's example machine; virsh asks for the state and sees the violation.

libvirtd runs as root and with its confinement off, which is what this shows and no more.
"""

import argparse
import json
import re
import subprocess
import time

import labguest
from report import Report

XML = f"{labguest.LAB}/libvirt/example.xml"
NAME = "chariot-example"
CONFIGURATION = """
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
namespaces = []
cgroup_controllers = []
seccomp_sandbox = 0
"""


def virsh(*words, seconds=120):
    """Runs virsh; returns its status and what it said."""
    done = subprocess.run(["virsh", "-q", "-c", "qemu:///system", *words], capture_output=True, text=True,
                          timeout=seconds, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def start_libvirtd():
    """Starts libvirtd and waits until it answers."""
    with open("/etc/libvirt/qemu.conf", "a", encoding="ascii") as file:
        file.write(CONFIGURATION)
    with open("libvirtd.log", "wb") as log:
        daemon = subprocess.Popen(["libvirtd"], stdout=log, stderr=log)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if virsh("version")[0] == 0:
            return daemon
        time.sleep(0.5)
    return None


def domain(extra):
    """The example, with the lab's kernel, initramfs and QEMU in it, and where the guest's messages go."""
    with open(XML, encoding="utf-8") as file:
        text = file.read()
    initrd = labguest.initrd_with("libvirt", extra, None) if extra else f"{labguest.LAB}/guest/initrd"
    options = f"console=ttyS0 loglevel=5 panic=-1 chariot.run=download chariot.agent=1 chariot.hold=1 " \
              f"chariot.file={labguest.PORT}/8"
    for tag, value in (("emulator", labguest.OUR_QEMU), ("kernel", f"{labguest.LAB}/guest/vmlinuz"),
                       ("initrd", initrd), ("cmdline", options)):
        text = re.sub(f"<{tag}>.*</{tag}>", f"<{tag}>{value}</{tag}>", text)
    here = subprocess.run(["pwd"], capture_output=True, text=True, check=True).stdout.strip()
    text = text.replace("<serial type='pty'/>",
                        f"<serial type='file'><source path='{here}/guest-libvirt.log'/><target port='0'/></serial>"
                        f"<serial type='file'><source path='{here}/messages-libvirt.log'/><target port='1'/></serial>")
    text = text.replace("<console type='pty'/>", "")
    if labguest.emulated():
        text = text.replace("<cpu mode='host-passthrough'/>",
                            "<cpu mode='host-passthrough'><feature policy='disable' name='xsave'/></cpu>")
    with open("domain.xml", "w", encoding="utf-8") as file:
        file.write(text)


def said(word, seconds):
    """Waits for the guest's message that begins with word."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with open("messages-libvirt.log", encoding="utf-8", errors="replace") as file:
                for line in file.read().split("\n")[:-1]:
                    if line.split(" ")[0] == word:
                        return line.partition(" ")[2].strip()
        except FileNotFoundError:
            pass
        time.sleep(0.5)
    return None


def main():
    """Defines, starts, asks, listens, destroys."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--extra", help="a changed driver that strikes")
    args = parser.parse_args()
    report = Report()
    expected = labguest.server(8)
    report.check("host module loads", labguest.load_host_module())
    daemon = start_libvirtd()
    report.check("libvirtd answers", daemon is not None)
    domain(args.extra)
    for words in (("define", "domain.xml"), ("start", NAME)):
        status, text = virsh(*words)
        report.check(f"virsh {words[0]}", status == 0, text)
    with open("events.log", "wb") as log:
        listener = subprocess.Popen(["virsh", "-q", "-c", "qemu:///system", "qemu-monitor-event", NAME, "--loop",
                                     "--event", "CHARIOT_VIOLATION"], stdout=log, stderr=log)
    report.equal("driver loads", said("e1000", 120), "0")
    report.equal("checksum equal", said("sha256", 200), expected)
    status, text = virsh("qemu-monitor-command", NAME, '{"execute": "query-chariot"}')
    info = json.loads(text).get("return", {}) if status == 0 else {}
    report.check("virsh qemu-monitor-command query-chariot", info.get("armed") is True, text)
    violations = info.get("counters", {}).get("violations")
    status, text = virsh("qemu-monitor-command", NAME, "--hmp", "info chariot")
    report.check("virsh qemu-monitor-command --hmp info chariot", status == 0 and "e1000" in text, text)
    report.note(text)
    if args.extra:
        time.sleep(1)
        with open("events.log", encoding="utf-8", errors="replace") as file:
            events = file.read()
        report.check("violation counted", bool(violations), str(info))
        report.check("virsh qemu-monitor-event shows the violation", "CHARIOT_VIOLATION" in events, events)
        report.note(events[:2000])
    else:
        report.equal("no violation", violations, 0)
    status, text = virsh("destroy", NAME)
    report.check("virsh destroy", status == 0, text)
    listener.terminate()
    listener.wait()
    if daemon:
        daemon.terminate()
        daemon.wait()
    report.check("host module unloads", labguest.unload_host_module())
    report.done()


if __name__ == "__main__":
    main()
