"""Programs that go on in the background: started, found again, ended.

A program has a directory; there `NAME.pid` says which process it is (and when that one started, so that no other is
taken for it), and `NAME.out` what it said.

Rules of this file: it never ends a process that it did not start; of several commands at once one starts the program.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

from raisin_core import detached, home, logs
from raisin_core.errors import StartError

START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 0.02


class Program(NamedTuple):
    """`python *arguments`, with a directory of its own; `ready` is in what it says as soon as it can be used."""

    name: str
    directory: Path
    arguments: tuple[str, ...]
    ready: str

    @property
    def out(self) -> Path:
        """The file with what it said."""
        return self.directory / f"{self.name}.out"

    @property
    def note(self) -> Path:
        """The file with its process."""
        return self.directory / f"{self.name}.pid"


def running(program: Program) -> int | None:
    """The process of a program that was started in the background; None if it does not run."""
    try:
        pid, _, since = program.note.read_text("ascii").partition(" ")
        return int(pid) if home.alive(int(pid), float(since)) else None
    except (OSError, ValueError):
        return None


def start(program: Program) -> bool:
    """Start it unless it runs, and wait until it is ready; False if it ran already. Raises StartError, OSError."""
    home.private_directory(program.directory)
    with home.Lock(program.directory / f"{program.name}.start"):
        if running(program) is not None:
            return False
        process = detached.start(program.arguments, program.directory, program.out)
        threading.Thread(target=process.wait, name="raisin-reaper", daemon=True).start()  # should it end before us
        since = home.started(process.pid)
        if since is not None:
            home.write_private(program.note, f"{process.pid} {since}".encode())
        until = time.monotonic() + START_SECONDS
        while program.ready not in logs.tail(program.out):
            if process.returncode is not None:
                raise StartError(f"the {program.name} did not start: {_said(program)}")
            if time.monotonic() > until:
                raise StartError(
                    f"the {program.name} (pid {process.pid}) has not become ready within {START_SECONDS:.0f} s: "
                    f"{_said(program)}"
                )
            time.sleep(LOOK_SECONDS)
    return True


def stop(program: Program, seconds: float = STOP_SECONDS) -> bool:
    """End it: politely, and after so many seconds at once; False if it did not run. Raises OSError."""
    pid = running(program)
    if pid is None:
        return False
    since = home.started(pid)
    _signal(pid, signal.SIGTERM)
    until = time.monotonic() + seconds
    while since is not None and home.alive(pid, since):
        if time.monotonic() > until:
            _signal(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
            until = time.monotonic() + seconds
        time.sleep(LOOK_SECONDS)
    program.note.unlink(missing_ok=True)
    return True


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _said(program: Program) -> str:
    return logs.tail(program.out, 4).strip() or f"it said nothing; see {program.directory}"
