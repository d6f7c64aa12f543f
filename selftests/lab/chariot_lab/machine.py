# SPDX-License-Identifier: GPL-2.0-only
"""What a lab host can be: which kernel it runs, and how that kernel's KVM maps guest memory."""

from dataclasses import dataclass

from . import kernels


@dataclass(frozen=True)
class Mode:
    """How KVM maps guest memory. tdp: two-dimensional paging or not."""

    about: str
    tdp: bool
    intel: bool = False
    words: tuple = ()


MODES = {
    "npt": Mode("AMD, nested paging", True),
    "shadow": Mode("AMD, shadow paging (npt=0)", False),
    "ept": Mode("Intel, EPT", True, True),
    "ept-noad": Mode("Intel, EPT without accessed and dirty flags (eptad=0)", True, True, ("kvm_intel.eptad=0",)),
    "ept-nopml": Mode("Intel, EPT without page-modification logging (pml=0)", True, True, ("kvm_intel.pml=0",)),
    "ept-shadow": Mode("Intel, shadow paging (ept=0)", False, True),
}


@dataclass(frozen=True)
class Machine:
    """A kind of lab host."""

    mode: str = "npt"
    kernel_name: str = kernels.USUAL
    #: the emulator writes down what lab guests' modules store (oracle.py); then it has one processor
    oracle: bool = False

    @property
    def kernel(self):
        """The kernel that it runs."""
        return kernels.KERNELS[self.kernel_name]

    def usual(self):
        """Whether this is what is meant when nobody says otherwise."""
        return self == Machine()

    def __str__(self):
        return f"{self.mode}, kernel {self.kernel_name}{', with the oracle' if self.oracle else ''}"

    def kernel_words(self):
        """What host-init finds on the kernel's command line."""
        mode = MODES[self.mode]
        return [f"lab.tdp={int(mode.tdp)}", f"lab.slowness={self.slowness}", *mode.words]

    @property
    def slowness(self):
        """By how much it lengthens time limits."""
        return self.kernel.slowness

    def intel(self):
        """Whether its processor is Intel's, which Bochs emulates; QEMU emulates AMD's."""
        return MODES[self.mode].intel


def add_arguments(parser):
    """The switches that choose a machine."""
    parser.add_argument("--mode", choices=MODES, default="npt",
                        help="how the lab host's KVM maps guest memory (default npt): " +
                        "; ".join(f"{name}: {mode.about}" for name, mode in MODES.items()))
    parser.add_argument("--kernel", choices=kernels.KERNELS, default=kernels.USUAL,
                        help="the lab host's kernel (default 6.12): " +
                        "; ".join(f"{name}: {kernel.about}" for name, kernel in kernels.KERNELS.items()))


def chosen(args):
    """The machine that a command line asks for."""
    return Machine(args.mode, args.kernel)
