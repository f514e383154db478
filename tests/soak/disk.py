"""The broker's disk: a small tmpfs that can be filled and made read-only.

A file system cannot be made read-only while files are open for writing. So there are two ways: the broker is killed
first and has to start on a read-only disk; or the kernel refuses all writing to files by the running broker (a limit of
0 on their size), which it meets as an I/O error.

Rules of this file: it knows nothing of the broker but its process id.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

SIZE_MB: Final = 64
BUSY_SECONDS: Final = 5.0
NAME: Final = "raisin-soak-"


class Disk:
    """A tmpfs at `path`; a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def __enter__(self) -> Disk:
        unmount_stale()
        self.path.mkdir(mode=0o700)
        _run("mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0700", f"{NAME}{os.getpid()}", str(self.path))
        return self

    def __exit__(self, *_: object) -> None:
        _run("umount", "--lazy", str(self.path))

    def fill(self) -> None:
        """Leave no room."""
        with open(self._ballast, "wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(256 * 1024))
        with open(self._ballast, "ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(512))

    def make_room(self) -> None:
        """There is room again."""
        self._ballast.unlink(missing_ok=True)

    def set_read_only(self, on: bool) -> None:
        """Nothing on it can be changed, or everything can. Whoever wrote there must have ended."""
        _run("mount", "-o", f"remount,{'ro' if on else 'rw'}", str(self.path))


def forbid_writing(pid: int, on: bool) -> None:
    """A process can write to no file any more, or can again; nothing happens if it has died."""
    import resource  # not on every system, and this module is imported on all

    with suppress(ProcessLookupError):
        limit = 0 if on else resource.RLIM_INFINITY
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


def mounted() -> list[tuple[int, str]]:
    """All such disks: the process that made each, and its path."""
    found = (line.split()[:2] for line in Path("/proc/mounts").read_text().splitlines())
    return [(int(name.removeprefix(NAME)), path) for name, path in found if name.startswith(NAME)]


def unmount_stale() -> None:
    """Unmount what processes left that were killed before they could."""
    for pid, path in mounted():
        if not Path(f"/proc/{pid}").exists():
            _run("umount", "--lazy", path)


def _run(*command: str) -> None:
    """Run a command; again for a while if something is busy. Raises RuntimeError with what it said."""
    until = time.monotonic() + BUSY_SECONDS
    environment = {**os.environ, "LC_ALL": "C"}
    while True:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, env=environment, check=False)
        if done.returncode == 0:
            return
        if "busy" not in done.stderr or time.monotonic() > until:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        time.sleep(0.05)
