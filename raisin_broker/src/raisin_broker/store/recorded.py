"""Results recorded under a key: written with their result pages, looked up by tag, counted.

Rules of this file: statements on an open database; a result of a forgotten job counts as none, and gives way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from raisin_broker.records import TAG, Recalled
from raisin_broker.store.staging import split

# A job records under the key if that has its fingerprint: one that was cleared for another function is not its own.
_UNDER: Final = """
    SELECT jobs.number, keys.number FROM jobs JOIN keys
    ON keys.account = jobs.account AND keys.name = jobs.resume AND keys.fingerprint = jobs.fingerprint
    WHERE jobs.job = ? AND jobs.resume <> ''"""
_TAGS: Final = """
    SELECT first, tags FROM pages WHERE job = :job AND tags IS NOT NULL AND first < :stop AND first >= IFNULL(
        (SELECT MAX(first) FROM pages WHERE job = :job AND tags IS NOT NULL AND first <= :start), 0)"""
_RECORD: Final = """
    INSERT INTO recorded (key, tag, job, arrival, task) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key, tag) DO UPDATE
    SET job = excluded.job, arrival = excluded.arrival, task = excluded.task
    WHERE (SELECT job FROM jobs WHERE number = recorded.job) IS NULL"""
_CHUNK: Final = 500  # SQLite before 3.32 takes 999 parameters


def record(db: sqlite3.Connection, kept: Sequence[tuple[Any, ...]]) -> None:
    """Record tasks `[start, stop)` of result pages, given as (job, arrival, start, stop), where their job has a key.
    Raises sqlite3.Error."""
    under = {job: db.execute(_UNDER, (job,)).fetchone() for job in {row[0] for row in kept}}
    for job, arrival, start, stop in kept:
        if under[job] is not None:
            number, key = under[job]
            rows = ((key, tag, number, arrival, task) for task, tag in _tagged(db, number, start, stop))
            db.executemany(_RECORD, rows)


def _tagged(db: sqlite3.Connection, job: int, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """The tasks `[start, stop)` with their tags."""
    for first, tags in db.execute(_TAGS, {"job": job, "start": start, "stop": stop}).fetchall():
        for task in range(max(start, first), min(stop, first + len(tags) // TAG)):
            at = (task - first) * TAG
            yield task, tags[at : at + TAG]


def recall(db: sqlite3.Connection, account: str, key: str, tags: bytes) -> list[Recalled]:
    """What is recorded under a key for these tags, in their order. Raises sqlite3.Error."""
    row = db.execute("SELECT number FROM keys WHERE account = ? AND name = ?", (account, key)).fetchone()
    if row is None:
        return []
    wanted = split(tags)
    found = {tag: rest for tag, *rest in _found(db, row[0], wanted)}
    return [Recalled(at, *found[tag]) for at, tag in enumerate(wanted) if tag in found]


def _found(db: sqlite3.Connection, key: int, tags: list[bytes]) -> Iterable[tuple[Any, ...]]:
    for at in range(0, len(tags), _CHUNK):
        chunk = tags[at : at + _CHUNK]
        marks = ",".join("?" * len(chunk))
        yield from db.execute(
            "SELECT tag, jobs.job, arrival, task FROM recorded JOIN jobs ON jobs.number = recorded.job "
            f"WHERE key = ? AND tag IN ({marks}) AND jobs.job IS NOT NULL",
            (key, *chunk),
        )


def tags(db: sqlite3.Connection, job: bytes, start: int, stop: int) -> list[bytes]:
    """The tags of a job's tasks `[start, stop)`, as far as it has any. Raises sqlite3.Error."""
    row = db.execute("SELECT number FROM jobs WHERE job = ?", (job,)).fetchone()
    return [tag for _, tag in _tagged(db, row[0], start, stop)] if row else []


def known(db: sqlite3.Connection, account: str, key: str) -> tuple[int, bytes]:
    """How many results are recorded under a key, and the parts of its function. Raises sqlite3.Error."""
    row = db.execute("SELECT number, parts FROM keys WHERE account = ? AND name = ?", (account, key)).fetchone()
    if row is None:
        return 0, b""
    (count,) = db.execute(
        "SELECT COUNT(*) FROM recorded WHERE key = ? AND job NOT IN (SELECT number FROM jobs WHERE job IS NULL)",
        row[:1],
    ).fetchone()
    return count, row[1]
