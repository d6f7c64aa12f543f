# SPDX-License-Identifier: GPL-2.0-only
"""Where things are: the sources, the build output, and the cache that outlives both."""

import os
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3]
LAB = SOURCE / "selftests" / "lab"
SCENARIOS = SOURCE / "selftests" / "scenarios"

BUILD = SOURCE / "build"
LAB_BUILD = BUILD / "lab"
RUNS = LAB_BUILD / "runs"
#: what the lab host sees at /lab, read-only
PRODUCTS = LAB_BUILD / "products"
#: what it sees in place of that when it runs another kernel than the usual one, in a folder for each kernel
KERNEL_PRODUCTS = LAB_BUILD / "kernels"

CACHE = Path(os.environ.get("CHARIOT_CACHE") or
             Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chariot")
