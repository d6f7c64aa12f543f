# SPDX-License-Identifier: GPL-2.0-only
"""
The disk image and the initramfs archives that lab host and lab guest boot from.

Kernel modules are Debian's own files, decompressed and otherwise untouched.
"""

import hashlib
import lzma
import os
import shutil
import stat
import subprocess
from pathlib import Path

from . import kernels, paths, provision
from .progress import locked, run_logged, step

#: loaded by the lab host's initramfs, to find its root and the shared folders
HOST_BOOT_MODULES = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "9pnet_virtio", "9p", "virtio_console", "virtio_rng"]
#: kept in the lab host's /lib/modules: enough to run virtual machines
HOST_MODULE_FOLDERS = ["arch/x86", "block", "crypto", "drivers/block", "drivers/char", "drivers/crypto/ccp", "drivers/net/tun",
                       "drivers/net/tap", "drivers/vhost", "drivers/virtio", "drivers/vfio", "drivers/iommu",
                       "fs/9p", "fs/ext4", "fs/jbd2", "fs/fuse", "fs/netfs", "fs/mbcache", "lib", "mm", "net/9p",
                       "net/bridge", "net/802", "net/llc", "virt"]
#: available to the lab guest, loaded by its scenarios
GUEST_MODULES = ["e1000", "e1000e", "igb", "vmxnet3", "virtio_net", "8139cp", "pcnet32", "virtio_blk", "virtio_rng",
                 "virtio_balloon", "nvme", "ahci", "virtio_scsi", "sym53c8xx", "sd_mod", "sdhci_pci", "mmc_block", "ext4",
                 "crc32c_generic", "i6300esb", "dummy", "snd_ens1370", "snd_intel8x0", "snd_hda_intel", "snd_hda_codec_generic",
                 "snd_pcm_oss", "uhci_hcd", "ehci_pci", "xhci_pci", "usb_storage", "usbhid", "hid_generic", "evdev", "virtio_pci",
                 "bochs", "pktgen", "e100", "ne2k_pci", "vmw_pvscsi"]


class ModuleIndex:
    """Debian's kernel modules by name, with what each one needs."""

    def __init__(self, kernel=None):
        self.root = (kernel or kernels.usual()).modules
        self.files, self.needs = {}, {}
        for line in (self.root / "modules.dep").read_text().splitlines():
            file, _, needs = line.partition(":")
            self.files[self.name(file)] = self.root / file
            self.needs[self.name(file)] = [self.name(n) for n in needs.split()]

    @staticmethod
    def name(file):
        """The module's name as the kernel has it."""
        return Path(file).name.split(".")[0].replace("-", "_")

    def ordered(self, names):
        """names and everything they need, each after what it needs."""
        result = []

        def add(name):
            for need in reversed(self.needs.get(name, [])):
                add(need)
            if name in self.files and name not in result:
                result.append(name)

        for name in names:
            add(name.replace("-", "_"))
        return result

    def bytes(self, name):
        """The module's file, decompressed."""
        content = self.files[name].read_bytes()
        return lzma.decompress(content) if self.files[name].suffix == ".xz" else content


def write_if_changed(path, content, mode=0o644):
    """Replaces a file atomically, and only when its content differs."""
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new{os.getpid()}")
    new.write_bytes(content)
    new.chmod(mode)
    new.rename(path)


class Archive:
    """A cpio archive in the "newc" format, as the kernel unpacks into its first root."""

    def __init__(self):
        self.parts, self.inode, self.folders = [], 0, set()

    def _entry(self, name, mode, content=b"", rdev=(0, 0)):
        self.inode += 1
        fields = [self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, *rdev, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0"
        self.parts.append(head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4))

    def folder(self, name):
        """Adds a folder and the folders that it is in."""
        if name in self.folders or name in ("", "."):
            return
        self.folder(os.path.dirname(name))
        self.folders.add(name)
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, content, mode=0o644):
        """Adds a file with this content."""
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, content)

    def node(self, name, major, minor):
        """Adds a character device."""
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def bytes(self):
        """The whole archive."""
        self._entry("TRAILER!!!", 0)
        trailer, self.parts = self.parts[-1], self.parts[:-1]
        return b"".join([*self.parts, trailer])


def basic_archive(init):
    archive = Archive()
    for folder in ("proc", "sys", "dev", "tmp", "run", "root", "etc"):
        archive.folder(folder)
    archive.node("dev/console", 5, 1)
    archive.node("dev/null", 1, 3)
    busybox = (provision.build_tree() / "usr/bin/busybox").read_bytes()
    archive.file("bin/busybox", busybox, 0o755)
    archive.file("init", init.read_bytes(), 0o755)
    return archive


