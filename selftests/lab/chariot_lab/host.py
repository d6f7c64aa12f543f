# SPDX-License-Identifier: GPL-2.0-only
"""Boots the lab host and gives it commands."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from . import build, image, kernels, oracle, paths, provision, table
from .machine import Machine
from .progress import Failed, say
from .table import HOST_MODULE

BOOT_SECONDS = 180
MEMORY = "3G"
#: logs of older runs are removed
KEPT_RUNS = 60


def nested_kvm():
    """Whether this machine can run a lab host with hardware virtualization inside."""
    if os.environ.get("CHARIOT_LAB_ACCEL") == "tcg" or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    flags = Path("/proc/cpuinfo").read_text().split()
    if not {"svm", "vmx"} & set(flags):
        return False
    nested = [Path(f"/sys/module/{m}/parameters/nested") for m in ("kvm_amd", "kvm_intel")]
    return any(n.exists() and n.read_text().strip() in ("1", "Y") for n in nested)


def emulator(hardware):
    """
    The outer QEMU, run with the libraries of the lab host's tree: Debian 13's, and where it has to emulate the processor the
    same built with the lab's corrections of its SVM (emulator.patch).

    Emulators before QEMU 8.1 translate code that another processor patches at the same time into a mix of old and new
    bytes: the lab host then crashes with an int3 where its kernel patched itself. (One thread for all processors is no
    way out: there, nested guests hang.)
    """
    tree = provision.tree("lab-host")
    libraries = f"{tree}/usr/lib/x86_64-linux-gnu:{tree}/lib/x86_64-linux-gnu"
    qemu = tree / "usr/bin/qemu-system-x86_64" if hardware else build.emulator() / "bin/qemu-system-x86_64"
    return [tree / "lib64/ld-linux-x86-64.so.2", "--library-path", libraries, qemu,
            "-L", tree / "usr/share/qemu", "-L", tree / "usr/share/seabios"]


def acceleration(hardware):
    """The outer QEMU's options for a lab host with KVM inside."""
    if hardware:
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max,+svm,+npt"]


def qemu_command(run, mode, machine):
    """The outer QEMU's command line; run is the folder that the lab host sees as /out."""
    root = image.host_image(machine.kernel)
    hardware = nested_kvm() and not machine.oracle
    append = ["console=ttyS0", "mitigations=off", "quiet", "panic=-1", "oops=panic", "nokaslr", "kfence.sample_interval=100",
              "watchdog_thresh=60", "rcupdate.rcu_cpu_stall_timeout=120", f"lab.mode={mode}",
              f"lab.emulated={0 if hardware else 1}", *machine.kernel_words()]
    command = [*emulator(hardware), *acceleration(hardware), "-smp", "1" if machine.oracle else "2", "-m", MEMORY, "-nodefaults", "-no-user-config",
               "-display", "none", "-no-reboot", "-kernel", machine.kernel.image,
               "-initrd", image.host_initrd(machine.kernel), "-append", " ".join(append),
               "-drive", f"file={root},if=none,id=root,format=raw,snapshot=on,cache=unsafe",
               "-device", "virtio-blk-pci,drive=root", "-device", "virtio-rng-pci",
               "-fsdev", f"local,id=lab,path={run / 'products'},security_model=none,readonly=on,multidevs=remap",
               "-device", "virtio-9p-pci,fsdev=lab,mount_tag=lab",
               "-fsdev", f"local,id=out,path={run},security_model=none,multidevs=remap",
               "-device", "virtio-9p-pci,fsdev=out,mount_tag=out"]
    if machine.oracle:
        command += oracle.options(run)
    if mode != "commands":
        command += ["-serial", "mon:stdio"]
    else:
        command += ["-serial", f"file:{run / 'host-console.log'}", "-monitor", "none",
                    "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=command,name=lab.command",
                    "-chardev", f"socket,id=command,path={run / 'command.sock'},server=on,wait=off"]
    return [str(word) for word in command]


