# SPDX-License-Identifier: GPL-2.0-only
"""
Builds the debug kernels: Debian's linux-source-6.12 with the configurations in ../kernels, once, kept in the cache.

A folder in the cache has the kernel's image, its modules, and the build folder, which modules of ours are built with.
"""

import hashlib
import os
import re
import shutil

from . import chroot, paths, provision
from .progress import Failed, locked, run_logged, say, step

CONFIGS = paths.LAB / "kernels"
COMMON = "common"
SOURCE_PACKAGE = "linux-source-6.12"
SOURCE = f"/usr/src/{SOURCE_PACKAGE}"
#: where the build tree sees the build folder: make leaves its path in what it makes
BUILD_FOLDER = "/debug-kernel"
#: what is not needed any more when the kernel is built
INTERMEDIATE = {".o", ".a", ".ko", ".cmd"}
#: change this when a kernel must be made anew although nothing else changed
RECIPE = 1


def version():
    """The version of Debian's package with the source."""
    status = (provision.build_tree() / "var/lib/dpkg/status").read_text()
    return re.search(rf"^Package: {re.escape(SOURCE_PACKAGE)}\n(?:.+\n)*?Version: (.+)$", status, re.MULTILINE).group(1)


def _options(name):
    """What the configuration of the kernel name must have, as lines."""
    text = "".join((CONFIGS / f"{part}.config").read_text() for part in (COMMON, name))
    return [*(line for line in text.splitlines() if line.startswith("CONFIG_")), f'CONFIG_LOCALVERSION="-{name}"']


def key(name):
    """The hash of what makes the kernel name."""
    made_of = [str(RECIPE), version(), provision.tree_key("build-tree"), *_options(name)]
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:12]


def _make(words, place, log, what):
    """Runs make on the kernel, with place as its build folder."""
    chroot.run(f"make -C {SOURCE} O={BUILD_FOLDER} {words}", log, what, mounts={place: BUILD_FOLDER})


def configure(name, place):
    """Writes the configuration of the kernel name into the folder place."""
    place.mkdir(parents=True, exist_ok=True)
    log = paths.LAB_BUILD / f"{name}-config.log"
    (place / "options").write_text("\n".join(_options(name)) + "\n")
    _make(f"KCONFIG_ALLCONFIG={BUILD_FOLDER}/options allnoconfig", place, log, "configuring the kernel")
    # What an option depends on may be missing.
    there = set((place / ".config").read_text().splitlines())
    missing = [option for option in _options(name) if option not in there]
    if missing:
        raise Failed(f"the configuration of {name} lacks {' '.join(missing)}")


def _strip(build):
    """Removes from the build folder what building modules does not need."""
    for path in build.rglob("*"):
        made = path.suffix in INTERMEDIATE or path.name.startswith(("vmlinux", ".tmp_vmlinux", "bzImage"))
        if made and path.relative_to(build).parts[0] not in ("scripts", "tools") and path.is_file():
            path.unlink()


def build(name):
    """The folder of the kernel name, in the cache; builds it when it is not there."""
    place = paths.CACHE / f"{name}-{key(name)}"
    if place.exists():
        return place
    with locked(paths.CACHE / f"{name}.lock"):
        if place.exists():
            return place
        making = place.with_suffix(".new")
        shutil.rmtree(making, ignore_errors=True)
        folder = making / "build"
        with step(f"building the kernel {name}, Debian {version()} (a quarter of an hour on two idle CPUs)"):
            configure(name, folder)
            log = paths.LAB_BUILD / f"{name}.log"
            _make(f"-j{os.cpu_count() or 1} bzImage modules", folder, log, f"building {name}")
            _make(f"INSTALL_MOD_PATH={BUILD_FOLDER}/installed modules_install", folder, paths.LAB_BUILD / f"{name}-install.log",
                  f"installing {name}")
        (folder / "installed" / "lib" / "modules").rename(making / "modules")
        shutil.rmtree(folder / "installed")
        shutil.copy(folder / "arch/x86/boot/bzImage", making / "vmlinuz")
        shutil.copy(folder / "System.map", making)
        _strip(folder)
        making.rename(place)
    return place
