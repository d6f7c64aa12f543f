# SPDX-License-Identifier: GPL-2.0-only
"""
The kernels that a lab host can run, each Debian's own, from a tree that also builds modules for it.

The lab host's user space is Debian 13's whichever kernel it runs. Lab guests run Debian 13's kernel, or another of GUESTS.
"""

from dataclasses import dataclass

from . import provision
from .progress import Failed


@dataclass(frozen=True)
class Kernel:
    """A kernel by the name that people type."""

    name: str
    tree_name: str
    about: str

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


KERNELS = {kernel.name: kernel for kernel in (
    Kernel("6.12", "build-tree", "Debian 13"),
    Kernel("6.1", "kernel-6.1", "Debian 12"),
    Kernel("backports", "kernel-backports", "the newest of Debian 13's backports"),
)}
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
