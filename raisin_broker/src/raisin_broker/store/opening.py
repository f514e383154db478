"""Opens a database file: makes a new one, refuses what is not ours, and says in words what SQLite's errors mean.

Rules of this file: nothing that exists is ever overwritten; whatever goes wrong is a StoreError that says what to do.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from raisin_core.errors import StoreError

VERSION: Final = 2
APPLICATION: Final = 0x7261736E  # "rasn", read by file(1) and by us
MEMORY: Final = ":memory:"
WAL_LIMIT: Final = 64 * 1024 * 1024

_AGAIN = "nothing is lost, it is tried again"
_DAMAGED = (
    "it was left as it is. Restore a copy, or move it away together with its -wal and -shm files to begin anew "
    "(`sqlite3 FILE .recover` may rescue what is in it)"
)
_RIGHTS = "make the file and its directory writable for this user, or choose another data directory"
_ADVICE: Final = (
    ("is full", f"free some space on its disk; {_AGAIN}"),
    ("locked", f"another program holds it, end that one; {_AGAIN}"),
    ("readonly", _RIGHTS),
    ("unable to open", _RIGHTS),
    ("I/O error", f"look at its disk (space, quota, cable, system log); {_AGAIN}"),
    ("not a database", f"the file is damaged or something else; {_DAMAGED}"),
    ("malformed", f"the file is damaged; {_DAMAGED}"),
    ("no such", f"the file is damaged; {_DAMAGED}"),
    ("closed", "it was closed before"),
)


def explained(error: Exception, path: Path | str) -> StoreError:
    """What SQLite, msgspec or the system said, with what to do about it."""
    advice = next((advice for word, advice in _ADVICE if word in str(error)), "see the log")
    return StoreError(f"{path}: {error}; {advice}")


def damaged(error: Exception | str, path: Path | str) -> StoreError:
    """What was read makes no sense."""
    return StoreError(f"{path}: {error}; the file is damaged; {_DAMAGED}")


def connect(path: Path | str, patience: float) -> sqlite3.Connection:
    """An open, checked database in WAL mode; made if there is none. Raises StoreError.

    `patience` is how long to wait for a lock that another process holds, in seconds.
    """
    if path != MEMORY:
        _touch(Path(path))
    try:
        db = sqlite3.connect(path, timeout=patience, isolation_level=None)
    except sqlite3.Error as error:
        raise explained(error, path) from error
    try:
        _prepare(db, path)
    except sqlite3.Error as error:
        db.close()
        raise explained(error, path) from error
    except BaseException:
        db.close()
        raise
    return db


def _touch(path: Path) -> None:
    """The file, for its owner only; SQLite gives -wal and -shm the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened ({error.strerror}); {_RIGHTS}") from error


def _prepare(db: sqlite3.Connection, path: Path | str) -> None:
    """Checks come before the first thing that could change the file."""
    new = _is_new(db, path)
    if new:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before anything is in the file
    db.execute("PRAGMA journal_mode = WAL")
    if new:
        db.executescript(Path(__file__).with_name("ddl.sql").read_text(encoding="utf-8"))
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
    db.execute("BEGIN IMMEDIATE")  # a file that may only be read is found out here, not at the first commit
    db.execute("ROLLBACK")


def _is_new(db: sqlite3.Connection, path: Path | str) -> bool:
    application, version, tables = (
        db.execute(query).fetchone()[0]
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT COUNT(*) FROM sqlite_master")
    )
    if application == version == tables == 0:
        return True
    if application != APPLICATION:
        raise StoreError(f"{path}: a database of another program; choose another data directory")
    if version > VERSION:
        raise StoreError(
            f"{path}: written by a newer raisin (schema {version}, this one knows {VERSION}); upgrade raisin-broker, "
            "or choose another data directory"
        )
    return False
