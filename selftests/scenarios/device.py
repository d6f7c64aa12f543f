# SPDX-License-Identifier: GPL-2.0-only
"""
A driver of any class at work in a lab guest, isolated or not: selftests/scenarios/guest/device loads it, work-NAME there does
the work, and WORKS here says what the host has to do for it and how the result is checked.
"""

import argparse
import hashlib
import os
import shutil
import struct
import time

from balloon import MIB, memory, resize
from disk import slow, throttled
from download import check_isolated
from report import Report
from single import check_lived, check_nothing_left, domain_of, single_guest, single_options


class Work:
    """
    A kind of work: the guest's script for it, QEMU's words for the device, units of work, for the cost of one, and what makes options
    for the script.

    host(report, guest): what the host does meanwhile. check(report, guest): whether the result is right, after the guest's end;
    lived(report, guest): likewise, of a driver's life.
    """

    def __init__(self, script, devices, units, host=None, check=None, options=str, lived=None):  # pylint: disable=too-many-arguments
        self.script, self.devices, self.units = script, devices, units
        self.host, self.check, self.options, self.lived = host, check, options, lived


def rng_source():
    """The file that the host feeds to the guest's random number generator."""
    path = "/tmp/letters"
    with open(path, "wb") as file:
        file.write(bytes(range(ord("a"), ord("p") + 1)) * (1 << 16))
    return path


def rng_check(report, guest):
    """What was read is the host's."""
    report.equal("the driver is the source", guest.said("source"), "virtio_rng.0")
    report.equal("bytes", guest.said("bytes"), "8192")
    report.equal("bytes that are not the device's", guest.said("foreign"), "0")
    report.equal("different bytes", guest.said("different"), "16")


def watchdog_check(report, guest):
    """It bit once: not while it was fed, and not while it was closed."""
    bites = guest.qmp.named("WATCHDOG")
    report.equal("times that the watchdog bit", len(bites), 1)
    report.equal("after it was left alone", [w for w in ("fed", "closed", "hungry") if guest.said(w) is None], [])


def watchdog_host(report, guest):
    """Looks whether it is still quiet after it was closed."""
    guest.wait_said("closed", 120)
    report.equal("quiet while fed and closed", guest.qmp.named("WATCHDOG"), [])


def watchdog_lived(report, guest):
    """It was fed or closed, always."""
    report.equal("the watchdog never bit", guest.qmp.named("WATCHDOG"), [])


def wait_turn(guest, word, turn, seconds=120):
    """Waits until the guest has said word and the turn's number; returns what else it said there, or None."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and guest.process.poll() is None:
        said = (guest.said(word) or "").split(" ")
        if said[0] == str(turn):
            return " ".join(said[1:])
        time.sleep(0.1)
    return None


#: by how many MiB; the guest's script waits for as many
SMALLER = 8


def balloon_host(report, guest):
    """Takes memory and gives it back."""
    for turn in (1, 2):
        wait_turn(guest, "ready", turn)
        full = memory(guest)
        report.check(f"memory taken ({turn})", resize(guest, full - SMALLER, 90), f"the guest has {memory(guest)} MiB")
        report.equal(f"the guest saw it taken ({turn})", wait_turn(guest, "taken", turn), str(SMALLER * 1024))
        wait_turn(guest, "compacted", turn)
        report.check(f"memory given back ({turn})", resize(guest, full, 90), f"the guest has {memory(guest)} MiB")
        report.equal(f"the guest has all of it back ({turn})", wait_turn(guest, "given", turn), "0")


def balloon_check(report, guest):
    """Pages of the balloon were moved."""
    report.check("pages of the balloon were moved", int(guest.said("migrated") or 0) > 0, str(guest.said("migrated")))


def dummy_check(report, guest):
    """Every packet was counted."""
    report.equal("packets", guest.said("packets"), "200")
    report.equal("bytes", guest.said("bytes"), str(200 * (1000 + 8 + 20 + 14)))


#: where the sound device's samples end up
RECORDED = "/tmp/recorded.wav"


def sound_devices(rate, *devices):
    """QEMU's words for a sound card that plays into a file."""
    if os.path.exists(RECORDED):
        os.unlink(RECORDED)
    return ["-audiodev", f"wav,id=sound,path={RECORDED},out.frequency={rate}",
            *(word for device in devices for word in ("-device", device))]


