# SPDX-License-Identifier: GPL-2.0-only
"""
Which drivers have run isolated, doing what, at what cost: docs/drivers.md.

A scenario that isolates a driver prints its figures (report.py); whoever runs it notes them (outcomes.py).
"""

import subprocess

from . import image, kernels, pages, paths

HEAD = """# Drivers that were run isolated

Made by `make check-drivers`: Debian's own modules, byte for byte, each as a domain of its own (`+`: several modules, one domain) in a
lab guest, policy as the table says, with work whose result is checked. No cell is a goal or an estimate: the lab counted it.

- **scenario**: `life-…`, `guest-6.1-life-…`: what happens to a driver while it lives (reloads, unbinding, plugging out and in, suspending, links that go
  down, full queues, errors), each step followed by checked work (`brief`: with 3 reloads in place of 20); else the work alone. What is done is in `selftests/scenarios/table.toml`.
- **guest**: the guest's kernel, number of virtual processors, private heaps on or off (the agent's `heaps`).
- **crossings**: switches into the driver's view, for each unit of work; each is followed by one out of it.
- **emulated**: writes of the driver's that KVM executed byte by byte, since the page is shared, for each unit; and to what memory.
- **ACL**: the most ranges that were granted to the driver at a time, and the most memory, devices' included.
- **records**, **doorbells**: what the agent told the host, for each unit.
- **imports**: how many of the functions that the modules import have an entry in the [catalogue](agent.md); and the rules of the
  [profiles](agent.md) that are shipped for them, if there are any. No row uses another profile.
- **violations**: reported writes, and bad records of the ring. Anything but 0 fails the scenario.

Of the eight guests that kernel, processors and heaps make, the work of a driver runs on four, so that each two values of two of them meet; its
life runs on one, with 20 reloads, and on the one that has nothing in common with it. Steps that a life lacks:

- *plug* (the host takes the device out): QEMU does not for ahci's disks, VGA, uhci and ehci, and it adds an HD Audio card before its codec. A disk behind
  ehci or xhci is plugged instead (*stick*, *busystick*). An SD card is soldered to its controller.
- *full* of network cards: of QEMU's, virtio_net alone can have a full ring; the others send while the driver tells them to, so what is shown
  is that each packet is taken. pcnet32's is left out: without Chariot, too, the kernel warns when its rings change.
- *address* of vmxnet3: without Chariot, too, it hears nothing afterwards.
- *error* (the disk cannot read): sym53c8xx crashes of it without Chariot, too. SD cards and USB disks are given none.

| scenario | domain | guest | work | crossings | emulated | to | ACL | records | doorbells | imports | violations |
| --- | --- | --- | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |
"""


def _imports(kernel, modules):
    """How many functions and variables the modules import, and how many of these the catalogue has."""
    index, wanted = image.ModuleIndex(kernel), set()
    for name in modules:
        path = paths.LAB_BUILD / "imports.ko"
        path.write_bytes(index.bytes(name))
        done = subprocess.run(["nm", "-u", path], capture_output=True, text=True, check=True)
        wanted |= {line.split()[-1] for line in done.stdout.splitlines()}
    entries = set()
    for tab in (paths.SOURCE / "guest-agent/catalogue").glob("*.tab"):
        for line in tab.read_text().replace("\\\n", " ").splitlines():
            words = line.split()
            if words[:1] == ["import"]:
                entries |= {word.split("@")[0] for word in words[1:] if _concerns(word, kernel)}
    return len(wanted & entries), len(wanted)


def _concerns(word, kernel):
    """Whether a name of the catalogue or of a profile is one of this kernel's: NAME, or NAME@SERIES."""
    _, _, series = word.partition("@")
    return series in ("", kernel.name)


def _rules(kernel, modules):
    """How many rules of profiles are shipped for the modules."""
    profiles = (paths.SOURCE / f"guest-agent/profile/{name}.profile" for name in modules)
    lines = (line for profile in profiles if profile.exists() for line in profile.read_text().splitlines())
    return sum(_concerns(line.split()[2], kernel) for line in lines if line[:1] not in ("", "#"))


def _row(entry):
    count = entry["units"]
    def each(name):
        return f"{entry[name] / count:,.2f}"
    kernel, modules = kernels.KERNELS[entry["kernel"] or kernels.USUAL], entry["domain"].split("+")
    known, imports = _imports(kernel, modules)
    rules = _rules(kernel, modules)
    kinds = ", ".join(f"{kind} {number / count:,.2f}" for kind, number in sorted(entry["kinds"].items(), key=lambda i: -i[1]))
    return [entry["scenario"], entry["domain"], pages.guest(entry), pages.work(entry), each("crossings"), each("emulated"), kinds or "-",
            f"{entry['grants']:,}, {entry['granted'] / 1024:,.0f} KiB", each("records"), each("doorbells"),
            f"{known} of {imports}" + f"; rules: {rules}" * (rules > 0), str(entry["violations"] + entry["bad-records"])]


PAGE = pages.Page(paths.SOURCE / "docs" / "drivers.md", HEAD, _row, oracle=False, usual=r"(guest-6\.1-)?(isolated|life-)")
