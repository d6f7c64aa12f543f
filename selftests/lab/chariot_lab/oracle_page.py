# SPDX-License-Identifier: GPL-2.0-only
"""What the oracle (selftests/oracle) has seen and missed: docs/oracle.md."""

from . import pages, paths

HEAD = """# What the oracle saw

Made by `make check-oracle`. The [oracle](../selftests/oracle/README.md) shares no code with Chariot. It sees every store that the code of an
isolated driver executes in a lab guest, from below the lab host, and asks of each whether it was on the stack, inside a grant that was
live then, or reported; what is none of these is **missed**, and fails the scenario. The drivers are Debian's own modules, byte for byte
(`+`: several modules, one domain), but for those of the faulty scenarios. No cell is a goal or an estimate: the lab counted it.

- **seen**: stores by the domain's text, its copies of library functions among it; **KVM**: how many of them KVM or Chariot completed
  for the driver, or skipped, after they had faulted; the processor did the others.
- **stack**: on the stack in use, or on a CPU's interrupt stack.
- **in grants**: in memory that was granted then, and of which kind (a store into two of them counts for both);
  **MMIO**, **rules**: the same, for device registers, and for per-CPU words and other fields that a rule names.
- **reported**: not granted, and reported as a violation of that instruction, with these bytes.
- **missed**: neither. 0, or the scenario fails.
- **without grants**: the same log once more, without the record of the grant of each kind that most stores were in. So many more are missed
  then: exactly those. **without reports**: likewise, without any report.

What this can not show: stores by the core kernel's own functions on a driver's behalf; grants that are too wide; reads; the
device's DMA; anything on hardware, or on Intel's processors. Which things in the log are artefacts, and what becomes of them, is in the oracle's
[README](../selftests/oracle/README.md#artefacts-seen-and-what-becomes-of-them).

| scenario | domain | guest | work | seen | KVM | stack | in grants | of | MMIO | rules | reported | missed | without grants | without reports |
| --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |
"""
#: kinds of grants with a column of their own
APART = ("MMIO", "per-CPU", "rule")


def _row(entry):
    stores = {row: sum(by) for row, by in entry["stores"].items()}
    by_kvm = sum(kvm for _, kvm in entry["stores"].values())
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in sorted(entry["granted"].items(), key=lambda i: -i[1]) if kind not in APART)
    numbers = [stores[row] for row in ("MMIO", "per-CPU, rules", "reported", "MISSED")]
    cells = [sum(stores.values()), by_kvm, stores["on the stack"], stores["in a grant"], kinds, *numbers,
             entry["missed-without-grants"], entry["missed-without-reports"] if entry["faulty"] else "-"]
    return [entry["scenario"], entry["domain"], pages.guest(entry), pages.work(entry),
            *(cell if isinstance(cell, str) else f"{cell:,}" for cell in cells)]


PAGE = pages.Page(paths.SOURCE / "docs" / "oracle.md", HEAD, _row, oracle=True, usual="")