def sound_check(report, guest):
    """What was played is what the device was given, each time: between silence in front of it and behind it."""
    times = [line for line in guest.messages() if line.startswith("played")]
    report.equal("played", times, ["played 0"] * max(1, len(times)))
    guest.quit()
    with open(RECORDED, "rb") as file:
        found = file.read()[44:]
    played = "".join(f"{n}\n" for n in range(1, 30001)).encode()[:132300]
    report.equal("recorded as it was played", found.count(played), len(times))
    rest = b"".join(found.split(played)).strip(b"\0")
    report.check("recorded is nothing else", not rest, f"{len(rest)} bytes: they differ first at "
                 f"{next((i for i, (a, b) in enumerate(zip(rest, played)) if a != b), 'the end')}")


#: what the host heard in a driver's life, by its first number: QEMU begins the file anew whenever a card is initialized
HEARD = set()


def sound_heard(first):
    """Looks whether what was just played is what the device was given: numbers from the first on, one a line."""
    played = "".join(f"{n}\n" for n in range(int(first), int(first) + 4001)).encode()
    with open(RECORDED, "rb") as file:
        if played[:len(played) // 4 * 4] in file.read():
            HEARD.add(first)


def sound_lived(report, guest):
    """What was played in each check that succeeded was heard."""
    played, asked = [], None
    for word, *words in (line.split(" ") for line in guest.messages()):
        if word == "ask" and words[1] == "heard":
            asked = words[2]
        elif word == "checked" and words[2] == "0":
            played.append(asked)
    report.check("recorded as it was played, after each step", played and set(played) <= HEARD, f"{played}, heard {HEARD}")


#: the second of the two, and how it listens
QUIET = ["-device", "intel-hda,id=second", "-device", "hda-micro,bus=second.0,audiodev=quiet,use-timer=off",
         "-audiodev", "none,id=quiet"]


def hda_check(report, guest):
    """What it plays and what it records, before and after the codec was made anew, and after it slept."""
    said = guest.messages()
    rounds = said.count("unloaded 0")
    report.equal("recorded: status, bytes, of them not silent", said.count("recorded 0 8000 0"), 2 * rounds)
    for what, line in (("widgets of both codecs", "nodes 8"), ("hints to the second", "hints vmaster = no"),
                       ("codec of the second configured anew", "configured 0"), ("the idle codec", "codec suspended")):
        report.equal(what, said.count(line), rounds)
    report.equal("times that it played", said.count("played 0"), 2 * rounds)
    sound_check(report, guest)


#: the disk on the bus
STICK = "/tmp/stick.img"


def usb_disk(controller):
    """QEMU's words for a host controller with a disk, of random content."""
    with open(STICK, "wb") as file:
        file.write(os.urandom(2 * MIB))
    shutil.copy(STICK, f"{STICK}.before")
    return ["-blockdev", f"driver=raw,node-name=raw,file.driver=file,file.filename={STICK}", *throttled("disk", "raw"),
            "-device", f"{controller},id=driven",
            "-device", "usb-storage,id=stick,bus=driven.0,drive=disk"]


def stick_sum():
    """What the guest is to know of the disk: the checksum of the first half MiB."""
    with open(STICK, "rb") as file:
        return f"chariot.sum={hashlib.sha256(file.read(MIB // 2)).hexdigest()}"


def usb_disk_check(report, guest):
    """Both sides have read what the other has written, and nothing else has changed."""
    guest.quit()
    with open(f"{STICK}.before", "rb") as file:
        before = file.read()
    with open(STICK, "rb") as file:
        after = file.read()
    sums = [hashlib.sha256(part).hexdigest() for part in (before[MIB:], after[:MIB])]
    report.equal("what the guest read", guest.said("read"), sums[0])
    report.equal("what the guest wrote", guest.said("wrote"), f"0 {sums[1]}")
    report.equal("and what it read of that", guest.said("again"), sums[1])
    report.check("the rest is as it was", before[MIB:] == after[MIB:])


#: what is typed, and the codes of these keys
KEYS = {"h": 35, "e": 18, "l": 38, "o": 24, "ret": 28}


def type_keys(guest, keys):
    """Types."""
    for key in keys:
        for down in (True, False):
            guest.qmp.command("input-send-event", events=[
                {"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": key}}}])
            time.sleep(0.1)


