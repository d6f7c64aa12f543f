# SPDX-License-Identifier: GPL-2.0-only
"""
A guest works on a disk through one of Debian's storage drivers, isolated: what it reads is what the host wrote, and what it
writes is what the host reads.
"""

import argparse
import hashlib
import json
import os
import struct
from dataclasses import dataclass

from download import check_isolated
from report import Report
from single import check_lived, check_nothing_left, domain_of, single_guest, single_options

MIB = 1 << 20
SECTOR = 512


def throttled(node, below):
    """QEMU's words for a node above another that can be made slow."""
    return ["-object", "throttle-group,id=slow",
            "-blockdev", json.dumps({"driver": "throttle", "node-name": node, "throttle-group": "slow", "file": below})]


def slow(guest):
    """What a guest may ask for: a disk that does so many requests a second, or (0) as many as it can."""
    return {"slow": lambda requests: guest.qmp.command("qom-set", path="/objects/slow", property="limits",
                                                       value={"iops-total": int(requests)})}


class Image:
    """A raw disk of random bytes with four partitions: what the guest reads, writes, puts a filesystem on, and cannot read."""

    SIZE = 32

    def __init__(self, path, mib):
        self.path = path
        self.parts, at = [], 1
        for size in (mib, 4, 12, 1):
            self.parts.append((at * MIB, size * MIB))
            at += size
        self.content = None

    def make(self):
        """Writes the disk anew."""
        table = b"".join(struct.pack("<4xB3xII", 0x83, start // SECTOR, size // SECTOR) for start, size in self.parts)
        self.content = bytes(446) + table + b"\x55\xaa" + os.urandom(self.SIZE * MIB - SECTOR)
        with open(self.path, "wb") as file:
            file.write(self.content)

    def sum(self, part):
        """The checksum of what the host put into a partition (1 to 4)."""
        start, size = self.parts[part - 1]
        return hashlib.sha256(self.content[start:start + size]).hexdigest()

    def known(self):
        """What the guest's life is to know: the checksum of the first partition's first half MiB."""
        start, _ = self.parts[0]
        return f"chariot.sum={hashlib.sha256(self.content[start:start + MIB // 2]).hexdigest()}"

    def check(self):
        """What is on the disk now: the checksum of the second partition, and whether all but it and the third is as it was."""
        with open(self.path, "rb") as file:
            now = file.read()
        (second, size), (fourth, _) = self.parts[1], self.parts[3]
        same = now[:second] == self.content[:second] and now[fourth:] == self.content[fourth:]
        return hashlib.sha256(now[second:second + size]).hexdigest(), same

    def words(self):
        """For QEMU: the disk, as "disk". Reading the first sector of the fourth partition is an error."""
        error = {"event": "none", "iotype": "read", "errno": 5, "once": False, "sector": self.parts[3][0] // SECTOR}
        words = ["-blockdev", json.dumps({"driver": "file", "node-name": "file", "filename": self.path}),
                 "-blockdev", json.dumps({"driver": "raw", "node-name": "raw", "file": "file"}), *throttled("slow", "raw")]
        return [*words, "-blockdev", json.dumps({"driver": "blkdebug", "node-name": "disk", "image": "slow", "inject-error": [error]})]


@dataclass
class Disk:
    """A driver, its domain, what the guest calls the disk, the modules that find the disk behind the driver, and QEMU's devices."""

    driver: str
    isolate: str
    name: str
    devices: list
    modules: tuple = ()
    #: whether the guest tries to read what cannot be read
    errors: bool = True
    #: whether the kernel warns when the driver is unloaded, of what is the driver's own fault
    warns: bool = False

    def words(self, image):
        """For QEMU."""
        return image.words() + [word for device in self.devices for word in ("-device", device)]

    def options(self):
        """For the guest."""
        words = [f"chariot.driver={self.driver}", f"chariot.disk={self.name}", *(f"chariot.with={m}" for m in self.modules),
                 *(f"chariot.then={m}" for m in reversed(self.isolate.split("+")) if m != self.driver)]
        return " ".join(words + ["chariot.bad=1"] * self.errors + ["chariot.quiet=1"] * self.warns)


DISKS = {disk.driver: disk for disk in [
    Disk("virtio_blk", "virtio_blk", "vda", ["virtio-blk-pci,id=driven,drive=disk"]),
    Disk("nvme", "nvme_core+nvme", "nvme0n1", ["nvme,id=driven,drive=disk,serial=chariot"]),
    Disk("ahci", "libata+libahci+ahci", "sda", ["ahci,id=driven", "ide-hd,bus=driven.0,drive=disk"], ("sd_mod",)),
    Disk("virtio_scsi", "virtio_scsi", "sda", ["virtio-scsi-pci,id=driven", "scsi-hd,bus=driven.0,drive=disk"], ("sd_mod",)),
    # With or without Chariot, it crashes when it aborts what QEMU's device reports as an error, and the kernel warns for
    # minutes of memory that it frees with interrupts off when it is unloaded.
    Disk("sym53c8xx", "sym53c8xx", "sda", ["lsi53c895a,id=driven", "scsi-hd,bus=driven.0,drive=disk"], ("sd_mod",), errors=False, warns=True),
    Disk("sdhci_pci", "sdhci+sdhci_pci", "mmcblk0", ["sdhci-pci", "sd-card,drive=disk"], ("mmc_block",), errors=False),
    Disk("vmw_pvscsi", "vmw_pvscsi", "sda", ["pvscsi,id=driven", "scsi-hd,bus=driven.0,drive=disk"], ("sd_mod",)),
]}


def check_work(report, guest, disk, image, rounds):
    """Checks what the guest says of its work, and what it left on the disk."""
    said = guest.messages()
    report.equal(f"{disk.driver} loads", said.count(f"{disk.driver} 0"), rounds)
    for word, what in (("cached", "reads through the page cache"), ("direct", "direct reads")):
        report.equal(f"{what}: checksum equal", said.count(f"{word} {image.sum(1)}"), rounds)
    report.check("writes: checksum equal", guest.said("pattern") and guest.said("pattern") == guest.said("written"),
                 f"written {guest.said('pattern')}, read back {guest.said('written')}")
    start, _ = image.parts[0]
    report.equal("file in a filesystem: checksum equal", guest.said("file"),
                 hashlib.sha256(image.content[start:start + 2 * MIB]).hexdigest())
    if disk.errors:
        report.equal("an error reaches who reads", said.count("bad 1"), rounds)
        report.equal("what lies behind can be read", said.count("behind 4096"), rounds)
    for module in disk.isolate.split("+"):
        report.equal(f"{module} unloads", said.count(f"unloaded {module} 0"), rounds)
    written, same = image.check()
    report.equal("the host finds what was written", written, guest.said("pattern"))
    report.check("the rest of the disk is as it was", same)


def main():
    """Reads the options and runs one guest."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", default="virtio_blk", choices=DISKS)
    parser.add_argument("--plain", action="store_true", help="without Chariot; else, without --chariot, the driver is isolated")
    parser.add_argument("--mib", type=int, default=8, help="how much is read, up to 14")
    single_options(parser)
    args = parser.parse_args()
    disk = DISKS[args.driver]
    if args.chariot is None and not args.plain:
        args.chariot = f"isolate={disk.isolate},policy=block"
    report = Report()
    image = Image("/run/disk.raw", args.mib)
    image.make()
    with single_guest(report, args, "disk", [disk.options(), image.known()], devices=disk.words(image)) as guest:
        if args.life:
            units = check_lived(report, guest, args, slow(guest))
        else:
            report.check("guest runs to its end", guest.wait_end(args.seconds), f"it said: {guest.messages()}")
            check_work(report, guest, disk, image, args.rounds)
            report.note(f"{guest.seconds:.1f} s, {guest.exits.get('exits')} exits, {guest.said('requests')} requests read and "
                        f"written, {int(guest.said('transferred') or 0) * SECTOR / MIB:.1f} MiB")
            requests = [sum(map(int, line.split()[1:])) for line in guest.messages() if line.startswith("requests ")]
            units = sum(requests) or 1, "request"
        if args.chariot is not None:
            check_isolated(report, guest, domain_of(args), units, args.oracle)
            check_nothing_left(report, guest, domain_of(args))
    report.done()


if __name__ == "__main__":
    main()
