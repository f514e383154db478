"""The store in memory, for the simulation and for tests: the same contract, with a crash and failures on demand.

Rules of this file: no I/O; `crash` gives what was committed and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from raisin_broker.records import (
    JobClosed,
    JobForgotten,
    JobMarked,
    JobOpened,
    JobUnwanted,
    LeasedUpTo,
    PageAdded,
    Record,
    ResultAdded,
    Stored,
    StoredJob,
    StoredPage,
    StoredResult,
    Tried,
    WorkerGone,
    WorkerSeen,
)
from raisin_broker.store.staging import Staged, blobs
from raisin_core.errors import StoreError
from raisin_core.messages import JobState


class _Job(msgspec.Struct):
    opened: JobOpened
    total: int | None = None
    state: JobState = "running"
    unwanted: bool = False
    leased_up_to: int = 0
    pages: dict[int, PageAdded] = {}
    results: dict[int, ResultAdded] = {}
    tried: dict[tuple[int, str], Tried] = {}

    def copy(self) -> _Job:
        return msgspec.structs.replace(self, pages=dict(self.pages), results=dict(self.results), tried=dict(self.tried))

    def stored(self) -> StoredJob:
        pages = [StoredPage(page.first, page.count, list(page.blobs)) for _, page in sorted(self.pages.items())]
        results = [_result(result) for _, result in sorted(self.results.items())]
        opened = msgspec.structs.replace(self.opened, function_payload=b"")
        tried = list(self.tried.values())
        return StoredJob(opened, self.total, self.state, self.unwanted, self.leased_up_to, pages, results, tried)

    def blobs(self) -> set[bytes]:
        return {digest for it in (self.opened, *self.pages.values(), *self.results.values()) for digest in blobs(it)}


class MemoryStore:
    """A `Store` that forgets everything with its process. `fail_next` is how many commits will raise StoreError.

    >>> store = MemoryStore()
    >>> store.stage(1, [WorkerSeen(b"w" * 16)]); store.commit(1)
    >>> len(store.crash().start().workers)
    1
    """

    def __init__(self) -> None:
        self.fail_next = 0
        self._run = 0
        self._staged = Staged()
        self._jobs: dict[bytes, _Job] = {}
        self._functions: dict[bytes, bytes] = {}
        self._workers: dict[bytes, None] = {}

    def crash(self) -> MemoryStore:
        """What the next process finds: all that was committed."""
        found = MemoryStore()
        found._run = self._run
        found._jobs = {job: kept.copy() for job, kept in self._jobs.items()}
        found._functions, found._workers = dict(self._functions), dict(self._workers)
        return found

    def start(self) -> Stored:
        """Count up the broker's run and read everything back."""
        self._run += 1
        return Stored(self._run, [kept.stored() for kept in self._jobs.values()], list(self._workers))

    def stage(self, batch: int, records: Sequence[Record]) -> None:
        """Hold a batch: its payloads can be read, nothing is durable."""
        self._staged.add(batch, records)

    def commit(self, batch: int) -> None:
        """Keep a staged batch, and any before it. Raises StoreError (it stays so), KeyError (it never was)."""
        due = self._staged.due(batch)
        if self.fail_next > 0:
            self.fail_next -= 1
            raise StoreError("the disk is full: free some space; nothing is lost, it is tried again")
        for _, records in due:
            for record in records:
                self._apply(record)
        self._staged.remove(due)

    def page(self, job: bytes, number: int) -> bytes | None:
        """The payload of a page."""
        staged = self._staged.payload(("page", job, number))
        if staged is not None or job not in self._jobs:
            return staged
        page = self._jobs[job].pages.get(number)
        return page.payload if page else None

    def result(self, job: bytes, arrival: int) -> bytes | None:
        """The payload of a result page."""
        staged = self._staged.payload(("result", job, arrival))
        if staged is not None or job not in self._jobs:
            return staged
        result = self._jobs[job].results.get(arrival)
        return result.payload if result else None

    def function(self, digest: bytes) -> bytes | None:
        """The payload of a function."""
        staged = self._staged.payload(("function", digest, 0))
        return staged if staged is not None else self._functions.get(digest)

    def blobs_in_use(self) -> set[bytes]:
        """The digests that any kept job refers to, staged ones included."""
        return self._staged.blobs().union(*(kept.blobs() for kept in self._jobs.values()))

    def close(self) -> None:
        """Nothing to do."""

    def _apply(self, record: Record) -> None:
        match record:
            case JobOpened():
                self._jobs.setdefault(record.job, _Job(record))
                self._functions.setdefault(record.function, record.function_payload)
            case JobForgotten():
                self._forget(record.job)
            case WorkerSeen():
                self._workers.setdefault(record.instance)
            case WorkerGone():
                self._workers.pop(record.instance, None)
            case PageAdded() | ResultAdded() | Tried() | JobClosed() | JobMarked() | JobUnwanted() | LeasedUpTo():
                if record.job in self._jobs:
                    _change(self._jobs[record.job], record)

    def _forget(self, job: bytes) -> None:
        kept = self._jobs.pop(job, None)
        if kept and all(other.opened.function != kept.opened.function for other in self._jobs.values()):
            del self._functions[kept.opened.function]


def _result(it: ResultAdded) -> StoredResult:
    """Lists are copied: what a broker does to its own must not reach the store."""
    values: dict[str, Any] = {name: getattr(it, name) for name in StoredResult.__struct_fields__}
    for name in ("won", "retried", "blobs"):
        values[name] = list(values[name])
    return StoredResult(**values)


def _change(job: _Job, record: Record) -> None:
    match record:
        case PageAdded():
            job.pages.setdefault(record.number, record)
        case ResultAdded():
            job.results.setdefault(record.arrival, record)
        case Tried():
            job.tried.setdefault((record.index, record.attempt), record)
        case JobClosed():
            job.total = record.total
        case JobMarked():
            job.state = record.state
        case JobUnwanted():
            job.unwanted = True
        case LeasedUpTo():
            job.leased_up_to = max(job.leased_up_to, record.index)
