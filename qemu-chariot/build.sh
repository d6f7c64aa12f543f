#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds Debian 13's QEMU with the chariot-pci device. The source is Debian's
# package, fetched with apt inside a Debian 13 tree that has QEMU's build
# dependencies; ours are the files beside this script, put into a copy of it.
# See --help.

set -euo pipefail

# Debian's version. When the archive has replaced it by a newer one (a security
# update), that one is taken, and said.
VERSION=1:10.0.13+ds-0+deb13u1

here=$(cd "$(dirname "$0")" && pwd)
uapi=$here/../include/uapi

# Where our files go in QEMU's source: "file destination" below $here.
OURS=(
    'hw/misc/chariot/* hw/misc/chariot'
    'qapi/chariot.json qapi'
    'tests/qtest/chariot-* tests/qtest'
    '../include/uapi/*.h hw/misc/chariot/uapi'
)

CONFIGURE=(
    --target-list=x86_64-softmmu
    --without-default-features --without-default-devices
    --with-devices-x86_64=chariot
    --enable-kvm --enable-tcg --enable-plugins --enable-slirp --enable-seccomp
    --enable-vhost-kernel --enable-vhost-net --enable-tools --enable-pixman
    --enable-virtfs --enable-attr --enable-malloc-trim --enable-membarrier
    --enable-werror --disable-docs --disable-gio --disable-download --disable-install-blobs
)

# Firmware, as Debian builds it: its QEMU source package holds none of it.
FIRMWARE_PACKAGES='seabios ipxe-qemu qemu-system-data'
FIRMWARE=(
    usr/share/seabios/{bios,bios-256k}.bin
    usr/share/seabios/vgabios-{stdvga,virtio}.bin
    usr/share/qemu/{efi,pxe}-{e1000,eepro100,ne2k_pci,pcnet,rtl8139,virtio}.rom
    usr/share/qemu/efi-{e1000e,vmxnet3}.rom
    usr/share/qemu/{kvmvapic,linuxboot_dma,multiboot_dma,pvh}.bin
)

