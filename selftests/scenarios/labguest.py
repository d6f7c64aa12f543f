# SPDX-License-Identifier: GPL-2.0-only
"""
A lab guest: a VM on Debian's kernel, started in the lab host, and what its scenario said.

The guest's own scenario (selftests/scenarios/guest/<name>) speaks on a serial line of its own: on the console, the
kernel's messages cut lines in two.
"""

import glob
import hashlib
import http.server
import os
import subprocess
import threading
import time

from qmp import Qmp

LAB = "/lab"
OUR_QEMU = f"{LAB}/qemu/bin/qemu-system-x86_64"
PORT = 8000


def emulated():
    """Whether the lab host runs on an emulated processor."""
    with open("/proc/cmdline", encoding="ascii") as file:
        return "lab.emulated=1" in file.read().split()


def processor():
    """
    The lab guest's processor.

    QEMU's emulation of SVM does not intercept XSETBV: KVM does not learn of the guest's XCR0, and a guest with XSAVE
    warns that its sizes do not agree.
    """
    return "host,-xsave" if emulated() else "host"


def run(*argv):
    """Runs a command; its output goes where the scenario's goes."""
    return subprocess.run(argv, check=False).returncode


def load_host_module():
    """Loads kvm-chariot.ko unless it is there; returns whether it is there now."""
    if not os.path.exists("/sys/module/kvm_chariot"):
        run("insmod", f"{LAB}/modules/kvm-chariot.ko")
    return os.path.exists("/dev/chariot")


def unload_host_module():
    """Unloads kvm-chariot.ko; returns whether that worked."""
    return not os.path.exists("/sys/module/kvm_chariot") or run("rmmod", "kvm_chariot") == 0


def server(mib=32):
    """Serves a file of that many MiB (or of a part of one) of random bytes to lab guests, as /<mib>; returns its SHA-256."""
    root = "/run/www"
    path = f"{root}/{mib}"
    if not os.path.exists(root):
        os.makedirs(root)
        run("busybox", "httpd", "-p", f"127.0.0.1:{PORT}", "-h", root)
    if not os.path.exists(path):
        with open(path, "wb") as file:
            file.write(os.urandom(int(mib * (1 << 20))))
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Sink(http.server.BaseHTTPRequestHandler):
    """Answers what a lab guest posts with its SHA-256."""

    def do_POST(self):  # pylint: disable=invalid-name
        """Named by the class that it comes from."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(hashlib.sha256(content).hexdigest().encode())


def sink():
    """Takes what lab guests post to the port behind the server's, for as long as this process lives."""
    taker = http.server.ThreadingHTTPServer(("127.0.0.1", PORT + 1), _Sink)
    threading.Thread(target=taker.serve_forever, daemon=True).start()


def kernel_option(parser):
    """Lets a scenario's user choose the guest's kernel."""
    parser.add_argument("--guest-kernel", default="", help="another kernel than the usual one: 6.1")


def folder_for(what, kernel=""):
    """Where the lab keeps something that depends on the guest's kernel."""
    return f"{LAB}/{what}-{kernel}" if kernel else f"{LAB}/{what}"


def initrd_with(name, extra, files, kernel=""):
    """
    The guest's initramfs with the modules of /lab/extra/<extra>/ in its /extra, and more files, {path: text}, behind it.
    """
    path, work = f"/run/initrd{kernel}-{name}", f"/run/files{kernel}-{name}"
    contents = {file: text.encode() for file, text in (files or {}).items()}
    for module in glob.glob(f"{folder_for('extra', kernel)}/{extra}/*.ko"):
        with open(module, "rb") as file:
            contents[f"extra/{os.path.basename(module)}"] = file.read()
    names = set()
    for file, content in contents.items():
        os.makedirs(os.path.dirname(f"{work}/{file}"), exist_ok=True)
        with open(f"{work}/{file}", "wb") as out:
            out.write(content)
        parts = file.split("/")
        names |= {"/".join(parts[:n]) for n in range(1, len(parts) + 1)}
    archive = subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], cwd=work, input="".join(f"{n}\n" for n in sorted(names)).encode(),
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    with open(f"{folder_for('guest', kernel)}/initrd", "rb") as file:
        base = file.read()
    with open(path, "wb") as file:
        file.write(base + b"\0" * (-len(base) % 512) + archive)
    return path


