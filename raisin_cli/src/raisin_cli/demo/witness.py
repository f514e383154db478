"""An independent witness: every task writes a line when it begins, so that what ran twice is counted, not believed.

Rules of this file: it asks raisin for nothing; one `write` per line, which systems append whole.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Done(NamedTuple):
    """What a watched task returns: the value, the process that computed it, and when (monotonic, as all of this host
    see it)."""

    value: Any
    pid: int
    ended: float


class Start(NamedTuple):
    """A task has begun: in which process, a child of which worker, when (monotonic seconds)."""

    pid: int
    worker: int
    at: float
    label: str


def watched(*arguments: Any, work: Callable[..., Any], witness: str) -> Done:
    """Write down that this task begins, and do it."""
    line = f"{os.getpid()} {os.getppid()} {time.monotonic():.6f} {label(arguments)}\n"
    number = os.open(witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(number, line.encode())
    finally:
        os.close(number)
    return Done(work(*arguments), os.getpid(), time.monotonic())


def label(arguments: tuple[Any, ...]) -> str:
    """What to call a task with these arguments."""
    return " ".join(map(str, arguments))


class Witness:
    """The lines so far; `starts` has them in the order they were written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.starts: list[Start] = []
        self._offset = 0

    def read(self) -> list[Start]:
        """Those that were written since the last time."""
        if not self.path.exists():
            return []
        with open(self.path, "rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        new = [_start(line) for line in whole.decode().splitlines()]
        self.starts += new
        return new


def _start(line: str) -> Start:
    pid, worker, at, name = line.split(" ", 3)
    return Start(int(pid), int(worker), float(at), name)
