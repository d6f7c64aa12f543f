# SPDX-License-Identifier: GPL-2.0-only
"""
make bench-modes: what isolation costs, by how KVM maps guest memory: one table with a column for each mode, docs/costs.md.

What each mode printed is kept, so that a single one can be measured again.
"""

import json
import re
import subprocess

from chariot_lab import bochs_host, paths
from chariot_lab.machine import MODES, Machine
from chariot_lab.progress import Failed, say

PAGE = paths.SOURCE / "docs" / "costs.md"
#: what was measured, by mode
KEPT = paths.BUILD / "costs.json"
#: of the lab host's time
SECONDS = 600
HEAD = """# What isolation costs in each mode

Made by `make bench-modes`: tiny guests on raw KVM, on the lab host's kernel 6.12, that do one thing over and over
([host_cost.c](../selftests/bench/host_cost.c)) or once ([mode_cost.c](../selftests/bench/mode_cost.c)). Everything is counted,
nothing is timed. The modes are those of [selftests/lab](../selftests/lab/README.md).

- **exits**: KVM's own counter, less the exits that the host's interrupts (its timer) cause.
- **host instructions**: what the host executes beyond the guest's own instructions. The AMD processor is QEMU's with `-icount`, the
  Intel one Bochs': both advance the clock by one tick for each instruction, and for each repetition of one that repeats itself, as
  the first rows show (Bochs some instructions late). What a processor itself spends on an exit and an entry is not in it. The two
  machines are not alike: the AMD one has no next-RIP save, so that KVM decodes the instructions that it steps over.
- **crossings in + out**, **emulated**, **fills**, **flushes seen**, **roots changed**, **view memory**: Chariot's counters
  (`struct chariot_stats`). Flushes are KVM's as the module's hooks see them, VM + vCPU + address: of all vCPUs' TLBs, of one
  vCPU's, of one address in one vCPU's. What a mode does not need to see it does not hook: of one vCPU, NPT; of one address, NPT
  and EPT. On EPT those are among them that the module asks KVM for.
- **fills until all is as before**: after a flush, the kernel and the driver both write the same 64 pages of 4 KiB and one of 2 MiB
  again; these are the entries that are derived anew for it.

Guests that are isolated have the driver's code in a domain, policy `block`. Memory that is first touched is there in the host; the
guest maps it in 2 MiB pages.
"""


def _plain(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _event_rows(text):
    """host_cost's tables: rows of (what, by what it is counted, figure)."""
    found = re.search(r"3 instructions takes ([\d.]+) ticks a turn in the host, one of 8 in a guest ([\d.]*\d);\s+"
                      r"one REP STOSQ of 512 words and what is around it (\d+)", text)
    rows = [("a loop of 3 instructions in the host", "ticks", found.group(1)),
            ("a loop of 8 instructions in a guest", "ticks", found.group(2)),
            ("one REP STOSQ of 512 words, and a few more, in the host", "ticks", found.group(3))] if found else []
    kind = ""
    for line in text.splitlines():
        cells = _plain(line)
        if cells[0].startswith("each time, "):
            kind = cells[0].removeprefix("each time, ")
        elif line.startswith("|") and "---" not in line and len(cells) == 6:
            name, exits, into, out, emulated, instructions = cells
            name = f"{kind}: {name}"
            rows += [(name, "exits", exits), (name, "crossings in + out", f"{into} + {out}"), (name, "emulated", emulated),
                     (name, "host instructions", instructions)]
    return rows


def _rows(text):
    """mode_cost's lines, likewise."""
    return [tuple(line.split("\t")) for line in text.splitlines() if line.count("\t") == 2]


def _module_state():
    """Which kvm-chariot it is: the commit that changed it last, + if there is more than that."""
    def git(*words):
        return subprocess.run(["git", *words, "--", "kvm-chariot"], cwd=paths.SOURCE, capture_output=True, text=True,
                              check=False).stdout.strip()
    return git("log", "-1", "--format=%h") + ("+" if git("status", "--short") else "")


def measure(mode, in_lab_host):
    """All rows of a mode; a row that could not be had says why."""
    program = "insmod /lab/modules/kvm-chariot.ko && /lab/bench/host_cost && /lab/bench/mode_cost"
    lab_host = bochs_host.lab_host("costs", Machine(mode))
    good = in_lab_host(lab_host, "costs", program, SECONDS)
    text = (lab_host.run_folder / "costs" / "output").read_text()
    return good, [("what was measured: kvm-chariot as of", "commit", _module_state())] + _event_rows(text) + _rows(text)


def _number(cell):
    """1.00 is 1, 12345 is 12,345."""
    parts = []
    for part in cell.split(" + "):
        try:
            value = round(float(part), 2) + 0.0  # no -0
        except ValueError:
            return cell
        parts.append(f"{value:,.2f}".rstrip("0").rstrip("."))
    return " + ".join(parts)


def _table(kept):
    """The table's lines, the rows in the order in which they were measured."""
    order = {}
    for rows in kept.values():
        for what, counted, _ in rows:
            order.setdefault((what, counted))
    by_mode = {mode: {(what, counted): cell if counted in ("commit", "ticks") else _number(cell) for what, counted, cell in rows}
               for mode, rows in kept.items()}
    lines = ["| | counted | " + " | ".join(MODES) + " |", "| --- | --- |" + " ---: |" * len(MODES)]
    before = None
    for row in order:
        cells = [by_mode[mode].get(row, "not measured: the program ended before") if mode in by_mode else "not run"
                 for mode in MODES]
        # Where nothing of the kind ever happens
        if row[1] in ("crossings in + out", "emulated", "roots changed") and set(cells) <= {"0", "0 + 0", "not run"}:
            continue
        lines.append(f"| {row[0] if row[0] != before else ''} | {row[1]} | " + " | ".join(cells) + " |")
        before = row[0]
    return lines


def run(modes, in_lab_host):
    """Measures the modes (empty: all), writes the page and prints its table; returns whether all went well."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() and modes else {}
    good = True
    for mode in modes or MODES:
        say(f"costs in mode {mode}")
        try:
            well, kept[mode] = measure(mode, in_lab_host)
        except Failed as failure:
            say(str(failure))
            well = False
        good = good and well
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    lines = _table({mode: kept[mode] for mode in MODES if mode in kept})
    PAGE.write_text(HEAD + "\n" + "\n".join(lines) + "\n")
    print("\n".join(lines))
    return good