class Guest:
    """
    One lab guest.

    scenario: the file in selftests/scenarios/guest that it runs. chariot: options of the chariot-pci device, or None.
    mib: the file that it downloads. extra: a folder of changed modules. may_crash: its console is no sign of ill health. kernel: another than the usual one.
    files: more of them in its file system, as {path: text}. smp: as QEMU's -smp takes it. devices: more words for QEMU.
    """

    def __init__(self, name, scenario, *, smp=1, chariot=None, extra=None, options="", qemu=None, may_crash=False, mib=32,
                 network="e1000", kernel="", devices=(), files=None):
        self.name, self.smp, self.kernel = name, smp, kernel
        self.heaps = "chariot_agent.heaps=0" not in options.split()
        self.console = f"{'victim' if may_crash else 'guest'}-{name}.log"
        self.messages_path = f"messages-{name}.log"
        self.qmp_path = f"/run/qmp-{name}-{os.getpid()}"
        append = f"console=ttyS0 loglevel=5 panic=-1 chariot.run={scenario} chariot.file={PORT}/{mib} {options}"
        boot = folder_for("guest", kernel)
        if qemu is None:
            qemu = OUR_QEMU if os.path.exists(OUR_QEMU) else "qemu-system-x86_64"
        self.command = [qemu, "-accel", "kvm", "-cpu", processor(), "-m", "512", "-smp", str(smp), "-nodefaults",
                        "-display", "none", "-no-reboot", "-no-shutdown", "-serial", f"file:{self.console}",
                        "-serial", f"file:{self.messages_path}",
                        "-qmp", f"unix:{self.qmp_path},server=on,wait=off", "-kernel", f"{boot}/vmlinuz",
                        "-initrd", initrd_with(name, extra, files, kernel) if extra or files else f"{boot}/initrd", "-append", append,
                        "-netdev", "user,id=net", "-device", f"{network},netdev=net,romfile=", *devices]
        if chariot is not None:
            self.command += ["-device", f"chariot-pci{',' if chariot else ''}{chariot}"]
        self.process = self.qmp = None
        self.begin = self.seconds = 0
        self.exits, self.info = {}, {}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.quit()

    def start(self):
        """Starts QEMU and connects to it."""
        self.begin = time.monotonic()
        with open(f"qemu-{self.name}.log", "wb") as log:
            log.write((" ".join(self.command) + "\n").encode())
            log.flush()
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.qmp = Qmp(self.qmp_path)
        except OSError:
            self.process.kill()
            raise

    def messages(self):
        """The lines that the guest's scenario said."""
        try:
            with open(self.messages_path, encoding="utf-8", errors="replace") as file:
                # The last piece is an unfinished line, or nothing.
                return [line.strip() for line in file.read().split("\n")[:-1]]
        except FileNotFoundError:
            return []

    def said(self, word):
        """The rest of the last line that begins with word; None when there is none."""
        found = [m for m in self.messages() if m.split(" ")[0] == word]
        return found[-1].partition(" ")[2] if found else None

    def wait_said(self, word, seconds):
        """Waits until the guest says word; returns the rest of that line, or None."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if self.said(word) is not None:
                return self.said(word)
            time.sleep(0.3)
        return self.said(word)

    def wait_end(self, seconds):
        """Waits until the guest powers off (or reboots after a panic); returns whether it did in time."""
        event = self.qmp.wait_event("SHUTDOWN", seconds, stop=lambda: self.process.poll() is not None)
        self.seconds = time.monotonic() - self.begin
        if event:
            self._log_end(event["data"].get("reason"))
        self.measure()
        return event is not None

    def _log_end(self, reason):
        """
        Logs why the guest ended, and where its processors were if it was by a reset.

        A kernel that resets the machine (after a panic, say) is at its write to the port. KVM puts a processor with a triple
        fault back to where it starts, CS f000 and RIP fff0, if the CPU told of it (#VMEXIT 0x7f; the lab's emulator then
        says more in the lab host's qemu.log); a triple fault that KVM made itself, of events that it was to inject,
        leaves it where it was.
        """
        with open(f"qemu-{self.name}.log", "a", encoding="utf-8") as log:
            log.write(f"ended by {reason}\n")
            if reason == "guest-reset":
                log.write(self.hmp("info registers -a"))

    def measure(self):
        """Reads KVM's counters, and Chariot's where the device is there."""
        for counter in glob.glob(f"/sys/kernel/debug/kvm/{self.process.pid}-*/*"):
            if os.path.isfile(counter):
                with open(counter, encoding="ascii") as file:
                    value = file.read().strip()
                if value.isdigit():
                    self.exits[os.path.basename(counter)] = int(value)
        if any(word.startswith("chariot-pci") for word in self.command):
            self.info = self.qmp.command("query-chariot")

    def quit(self):
        """Ends QEMU."""
        if self.process is None:
            return
        if self.process.poll() is None:
            try:
                self.qmp.command("quit", seconds=10)
                self.process.wait(10)
            except Exception:  # pylint: disable=broad-except
                self.process.kill()
        self.process.wait()

    def hmp(self, line):
        """Gives QEMU a command for people; returns what it says, which is nothing if all is well."""
        return self.qmp.command("human-monitor-command", **{"command-line": line})

    def violations(self):
        """The violations that QEMU reported by events."""
        return self.qmp.named("CHARIOT_VIOLATION")
