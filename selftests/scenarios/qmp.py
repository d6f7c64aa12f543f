# SPDX-License-Identifier: GPL-2.0-only
"""A QMP client: commands, and events as they come."""

import json
import socket
import threading
import time


class QmpError(Exception):
    """QEMU refused a command."""


class Qmp:
    """A connection to QEMU's monitor."""

    def __init__(self, path, seconds=20):
        self.socket = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + seconds
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self.events, self.replies, self.closed = [], [], False
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.command("qmp_capabilities")

    def _read(self):
        try:
            for line in self.socket.makefile():
                message = json.loads(line)
                with self.changed:
                    if "event" in message:
                        self.events.append(message)
                    elif "return" in message or "error" in message:
                        self.replies.append(message)
                    self.changed.notify_all()
        except (OSError, ValueError):
            pass  # QEMU is gone, in the middle of a line perhaps
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def command(self, name, seconds=30, **arguments):
        """Runs a command and returns what it returns."""
        with self.changed:
            self.socket.sendall((json.dumps({"execute": name, "arguments": arguments}) + "\n").encode())
            if not self.changed.wait_for(lambda: self.replies or self.closed, seconds) or not self.replies:
                raise QmpError(f"{name}: no answer")
            reply = self.replies.pop(0)
        if "error" in reply:
            raise QmpError(f"{name}: {reply['error']['desc']}")
        return reply["return"]

    def wait_event(self, name, seconds, stop=lambda: False):
        """Waits for the first event of this name; None when it does not come, or stop() is true."""
        end = time.monotonic() + seconds
        with self.changed:
            while True:
                found = [e for e in self.events if e["event"] == name]
                if found or self.closed or time.monotonic() > end or stop():
                    return found[0] if found else None
                self.changed.wait(0.5)

    def named(self, name):
        """The data of all events of this name so far."""
        with self.changed:
            return [e.get("data", {}) for e in self.events if e["event"] == name]
