# SPDX-License-Identifier: GPL-2.0-only
"""What a lab host can be: how its KVM maps guest memory."""

from dataclasses import dataclass

#: modes of KVM on the emulated AMD processor: two-dimensional paging or not
MODES = {"npt": True, "shadow": False}


@dataclass(frozen=True)
class Machine:
    """A kind of lab host."""

    mode: str = "npt"

    def usual(self):
        """Whether this is what is meant when nobody says otherwise."""
        return self == Machine()

    def __str__(self):
        return self.mode

    def kernel_words(self):
        """What host-init finds on the kernel's command line."""
        return [f"lab.tdp={int(MODES[self.mode])}"]


def add_arguments(parser):
    """The switches that choose a machine."""
    parser.add_argument("--mode", choices=MODES, default="npt",
                        help="how the lab host's KVM maps guest memory (default npt); shadow: kvm_amd npt=0")


def chosen(args):
    """The machine that a command line asks for."""
    return Machine(args.mode)