def input_host(_, guest):
    """Types."""
    guest.wait_said("ready", 120)
    type_keys(guest, KEYS)


def input_check(report, guest):
    """Each key went down and up again, in this order."""
    expected = [struct.pack("<HHi", 1, code, down).hex() for code in KEYS.values() for down in (1, 0)]
    report.equal("keys", (guest.said("keys") or "").split(), expected)


#: the sizes that a screen has, one after the other, and how often the picture changes in each of them
MODES, FLIPS = ["640x480", "1024x768", "800x600", "1280x1024", "640x480"], 31


def picture(width, height, number):
    """What tools/draw.c draws, as red, green and blue."""
    colours = b"".join(((number * 5000 + i) * 2654435761 >> 8 & 0xffffff).to_bytes(3, "big") for i in range(width + 3 * height))
    return b"".join(colours[9 * y:9 * y + 3 * width] for y in range(height))


def numbers(width, height):
    """What comes of numbers, one a line, that are written to a framebuffer of four bytes a pixel: blue, green, red, nothing."""
    text = "".join(f"{n}\n" for n in range(1, 700001)).encode()[:width * height * 4]
    shown = bytearray(width * height * 3)
    shown[0::3], shown[1::3], shown[2::3] = text[2::4], text[1::4], text[0::4]
    return bytes(shown)


def on_screen(guest):
    """A copy of the screen: its width, its height, and its pixels as red, green and blue."""
    path = "/tmp/screen.ppm"
    guest.qmp.command("screendump", filename=path)
    with open(path, "rb") as file:
        kind, size, depth, pixels = file.read().split(b"\n", 3)
    assert (kind, depth) == (b"P6", b"255"), (kind, depth)
    return *(int(n) for n in size.split()), pixels


