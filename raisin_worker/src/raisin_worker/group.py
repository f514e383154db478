"""A task process and all that it started, as one thing: has it ended, how, and ending it.

Its group is killed before the process is reaped, so that the number of the group cannot have become another's.

Rules of this file: the agent's side only.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Final

REAP_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.05


class Group:
    """`fd` becomes readable when the process ends (a child of a task may hold its socket open); -1 if there is none."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        self.fd = _exit_fd(process.pid)

    def ended(self) -> bool:
        """Whether the process is gone; it is left to be reaped."""
        if sys.platform == "win32" or self._process.returncode is not None or not hasattr(os, "waitid"):
            return self._process.poll() is not None
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # somebody else has reaped it
            return True

    def end(self) -> None:
        """Kill them all, and reap."""
        with suppress(OSError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(REAP_SECONDS)
        self._close()

    def pause(self, seconds: float, control: socket.socket) -> None:
        """Wait, not longer than that, until the process may have said something or ended."""
        if sys.platform == "win32" or self.fd < 0:
            time.sleep(min(seconds, POLL_SECONDS / 10))
            return
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.register(control, select.POLLIN)
        poll.poll(min(seconds, POLL_SECONDS) * 1000)

    def describe(self) -> str:
        """How the process ended, in words."""
        code = self._process.returncode
        if code is None or code >= 0:
            return f"exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"killed by {name}" + (" (perhaps by the system: out of memory)" if name == "SIGKILL" else "")

    def _close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def _exit_fd(pid: int) -> int:
    if sys.platform == "linux":
        with suppress(OSError):  # an old kernel
            return os.pidfd_open(pid)
    return -1
