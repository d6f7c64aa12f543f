# SPDX-License-Identifier: GPL-2.0-only
"""
Copies of Debian's e1000.ko with one fault in each, for the lab guest: /lab/extra/<mutant>/e1000.ko. For lab guests with
another kernel than the usual one they are in /lab/extra-<kernel>.

What the mutator says about a mutant lies beside it (about): where the fault is and what it hits.
"""

import hashlib
import subprocess
import tempfile
from pathlib import Path

from . import image, kernels, paths
from .progress import Failed

MUTATE = paths.SOURCE / "selftests" / "inject" / "mutate"
#: most strike in e1000_clean, the driver's poll function, when the download is under way
MUTANTS = {
    "wild-data": "--kind wild-store --function e1000_clean --call napi_complete_done --target init_uts_ns --after 8",
    "wild-crash": "--kind wild-store --function e1000_clean --call napi_complete_done --target tcp_prot --after 8",
    # of another driver, which is to be loaded before
    "wild-domain": "--kind wild-store --function e1000_clean --call napi_complete_done --target nvme_io_timeout --after 8",
    # what lies behind the object is not the driver's own
    "overrun": "--kind memcpy-overrun --shared --length 1024 --function e1000_clean --call napi_complete_done --after 8",
    "double-free": "--kind double-free --function e1000_clean --call napi_complete_done --after 8",
    "interior-free": "--kind interior-free --function e1000_clean --call napi_complete_done --after 8",
    "foreign-free": "--kind foreign-free --function e1000_unmap_and_free_tx_resource --call napi_consume_skb --after 8",
    "early-free": "--kind early-free --function e1000_unmap_and_free_tx_resource --call napi_consume_skb --after 8",
    "page-double-free": "--kind page-double-free --function e1000_clean --call napi_complete_done --after 8",
    # when the interface is taken down
    "vfree-twice": "--kind free-twice --function e1000_free_all_tx_resources --call vfree --after 0",
    "dma-free-twice": "--kind free-twice --function e1000_free_all_tx_resources --call dma_free_attrs --after 0",
}


def build():
    """Makes the mutants that are not there yet."""
    if MUTATE.exists():
        for kernel in kernels.guests():
            _build(kernel)


def _build(kernel):
    source = image.ModuleIndex(kernel).files["e1000"]
    mutator = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(MUTATE.parent.glob("*")) if p.is_file()))
    for name, options in MUTANTS.items():
        folder = image.guest_folder("extra", kernel) / name
        key = f"{mutator.hexdigest()} {source} {options}"
        if (folder / "key").exists() and (folder / "key").read_text() == key:
            continue
        with tempfile.TemporaryDirectory() as work:
            output = Path(work) / "e1000.ko"
            done = subprocess.run([MUTATE, *options.split(), source, output], capture_output=True, text=True,
                                  check=False)
            if done.returncode:
                raise Failed(f"mutate {options}: {done.stderr.strip()}")
            image.write_if_changed(folder / "e1000.ko", output.read_bytes())
        image.write_if_changed(folder / "about", done.stdout.encode())
        image.write_if_changed(folder / "key", key.encode())
