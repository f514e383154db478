"""Private folders for files that come with objects: one per object, all of them removed when the interpreter ends.

Rules of this file: nobody else may look into a folder (0700); a forked child removes nothing of its parent's.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from pathlib import Path

_made: dict[int, Path] = {}  # by process
_lock = threading.Lock()


def make() -> Path:
    """A new empty folder."""
    with _lock:
        home = _made.get(os.getpid())
        if home is None or not home.is_dir():
            home = _made[os.getpid()] = Path(tempfile.mkdtemp(prefix="raisin-"))
            atexit.register(_clean, os.getpid())
    return Path(tempfile.mkdtemp(dir=home))


def remove(folder: Path) -> None:
    """Remove one of them with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)


def _clean(process: int) -> None:
    if process == os.getpid() and process in _made:
        remove(_made.pop(process))
