# SPDX-License-Identifier: GPL-2.0-only
"""
The kernels that a lab host can run: each Debian's own, from a tree that also builds modules for it, and the debug kernels.

The lab host's user space is Debian 13's whichever kernel it runs. Lab guests run Debian 13's kernel, or another of GUESTS.
"""

from dataclasses import dataclass

from . import debug_kernel, provision
from .progress import Failed


@dataclass(frozen=True)
class Kernel:
    """A kernel by the name that people type."""

    name: str
    tree_name: str
    about: str
    #: how many times as long as on Debian's kernels something may take
    slowness: int = 1

    @property
    def key(self):
        """Changes when the kernel does."""
        return provision.tree_key(self.tree_name)

    @property
    def tree(self):
        """The Debian tree in which it is installed; made when it is not in the cache."""
        return provision.tree(self.tree_name)

    @property
    def release(self):
        """As uname -r says it."""
        releases = [p.name for p in (self.tree / "lib/modules").iterdir() if (p / "build").is_symlink()]
        if len(releases) != 1:
            raise Failed(f"expected one kernel in {self.tree}, found {releases}")
        return releases[0]

    @property
    def version(self):
        """The version of Debian's package."""
        name = f"linux-image-{self.release}"
        for paragraph in (self.tree / "var/lib/dpkg/status").read_text().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
            if fields.get("Package") == name:
                return fields["Version"]
        raise Failed(f"{name} is not installed in {self.tree}")

    @property
    def image(self):
        """The kernel itself."""
        return self.tree / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self):
        """The folder of its modules."""
        return self.tree / "lib/modules" / self.release

    @property
    def build_folder(self):
        """Where its tree finds what modules for it are built with."""
        return f"/lib/modules/{self.release}/build"

    @property
    def mounts(self):
        """What its tree must see besides for that; see chroot.py."""
        return {}


@dataclass(frozen=True)
class DebugKernel(Kernel):
    """Debian 13's source in a configuration that looks for faults; built when it is not in the cache."""

    @property
    def key(self):
        return debug_kernel.key(self.name)

    @property
    def release(self):
        return next((debug_kernel.build(self.name) / "modules").iterdir()).name

    @property
    def version(self):
        """The version of Debian's source."""
        return debug_kernel.version()

    @property
    def image(self):
        return debug_kernel.build(self.name) / "vmlinuz"

    @property
    def modules(self):
        return debug_kernel.build(self.name) / "modules" / self.release

    @property
    def build_folder(self):
        return debug_kernel.BUILD_FOLDER

    @property
    def mounts(self):
        return {debug_kernel.build(self.name) / "build": debug_kernel.BUILD_FOLDER}


def _by_name(*kernels):
    return {kernel.name: kernel for kernel in kernels}


DEBIAN = _by_name(Kernel("6.12", "build-tree", "Debian 13"), Kernel("6.1", "kernel-6.1", "Debian 12"),
                  Kernel("backports", "kernel-backports", "the newest of Debian 13's backports"))
DEBUG = _by_name(DebugKernel("debug-kasan", "build-tree", "6.12 with lockdep, KASAN, UBSAN and kmemleak", 5),
                 DebugKernel("debug-kcsan", "build-tree", "6.12 with KCSAN", 5))
KERNELS = DEBIAN | DEBUG
#: of lab hosts and lab guests when nobody says otherwise
USUAL = "6.12"
#: those that lab guests can run: the agent is built for each
GUESTS = ("6.12", "6.1")


def guests():
    """The kernels of lab guests."""
    return [KERNELS[name] for name in GUESTS]


def usual():
    """Debian 13's kernel."""
    return KERNELS[USUAL]
