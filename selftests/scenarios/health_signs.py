# SPDX-License-Identifier: GPL-2.0-only
"""Signs of a crash on a guest's console."""

import re

CRASH = re.compile(r"(BUG: .*|Oops: .*|general protection fault.*|Kernel panic.*|soft lockup.*)")


def crash(console):
    """The first line that tells of a crash, without its time stamp; None when there is none."""
    try:
        with open(console, encoding="utf-8", errors="replace") as file:
            match = CRASH.search(file.read())
    except FileNotFoundError:
        return None
    return match.group(1).strip() if match else None
