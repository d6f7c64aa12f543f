# SPDX-License-Identifier: GPL-2.0-only
"""
What happens to an isolated driver while it lives: it is loaded and unloaded, its device is plugged out and in, the system is
suspended, work meets errors. The guest's part is selftests/scenarios/guest/life; what it asks of the host is done here.

The device that comes and goes has the id "driven".
"""

import time

def life_option(parser):
    """Lets a scenario's user choose what happens."""
    parser.add_argument("--life", metavar="STEP[=TIMES],...", help="what happens to the driver instead of its usual work: guest/life")
    parser.add_argument("--most", type=int, metavar="TIMES", help="each step at most so often")


def shortened(life, most):
    """The same option, with no step more often than that."""
    words = [word.partition("=") for word in life.split(",")]
    return ",".join(f"{name}={min(int(times), most)}" if times else name for name, _, times in words)


def steps_of(life):
    """[(step, number)] of such an option."""
    steps = []
    for word in life.split(","):
        name, _, times = word.partition("=")
        steps += [(name, number) for number in range(1, int(times or 1) + 1)]
    return steps


class Hands:
    """Does what a guest asks for: see ask() in guest/life."""

    def __init__(self, guest, actions=None):
        self.guest, self.done = guest, 0
        self.actions = {"unplug": self.unplug, "plug": self.plug, "link": self.link, **(actions or {})}
        self.devices = [after for word, after in zip(guest.command, guest.command[1:]) if word == "-device"]

    def unplug(self, name):
        """Plugs a device out, with what is behind it."""
        before = self._deleted(name)
        self.guest.qmp.command("device_del", id=name)
        end = time.monotonic() + 60
        while self._deleted(name) == before and time.monotonic() < end:
            time.sleep(0.1)

    def _deleted(self, name):
        return sum(event.get("device") == name for event in self.guest.qmp.named("DEVICE_DELETED"))

    def plug(self, name):
        """Plugs the same in again."""
        for begin in (f"id={name}", f"bus={name}."):
            for words in self.devices:
                if any(word == begin or word.startswith(begin) and begin[-1] == "." for word in words.split(",")):
                    self.guest.hmp(f"device_add {words}")

    def link(self, state):
        """Takes the network's cable away, or puts it back."""
        self.guest.hmp(f"set_link net {state}")

    def serve(self, seconds):
        """Does so until the guest ends; returns whether it did in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.guest.qmp.named("SHUTDOWN") and self.guest.process.poll() is None:
            asked = [line.split(" ")[2:] for line in self.guest.messages() if line.startswith("ask ")]
            for word, *words in asked[self.done:]:
                self.actions[word](*words)
            self.done = len(asked)
            time.sleep(0.1)
        return self.guest.wait_end(max(end - time.monotonic(), 1))


def check_life(report, guest, life):
    """Checks that each step was done and that the driver worked after it; returns how often it was seen at work."""
    said = guest.messages()
    report.equal("works at first", said.count("checked begin 1 0"), 1)
    for name in dict.fromkeys(name for name, _ in steps_of(life)):
        numbers = [number for step, number in steps_of(life) if step == name]
        for word, what in (("step", name), ("checked", f"{name}: works afterwards")):
            report.equal(what, [line for line in said if line.startswith(f"{word} {name} ")],
                         [f"{word} {name} {number} 0" for number in numbers])
    report.equal("unloads at last", said.count("step end 1 0"), 1)
    return sum(line.startswith("checked ") for line in said)
