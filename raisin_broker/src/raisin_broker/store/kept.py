"""What a store in memory keeps: all that is durable, as plain values.

Rules of this file: pure; a job is a value of its own, so that one opened again under the same id is another.
"""

from __future__ import annotations

import msgspec

from raisin_broker.columns import Arrivals, Pages
from raisin_broker.records import (
    TAG,
    JobClosed,
    JobForgotten,
    JobMarked,
    JobOpened,
    JobReleased,
    JobUnwanted,
    KeyCleared,
    LeasedUpTo,
    PageAdded,
    Record,
    ResultAdded,
    StoredJob,
    Tried,
    WorkerGone,
    WorkerSeen,
    without_payload,
)
from raisin_broker.store.staging import blobs
from raisin_core.messages import JobState
from raisin_core.ranges import Ranges

Place = tuple[bytes, int, int]  # job, arrival, task


class Key(msgspec.Struct):
    """A key of an account, and where results are recorded under it."""

    fingerprint: bytes
    parts: bytes
    places: dict[bytes, Place] = {}

    def copy(self) -> Key:
        """The same, with a dictionary of its own."""
        return Key(self.fingerprint, self.parts, dict(self.places))


class Job(msgspec.Struct):
    """A job with all that belongs to it."""

    opened: JobOpened
    total: int | None = None
    state: JobState = "running"
    ended: float = 0.0
    unwanted: bool = False
    leased_up_to: int = 0
    pages: dict[int, PageAdded] = {}
    results: dict[int, ResultAdded] = {}
    tried: dict[tuple[int, str], Tried] = {}

    def copy(self) -> Job:
        """The same, with dictionaries of its own."""
        return msgspec.structs.replace(self, pages=dict(self.pages), results=dict(self.results), tried=dict(self.tried))

    def stored(self) -> StoredJob:
        """As it is read back."""
        pages, arrivals, done, runs = Pages(), Arrivals(), Ranges(), list[tuple[int, int]]()
        for _, page in sorted(self.pages.items()):
            pages.add(page.count, list(page.blobs))
        results = [result for _, result in sorted(self.results.items())]
        for result in results:
            arrivals.add(result.start, result.stop)
            for start, stop in result.won or [(result.start, result.stop)]:
                done.add(start, stop)
            if not runs or runs[-1][1] != result.run:
                runs.append((result.arrival, result.run))
        return StoredJob(
            opened=without_payload(self.opened),
            total=self.total,
            state=self.state,
            ended=self.ended,
            unwanted=self.unwanted,
            leased_up_to=self.leased_up_to,
            pages=pages,
            arrivals=arrivals,
            done=done,
            failed=sum(result.failed for result in results),
            runs=runs,
            sources={result.source.job for result in results if result.source},
            tried=list(self.tried.values()),
        )

    def blobs(self) -> set[bytes]:
        """The digests that it refers to."""
        return {digest for it in (self.opened, *self.pages.values(), *self.results.values()) for digest in blobs(it)}

    def size(self) -> int:
        """The bytes of its payloads and tags."""
        pages = sum(len(page.payload) + len(page.tags) for page in self.pages.values())
        return pages + sum(len(result.payload) for result in self.results.values())

    def change(self, record: Record) -> None:
        """Apply a record about this job."""
        match record:
            case PageAdded():
                self.pages.setdefault(record.number, record)
            case ResultAdded():
                self.results.setdefault(record.arrival, record)
            case Tried():
                self.tried.setdefault((record.index, record.attempt), record)
            case JobClosed():
                self.total = record.total
            case JobMarked():
                self.state, self.ended = record.state, record.ended
            case JobUnwanted():
                self.unwanted = True
            case JobReleased():
                self.opened = msgspec.structs.replace(self.opened, options=record.options)
            case LeasedUpTo():
                self.leased_up_to = max(self.leased_up_to, record.index)

    def tag(self, task: int) -> bytes | None:
        """The tag of a task, if its page has them."""
        for page in self.pages.values():
            if page.tags and page.first <= task < page.first + page.count:
                return page.tags[(task - page.first) * TAG :][:TAG]
        return None


class Durable:
    """All that was committed."""

    def __init__(self) -> None:
        self.run = 0
        self.jobs: dict[bytes, Job] = {}
        self.forgotten: list[Job] = []
        self.functions: dict[bytes, bytes] = {}
        self.workers: dict[bytes, None] = {}
        self.keys: dict[tuple[str, str], Key] = {}

    def copy(self) -> Durable:
        """A snapshot that shares nothing that changes."""
        found = Durable()
        found.run = self.run
        found.jobs = {job: kept.copy() for job, kept in self.jobs.items()}
        found.keys = {name: key.copy() for name, key in self.keys.items()}
        found.forgotten = list(self.forgotten)
        found.functions, found.workers = dict(self.functions), dict(self.workers)
        return found

    def recorded(self, account: str, key: str) -> dict[bytes, Place]:
        """Where results are recorded under a key, by tag."""
        known = self.keys.get((account, key))
        return known.places if known else {}

    def apply(self, record: Record) -> None:
        """One record becomes true."""
        match record:
            case JobOpened():
                self._open(record)
            case JobForgotten():
                self._forget(record.job)
            case KeyCleared():
                self.keys.pop((record.account, record.key), None)
            case WorkerSeen():
                self.workers.setdefault(record.instance)
            case WorkerGone():
                self.workers.pop(record.instance, None)
            case (
                PageAdded()
                | ResultAdded()
                | Tried()
                | JobClosed()
                | JobMarked()
                | JobReleased()
                | JobUnwanted()
                | LeasedUpTo()
            ):
                if record.job in self.jobs:
                    self.jobs[record.job].change(record)
                    if isinstance(record, ResultAdded) and record.source is None:
                        self._record(self.jobs[record.job], record)

    def _open(self, record: JobOpened) -> None:
        self.jobs.setdefault(record.job, Job(record))
        self.functions.setdefault(record.function, record.function_payload)
        if record.resume:
            self.keys.setdefault((record.account, record.resume), Key(record.fingerprint, record.parts))

    def _record(self, job: Job, result: ResultAdded) -> None:
        """The first result of a task that was recorded stays, as long as its job does."""
        key = self.keys.get((job.opened.account, job.opened.resume))
        if not job.opened.resume or key is None or key.fingerprint != job.opened.fingerprint:
            return
        for start, stop in result.kept:
            for task in range(start, stop):
                if tag := job.tag(task):
                    key.places.setdefault(tag, (result.job, result.arrival, task))

    def _forget(self, job: bytes) -> None:
        kept = self.jobs.pop(job, None)
        if kept is None:
            return
        self.forgotten.append(kept)
        for key in self.keys.values():
            key.places = {tag: place for tag, place in key.places.items() if place[0] != job}
        if all(other.opened.function != kept.opened.function for other in self.jobs.values()):
            del self.functions[kept.opened.function]
