"""The store in SQLite, through its driver.

Rules of this file: one transaction per commit; SQLAlchemy is not imported (ddl.sql is made from schema.py beforehand);
used by one thread. `commit` also makes durable what an earlier failure left behind, in order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import msgspec

from raisin_broker.records import About, JobForgotten, PageAdded, Recalled, Record, ResultAdded, Source, Stored
from raisin_broker.records import StoredResult as Result
from raisin_broker.store import recorded, tidying
from raisin_broker.store.base import Durability
from raisin_broker.store.errors import damaged, explained
from raisin_broker.store.opening import connect
from raisin_broker.store.recovery import Damaged, pairs, read_jobs, read_keys, read_workers
from raisin_broker.store.staging import Batch, Cache, Staged, result_of, with_source
from raisin_broker.store.statements import PAGE, RECORD, RESULT, plan

CACHE: Final = 32 * 1024 * 1024
_PAGE: Final = "SELECT crc, payload FROM pages WHERE job = (SELECT number FROM jobs WHERE job = ?) AND number = ?"
_RESULT: Final = """
    SELECT crc, payload, start, stop, won, run, about, source_job, source_arrival, source_first FROM results
    WHERE job = (SELECT number FROM jobs WHERE job = ?) AND arrival = ?"""
_FUNCTION: Final = """
    SELECT crc, payload FROM functions
    WHERE digest = ? AND EXISTS (SELECT 1 FROM jobs WHERE function = digest AND job IS NOT NULL)"""
_BLOBS: Final = "SELECT DISTINCT digest FROM blobs WHERE job IN (SELECT number FROM jobs WHERE job IS NOT NULL)"
_about: Final = msgspec.msgpack.Decoder(About).decode


class SqlStore:
    """A `Store` in one SQLite file (with a -wal and a -shm beside it), or in memory with the path ":memory:".

    `patience` (seconds) is how long to wait for a lock that another process holds; `cache` (bytes) bounds the payloads
    kept in memory. With `durability` "power" a commit waits until the disk has it, so that it survives a power cut;
    with "process" only the count of runs does. Raises StoreError if the file cannot be used; it is left as it is then.

    >>> store = SqlStore(":memory:")
    >>> store.start().run
    1
    >>> store.close()
    """

    def __init__(
        self, path: Path | str, patience: float = 2.0, cache: int = CACHE, durability: Durability = "process"
    ) -> None:
        self._path = path
        # NORMAL survives the death of the process without a sync per commit
        self._synchronous = "FULL" if durability == "power" else "NORMAL"
        self._db = connect(path, patience)
        self._staged = Staged()
        self._pages, self._results = Cache[bytes](cache // 2), Cache[Result](cache // 2)
        with self._explained():
            self._db.execute(f"PRAGMA synchronous = {self._synchronous}")

    def start(self) -> Stored:
        """Read everything back, and count up the broker's run, also against power cuts. Raises StoreError."""
        with self._explained():
            jobs, workers, keys = read_jobs(self._db), read_workers(self._db), read_keys(self._db)
            return Stored(self._next_run(), jobs, workers, keys)

    def stage(self, batch: int, records: Sequence[Record]) -> None:
        """Hold a batch: its payloads can be read, nothing is durable."""
        self._staged.add(batch, records)

    def commit(self, batch: int) -> None:
        """Make a staged batch durable, and any before it. Raises StoreError (it stays so), KeyError (it never was)."""
        due = self._staged.due(batch)
        whole = True
        if any(records for _, records in due):
            with self._transaction():
                for sql, rows in plan(due):
                    if sql == RECORD:
                        recorded.record(self._db, rows)
                        continue
                    changed = self._db.executemany(sql, rows).rowcount
                    whole = whole and (changed == len(rows) or sql not in (PAGE, RESULT))
        self._remember(due, whole)
        self._staged.remove(due)

    def page(self, job: bytes, number: int) -> bytes | None:
        """The payload of a page. Raises StoreError."""
        key = job, number
        found = self._staged.pages.get(key)
        if found is None:
            found = self._pages.get(key)
        if found is None and (row := self._row(_PAGE, key)):
            found = self._whole(row, f"page {number} of job {job.hex()}")
            self._pages.put(key, found, len(found))
        return found

    def result(self, job: bytes, arrival: int) -> Result | None:
        """A result page; one with a source comes with its source's payload and `about`. Raises StoreError."""
        found = self._own(job, arrival)
        if found is None or found.source is None:
            return found
        return with_source(found, self._own(found.source.job, found.source.arrival))

    def function(self, digest: bytes) -> bytes | None:
        """The payload of a function. Raises StoreError."""
        found = self._staged.functions.get(digest)
        if found is None and (row := self._row(_FUNCTION, (digest,))):
            found = self._whole(row, f"function {digest.hex()}")
        return found

    def recall(self, account: str, key: str, tags: bytes) -> list[Recalled]:
        """What is recorded (and committed) under a key for these tags, in their order. Raises StoreError."""
        with self._explained():
            return recorded.recall(self._db, account, key, tags)

    def tags(self, job: bytes, start: int, stop: int) -> list[bytes]:
        """The tags of tasks `[start, stop)`, as far as the job has any (and they are committed). Raises StoreError."""
        with self._explained():
            return recorded.tags(self._db, job, start, stop)

    def key(self, account: str, key: str) -> bytes:
        """What is known of a key: msgpack of (number of results, `parts` of its function). Raises StoreError."""
        with self._explained():
            return msgspec.msgpack.encode(recorded.known(self._db, account, key))

    def blobs_in_use(self) -> set[bytes]:
        """The digests that any kept job refers to, staged ones included. Raises StoreError."""
        with self._explained():
            rows = self._db.execute(_BLOBS).fetchall()
        return {digest for (digest,) in rows} | self._staged.blobs()

    def tidy(self) -> bool:
        """Delete a little of what was forgotten (a few milliseconds' worth); whether there is more. Raises
        StoreError."""
        with self._explained():
            if tidying.rows_left(self._db):
                with self._transaction():
                    tidying.delete_rows(self._db)
            elif tidying.pages_left(self._db):
                tidying.give_back(self._db)
            return tidying.rows_left(self._db) or tidying.pages_left(self._db)

    def size(self) -> int:
        """The bytes of the file that are in use. Raises StoreError."""
        with self._explained():
            pages, free, size = (self._pragma(name) for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size

    def close(self) -> None:
        """Close it in good order; what is only staged is lost."""
        with self._explained():
            self._db.close()

    def _next_run(self) -> int:
        """Numbers of runs must never come again, so this waits for the disk whatever the durability."""
        self._db.execute("PRAGMA synchronous = FULL")
        try:
            with self._transaction():
                self._db.execute("UPDATE meta SET value = value + 1 WHERE name = 'run'")
                row: tuple[int] = self._db.execute("SELECT value FROM meta WHERE name = 'run'").fetchone()
        finally:
            self._db.execute(f"PRAGMA synchronous = {self._synchronous}")
        return row[0]

    def _pragma(self, name: str) -> int:
        row: tuple[int] = self._db.execute(f"PRAGMA {name}").fetchone()
        return row[0]

    def _remember(self, due: Sequence[Batch], whole: bool) -> None:
        """Keep what was just written; if a row was not (a duplicate, a job that is gone), the file knows better."""
        pages, results, staged = self._pages, self._results, self._staged.results
        for _, records in due:
            for record in records:
                if isinstance(record, PageAdded):
                    if whole:
                        pages.put((record.job, record.number), record.payload, len(record.payload))
                elif isinstance(record, ResultAdded):
                    if whole:
                        key = record.job, record.arrival
                        results.put(key, staged.get(key) or result_of(record), len(record.payload))
                elif isinstance(record, JobForgotten):
                    pages.forget(record.job)
                    results.forget(record.job)

    def _own(self, job: bytes, arrival: int) -> Result | None:
        """A result page without what its source says."""
        key = job, arrival
        found = self._staged.results.get(key) or self._results.get(key)
        if found is None and (row := self._row(_RESULT, key)):
            payload = self._whole(row, f"result page {arrival} of job {job.hex()}")
            with self._explained():
                _, _, start, stop, won, run, about, *source = row
                where = None if source[0] is None else Source(*source)
                found = Result(arrival, start, stop, pairs(won) if won else [], run, _about(about), payload, where)
            self._results.put(key, found, len(payload))
        return found

    def _row(self, query: str, parameters: tuple[object, ...]) -> tuple[Any, ...] | None:
        with self._explained():
            row: tuple[Any, ...] | None = self._db.execute(query, parameters).fetchone()
        return row

    def _whole(self, row: tuple[Any, ...], name: str) -> bytes:
        """The payload of a row, if it is what was written."""
        payload: bytes = row[1]
        if crc32(payload) != row[0]:
            raise damaged(f"{name} is not what was written", self._path)
        return payload

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._explained():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explained(error, self._path) from error
        except (msgspec.DecodeError, Damaged) as error:
            raise damaged(error, self._path) from error
