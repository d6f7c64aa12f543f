# SPDX-License-Identifier: GPL-2.0-only
"""
What the agent costs the rest of a guest: instructions of an allocation and its free, when no domain owns the memory.

A lab guest straight on the emulator, without a lab host: the agent follows e1000 as it does where there is a device, and what
it says goes nowhere (its dry run). The emulator's time stamp counter ticks once for each instruction.
"""

import subprocess
import tempfile
from pathlib import Path

from chariot_lab import build, chroot, host, image, kernels, paths
from chariot_lab.progress import Failed

SOURCE = Path(__file__).parent / "free_cost"
STATES = {"absent": "no agent", "idle": "agent, no driver yet", "live": "agent, e1000 isolated"}
#: the goal: times what the pair costs without the agent
GOAL = 1.3
SECONDS = 300


def _module(kernel):
    """Builds free_cost.ko for lab guests with that kernel."""
    to = paths.LAB_BUILD / "free_cost" / kernel.name
    for file in SOURCE.iterdir():
        image.write_if_changed(to / file.name, file.read_bytes())
    chroot.run(f"make -C {kernel.build_folder} M={chroot.inside(to)} W=1 modules", to.with_suffix(".log"),
               f"building free_cost for kernel {kernel.name}", quiet=True, tree=kernel.tree, mounts=kernel.mounts)
    return to / "free_cost.ko"


def _run(kernel, folder):
    """One guest: what it said, as words."""
    image.guest_initramfs(folder / "initrd", kernel, build.agent(kernel), [_module(kernel)])
    said = folder / "said"
    command = [*host.emulator(hardware=False), "-accel", "tcg", "-cpu", "max", "-icount", "shift=0,sleep=off",
               "-m", "512", "-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{folder / 'console'}",
               "-serial", f"file:{said}", "-kernel", kernel.image, "-initrd", folder / "initrd",
               "-append", "console=ttyS0 panic=-1 chariot.run=free_cost chariot.driver=e1000",
               "-netdev", "user,id=net", "-device", "e1000,netdev=net,romfile="]
    subprocess.run(command, timeout=SECONDS, check=True)
    return [line.split() for line in said.read_text().splitlines()]


def run():
    """Prints the tables; returns whether the goal is met for kmalloc() and kfree()."""
    good = True
    for kernel in kernels.guests():
        with tempfile.TemporaryDirectory() as folder:
            try:
                words = _run(kernel, Path(folder))
            except subprocess.SubprocessError as error:
                raise Failed(f"free_cost on kernel {kernel.name}: {error}") from error
        found = {(state, what): int(figure) for state, what, figure in (w for w in words if w[0] in STATES)}
        grants = next((int(w[1]) for w in words if w[0] == "grants" and w[1:]), 0)
        if not grants or not found:
            raise Failed(f"free_cost on kernel {kernel.name}: nothing was isolated; the guest said {words}")
        print(f"\nGuest kernel {kernel.release}, {grants} live grants; instructions of an allocation and its free:\n")
        print("| | " + " | ".join(STATES.values()) + " | ratio |\n| --- | " + "---: | " * (len(STATES) + 1))
        for what in dict.fromkeys(what for _, what in found):
            ratio = found["live", what] / found["absent", what]
            print(f"| {what} | " + " | ".join(str(found[state, what]) for state in STATES) + f" | {ratio:.2f} |")
            good &= ratio <= GOAL or not what.startswith("kmalloc")
        print(flush=True)
    return good
