"""What a program of ours asks of the system at its start: no core files, and all the open files that it may have.

A core file would hold keys and whatever was opened with them. Where that is possible (Linux) nobody but root reads the
memory of such a process either.

Rules of this file: what the system does not know is left out; nothing here raises.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from typing import Final

if sys.platform != "win32":
    import resource

_PR_SET_DUMPABLE: Final = 4


def no_core_files() -> None:
    """From now on this process leaves no core file, nor do programs that it starts; and on Linux it cannot be
    inspected by other programs of its user.

    A program that it starts may be inspected again (the system forgets that at `exec`), and may ask for core files of
    its own.
    """
    leave_no_core_file()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def leave_no_core_file() -> None:
    """The same for programs of a moment, whose user may look into them."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def open_many_files() -> int:
    """Raise this process's limit of open files as far as it goes; how many it may have then (0: nobody knows)."""
    if sys.platform == "win32":
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft
