# SPDX-License-Identifier: GPL-2.0-only
"""
The lab's emulator itself: a lab guest's processor keeps its state while another CPU loads the FPU's environment.

Stock QEMU undoes what the lab host's first CPU has just changed at VMRUN and #VMEXIT (emulator.patch, 3): within seconds the
guest resets, or the lab host is no more. No Chariot here: stock KVM, and a guest on the first CPU.
"""

import ctypes
import mmap
import multiprocessing
import os

import labguest
from download import check_download
from report import Report

MIB = 1
#: sub $64, %rsp; fnstenv (%rsp); 1: fldenv (%rsp); jmp 1b
LOOP = bytes.fromhex("4883ec40 d93424 d92424 ebfb")


def load_for_ever(cpu):
    """FLDENV in a loop on that CPU. Never returns."""
    os.sched_setaffinity(0, {cpu})
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(LOOP)
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()


def main():
    """Runs a guest on one CPU, the loop on the other."""
    report = Report()
    name = "download: guest runs to its end"
    if not labguest.emulated():
        report.skip(name, "the lab host's processor is real")
        report.done()
    if len(os.sched_getaffinity(0)) < 2:
        report.skip(name, "the lab host has one processor")
        report.done()
    expected = labguest.server(MIB)
    other = multiprocessing.Process(target=load_for_ever, args=(1,))
    other.start()
    os.sched_setaffinity(0, {0})
    try:
        with labguest.Guest("download", "download", mib=MIB) as guest:
            check_download(report, guest, expected, 100)
        report.check("the loop ran all the time", other.is_alive())
    finally:
        other.kill()
        other.join()
    report.done()


if __name__ == "__main__":
    main()