def host_initrd(kernel):
    """The initramfs of lab hosts with this kernel: finds the root disk and the shared folders."""
    to = paths.LAB_BUILD / f"host-initrd-{kernel.name}"
    index = ModuleIndex(kernel)
    archive = basic_archive(paths.LAB / "host-initramfs")
    modules = index.ordered(HOST_BOOT_MODULES)
    for name in modules:
        archive.file(f"modules/{name}.ko", index.bytes(name))
    archive.file("modules/order", "".join(f"{name}\n" for name in modules).encode())
    write_if_changed(to, archive.bytes())
    return to


def guest_folder(what, kernel):
    """Where among the products something is that depends on the kernel of the lab guest: labguest.py looks for it there."""
    return paths.PRODUCTS / (what if kernel == kernels.usual() else f"{what}-{kernel.name}")


def guest_initramfs(to, kernel=None, agent=None, extra=(), tools=()):
    """
    The lab guest's initramfs: busybox, other tools, Debian's drivers (/modules), the agent, and other modules (/extra).

    Uncompressed, for unpacking costs more than reading under emulation.
    """
    index = ModuleIndex(kernel)
    archive = basic_archive(paths.LAB / "guest-init")
    for name in index.ordered(GUEST_MODULES):
        archive.file(f"modules/{name}.ko", index.bytes(name))
        archive.file(f"modules/{name}.needs", " ".join(index.ordered([name])[:-1]).encode())
    if agent and agent.exists():
        archive.file("modules/chariot_agent.ko", agent.read_bytes())
    for tool in tools:
        archive.file(f"bin/{tool.name}", tool.read_bytes(), 0o755)
    for file in extra:
        archive.file(f"extra/{file.name}", file.read_bytes())
    for script in sorted((paths.SCENARIOS / "guest").glob("*")):
        archive.file(f"scenarios/{script.name}", script.read_bytes(), 0o755)
    write_if_changed(to, archive.bytes())


def guest_filesystem(to):
    """A disk with an empty ext4 filesystem for lab guests: with a journal, which busybox cannot make."""
    if to.exists():
        return
    making = to.with_suffix(".new")
    making.unlink(missing_ok=True)
    run_logged(["mke2fs", "-q", "-t", "ext4", "-b", "4096", making, "40M"], paths.LAB_BUILD / "mke2fs-guest.log", "mke2fs")
    making.rename(to)


def _image_key(kernel):
    made_of = [provision.tree_key("lab-host"), kernel.key, kernel.release,
               *HOST_MODULE_FOLDERS, "2"]
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:12]


def _copy_modules(kernel, target):
    """The modules that a lab host has, with all that modprobe needs to find them."""
    target.mkdir(parents=True)
    for name in HOST_MODULE_FOLDERS:
        for source in [kernel.modules / "kernel" / name, *(kernel.modules / "kernel").glob(f"{name}.ko*")]:
            to = target / source.relative_to(kernel.modules)
            if source.exists():
                to.parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "-a", source, to], check=True)
    for file in kernel.modules.glob("modules.*"):
        shutil.copy(file, target)


def host_image(kernel=None):
    """The root disk of lab hosts with this kernel, in the cache."""
    kernel = kernel or kernels.usual()
    tree = provision.tree("lab-host")
    path = paths.CACHE / f"lab-host-{_image_key(kernel)}.ext4"
    if path.exists():
        return path
    with locked(paths.CACHE / "lab-host-image.lock"):
        if path.exists():
            return path
        with step(f"making the lab host's disk, for kernel {kernel.release}"):
            shutil.rmtree(tree / "lib/modules", ignore_errors=True)
            _copy_modules(kernel, tree / "lib/modules" / kernel.release)
            subprocess.run(["chroot", tree, "depmod", kernel.release], check=True)
            for folder in ("lab", "out"):
                (tree / folder).mkdir(exist_ok=True)
            making = path.with_suffix(".new")
            making.unlink(missing_ok=True)
            size = int(subprocess.run(["du", "-sm", tree], capture_output=True, text=True,
                                      check=True).stdout.split()[0])
            run_logged(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-m", "0", "-d", tree, making,
                        f"{size * 5 // 4 + 512}M"], paths.LAB_BUILD / "mke2fs.log", "mke2fs")
            making.rename(path)
    return path
