"""Running the command line as a program, and seeing that it leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

SECONDS = 60.0
RUN = "import sys; from raisin_cli.main import main; sys.exit(main())"


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "COLUMNS": "100", **more}


def raisin(*arguments: str, before: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Run `raisin` with these arguments; `before` is Python that runs first."""
    return subprocess.run(
        [sys.executable, "-c", f"{before}\n{RUN}", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS * 2,
        env=environment(**more),
        check=False,
    )


def start(*arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start `raisin`; its standard output can be read line by line."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
    )


def users_of(directory: Path) -> list[str]:
    """The processes (but this one) in whose environment or command line the directory stands."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(directory) in word for word in words):
            found.append(f"{process.pid}: {' '.join(process.cmdline())[:200]}")
    return found


def nothing_is_left(directory: Path) -> None:
    """Wait until no process uses the directory, and see that it is empty."""
    until = time.monotonic() + SECONDS
    while found := users_of(directory):
        assert time.monotonic() < until, found
        time.sleep(0.02)
    assert list(directory.iterdir()) == []
