"""Facts of this machine: versions, files and their modes, clock, disk, the interpreter of tasks.

Rules of this file: it reads, and tells nothing of what stands in a file.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from raisin_cli.doctor import findings
from raisin_cli.doctor.findings import Exposed, Finding

MOST_FILES: Final = 20_000
TRY_SECONDS: Final = 20.0
TASKS_OWN: Final = "scratch"
"""Directories in which tasks write what they like, with whatever mode; they are private themselves."""


class Files(NamedTuple):
    """All that is in a directory: how much, what others can use, and the newest time of writing."""

    total: int
    exposed: list[Exposed]
    newest: float


def versions() -> Iterator[Finding]:
    """Of Python, the links' library, the ciphers, and what is installed."""
    import zmq

    from raisin_core import __version__
    from raisin_core.messages import VERSION

    yield Finding("versions", "ok", f"raisin {__version__}, protocol {VERSION}")
    yield findings.python(sys.version_info[:2], sys.executable)
    yield findings.zeromq(zmq.__version__, zmq.zmq_version(), bool(zmq.has("curve")))
    yield findings.cipher(_cipher())
    missing = [name for name in ("raisin_broker", "raisin_worker") if importlib.util.find_spec(name) is None]
    yield findings.parts([name.replace("_", "-") for name in missing])


def files(directory: Path) -> Files:
    """Look at everything in a directory, but for what tasks wrote."""
    exposed: list[Exposed] = []
    count, newest = 0, 0.0
    for path, found in _all(directory):
        count += not stat.S_ISDIR(found.st_mode)
        newest = max(newest, found.st_mtime)
        mode = stat.S_IMODE(found.st_mode)
        foreign = hasattr(os, "getuid") and found.st_uid != os.getuid()
        if os.name == "posix" and (foreign or mode & 0o077):
            exposed.append(Exposed(str(path), mode, foreign, stat.S_ISDIR(found.st_mode)))
    return Files(count, exposed, newest)


def machine(directory: Path) -> Iterator[Finding]:
    """Files, clock and disk."""
    seen = files(directory)
    yield from findings.permissions(str(directory), seen.total, seen.exposed)
    yield findings.clock(time.time(), seen.newest)
    there = next(each for each in (directory, *directory.parents) if each.exists())
    yield findings.disk(str(there), shutil.disk_usage(there).free)


def interpreter(python: str) -> Finding:
    """Whether tasks can run with it: it starts, and has what unpickling functions takes."""
    code = "import sys, cloudpickle; sys.exit(0 if sys.version_info >= (3, 10) else 3)"
    try:
        done = subprocess.run(
            [python, "-c", code], capture_output=True, timeout=TRY_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return findings.interpreter(python, f"it cannot be run ({type(error).__name__})")
    said = {0: "", 3: "it is older than 3.10"}
    return findings.interpreter(python, said.get(done.returncode, "it lacks cloudpickle"))


def _all(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    waiting, seen = [directory], 0
    while waiting and seen < MOST_FILES:
        path = waiting.pop()
        try:
            found = path.lstat()
        except OSError:  # it went meanwhile
            continue
        if stat.S_ISLNK(found.st_mode) or stat.S_ISSOCK(found.st_mode):
            continue
        seen += 1
        yield path, found
        if stat.S_ISDIR(found.st_mode) and path.name != TASKS_OWN:
            waiting += _inside(path)


def _inside(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _cipher() -> str:
    from raisin_core.ciphers.choice import library
    from raisin_core.errors import InstallationError

    try:
        module = str(getattr(library(), "__name__", ""))
    except InstallationError:
        return ""
    return "cryptography" if module.endswith("by_cryptography") else "pycryptodomex"
