"""What SQLite's errors mean, and what to do about them.

Rules of this file: pure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from raisin_core.errors import StoreError

_AGAIN = "nothing is lost, it is tried again"
_DAMAGED = (
    "it was left as it is. Restore a backup (`raisin broker backup` makes them), or move it away together with its "
    "-wal and -shm files to begin anew (`sqlite3 FILE .recover` may rescue what is in it)"
)
RIGHTS: Final = "make the file and its directory writable for this user, or choose another data directory"
_ADVICE: Final = (
    ("is full", f"free some space on its disk; {_AGAIN}"),
    ("locked", f"another program holds it, end that one; {_AGAIN}"),
    ("readonly", RIGHTS),
    ("unable to open", RIGHTS),
    ("I/O error", f"look at its disk (space, quota, cable, system log); {_AGAIN}"),
    ("not a database", f"the file is damaged or something else; {_DAMAGED}"),
    ("malformed", f"the file is damaged; {_DAMAGED}"),
    ("no such", f"the file is damaged; {_DAMAGED}"),
    ("user-defined function", f"the file is damaged; {_DAMAGED}"),
    ("closed", "it was closed before"),
)


def explained(error: Exception, path: Path | str) -> StoreError:
    """What SQLite or the system said, with what to do about it."""
    advice = next((advice for word, advice in _ADVICE if word in str(error)), "see the log")
    return StoreError(f"{path}: {error}; {advice}")


def damaged(error: Exception | str, path: Path | str) -> StoreError:
    """What was read makes no sense."""
    return StoreError(f"{path}: {error}; the file is damaged; {_DAMAGED}")
