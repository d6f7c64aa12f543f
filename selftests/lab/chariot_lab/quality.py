# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the sources themselves: style, warnings, headers that stand alone."""

import os
import py_compile
import re
import subprocess
import tempfile

from . import build, chroot, kernels, ktap, paths, provision
from .progress import Failed

#: what the kernel's checkpatch.pl judges
KERNEL_STYLE = ["kvm-chariot", "guest-agent", "include/uapi", "selftests/scenarios/modules"]
#: what checkpatch gets wrong: names of the ELF's types; the layout that all TRACE_EVENT headers have; the files of
#: an out-of-tree module that are for several kernels; a list of names that is used twice; assembly in a header, and arguments of
#: functions as macros
IGNORE = "CAMELCASE"
SPECIAL = {"entry.h": "SPACING,CAMELCASE", "terms.h": "COMPLEX_MACRO,MACRO_ARG_REUSE,SPACING",
           "trace.h": "OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT,SPACING,LONG_LINE",
           "compat.h": "LINUX_VERSION_CODE,CONSTANT_COMPARISON",
           "symbol.h": "COMPLEX_MACRO,MACRO_ARG_REUSE,TRAILING_SEMICOLON", "symbol.c": "TRAILING_SEMICOLON",
           "compat_spte.h": "LINUX_VERSION_CODE,CONSTANT_COMPARISON"}
CHECKPATCH = "/usr/src/linux-source-6.12/scripts/checkpatch.pl"
SPDX_FOLDERS = ["kvm-chariot", "guest-agent", "include", "qemu-chariot", "selftests"]


def _outcome(name, complaints):
    """A test that passes when nothing complained; what did is kept as its reason."""
    if not complaints:
        return ktap.Result(name, ktap.PASSED)
    shown = "\n           ".join(complaints[:20])
    more = f"\n           and {len(complaints) - 20} more" if len(complaints) > 20 else ""
    return ktap.Result(f"{name}\n           {shown}{more}", ktap.FAILED)


def _tracked(*patterns):
    files = subprocess.run(["git", "ls-files", "--", *patterns], cwd=paths.SOURCE, capture_output=True, text=True,
                           check=False).stdout.split("\n")
    return [paths.SOURCE / f for f in files if f and (paths.SOURCE / f).exists()]


def checkpatch(folder):
    """checkpatch.pl --strict on a folder's C files."""
    files = [f for f in sorted((paths.SOURCE / folder).rglob("*.[chS]")) if not f.name.endswith(build.MADE_BY_KBUILD)]
    log = paths.LAB_BUILD / "quality" / f"checkpatch-{folder.replace('/', '-')}.log"
    command = f"perl {CHECKPATCH} --strict --no-tree --terse --show-types --no-summary"
    groups = [([f for f in files if f.name not in SPECIAL], IGNORE),
              *(([f for f in files if f.name == name], ignore) for name, ignore in SPECIAL.items())]
    parts = [f"{command} --ignore {ignore} -f {' '.join(str(f.relative_to(paths.SOURCE)) for f in group)} || status=1"
             for group, ignore in groups if group]
    try:
        chroot.run(f"status=0; {'; '.join(parts)}; exit $status", log, "checkpatch", quiet=True)
        complaints = []
    except Failed:
        complaints = [line for line in log.read_text(errors="replace").splitlines() if "git: not found" not in line]
    return _outcome(f"style: checkpatch --strict {folder}", complaints)


def module_warnings(folder, kernel):
    """Builds a module for a kernel with W=1 and sparse: no word of either."""
    log = paths.LAB_BUILD / "checked" / kernel.name / f"{folder}.log"
    failed = []
    try:
        build.module(folder, kernel, flags="W=1 C=2 KCFLAGS=-Werror", to=paths.LAB_BUILD / "checked", quiet=True)
    except Failed as failure:
        failed = [str(failure)]
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    complaints = [line for line in lines if re.search(r"\b(warning|error):", line)]
    return _outcome(f"warnings: {folder} with W=1 and sparse, kernel {kernel.name}", complaints or failed)


def catalogue(kernel):
    """The agent's tables name nothing that the kernel does not export."""
    folder = paths.SOURCE / "guest-agent"
    symbols = kernel.tree / "usr/src" / f"linux-headers-{kernel.release}" / "Module.symvers"
    done = subprocess.run(["awk", "-v", "output=S", "-v", f"series={kernel.name}", "-f", folder / "catalogue.awk",
                           symbols, *sorted((folder / "catalogue").glob("*.tab"))],
                          capture_output=True, text=True, check=False)
    return _outcome(f"catalogue: names of kernel {kernel.name}",
                    done.stderr.splitlines() or ([f"status {done.returncode}"] if done.returncode else []))


def headers():
    """Each public header compiles alone, as C and as C++."""
    results = []
    for header in sorted((paths.SOURCE / "include" / "uapi").glob("*.h")):
        for language, compiler in (("c", "gcc -std=c11"), ("c++", "g++ -std=c++11")):
            log = paths.LAB_BUILD / "quality" / f"{header.name}-{language}.log"
            complaints = []
            try:
                chroot.run(f"echo | {compiler} -Wall -Wextra -Werror -fsyntax-only -x {language} "
                           f"-include {chroot.inside(header)} -", log, "header", quiet=True)
            except Failed:
                complaints = log.read_text(errors="replace").splitlines()
            results.append(_outcome(f"headers: {header.name} alone as {language}", complaints))
    return results


def scripts():
    """Every script parses, and every source names its licence."""
    complaints = []
    for path in _tracked("*.py", "selftests/lab/lab"):
        try:
            with tempfile.TemporaryDirectory() as folder:
                py_compile.compile(str(path), cfile=f"{folder}/x", doraise=True)
        except py_compile.PyCompileError as error:
            complaints.append(f"{path}: {error}")
    for path in _tracked("*.sh", "selftests/lab/*", "selftests/scenarios/guest/*", "selftests/unit/run", ".ci/run"):
        first = path.read_bytes()[:64].split(b"\n")[0]
        if not first.startswith(b"#!") or b"python" in first:
            continue
        shell = "bash" if b"bash" in first else "sh"
        done = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
        if done.returncode:
            complaints.append(done.stderr.strip())
    licence = [str(p.relative_to(paths.SOURCE)) for p in _tracked(*SPDX_FOLDERS)
               if p.suffix not in (".patch", ".mak", ".txt", ".md") and not os.path.islink(p) and
               p.stat().st_size and b"SPDX-License-Identifier" not in p.read_bytes()[:4096] and p.parent.name != "packages"]
    return [_outcome("scripts: parse", complaints), _outcome("sources: name their licence", licence)]


def run():
    """All of them."""
    provision.build_tree()
    results = [*headers(), *scripts()]
    for folder in KERNEL_STYLE:
        if any((paths.SOURCE / folder).rglob("*.[ch]")):
            results.append(checkpatch(folder))
    for name in (kernels.USUAL, "6.1"):
        results += [module_warnings(folder, kernels.KERNELS[name]) for folder in [*build.MODULES, *build.GUEST_MODULES]]
        results.append(catalogue(kernels.KERNELS[name]))
    return results
