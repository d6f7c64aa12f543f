# SPDX-License-Identifier: GPL-2.0-only
"""Runs commands inside a Debian tree, with the sources mounted in it, in a mount namespace of their own."""

import os
import shlex

from . import paths, provision
from .progress import Failed, run_logged

#: where the build tree sees the sources (and so the build output)
INSIDE = "/chariot"


def inside(path):
    """path as the build tree sees it."""
    return f"{INSIDE}/{path.relative_to(paths.SOURCE)}"


def run(command, log, what, quiet=False, tree=None, mounts=None):
    """
    Runs a shell command in a tree (default: the build tree), in the folder of the sources.

    mounts: more folders that it sees, with where it sees them.
    """
    if os.geteuid() != 0:
        raise Failed(f"{what} needs root (chroot)")
    tree = tree or provision.build_tree()
    mounts = {paths.SOURCE: INSIDE} | (mounts or {})
    for where in mounts.values():
        (tree / where.lstrip("/")).mkdir(exist_ok=True)
    quoted = shlex.quote(str(tree))
    binds = "".join(f"mount --bind {shlex.quote(str(folder))} {quoted}{where}; " for folder, where in mounts.items())
    script = (f"set -e; mount --make-rprivate /; {binds}mount -t proc proc {quoted}/proc; mount --rbind /dev {quoted}/dev; "
              f"exec chroot {quoted} /bin/sh -c {shlex.quote(f'cd {INSIDE} && {command}')}")
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
           "KBUILD_BUILD_USER": "chariot", "KBUILD_BUILD_HOST": "lab"}
    run_logged(["unshare", "-m", "sh", "-c", script], log, what, quiet=quiet, env=env)
