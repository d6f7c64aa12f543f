# SPDX-License-Identifier: GPL-2.0-only
"""
What the lab is made from: packages of the machine, and Debian trees in the cache.

A tree is keyed by a hash of everything that made it (package list, suites, this file), is made under a temporary
name and renamed when it is complete, and is never changed afterwards.
"""

import hashlib
import os
import shutil
import subprocess

from . import paths
from .progress import Failed, locked, run_logged, say, step

SUITE = "trixie"
MIRROR = os.environ.get("CHARIOT_MIRROR", "http://deb.debian.org/debian")
SECURITY = os.environ.get("CHARIOT_SECURITY_MIRROR", "http://security.debian.org/debian-security")
SOURCES = [f"deb {MIRROR} {SUITE} main", f"deb {MIRROR} {SUITE}-updates main",
           f"deb {SECURITY} {SUITE}-security main", f"deb-src {MIRROR} {SUITE} main",
           f"deb-src {SECURITY} {SUITE}-security main"]
#: trees that are not (or not only) of that suite: their own suite, and where its packages come from
OTHER_SOURCES = {
    "kernel-6.1": ("bookworm", [f"deb {MIRROR} bookworm main", f"deb {MIRROR} bookworm-updates main",
                                f"deb {SECURITY} bookworm-security main"]),
    "kernel-backports": (SUITE, [*SOURCES[:3], f"deb {MIRROR} {SUITE}-backports main"]),
}
#: change this when a tree must be made anew although nothing else changed
RECIPE = 1

#: left out of the lab host's tree: nobody reads manuals there
EXCLUDES = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*",
            "/usr/share/icons/*", "/var/cache/debconf/*"]


def packages(name):
    """The package list name, without comments."""
    lines = (paths.LAB / "packages" / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def install_machine_packages():
    """Installs with apt what the machine lacks; needs root only when something is missing."""
    query = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"],
                           capture_output=True, text=True, check=False).stdout
    there = {line.split()[0] for line in query.splitlines() if line.endswith(" installed")}
    missing = [p for p in packages("machine") if p not in there]
    if not missing:
        return
    if os.geteuid() != 0:
        raise Failed(f"as root: apt-get install {' '.join(missing)}")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    log = paths.LAB_BUILD / "apt.log"
    with step(f"installing {' '.join(missing)}"):
        try:
            # A source that does not answer is no reason to stop: what matters is that the packages install.
            run_logged(["apt-get", "update", "-q"], log, "apt-get update", env=env)
        except Failed as failure:
            say(f"{failure}; trying to install anyway")
        run_logged(install, log, "apt-get install", env=env)


def tree_key(name):
    """The hash of what makes the tree name."""
    _, sources = OTHER_SOURCES.get(name, (SUITE, SOURCES))
    made_of = [str(RECIPE), *sources, *sorted(packages(name)), *EXCLUDES]
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:12]


def tree(name):
    """The path of the Debian tree name; makes it when it is not in the cache."""
    path = paths.CACHE / f"{name}-{tree_key(name)}"
    if path.exists():
        return path
    install_machine_packages()
    if os.geteuid() != 0:
        raise Failed(f"{path} must be made by root (mmdebstrap); run this as root once")
    with locked(paths.CACHE / f"{name}.lock"):
        if path.exists():
            return path
        making = path.with_suffix(".new")
        shutil.rmtree(making, ignore_errors=True)
        suite, sources = OTHER_SOURCES.get(name, (SUITE, SOURCES))
        argv = ["mmdebstrap", "--variant=apt", f"--include={','.join(packages(name))}"]
        if name != "build-tree":
            argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDES]
        with step(f"making the {name} tree ({len(packages(name))} packages and what they need, Debian {suite})"):
            # The kernel's package makes an initramfs unless told not to: the lab makes its own.
            run_logged([*argv, suite, making, *sources], paths.LAB_BUILD / f"{name}.log", f"making the {name} tree",
                       env=os.environ | {"INITRD": "No"})
            if name == "build-tree":
                run_logged(["tar", "-C", making / "usr/src", "-xf", making / "usr/src/linux-source-6.12.tar.xz"],
                           paths.LAB_BUILD / "linux-source.log", "unpacking the kernel's source")
                shutil.copy("/etc/resolv.conf", making / "etc/resolv.conf")
        making.rename(path)
    return path


def build_tree():
    """The tree in which Debian 13's modules, the kselftests and QEMU are built."""
    return tree("build-tree")
