# SPDX-License-Identifier: GPL-2.0-only
"""Says what is going on, and runs long commands with their output in a log."""

import contextlib
import fcntl
import subprocess
import sys
import threading
import time

START = time.monotonic()


class Failed(Exception):
    """A step failed in a way that the user must be told about in one line."""


def say(text):
    """One line of progress, with the seconds since the start."""
    print(f"[{time.monotonic() - START:6.1f}s] {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(name):
    """A step that may be long: says when it starts, that it still runs, and how long it took."""
    begin = time.monotonic()
    say(f"{name} ...")
    done = threading.Event()

    def remind():
        while not done.wait(30):
            say(f"{name}: still running, {time.monotonic() - begin:.0f} s")

    threading.Thread(target=remind, daemon=True).start()
    try:
        yield
    finally:
        done.set()
    if time.monotonic() - begin > 1:
        say(f"{name}: done in {time.monotonic() - begin:.0f} s")


def run_logged(argv, log, what, quiet=False, progress=False, **kwargs):
    """
    Runs argv with its output in the file log; its end is shown when it fails, unless quiet.

    With progress, its standard error is shown as it comes: it reports progress itself.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        status = subprocess.run([str(a) for a in argv], stdout=out, stderr=None if progress else subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, check=False, **kwargs).returncode
    if status and quiet:
        raise Failed(f"{what} failed (status {status}): {log}")
    if status:
        tail = log.read_text(errors="replace").splitlines()[-40:]
        print("\n".join(tail), file=sys.stderr)
        raise Failed(f"{what} failed (status {status}); all of its output: {log}")


@contextlib.contextmanager
def locked(path):
    """Holds the lock file path: only one process at a time builds a thing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {path.name}: another run builds the same thing")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
