# SPDX-License-Identifier: GPL-2.0-only
"""
A guest works in a filesystem whose module is isolated: it reads what the host wrote, and the host's own module reads what it
wrote, and finds that the filesystem was left in order.
"""

import argparse
import hashlib
import os
import struct
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass

import labguest
from download import check_isolated
from report import Report
from single import check_lived, check_nothing_left, domain_of, single_guest, single_options

MIB = 1 << 20


class Image:
    """A disk with an empty ext4 filesystem (the lab's build made it), and what is put into it here."""

    PATH, MOUNT = "/run/filesystem.raw", "/run/filesystem"
    #: the superblock: whether it was unmounted, whether the journal is to be replayed, how many errors were found
    SUPERBLOCK, CLEAN, RECOVER = 1024, 1, 4

    def __init__(self):
        self.given = os.urandom(MIB)

    @contextmanager
    def mounted(self, options):
        """The filesystem, mounted by the host's own module."""
        os.makedirs(self.MOUNT, exist_ok=True)
        subprocess.run(["mount", "-t", "ext4", "-o", f"loop,{options}", self.PATH, self.MOUNT], check=True)
        try:
            yield self.MOUNT
        finally:
            subprocess.run(["umount", self.MOUNT], check=True)

    def make(self):
        """Makes it anew."""
        subprocess.run(["cp", "--sparse=always", f"{labguest.LAB}/guest/ext4.raw", self.PATH], check=True)
        with self.mounted("rw") as folder:
            with open(f"{folder}/given", "wb") as file:
                file.write(self.given)

    def state(self):
        """What the superblock says: unmounted, to be recovered, errors."""
        with open(self.PATH, "rb") as file:
            file.seek(self.SUPERBLOCK)
            block = file.read(1024)
        state, = struct.unpack_from("<H", block, 0x3a)
        features, = struct.unpack_from("<I", block, 0x60)
        errors, = struct.unpack_from("<I", block, 0x194)
        return state == self.CLEAN, bool(features & self.RECOVER), errors

    def tree(self):
        """The checksum of all that is in it, even if there is a journal to be replayed."""
        with self.mounted("ro,noload") as folder:
            return subprocess.run(["sh", f"{labguest.LAB}/scenarios/guest/tree", folder], check=True, capture_output=True,
                                  text=True).stdout.strip()

    def words(self):
        """For QEMU."""
        return ["-drive", f"file={self.PATH},format=raw,if=none,id=disk", "-device", "virtio-blk-pci,drive=disk"]


@dataclass
class Filesystem:
    """A filesystem's module, and its domain: all modules of it that are in use, each after what it needs."""

    driver: str
    isolate: str

    def options(self):
        """For the guest."""
        then = [f"chariot.then={module}" for module in reversed(self.isolate.split("+")) if module != self.driver]
        return " ".join([f"chariot.driver={self.driver}", *then])


FILESYSTEMS = {fs.driver: fs for fs in [
    Filesystem("ext4", "mbcache+jbd2+ext4"),
]}


def check_work(report, guest, kind, image, rounds):
    """Checks what the guest says of its work, and what it left in the filesystem."""
    said = guest.messages()

    def all_of(word):
        return [line.split(" ", 1)[1] for line in said if line.startswith(f"{word} ")]

    report.equal(f"{kind.driver} loads", all_of(kind.driver), ["0"] * rounds)
    report.equal("mounts", all_of("mounted"), ["0"] * 2 * rounds)
    report.equal("a file of the host's: checksum equal", all_of("read"), [hashlib.sha256(image.given).hexdigest()] * rounds)
    for word in ("direct", "large"):
        report.check(f"{word} file: checksum equal", len(all_of(word)) == rounds and all_of(word) == all_of("pattern"),
                     f"{all_of('pattern')}, read back {all_of(word)}")
    report.equal("attributes, mapped files, files without a name",
                 [all_of(word) for word in ("attribute", "map", "nameless")], [["0"] * rounds] * 3)
    report.check("all that is in it: checksum equal after it was mounted again",
                 len(all_of("tree")) == rounds and all_of("tree") == all_of("again"), f"{all_of('tree')}, then {all_of('again')}")
    report.equal("remounts", all_of("remounted"), ["0"] * rounds)
    report.equal("unmounts", all_of("unmounted"), ["0"] * 2 * rounds)
    for module in kind.isolate.split("+"):
        report.equal(f"{module} unloads", said.count(f"unloaded {module} 0"), rounds)
    report.equal("the filesystem was left in order", image.state(), (True, False, 0))
    report.equal("the host finds what was written", [image.tree()], all_of("again")[-1:])


def main():
    """Reads the options and runs one guest."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", default="ext4", choices=FILESYSTEMS)
    parser.add_argument("--plain", action="store_true", help="without Chariot; else, without --chariot, the module is isolated")
    single_options(parser)
    parser.set_defaults(seconds=500)
    args = parser.parse_args()
    kind = FILESYSTEMS[args.driver]
    if args.chariot is None and not args.plain:
        args.chariot = f"isolate={kind.isolate},policy=block"
    report = Report()
    report.check("the host can mount files", labguest.run("modprobe", "loop") == 0)
    image = Image()
    image.make()
    known = f"chariot.sum={hashlib.sha256(image.given).hexdigest()}"
    with single_guest(report, args, "filesystem", [kind.options(), known], devices=image.words()) as guest:
        if args.life:
            units = check_lived(report, guest, args)
            report.equal("the filesystem was left in order", image.state(), (True, False, 0))
        else:
            report.check("guest runs to its end", guest.wait_end(args.seconds), f"it said: {guest.messages()}")
            check_work(report, guest, kind, image, args.rounds)
            report.note(f"{guest.seconds:.1f} s, {guest.exits.get('exits')} exits, {guest.said('requests')} requests read and written")
            units = args.rounds, "round of work"
        if args.chariot is not None:
            check_isolated(report, guest, domain_of(args), units)
            check_nothing_left(report, guest, domain_of(args))
    report.done()


if __name__ == "__main__":
    main()