def new_run_folder(name, machine):
    """A folder for one lab host's life, with the build products for its kernel as they are now (hard links)."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for old in sorted(paths.RUNS.glob("*"))[:-KEPT_RUNS]:
        shutil.rmtree(old, ignore_errors=True)
    for suffix in ["", *(f".{n}" for n in range(1, 100))]:
        run = paths.RUNS / f"{stamp}-{name}{suffix}"
        try:
            run.mkdir(parents=True)
            break
        except FileExistsError:
            continue
    shutil.copytree(paths.PRODUCTS, run / "products", copy_function=os.link, symlinks=True)
    if machine.kernel_name != kernels.USUAL:
        (run / "products" / HOST_MODULE).unlink(missing_ok=True)
        if table.product(HOST_MODULE, machine.kernel_name).exists():
            os.link(table.product(HOST_MODULE, machine.kernel_name), run / "products" / HOST_MODULE)
    return run


def take_slot():
    """
    Waits for one of as many places as there are CPUs and returns it, an open file: more lab hosts at once make all of
    them miss their time limits.
    """
    folder = paths.CACHE / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    waiting = False
    while True:
        for number in range(int(os.environ.get("CHARIOT_LAB_SLOTS", os.cpu_count() or 1))):
            slot = (folder / str(number)).open("w")
            try:
                fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return slot
            except OSError:
                slot.close()
        if not waiting:
            say("waiting: other lab hosts use all CPUs")
            waiting = True
        time.sleep(0.5)


class LabHost:
    """A running lab host. Use as a context manager: it never outlives the block."""

    def __init__(self, name, machine=Machine()):
        self.machine = machine
        self.run_folder = new_run_folder(name, machine)
        self.qemu = self.port = self.slot = None
        self.pending = b""

    def __enter__(self):
        self.boot()
        return self

    def __exit__(self, *_):
        self.stop()

    def boot(self):
        """Starts the lab host and waits until it takes commands."""
        command = qemu_command(self.run_folder, "commands", self.machine)
        self.slot = take_slot()
        begin = time.monotonic()
        with (self.run_folder / "qemu.log").open("w") as log:
            self.qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        path = self.run_folder / "command.sock"
        self.port = socket.socket(socket.AF_UNIX)
        while True:
            try:
                # A path in the current folder: the kernel takes no more than 107 bytes.
                self.port.connect(os.path.relpath(path) if len(str(path)) > 100 else str(path))
                break
            except OSError as error:
                if self.qemu.poll() is not None or time.monotonic() - begin > 20:
                    self.stop()
                    raise Failed(f"the lab host's QEMU does not start: "
                                 f"{(self.run_folder / 'qemu.log').read_text()}") from error
                time.sleep(0.05)
        if self._answer(BOOT_SECONDS * self.machine.slowness) != "ready":
            self.stop()
            raise Failed(f"the lab host did not boot: {self.run_folder / 'host-console.log'}")
        kind = "" if self.machine.usual() else f" of the kind {self.machine}"
        say(f"lab host{kind} up in {time.monotonic() - begin:.0f} s ({self.run_folder.name})")

    def _answer(self, seconds, progress=None):
        """The next line from the lab host, or None: it died or the time is over."""
        end = time.monotonic() + seconds
        self.port.settimeout(0.5)
        while b"\n" not in self.pending:
            try:
                data = self.port.recv(4096)
                if not data:
                    return None
                self.pending += data
            except TimeoutError:
                if self.qemu.poll() is not None or time.monotonic() > end:
                    return None
            except OSError:
                return None
            if progress:
                progress()
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode(errors="replace").strip()

    def run(self, name, command, seconds, progress=None):
        """
        Runs a shell command in the lab host, with its output in <run folder>/<name>/output.

        seconds is what it may take on one of Debian's kernels. Returns its exit status (124: out of time), or None when the
        lab host died or hung.
        """
        seconds *= self.machine.slowness
        (self.run_folder / name).mkdir(exist_ok=True)
        self.port.sendall(f"run {name} {seconds} {command}\n".encode())
        answer = self._answer(seconds + 30, progress)
        if not answer or not answer.startswith("done "):
            return None
        return int(answer.split()[1])

    def alive(self):
        """Whether the lab host still runs."""
        return self.qemu is not None and self.qemu.poll() is None

    def stop(self):
        """Powers the lab host off; kills it when it does not obey."""
        if self.qemu is None:
            return
        if self.alive():
            try:
                self.port.sendall(b"off\n")
                self.qemu.wait(15)
            except (OSError, subprocess.TimeoutExpired):
                self.qemu.kill()
        self.qemu.wait()
        self.port.close()
        self.slot.close()
        self.qemu = None
        shutil.rmtree(self.run_folder / "products", ignore_errors=True)
        (self.run_folder / "command.sock").unlink(missing_ok=True)


def shell(mode, machine):
    """A lab host with a shell ("shell"), or with a lab guest that has one ("guest"), on this terminal."""
    run = new_run_folder(mode, machine)
    say("starting the lab host; Ctrl-A X ends it")
    status = subprocess.run(qemu_command(run, mode, machine), check=False).returncode
    shutil.rmtree(run / "products", ignore_errors=True)
    print(f"logs: {run}", file=sys.stderr)
    return status
