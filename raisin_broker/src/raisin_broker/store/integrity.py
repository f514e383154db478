"""Whether a database file is what was written: quickly before it is used, and wholly when asked.

Rules of this file: reads only, through a connection that cannot write.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import msgspec

from raisin_broker.store.errors import damaged, explained
from raisin_broker.store.recovery import Damaged, read_jobs, read_keys, read_workers
from raisin_broker.store.version import VERSION

# 100 MB cost 0.2 s to read and check (2 s if read page by page from a cold disk, hence in one go before).
LIMIT: Final = 512 * 1024 * 1024
BUDGET: Final = 1.0
_STEP: Final = 20_000
_READ: Final = 1024 * 1024
_PAYLOADS: Final = (
    ("function", "SELECT hex(digest), crc, payload FROM functions"),
    ("page", "SELECT job || '/' || number, crc, payload FROM pages"),
    ("result", "SELECT job || '/' || arrival, crc, payload FROM results"),
)


def reading(path: Path) -> sqlite3.Connection:
    """A connection that can only read. Raises sqlite3.Error."""
    return sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True, isolation_level=None)


def look(path: Path, limit: int = LIMIT, budget: float = BUDGET) -> bool:
    """Check the file's structure; whether there was time for all of it (`budget` seconds for reading it and as many for
    checking; not begun above `limit` bytes). Raises StoreError where it is damaged."""
    try:
        if path.stat().st_size > limit or not _read_through(path, budget):
            return False
        with closing(reading(path)) as db:
            complaints = _quick(db, budget)
    except (sqlite3.Error, OSError) as error:
        raise explained(error, path) from error
    if complaints:
        raise damaged("; ".join(complaints), path)
    return complaints is not None


def check(path: Path) -> list[str]:
    """What is wrong with a database: its structure and, if it is of this version, what a broker reads at its start and
    every payload. May run beside a broker; takes about a second for 100 MB.

    Raises StoreError if it cannot be opened.
    """
    try:
        with closing(reading(path)) as db:
            db.execute("BEGIN")  # all of it at one moment
            found = _said(db.execute("PRAGMA integrity_check(10)"))
            (version,) = db.execute("PRAGMA user_version").fetchone()
            return found or ([*_contradictions(db), *_spoiled(db)] if version == VERSION else [])
    except sqlite3.OperationalError as error:
        raise explained(error, path) from error
    except sqlite3.DatabaseError as error:
        return [str(error)]


def _read_through(path: Path, budget: float) -> bool:
    """Read the file in order, so that the system has it; False if that takes too long."""
    end = time.monotonic() + budget
    with path.open("rb", buffering=0) as file:
        while file.read(_READ):
            if time.monotonic() > end:
                return False
    return True


def _quick(db: sqlite3.Connection, budget: float) -> list[str] | None:
    """What the check says within its time; None if that was not enough."""
    end = time.monotonic() + budget
    db.set_progress_handler(lambda: time.monotonic() > end, _STEP)
    try:
        rows: list[tuple[Any, ...]] = db.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            return None
        raise
    return _said(rows)


def _said(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """What a check complains of."""
    return [" ".join(row[0].split("***")[-1].split()) for row in rows if row[0] != "ok"]


def _contradictions(db: sqlite3.Connection) -> list[str]:
    try:
        read_jobs(db), read_keys(db), read_workers(db)
    except (Damaged, msgspec.DecodeError) as error:
        return [str(error)]
    return []


def _spoiled(db: sqlite3.Connection) -> Iterator[str]:
    for kind, query in _PAYLOADS:
        for name, crc, payload in db.execute(query):
            if crc32(payload) != crc:
                yield f"{kind} {name} is not what was written"
