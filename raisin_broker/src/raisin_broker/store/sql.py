"""The store in SQLite, through its driver.

Rules of this file: one transaction per commit; SQLAlchemy is not imported (ddl.sql is made from schema.py beforehand);
used by one thread. `commit` also makes durable what an earlier failure left behind, in order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from raisin_broker.records import JobForgotten, Record, Stored
from raisin_broker.store.opening import connect, damaged, explained
from raisin_broker.store.recovery import read_jobs, read_workers
from raisin_broker.store.staging import Batch, Cache, Key, Staged, payloads
from raisin_broker.store.statements import PAGE, RESULT, plan

CACHE: Final = 32 * 1024 * 1024
_PAYLOAD = {
    "page": "SELECT payload FROM pages WHERE job = (SELECT number FROM jobs WHERE job = ?) AND number = ?",
    "result": "SELECT payload FROM results WHERE job = (SELECT number FROM jobs WHERE job = ?) AND arrival = ?",
    "function": "SELECT payload FROM functions WHERE digest = ? AND ? = 0",
}


class SqlStore:
    """A `Store` in one SQLite file (with a -wal and a -shm beside it), or in memory with the path ":memory:".

    `patience` (seconds) is how long to wait for a lock that another process holds; `cache` (bytes) bounds the payloads
    kept in memory. Raises StoreError if the file cannot be used; the file is left as it is then.

    >>> store = SqlStore(":memory:")
    >>> store.start().run
    1
    >>> store.close()
    """

    def __init__(self, path: Path | str, patience: float = 2.0, cache: int = CACHE) -> None:
        self._path = path
        self._db = connect(path, patience)
        self._staged, self._cache = Staged(), Cache(cache)

    def start(self) -> Stored:
        """Count up the broker's run, durably, and read everything back. Raises StoreError."""
        with self._transaction():
            self._db.execute("UPDATE meta SET value = value + 1 WHERE name = 'run'")
            (run,) = self._db.execute("SELECT value FROM meta WHERE name = 'run'").fetchone()
        with self._explained():
            return Stored(run, read_jobs(self._db), read_workers(self._db))

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
                    changed = self._db.executemany(sql, rows).rowcount
                    whole = whole and (changed == len(rows) or sql not in (PAGE, RESULT))
        self._staged.remove(due)
        self._remember(due, whole)

    def page(self, job: bytes, number: int) -> bytes | None:
        """The payload of a page. Raises StoreError."""
        return self._payload(("page", job, number))

    def result(self, job: bytes, arrival: int) -> bytes | None:
        """The payload of a result page. Raises StoreError."""
        return self._payload(("result", job, arrival))

    def function(self, digest: bytes) -> bytes | None:
        """The payload of a function. Raises StoreError."""
        return self._payload(("function", digest, 0))

    def blobs_in_use(self) -> set[bytes]:
        """The digests that any kept job refers to, staged ones included. Raises StoreError."""
        with self._explained():
            rows = self._db.execute("SELECT DISTINCT digest FROM blobs").fetchall()
        return {digest for (digest,) in rows} | self._staged.blobs()

    def close(self) -> None:
        """Close it in good order; what is only staged is lost."""
        with self._explained():
            self._db.close()

    def _remember(self, due: Sequence[Batch], whole: bool) -> None:
        """Keep what was just written; if a row was not (a duplicate, a job that is gone), the file knows better."""
        for _, records in due:
            for key, payload in payloads(records) if whole else ():
                if key[0] != "function":  # rarely asked for again, and shared by jobs
                    self._cache.put(key, payload)
            for record in records:
                if isinstance(record, JobForgotten):
                    self._cache.forget(record.job)

    def _payload(self, key: Key) -> bytes | None:
        payload = self._staged.payload(key)
        if payload is None:
            payload = self._cache.get(key)
        return payload if payload is not None else self._read(key)

    def _read(self, key: Key) -> bytes | None:
        kind, owner, number = key
        with self._explained():
            row = self._db.execute(_PAYLOAD[kind], (owner, number)).fetchone()
        if row is None:
            return None
        payload: bytes = row[0]
        if kind != "function":
            self._cache.put(key, payload)
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
        except msgspec.DecodeError as error:
            raise damaged(error, self._path) from error
