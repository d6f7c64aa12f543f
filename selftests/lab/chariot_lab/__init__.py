# SPDX-License-Identifier: GPL-2.0-only
"""The lab: builds and runs a lab host (a VM with KVM inside) and lab guests in it."""

import os

# mke2fs, chroot and others are where a plain user's PATH does not lead.
os.environ["PATH"] += ":/usr/sbin:/sbin"
