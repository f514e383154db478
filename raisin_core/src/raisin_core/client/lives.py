"""Which client processes of this machine are dead: each holds the lock of a file named after its instance.

The system releases the lock with the process, however it ends; whoever comes next finds the files that nobody holds,
and tells the broker that these instances will not come back.

Rules of this file: it never waits, and what cannot be locked or read costs no more than the news.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from pathlib import Path
from typing import Final

from raisin_core import home

MOST: Final = 64
_NAME = re.compile("[0-9a-f]{32}")


class Life:
    """This process as a client: its `instance`, and the instances before it that are dead, at most `MOST`."""

    def __init__(self, directory: Path) -> None:
        self.instance = secrets.token_bytes(16)
        self.before: list[bytes] = []
        self._lock = home.Lock(directory / self.instance.hex())
        with contextlib.suppress(OSError):  # a key may lie where nothing can be written
            self.before = [bytes.fromhex(path.name) for path in _dead(home.private_directory(directory))]
            self._lock.acquire(blocking=False)

    def end(self) -> None:
        """This process is no client any more, and says so itself."""
        self._lock.release()
        with contextlib.suppress(OSError):
            self._lock.path.unlink()


def _dead(directory: Path) -> list[Path]:
    """The files that nobody holds; they are deleted, so that each is told once."""
    found: list[Path] = []
    for path in directory.iterdir():
        if len(found) < MOST and _NAME.fullmatch(path.name):
            lock = home.Lock(path)
            with contextlib.suppress(OSError):
                if lock.acquire(blocking=False):
                    path.unlink()
                    found.append(path)
                    lock.release()
    return found
