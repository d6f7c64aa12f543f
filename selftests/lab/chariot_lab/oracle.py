# SPDX-License-Identifier: GPL-2.0-only
"""The oracle (selftests/oracle) in the lab: the emulator's plugin, and the judgement when a run has ended."""

import json
import shutil
import subprocess
import sys

from . import build, chroot, image, kernels, paths
from .progress import locked

ORACLE = paths.SOURCE / "selftests" / "oracle"
#: MiB that a run may log
LIMIT = 1024


def plugin():
    """The plugin for the lab's emulator, built if it is not there."""
    folder = paths.LAB_BUILD / "oracle"
    header = build.emulator() / "include" / "qemu-plugin.h"
    source = ORACLE / "stores.c"
    library = folder / "stores.so"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):
        made_of = [header.read_bytes(), source.read_bytes()]
        copies = [folder / "qemu-plugin.h", folder / "stores.c"]
        if library.exists() and [c.read_bytes() if c.exists() else None for c in copies] == made_of:
            return library
        library.unlink(missing_ok=True)
        for copy, content in zip(copies, made_of):
            copy.write_bytes(content)
        here = chroot.inside(folder)
        chroot.run(f"gcc -O2 -Wall -Wextra -Wno-unused-parameter -Werror -shared -fPIC $(pkg-config --cflags glib-2.0) "
                   f"-I{here} -o {here}/stores.so {here}/stores.c", folder / "log", "building the oracle's plugin")
    return library


def options(run):
    """The emulator's options for a lab host with that run folder."""
    # The run has its own copy: another run may build a new one.
    shutil.copy(plugin(), run / "stores.so")
    return ["-plugin", f"{run / 'stores.so'},log={run / 'stores.log'},limit={LIMIT}"]


def _modules(run, facts):
    """The files of the modules that made up the domain of a run."""
    kernel, faulty = kernels.KERNELS[facts["figures"]["kernel"] or kernels.USUAL], facts["faulty"]
    index = image.ModuleIndex(kernel)
    for name in facts["figures"]["domain"].split("+"):
        changed = image.guest_folder("extra", kernel) / (faulty or "") / f"{name}.ko"
        module = run / f"{name}.ko"
        module.write_bytes(changed.read_bytes() if changed.exists() else index.bytes(name))
        yield module


def judge(run, folder):
    """Judges the run of a scenario whose lab host has ended; returns KTAP. The log is kept when there is something amiss."""
    log = run / "stores.log"
    if not (folder / "facts.json").exists():
        return "KTAP version 1\n1..1\nnot ok 1 nothing to judge: the scenario did not get to its end\n"
    facts = json.loads((folder / "facts.json").read_text())
    done = subprocess.run([sys.executable, ORACLE / "check", log, folder / "facts.json", *_modules(run, facts)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    with (folder / "output").open("a") as output:
        output.write(done.stdout)
    if done.returncode == 0:
        log.unlink()
    return done.stdout
