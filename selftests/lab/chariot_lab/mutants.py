# SPDX-License-Identifier: GPL-2.0-only
"""Copies of Debian's e1000.ko with a fault in them, for the lab guest: /lab/extra/<mutant>/e1000.ko."""


def build():
    """Makes the mutants."""
