"""Private folders for files that come with objects: one per object, all of them removed when the interpreter ends.

Rules of this file: nobody else may look into a folder (0700); a forked child removes nothing of its parent's. What
takes long to import is imported when there is a folder.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from pathlib import Path

_made: dict[int, Path] = {}  # by process
_lock = threading.Lock()


def make() -> Path:
    """A new empty folder."""
    import tempfile

    with _lock:
        home = _made.get(os.getpid())
        if home is None or not home.is_dir():
            home = _made[os.getpid()] = Path(tempfile.mkdtemp(prefix="raisin-"))
            _at_end(os.getpid())
    return Path(tempfile.mkdtemp(dir=home))


def remove(folder: Path) -> None:
    """Remove one of them with all that is in it."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _at_end(process: int) -> None:
    atexit.register(_clean, process)
    workers = sys.modules.get("multiprocessing.util")
    if workers is not None:  # whose forked processes end without the functions of `atexit`
        workers.Finalize(None, _clean, args=(process,), exitpriority=0)


def _clean(process: int) -> None:
    if process == os.getpid() and process in _made:
        remove(_made.pop(process))
