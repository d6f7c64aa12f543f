# SPDX-License-Identifier: GPL-2.0-only
"""Builds every part of Chariot for the lab and lays the results out as the lab host sees them (/lab)."""

import hashlib
import os
import shutil
import subprocess

from . import chroot, image, kernels, paths, provision, table
from .progress import Failed, locked, run_logged, say, step

PARTS = ["modules", "qemu", "kselftests"]
JOBS = os.cpu_count() or 1
#: sources that the build makes
MADE_BY_KBUILD = (".mod.c", ".gen.c", ".gen.S")
MODULES = {"kvm-chariot": "kvm-chariot.ko", "guest-agent": "chariot-agent.ko"}
#: our own modules for lab guests: each in a folder that is called after it, /lab/extra/NAME in a lab host
GUEST_MODULES = [str(folder.relative_to(paths.SOURCE)) for folder in sorted((paths.SCENARIOS / "modules").iterdir())]


def _install(source, target):
    image.write_if_changed(target, source.read_bytes(), source.stat().st_mode & 0o777)


def _mirror(source, target):
    """Makes target a copy of the folder source; unchanged files keep their inode and time."""
    wanted = {p.relative_to(source) for p in source.rglob("*") if "__pycache__" not in p.parts}
    if target.exists():
        for path in sorted(target.rglob("*"), reverse=True):
            if path.relative_to(target) not in wanted:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
    target.mkdir(parents=True, exist_ok=True)
    for name in sorted(wanted):
        if (source / name).is_symlink():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).unlink(missing_ok=True)
            (target / name).symlink_to(os.readlink(source / name))
        elif (source / name).is_dir():
            (target / name).mkdir(exist_ok=True)
        else:
            _install(source / name, target / name)


def lab(kernel):
    """The lab itself, for lab hosts with this kernel: disk, initramfs, scenarios."""
    image.host_image(kernel)
    image.host_initrd(kernel)
    paths.PRODUCTS.mkdir(parents=True, exist_ok=True)
    _install(paths.LAB / "host-init", paths.PRODUCTS / "lab" / "host-init")
    _mirror(paths.SCENARIOS, paths.PRODUCTS / "scenarios")
    _mirror(paths.SOURCE / "packaging" / "libvirt", paths.PRODUCTS / "libvirt")
    _mirror(paths.SOURCE / "guest-agent" / "profile", paths.PRODUCTS / "profile")
    tools = guest_tools()
    for guest in kernels.guests():
        folder = image.guest_folder("guest", guest)
        _install(guest.image, folder / "vmlinuz")
        image.guest_initramfs(folder / "initrd", guest, agent(guest), tools=tools)
    image.guest_filesystem(image.guest_folder("guest", kernels.usual()) / "ext4.raw")


def guest_tools():
    """Programs that lab guests have beside busybox, linked statically: selftests/scenarios/tools."""
    output = paths.LAB_BUILD / "tools"
    output.mkdir(parents=True, exist_ok=True)
    programs = []
    for source in sorted((paths.SCENARIOS / "tools").glob("*.c")):
        program = output / source.stem
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            chroot.run(f"gcc -O2 -Wall -Wextra -Werror -static -o {chroot.inside(program)} {chroot.inside(source)}",
                       output / f"{source.stem}.log", f"building {source.name}")
        programs.append(program)
    return programs


def module(folder, kernel, flags="", to=None, quiet=False):
    """
    Builds one module for a kernel, in the tree of that kernel, from a copy of its sources, so that nothing is left among them.

    Kbuild decides by times what to build: the copy keeps those of unchanged files.
    """
    place = (to or paths.LAB_BUILD / "modules") / kernel.name
    copy = place / folder
    _mirror_sources(paths.SOURCE / folder, copy)
    _mirror_sources(paths.SOURCE / "include", place / "include")
    chroot.run(f"make -j{JOBS} -C {kernel.build_folder} M={chroot.inside(copy)} {flags} modules", place / f"{folder}.log",
               f"building {folder} for kernel {kernel.name}", quiet=quiet, tree=kernel.tree, mounts=kernel.mounts)
    return copy / MODULES.get(folder, f"{copy.name}.ko")


def _mirror_sources(source, target):
    target.mkdir(parents=True, exist_ok=True)
    there = {p.relative_to(source) for p in source.rglob("*") if p.is_file()}
    for name in there:
        _install(source / name, target / name)
    for path in [*target.rglob("*.[chS]"), *target.rglob("*.tab"), *target.rglob("*.profile")]:
        if path.relative_to(target) not in there and not path.name.endswith(MADE_BY_KBUILD):
            path.unlink()


def agent(guest):
    """The agent for lab guests with that kernel, among the products."""
    return image.guest_folder("modules", guest) / MODULES["guest-agent"]


