"""Deletes what was forgotten, a little at a time, and gives the room back to the file system.

Rules of this file: statements on an open database; nothing is deleted but rows of forgotten jobs (`jobs.job` is NULL)
and cleared keys (`keys.account` is NULL). The row that says so goes last, so that a crash in between leaves nothing
behind.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Final

from raisin_broker.records import TAG
from raisin_broker.store.staging import split

ROWS: Final = 2000
BYTES: Final = 2 * 1024 * 1024
SCATTERED: Final = 5  # a row that is far from its neighbours costs as much as so many
PAGES: Final = 250  # of the file, given back per call
_JOB: Final = "SELECT number, function FROM jobs WHERE job IS NULL LIMIT 1"
_TAGGED: Final = "SELECT first, tags FROM pages WHERE job = ? AND tags IS NOT NULL ORDER BY first"
_UNTAG: Final = "UPDATE pages SET tags = NULL WHERE job = ? AND first < ? AND tags IS NOT NULL"
_CUT: Final = "UPDATE pages SET tags = ? WHERE job = ? AND first = ? AND tags IS NOT NULL"
_UNRECORD: Final = """
    DELETE FROM recorded WHERE job = ? AND tag = ? AND key = (
        SELECT keys.number FROM keys JOIN jobs ON keys.account = jobs.account AND keys.name = jobs.resume
        WHERE jobs.number = ?)"""
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
    if not pages_left(db):  # the file itself shrinks when its log is written into it, which may not be for long
        db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def _shrink_job(db: sqlite3.Connection, job: int, function: bytes, limit: int) -> int:
    """Delete some rows of a job, or the job itself if it has none; about how many that was."""
    if deleted := _forget_recorded(db, job, limit):
        return deleted
    for table, column in (("results", "arrival"), ("pages", "number")):
        rows = db.execute(
            f"SELECT {column}, LENGTH(payload) FROM {table} WHERE job = ? ORDER BY {column} LIMIT ?", (job, limit)
        )
        last, cost = _few(rows)
        if cost:
            db.execute(f"DELETE FROM {table} WHERE job = ? AND {column} <= ?", (job, last))
            return cost
    for table, columns in (("tried", "number"), ("blobs", "job, digest")):
        if deleted := _delete(db, table, columns, "job", job, limit):
            return deleted
    db.execute(
        "DELETE FROM functions WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM jobs WHERE function = ? AND number <> ?)",
        (function, function, job),
    )
    db.execute("DELETE FROM jobs WHERE number = ?", (job,))
    return 4 * SCATTERED  # what it takes to find that nothing is left


def _forget_recorded(db: sqlite3.Connection, job: int, limit: int) -> int:
    """Delete what a job recorded, by the tags of its pages (an index by job would make recording twice as slow); they
    are cut off as far as that is done."""
    limit = max(1, limit // SCATTERED)
    some: list[bytes] = []
    first, rest = 0, b""
    with closing(db.execute(_TAGGED, (job,))) as rows:
        for first, tags in rows:  # noqa: B007
            cut = (limit - len(some)) * TAG
            some += split(tags[:cut])
            rest = tags[cut:]
            if len(some) >= limit:
                break
    if some:
        db.executemany(_UNRECORD, ((job, tag, job) for tag in some))
        db.execute(_UNTAG, (job, first))
        db.execute(_CUT, (rest or None, job, first))
    return len(some) * SCATTERED


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
