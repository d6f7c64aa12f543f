# SPDX-License-Identifier: GPL-2.0-only
"""
Bochs, the emulator of the Intel lab: built from Debian 13's source package with bochs.patch, and how it is started.

QEMU's TCG emulates no VMX; Bochs does, with EPT, VPID and PML. It is the slower one by far, so that what runs in it is
chosen (see table.py), and it has neither 9p nor virtio: the build products come on the CD that it boots from, and
commands go over a serial line (see BochsHost in bochs_host.py).
"""

import hashlib
import os
import shutil

from . import chroot, image, paths, provision
from .progress import locked, run_logged, step

#: Debian's version. When the archive has replaced it, the current one is taken.
VERSION = "3.0+dfsg-1"
#: firmware and boot loader, from the same archive
PACKAGES = ["bochsbios", "vgabios", "isolinux", "syslinux-common"]
FILES = ["usr/share/bochs/BIOS-bochs-latest", "usr/share/vgabios/vgabios.bin", "usr/lib/ISOLINUX/isolinux.bin",
         "usr/lib/syslinux/modules/bios/ldlinux.c32"]
#: Without the debugger it is three times faster. show-ips can deadlock with nogui.
CONFIGURE = ["--with-nogui", "--enable-cpu-level=6", "--enable-x86-64", "--enable-vmx=2", "--enable-svm", "--enable-avx",
             "--enable-evex", "--enable-all-optimizations", "--enable-pci", "--enable-cdrom", "--enable-smp",
             "--disable-debugger", "--disable-gdb-stub", "--disable-docbook", "--disable-plugins", "--disable-readline",
             "--disable-show-ips"]
FLAGS = ["CFLAGS=-O2", "CXXFLAGS=-O2"]
#: loaded by the initramfs, to find the root disk and the CD
BOOT_MODULES = ["ata_piix", "sd_mod", "sr_mod", "isofs", "crc32c_generic", "ext4"]
MEMORY = 1536
#: Instructions in a second of the machine's time: time limits inside mean the same everywhere. The processor says that it has
#: 3.5 GHz, and the kernel would believe it: its clock would be slower than its timers.
IPS = 200000000
KERNEL_OPTIONS = ["mitigations=off", "quiet", "panic=-1", "oops=panic", "nokaslr", "watchdog_thresh=60",
                  "rcupdate.rcu_cpu_stall_timeout=120", "kvm_intel.enable_apicv=0", f"tsc_early_khz={IPS // 1000}"]
PATCH = paths.LAB / "bochs.patch"

#: run in the build tree, in a folder of its own
BUILD = """set -eu
version=$1 jobs=$2; shift 2
apt="apt-get -q -o Dir::State::lists=$PWD/lists -o Dir::Cache::archives=$PWD/archives -o Dir::Cache::pkgcache=
     -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root -o Acquire::Languages=none"
mkdir -p lists/partial archives/partial
$apt update
$apt download {packages}
# The archive as Debian's signed index names it; of Debian's own changes none matters here.
$apt source --download-only --tar-only bochs=$version || $apt source --download-only --tar-only bochs
for package in *.deb; do
	dpkg-deb -x $package firmware
done
mkdir source
tar -xf bochs_*.orig.tar.xz -C source --strip-components=1
cd source
patch -p1 <../patch
./configure "$@"
# Static: it runs on a Debian older than the one that it was built on. The word is libtool's.
make -j$jobs LDFLAGS=-all-static bochs
strip -o ../bochs.stripped bochs
"""


def key():
    """The hash of everything that makes the emulator."""
    made_of = [VERSION, *PACKAGES, *CONFIGURE, *FLAGS, BUILD, PATCH.read_text()]
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:12]


def build():
    """The folder with the emulator, its firmware and the boot loader, in the cache; makes it when it is not there."""
    place = paths.CACHE / f"bochs-{key()}"
    if place.exists():
        return place
    provision.install_machine_packages()
    with locked(paths.CACHE / "bochs.lock"):
        if place.exists():
            return place
        work = paths.LAB_BUILD / "bochs"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        shutil.copy(PATCH, work / "patch")
        (work / "build").write_text(BUILD.format(packages=" ".join(PACKAGES)))
        words = " ".join([VERSION, str(os.cpu_count() or 1), *CONFIGURE, *FLAGS])
        with step(f"building Bochs {VERSION} (4 minutes on two idle CPUs)"):
            chroot.run(f"cd {chroot.inside(work)} && sh build {words}", paths.LAB_BUILD / "bochs.log", "building Bochs")
        making = place.with_suffix(".new")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        shutil.copy(work / "bochs.stripped", making / "bochs")
        for file in FILES:
            shutil.copy(work / "firmware" / file, making)
        making.rename(place)
        shutil.rmtree(work)
    return place


def initramfs(kernel):
    """The initramfs of a lab host with this kernel: finds the root disk and the CD."""
    index = image.ModuleIndex(kernel)
    archive = image.basic_archive(paths.LAB / "bochs-initramfs")
    modules = index.ordered(BOOT_MODULES)
    for name in modules:
        archive.file(f"modules/{name}.ko", index.bytes(name))
    archive.file("modules/order", "".join(f"{name}\n" for name in modules).encode())
    return archive.bytes()


def disk(kernel):
    """
    The root disk of lab hosts with this kernel. Bochs wants whole cylinders, and a file system may be smaller than its
    disk.
    """
    path = image.host_image(kernel)
    cylinder = 16 * 63 * 512
    size = path.stat().st_size
    if size % cylinder:
        os.truncate(path, size + cylinder - size % cylinder)
    return path


def make_cd(run, kernel, append):
    """The CD that a lab host with this kernel boots from, with the build products; run is the folder of this run."""
    files = build()
    boot = run / "cd"
    boot.mkdir()
    shutil.copy(files / "isolinux.bin", boot)
    shutil.copy(files / "ldlinux.c32", boot)
    (boot / "isolinux.cfg").write_text(f"DEFAULT l\nLABEL l\nKERNEL vmlinuz\nAPPEND initrd=initrd {' '.join(append)}\n")
    shutil.copy(kernel.image, boot / "vmlinuz")
    (boot / "initrd").write_bytes(initramfs(kernel))
    run_logged(["xorriso", "-as", "mkisofs", "-R", "-o", run / "cd.iso", "-b", "isolinux/isolinux.bin", "-c",
                "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "-graft-points",
                f"isolinux={boot}", f"lab={run / 'products'}"], run / "cd.log", "making the CD")
    shutil.rmtree(boot)


def configuration(run, kernel, port):
    """bochsrc: the machine of a run; it connects to the TCP port for commands."""
    files = build()
    return f"""config_interface: textconfig
display_library: nogui
cpu: model=corei7_skylake_x, count=1, ips={IPS}, reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none, time0=utc
memory: guest={MEMORY}, host={MEMORY}
romimage: file={files}/BIOS-bochs-latest, options=fastboot
vgaromimage: file={files}/vgabios.bin
boot: cdrom
ata0-master: type=disk, path={disk(kernel)}, mode=volatile, journal={run}/disk.changes
ata1-master: type=cdrom, path={run}/cd.iso, status=inserted
com1: enabled=1, mode=file, dev={run}/host-console.log
com2: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
log: {run}/bochs.log
panic: action=fatal
error: action=ignore
info: action=report
debug: action=ignore
"""