usage() {
    cat <<END
usage: $0 --tree DIR --prefix DIR [--cache DIR] [--check]
       $0 --tree DIR --patched FILE --prefix DIR [--cache DIR]
       $0 --key | --base-key
  --tree DIR    Debian 13 tree with QEMU's build dependencies
  --prefix DIR  where to install (bin/qemu-system-x86_64, bin/qemu-img,
                share/qemu, include/qemu-plugin.h); may be moved as a whole
                afterwards
  --patched F   install instead the same QEMU with the patch F applied (the
                lab's own emulator: selftests/lab/emulator.patch)
  --cache DIR   default: \${CHARIOT_CACHE:-~/.cache/chariot}
  --check       also run the device's tests; prints TAP
  --key         print the hash of what the build is made from, and stop
  --base-key    the same without our device
END
}

die() { echo "$0: $*" >&2; exit 1; }

say() { printf '[qemu %4ds] %s\n' "$SECONDS" "$*" >&2; }

# Runs "$3..." with output to log $2 and progress lines; $1 says what it is.
logged() {
    local what=$1 log=$2 pid
    shift 2
    say "$what ..."
    "$@" >"$log" 2>&1 &
    pid=$!
    (
        while sleep 15; do
            line=$(tail -n 1 "$log" | cut -c -90)
            say "$what: $line"
        done
    ) &
    local watcher=$! rc=0
    wait "$pid" || rc=$?
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    if [ $rc -ne 0 ]; then
        tail -n 40 "$log" >&2
        die "$what failed; the whole log: $log"
    fi
}

# The hash of all that the binary is made from, apart from the compiler.
hash_of() { sha256sum | cut -c -12; }

our_files() {
    local line pattern dest
    for line in "${OURS[@]}"; do
        read -r pattern dest <<<"$line"
        (cd "$here" && ls -1d $pattern)
    done
}

base_key() {
    {
        echo "$VERSION" "$FIRMWARE_PACKAGES" "${CONFIGURE[@]}"
        cat "$here/hooks.patch"
    } | hash_of
}

key() {
    {
        base_key
        cd "$here"
        cat build.sh devices.mak
        our_files | sort | xargs cat
    } | hash_of
}

# What of the tree is built into the binary: one cache serves every tree that
# has the same compiler and libraries.
tree_key() {
    dpkg-query --admindir="$tree/var/lib/dpkg" -W -f '${Package} ${Version}\n' \
        gcc-14 libc6-dev libglib2.0-dev libpixman-1-dev libslirp-dev \
        libseccomp-dev zlib1g-dev | hash_of
}

# Runs a command inside the tree, with the cache at /mnt. The mounts live in a
# mount namespace of their own and go away with it, whatever happens.
inside() {
    unshare -m --propagation private -- /bin/bash -euc '
        tree=$1; cache=$2; shift 2
        mount --bind "$cache" "$tree/mnt"
        mount --bind /proc "$tree/proc"
        mount --rbind /dev "$tree/dev"
        exec chroot "$tree" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            LC_ALL=C.UTF-8 HOME=/root ${http_proxy:+http_proxy="$http_proxy"} \
            ${https_proxy:+https_proxy="$https_proxy"} "$@"
    ' inside "$tree" "$cache" "$@"
}

fetch_source() {
    [ -e "$cache/src/.ready" ] && return
    rm -rf "$cache/src" "$cache/fetch"
    mkdir -p "$cache/fetch/lists/partial" "$cache/fetch/archives/partial"
    cat >"$cache/fetch/run" <<'END'
set -eu
version=$1; shift
cd /mnt/fetch
# The package lists stay out of the tree, which is never changed once made.
apt="apt-get -q -o Dir::State::lists=/mnt/fetch/lists -o Dir::Cache::archives=/mnt/fetch/archives
     -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root
     -o Acquire::Languages=none"
$apt update
$apt download "$@"
if ! $apt source --download-only "qemu=$version"; then
    echo "version $version is gone from the archive: taking the current one"
    touch /mnt/fetch/newer
    $apt source --download-only qemu
fi
for deb in *.deb; do
    dpkg-deb -x "$deb" firmware
done
dpkg-source --no-check -x qemu_*.dsc src
END
    logged "fetching QEMU $VERSION" "$cache/fetch.log" \
        inside /bin/sh /mnt/fetch/run "$VERSION" $FIRMWARE_PACKAGES
    if [ -e "$cache/fetch/newer" ]; then
        say "$VERSION is gone from the archive, using $(cd "$cache/fetch" && echo qemu_*.dsc)"
    fi
    patch -s -d "$cache/fetch/src" -p1 <"$here/hooks.patch"
    rm -rf "$cache/firmware" "$cache/build"
    mv "$cache/fetch/firmware" "$cache/firmware"
    mv "$cache/fetch/src" "$cache/src"
    rm -rf "$cache/fetch"
    touch "$cache/src/.ready"
}

# Copies what differs, so that ninja rebuilds that and no more; deletes what is
# no longer there.
put() {
    local from=$1 to=$2
    cmp -s "$from" "$to" || cp "$from" "$to"
}

put_ours() {
    local line pattern dest file
    for line in "${OURS[@]}"; do
        read -r pattern dest <<<"$line"
        mkdir -p "$cache/src/$dest"
        for file in $(cd "$here" && ls -1d $pattern); do
            put "$here/$file" "$cache/src/$dest/$(basename "$file")"
        done
    done
    for file in "$cache"/src/hw/misc/chariot/*; do
        [ -e "$here/hw/misc/chariot/$(basename "$file")" ] ||
            [ "$(basename "$file")" = uapi ] || rm "$file"
    done
    put "$here/devices.mak" "$cache/src/configs/devices/x86_64-softmmu/chariot.mak"
}

configure() {
    [ -e "$cache/build/.configured" ] && return
    rm -rf "$cache/build"
    mkdir "$cache/build"
    logged 'configuring' "$cache/configure.log" \
        inside /bin/sh -c 'cd /mnt/build && ../src/configure "$@" && touch .configured' configure \
        "${CONFIGURE[@]}"
}

build() {
    local targets='qemu-system-x86_64 qemu-img'
    if [ -n "$check" ]; then
        targets+=' tests/qtest/chariot-test tests/qtest/chariot-backend-test'
    fi
    logged 'building' "$cache/build.log" inside /bin/sh -c '
        cd /mnt/build
        NINJA_STATUS="[%f/%t] " ninja -k 0 "$@"' build $targets
}

# The same with a patch: a copy of sources and objects, in which ninja builds
# what the patch touches. It is made anew when the patch is another one.
build_patched() {
    local plain=$cache
    cache=$cache/patched
    if ! cmp -s "$patched" "$cache/patch"; then
        rm -rf "$cache"
        mkdir "$cache"
        cp -a "$plain/src" "$plain/build" "$plain/firmware" "$cache/"
        patch -s -d "$cache/src" -p1 <"$patched"
        cp "$patched" "$cache/patch"
    fi
    build
}

# Installs in "$1" what is newer than there.
install_to() {
    local bin=$1/bin share=$1/share/qemu program rom
    mkdir -p "$bin" "$share" "$1/include"
    for program in qemu-system-x86_64 qemu-img; do
        [ "$cache/build/$program" -nt "$bin/$program" ] || continue
        # A running VM keeps the file that it was started from.
        strip -o "$bin/.$program.new" "$cache/build/$program"
        chmod 755 "$bin/.$program.new"
        mv "$bin/.$program.new" "$bin/$program"
    done
    for rom in "${FIRMWARE[@]}"; do
        put "$cache/firmware/$rom" "$share/$(basename "$rom")"
    done
    put "$cache/src/include/qemu/qemu-plugin.h" "$1/include/qemu-plugin.h"
    key >"$share/chariot-key"
}

# Style, by QEMU's own checker. What it says of the licence is no fault: the
# project's is GPL-2.0-only.
check_style() {
    local said
    said=$(
        cd "$cache/src"
        for file in hw/misc/chariot/*.[ch] tests/qtest/chariot-*.[ch] qapi/chariot.json; do
            perl scripts/checkpatch.pl --no-tree --terse -f "$file"
        done | grep -E ': (ERROR|WARNING): ' | grep -v "acceptable license 'GPL-2.0-only'"
    ) || true
    echo 'TAP version 14'
    echo '1..1'
    if [ -n "$said" ]; then
        echo "not ok 1 checkpatch"
        echo "$said" | sed 's/^/# /'
        return 1
    fi
    echo "ok 1 checkpatch"
}

# The tests run where QEMU finds its firmware: on an installed copy.
run_tests() {
    install_to "$cache/stage"
    say 'running the tests of the device'
    inside cc -O2 -Wall -Werror -shared -fPIC -o /mnt/build/chariot-fake.so \
        /mnt/src/tests/qtest/chariot-fake.c
    # Not as root: permissions are tested, too.
    inside setpriv --reuid=65534 --regid=65534 --clear-groups /bin/sh -euc '
        cd /mnt/build
        export QTEST_QEMU_BINARY=/mnt/stage/bin/qemu-system-x86_64
        export CHARIOT_FAKE=/mnt/build/chariot-fake.so
        status=0
        for test in chariot-test chariot-backend-test; do
            timeout 120 tests/qtest/$test --tap || status=1
        done
        exit $status'
}

tree='' prefix='' check='' patched=''
cache_root=${CHARIOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chariot}
while [ $# -gt 0 ]; do
    case $1 in
    --tree) tree=$(realpath -e "${2:?}"); shift ;;
    --prefix) prefix=$(realpath -m "${2:?}"); shift ;;
    --cache) cache_root=$(realpath -m "${2:?}"); shift ;;
    --patched) patched=$(realpath -e "${2:?}"); shift ;;
    --check) check=1 ;;
    --key) key; exit ;;
    --base-key) base_key; exit ;;
    -h | --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
[ -n "$tree" ] && [ -n "$prefix" ] || { usage >&2; exit 2; }
[ "$(id -u)" = 0 ] || die 'needs root: it builds inside a chroot'

cache=$cache_root/qemu-$(base_key)-$(tree_key)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { say 'waiting for another build'; flock 9; }

fetch_source
put_ours
configure
build
if [ -n "$patched" ]; then
    build_patched
fi
install_to "$prefix"
say "installed in $prefix"
if [ -n "$check" ]; then
    status=0
    check_style || status=1
    run_tests || status=1
    exit $status
fi
