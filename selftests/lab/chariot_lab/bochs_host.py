# SPDX-License-Identifier: GPL-2.0-only
"""Boots the Intel lab host, on Bochs, and gives it commands."""

import re
import shutil
import socket
import subprocess
import time

from . import bochs, host
from .progress import Failed, say

BOOT_SECONDS = 600
#: how much longer than a second of the machine's time a second may last here, at most
SLOWNESS = 20
#: what precedes anything that is not a run's output
MARK = b"\x1e"


class BochsHost(host.LabHost):
    """
    A running Intel lab host; to be used like a LabHost.

    The time limits of runs count in the machine's own time, so that a slow machine does not fail tests.
    """

    def __init__(self, name, machine):
        super().__init__(name, machine)
        self.folder = None

    def boot(self):
        """Starts the lab host and waits until it takes commands."""
        self.slot = host.take_slot()
        begin = time.monotonic()
        append = ["console=ttyS0,115200", *bochs.KERNEL_OPTIONS, "lab.mode=commands", "lab.emulated=1", "lab.port=ttyS1",
                  *self.machine.kernel_words()]
        bochs.make_cd(self.run_folder, self.machine.kernel, append)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(60)
            config = self.run_folder / "bochsrc"
            config.write_text(bochs.configuration(self.run_folder, self.machine.kernel, server.getsockname()[1]))
            with (self.run_folder / "emulator.log").open("w") as log:
                self.qemu = subprocess.Popen([bochs.build() / "bochs", "-q", "-f", config], stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=subprocess.STDOUT, cwd=self.run_folder)
            try:
                self.port, _ = server.accept()
            except OSError as error:
                self.stop()
                raise Failed(f"Bochs does not start: {self.run_folder / 'emulator.log'}") from error
        if self._answer(BOOT_SECONDS * self.machine.slowness) != "ready":
            self.stop()
            raise Failed(f"the lab host on Bochs did not boot: {self.run_folder / 'host-console.log'}")
        say(f"lab host on Bochs up in {time.monotonic() - begin:.0f} s ({self.run_folder.name})")

    def _more(self, end, progress):
        """Waits for bytes from the lab host; returns whether there were any before its end or that of the time."""
        self.port.settimeout(0.5)
        while True:
            try:
                data = self.port.recv(65536)
                self.pending += data
                return bool(data)
            except TimeoutError:
                if self.qemu.poll() is not None or time.monotonic() > end:
                    return False
            except OSError:
                return False
            finally:
                if progress:
                    progress()

    def _answer(self, seconds, progress=None):
        """The next answer from the lab host, or None: it died or the time is over. Output and logs become files."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            text, mark, rest = self.pending.partition(MARK)
            if text and self.folder:
                with (self.folder / "output").open("ab") as output:
                    output.write(text)
            self.pending = mark + rest
            line, newline, rest = rest.partition(b"\n")
            words = line.decode(errors="replace").split()
            if newline and words[:1] == ["file"] and len(rest) >= int(words[2]):
                name = re.sub(r"[^\w.-]", "_", words[1])
                (self.folder / name).write_bytes(rest[:int(words[2])])
                self.pending = rest[int(words[2]):]
                continue
            if newline and words[:1] != ["file"]:
                self.pending = rest
                return " ".join(words)
            if not self._more(end, progress):
                return None
        return None

    def run(self, name, command, seconds, progress=None):
        """Runs a shell command in the lab host; see LabHost.run(). seconds are of the lab host's time."""
        seconds *= self.machine.slowness
        self.folder = self.run_folder / name
        self.folder.mkdir(exist_ok=True)
        self.port.sendall(f"run {name} {seconds} {command}\n".encode())
        answer = self._answer(seconds * SLOWNESS + 60, progress)
        if progress:
            progress()
        if not answer or not answer.startswith("done "):
            return None
        return int(answer.split()[1])

    def stop(self):
        """Ends the lab host: nothing in it outlives it anyway."""
        if self.qemu is None:
            return
        self.qemu.kill()
        self.qemu.wait()
        if self.port:
            self.port.close()
        self.slot.close()
        self.qemu = None
        for name in ("products", "cd"):
            shutil.rmtree(self.run_folder / name, ignore_errors=True)
        for file in self.run_folder.glob("disk.changes*"):
            file.unlink()
        (self.run_folder / "cd.iso").unlink(missing_ok=True)


def lab_host(name, machine):
    """A lab host for that kind of machine, not yet booted."""
    return (BochsHost if machine.intel() else host.LabHost)(name, machine)