def check_screen(report, guest, what, size, wanted):
    """Whether the screen shows what it should; the console's framebuffer is copied a moment later."""
    width, height = (int(n) for n in size.split("x"))
    wanted = wanted(width, height)
    end = time.monotonic() + 20
    while (found := on_screen(guest)) != (width, height, wanted) and time.monotonic() < end:
        time.sleep(0.5)
    report.equal(f"{what}: size", found[:2], (width, height))
    wrong = found[2] != wanted and [i // 3 for i in range(0, len(wanted), 3) if found[2][i:i + 3] != wanted[i:i + 3]]
    report.check(f"{what}: each pixel", not wrong, wrong and f"{len(wrong)} pixels differ, the first at {wrong[0]}")


def graphics_host(report, guest):
    """Looks at each picture, then has the guest go on."""
    for turn, mode in enumerate(MODES, 1):
        drawn = wait_turn(guest, "drawn", turn)
        report.equal(f"mode {turn}", drawn, f"{mode} {FLIPS % 2}")
        if not drawn:
            return
        size, number = drawn.split(" ")
        check_screen(report, guest, f"picture {turn}", size, lambda w, h, n=int(number): picture(w, h, n))
        type_keys(guest, ["ret"])
    check_screen(report, guest, "numbers", guest.wait_said("numbers", 120) or "0x0", numbers)
    type_keys(guest, ["ret"])


def graphics_shown(guest, size, number):
    """Types a line as soon as the screen shows the picture."""
    width, height = (int(n) for n in size.split("x"))
    wanted, end = (width, height, picture(width, height, int(number))), time.monotonic() + 50
    while time.monotonic() < end:
        if on_screen(guest) == wanted:
            type_keys(guest, ["ret"])
            return
        time.sleep(0.2)


def graphics_check(report, guest):
    """The driver has read what the monitor is."""
    edid = bytes.fromhex(guest.said("edid") or "")
    report.check("the monitor is QEMU's", b"QEMU Monitor" in edid and sum(edid[:128]) % 256 == 0, edid.hex())
    report.equal("all pictures were drawn", guest.said("draw"), "0")


WORKS = {
    "rng": Work("rng", lambda: ["-object", f"rng-random,id=rng,filename={rng_source()}",
                                "-device", "virtio-rng-pci,id=driven,rng=rng"], (128, "64 bytes"), check=rng_check),
    "watchdog": Work("watchdog", lambda: ["-device", "i6300esb,id=driven", "-action", "watchdog=none"], (4, "ping"),
                     watchdog_host, watchdog_check, lived=watchdog_lived),
    "balloon": Work("balloon", lambda: ["-device", "virtio-balloon-pci,id=driven"], (4 * SMALLER * 256, "page in or out"),
                    balloon_host, balloon_check),
    "dummy": Work("dummy", lambda: [], (200, "packet"), check=dummy_check),
    "es1370": Work("sound", lambda: sound_devices(11025, "ES1370,id=driven,audiodev=sound"), (3, "second"),
                   check=sound_check, options=lambda: "chariot.rate=11025", lived=sound_lived),
    "uhci": Work("usbdisk", lambda: usb_disk("piix3-usb-uhci"), (3, "MiB"), check=usb_disk_check, options=stick_sum),
    "ehci": Work("usbdisk", lambda: usb_disk("usb-ehci"), (3, "MiB"), check=usb_disk_check, options=stick_sum),
    "xhci": Work("usbdisk", lambda: usb_disk("qemu-xhci"), (3, "MiB"), check=usb_disk_check, options=stick_sum),
    "input": Work("input", lambda: ["-device", "piix3-usb-uhci,id=usb", "-device", "usb-kbd,id=driven,bus=usb.0"],
                  (2 * len(KEYS), "event"), input_host, input_check),
    "ac97": Work("sound", lambda: sound_devices(48000, "AC97,id=driven,audiodev=sound"), (132300 / 192000, "second"),
                 check=sound_check, options=lambda: "chariot.rate=48000", lived=sound_lived),
    "vga": Work("graphics", lambda: ["-device", "VGA"], (len(MODES) * (1 + FLIPS), "picture"), graphics_host, graphics_check,
                lambda: f"chariot.pictures={FLIPS} chariot.modes={','.join(MODES)}"),
    "hda": Work("hda", lambda: sound_devices(16000, "intel-hda,id=first", "hda-duplex,bus=first.0,audiodev=sound,use-timer=off") + QUIET,
                (2 * 132300 / 64000, "second"), check=hda_check, options=lambda: "chariot.rate=16000", lived=sound_lived),
}


def check_worked(report, guest, args, work):
    """Does the host's part of the work, and checks what came of it; returns how much of it there was."""
    if work.host:
        work.host(report, guest)
    report.check("guest runs to its end", guest.wait_end(args.seconds), f"it said: {guest.messages()}")
    said = guest.messages()
    for driver in args.driver:
        report.equal(f"{driver} loads", said.count(f"{driver} 0"), args.rounds)
    if work.check:
        work.check(report, guest)
    report.equal("unloaded", said.count("unloaded 0"), args.rounds)
    report.note(f"{guest.seconds:.1f} s, {guest.exits.get('exits')} exits")
    return args.rounds * work.units[0], work.units[1]


def main():
    """Reads the options and runs one guest."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("driver", nargs="+", help="in the order in which they are loaded")
    parser.add_argument("--with", dest="parameters", action="append", default=[], metavar="NAME=VALUE",
                        help="a parameter of the drivers")
    parser.add_argument("--other", action="append", default=[], help="a module that is loaded before, not isolated")
    single_options(parser)
    args = parser.parse_args()
    report = Report()
    work = WORKS[args.work]
    devices = work.devices()
    options = [f"chariot.work={work.script} {work.options()}", *(f"chariot.driver={name}" for name in args.driver),
               *(f"chariot.other={name}" for name in args.other), *(f"chariot.with={p}" for p in args.parameters)]
    with single_guest(report, args, "device", options, devices=devices) as guest:
        if args.life:
            units = check_lived(report, guest, args, {**slow(guest), "keys": lambda *_: type_keys(guest, KEYS),
                                                      "heard": sound_heard,
                                                      "picture": lambda *words: graphics_shown(guest, *words),
                                                      "memory": lambda mib: guest.qmp.command("balloon", value=int(mib) * MIB)})
            if work.lived:
                work.lived(report, guest)
        else:
            units = check_worked(report, guest, args, work)
        if args.chariot is not None:
            check_isolated(report, guest, domain_of(args), units, args.oracle)
            check_nothing_left(report, guest, domain_of(args))
    report.done()


if __name__ == "__main__":
    main()
