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

#: a report of KCSAN's, to the line that ends it
RACE = re.compile(r"^.*\bBUG: KCSAN: (.*)\n(?:(?!.*={60}).*\n)*", re.MULTILINE)
#: in such a report: what begins the stack of an access, and the module that a function in it belongs to
ACCESS = re.compile(r" to 0x[0-9a-f]+ of \d+ bytes by ")
MODULE = re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+ \[(\w+)")


def _is_ours(race):
    """
    Whether one of the accesses that race is made by the host module, itself or in a function of the kernel's own that it called.

    That it is somewhere in the stack says nothing: KVM handles page faults below a function of the host module's.
    """
    modules = (MODULE.search(stack) for stack in ACCESS.split(race)[1:])
    return any(module and module.group(1) == "kvm_chariot" for module in modules)


def others_races(log):
    """What races in the stock kernel alone, by the reports in a kernel log: a title for each."""
    return [race.group(1) for race in RACE.finditer(log) if not _is_ours(race.group())]


def sick_lines(log):
    """The lines of a kernel log that fail a run."""
    log = RACE.sub(lambda race: race.group() if _is_ours(race.group()) else "", log)
    return [line.strip() for line in log.splitlines() if SICK.search(line)]


def excerpt(log, most=30):
    """What a kernel log has from its first sick line on."""
    sick = sick_lines(log)
    lines = [line.strip() for line in log.splitlines()]
    begin = lines.index(sick[0]) if sick else len(lines)
    return lines[begin:begin + most]


def emulators_words(run_folder):
    """What the lab's emulator told of a lab host: what it would have done wrong, or why a guest shut down."""
    log = run_folder / "qemu.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [line for line in lines if "chariot-lab:" in line]


def emulators_fault(log):
    """Whether a crash is the emulator's: an int3 oops with none of our code in the call trace."""
    match = EMULATOR.search(log)
    return bool(match) and "[kvm_chariot]" not in log[match.start():].split("Modules linked in")[0]
