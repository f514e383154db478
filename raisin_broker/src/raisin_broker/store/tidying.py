"""Deletes what was forgotten, a little at a time, and gives the room back to the file system.

Rules of this file: statements on an open database; nothing is deleted but rows of forgotten jobs (`jobs.job` is NULL)
and cleared keys (`keys.account` is NULL). The row that says so goes last, so that a crash in between leaves nothing
behind.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

ROWS: Final = 2000
BYTES: Final = 2 * 1024 * 1024
PAGES: Final = 250  # of the file, given back per call
_JOB: Final = "SELECT number, function FROM jobs WHERE job IS NULL LIMIT 1"
_KEY: Final = "SELECT number FROM keys WHERE account IS NULL LIMIT 1"


def rows_left(db: sqlite3.Connection) -> bool:
    """Whether something is left to delete. Raises sqlite3.Error."""
    return bool(db.execute(_JOB).fetchone() or db.execute(_KEY).fetchone())


def pages_left(db: sqlite3.Connection) -> bool:
    """Whether the file has pages to give back, and can (old files cannot). Raises sqlite3.Error."""
    (mode,) = db.execute("PRAGMA auto_vacuum").fetchone()
    return bool(mode == 2 and db.execute("PRAGMA freelist_count").fetchone()[0])


def delete_rows(db: sqlite3.Connection) -> None:
    """Delete a few thousand rows; belongs in a transaction. Raises sqlite3.Error."""
    left = ROWS
    while left > 0 and (row := db.execute(_JOB).fetchone()):
        left -= _shrink_job(db, row[0], row[1], left)
    while left > 0 and (row := db.execute(_KEY).fetchone()):
        left -= _shrink_key(db, row[0], left)


def give_back(db: sqlite3.Connection) -> None:
    """Give some hundred pages of the file back to the file system; a transaction of its own. Raises sqlite3.Error."""
    db.executescript(f"PRAGMA incremental_vacuum({PAGES})")  # `execute` would stop after the first page


def _shrink_job(db: sqlite3.Connection, job: int, function: bytes, limit: int) -> int:
    """Delete some rows of a job, or the job itself if it has none; about how many that was."""
    for table, column in (("results", "arrival"), ("pages", "number")):
        rows = db.execute(
            f"SELECT {column}, LENGTH(payload) FROM {table} WHERE job = ? ORDER BY {column} LIMIT ?", (job, limit)
        )
        last, cost = _few(rows)
        if cost:
            db.execute(f"DELETE FROM {table} WHERE job = ? AND {column} <= ?", (job, last))
            return cost
    for table, columns in (("tried", "number"), ("blobs", "job, digest"), ("recorded", "key, tag")):
        deleted = _delete(db, table, columns, "job", job, limit)
        if deleted:
            return deleted
    db.execute(
        "DELETE FROM functions WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM jobs WHERE function = ? AND number <> ?)",
        (function, function, job),
    )
    db.execute("DELETE FROM jobs WHERE number = ?", (job,))
    return 1


def _shrink_key(db: sqlite3.Connection, key: int, limit: int) -> int:
    deleted = _delete(db, "recorded", "key, tag", "key", key, limit)
    if not deleted:
        db.execute("DELETE FROM keys WHERE number = ?", (key,))
    return max(1, deleted)


def _delete(db: sqlite3.Connection, table: str, columns: str, of: str, number: int, limit: int) -> int:
    some = f"SELECT {columns} FROM {table} WHERE {of} = ? LIMIT ?"
    return db.execute(f"DELETE FROM {table} WHERE ({columns}) IN ({some})", (number, limit)).rowcount


def _few(rows: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The last of as many rows as can be deleted at once, and their cost in rows: a long payload is many pages of the
    file."""
    size = cost = last = 0
    for number, length in rows:
        last, cost, size = number, cost + 1, size + length
        if size > BYTES:
            break
    return last, max(cost, size * ROWS // BYTES)