def modules(kernel):
    """Both modules, as a lab host with this kernel and the lab guests load them."""
    _install(module("kvm-chariot", kernel), table.product(table.HOST_MODULE, kernel.name))
    for guest in kernels.guests():
        _install(module("guest-agent", guest), agent(guest))
        for folder in GUEST_MODULES:
            built = module(folder, guest)
            _install(built, image.guest_folder("extra", guest) / built.stem / built.name)


def _qemu(name, what, key_word, words=(), also=b""):
    """The folder with a QEMU, built by the device's own script; in the cache under the script's key."""
    script = paths.SOURCE / "qemu-chariot" / "build.sh"
    key = subprocess.run([script, key_word], capture_output=True, text=True, check=True).stdout.strip()
    if also:
        key += "-" + hashlib.sha256(also).hexdigest()[:12]
    prefix = paths.CACHE / f"{name}-{key}-prefix"
    if not (prefix / "complete").exists():
        with locked(paths.CACHE / f"{name}.lock"), step(f"building {what}"):
            run_logged([script, "--tree", provision.build_tree(), "--prefix", prefix, *words],
                       paths.LAB_BUILD / f"{name}.log", f"building {what}", progress=True)
            (prefix / "complete").touch()
    return prefix


def qemu():
    """QEMU with the Chariot device."""
    if (paths.SOURCE / "qemu-chariot" / "build.sh").exists():
        _mirror(_qemu("qemu", "QEMU with the Chariot device", "--key"), paths.PRODUCTS / "qemu")


def emulator():
    """The QEMU that emulates the lab host: the corrected emulation is all that differs, the device in it does not matter."""
    patch = paths.LAB / "emulator.patch"
    return _qemu("emulator", "the lab's emulator", "--base-key", ["--patched", patch], patch.read_bytes())


def qemu_tests():
    """The device's own tests; returns what they print (TAP)."""
    script = paths.SOURCE / "qemu-chariot" / "build.sh"
    log = paths.LAB_BUILD / "qemu-check.log"
    prefix = paths.LAB_BUILD / "qemu-check"
    with log.open("w") as errors:
        done = subprocess.run([script, "--tree", provision.build_tree(), "--prefix", prefix, "--check"],
                              stdout=subprocess.PIPE, stderr=errors, text=True, check=False)
    return done.stdout + (f"\nnot ok 0 build.sh --check ended with status {done.returncode}: {log}\n"
                          if done.returncode else "")


def unit_tests(folder):
    """The tests in selftests/<folder> that run on this machine, as they are; returns what they print (KTAP)."""
    log = paths.LAB_BUILD / f"{folder}.log"
    with log.open("w") as errors:
        done = subprocess.run(["make", "-s", f"-j{JOBS}", "-C", paths.SOURCE / "selftests" / folder, "check",
                               f"KSRC={provision.build_tree()}/usr/src/linux-source-6.12"],
                              stdout=subprocess.PIPE, stderr=errors, text=True, check=False)
    (paths.LAB_BUILD / f"{folder}.ktap").write_text(done.stdout)
    return done.stdout + (f"\nnot ok 0 make check ended with status {done.returncode}: {log}\n"
                          if done.returncode and "not ok" not in done.stdout else "")


def kselftests():
    """The kselftests of the host module, linked statically."""
    if not (paths.SOURCE / "selftests" / "kvm" / "Makefile").exists():
        return
    output = paths.BUILD / "selftests" / "kvm"
    output.mkdir(parents=True, exist_ok=True)
    try:
        chroot.run(f"make -k -j{JOBS} -C selftests/kvm KSFT=/usr/src/linux-source-6.12/tools/testing/selftests "
                   f"OUTPUT={chroot.inside(output)}", paths.LAB_BUILD / "kselftests.log", "building the kselftests")
    finally:
        built = [p for p in output.iterdir() if p.is_file() and os.access(p, os.X_OK)]
        for path in built:
            _install(path, paths.PRODUCTS / "kselftests" / path.name)
        (paths.PRODUCTS / "kselftests").mkdir(parents=True, exist_ok=True)
        for path in (paths.PRODUCTS / "kselftests").iterdir():
            if path.name not in {p.name for p in built}:
                path.unlink()


def products(parts, keep_going=False, refresh=True, kernel=None):
    """
    Builds the named parts and then the lab, for lab hosts with that kernel (default: the usual one); with keep_going, a part that fails to build stays as it was.

    Without refresh the lab's own part is left to a later call.
    """
    kernel = kernel or kernels.usual()
    paths.LAB_BUILD.mkdir(parents=True, exist_ok=True)
    with locked(paths.LAB_BUILD / f"{parts[0]}.lock" if not refresh else paths.LAB_BUILD / "build.lock"):
        for part in parts:
            if part == "none":
                continue
            try:
                {"modules": lambda: modules(kernel), "qemu": qemu, "kselftests": kselftests}[part]()
            except Failed as failure:
                if not keep_going:
                    raise
                say(f"{failure}; going on without")
        if refresh:
            lab(kernel)
