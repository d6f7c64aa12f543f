# SPDX-License-Identifier: GPL-2.0-only
"""Reads kernel logs: is the kernel well, and if not, whose fault is it?"""

import re

#: lines that no healthy kernel prints
SICK = re.compile(r"""
    \bBUG:\ | \bOops\b | ------------\[\ cut\ here | \bWARNING:\ (?!.*\bmitigation) | \bKernel\ panic\b |
    general\ protection\ fault | \bUBSAN: | \bKASAN: | \bKCSAN: | possible\ recursive\ locking | \bINFO:\ task\ .*\ blocked |
    \bsoft\ lockup\b | \bhard\ LOCKUP\b | rcu.*detected\ .*stalls | Objects\ remaining | \bunreferenced\ object |
    suspicious\ RCU\ usage | scheduling\ while\ atomic | sleeping\ function\ called | Unable\ to\ handle |
    unable\ to\ handle | double\ fault | stack\ guard\ page | Bad\ page\ state | bad\ page\ | Slab\ corruption |
    list_(?:add|del)\ corruption | refcount_t:
""", re.VERBOSE)

#: the emulator ran a stale int3 of the kernel's own patching: see emulator() in host.py
EMULATOR = re.compile(r"\bint3: 0000 \[#1\]")


def sick_lines(log):
    """The lines of a kernel log that fail a run."""
    return [line.strip() for line in log.splitlines() if SICK.search(line)]


def emulators_fault(log):
    """Whether a crash is the emulator's: an int3 oops with none of our code in the call trace."""
    match = EMULATOR.search(log)
    return bool(match) and "[kvm_chariot]" not in log[match.start():].split("Modules linked in")[0]
