"""What the broker makes durable: typed records, written in numbered batches, and what is read back at a start.

Rules of this file: types only. A record says what became true; applying it twice is the same as applying it once.
"""

from __future__ import annotations

import msgspec

from raisin_core.messages import Form, JobState, Options
from raisin_core.ranges import Range


class Record(msgspec.Struct, frozen=True, gc=False):
    """One fact to keep."""


class JobOpened(Record, frozen=True):
    """A job exists. `owner` is the member, `instance` the client process; `opened` is wall-clock time."""

    job: bytes
    owner: str
    instance: bytes
    form: Form
    name: str
    function: bytes
    function_payload: bytes
    function_blobs: list[bytes]
    options: Options
    context: bytes
    shape: list[int]
    opened: float


class PageAdded(Record, frozen=True):
    """Arguments of tasks `[first, first + count)`."""

    job: bytes
    number: int
    first: int
    count: int
    payload: bytes
    blobs: list[bytes]


class JobClosed(Record, frozen=True):
    """The job has `total` tasks."""

    job: bytes
    total: int


class JobMarked(Record, frozen=True):
    """The job's state for good (done, cancelled, late)."""

    job: bytes
    state: JobState


class JobForgotten(Record, frozen=True):
    """The job, its pages, results, and the functions and blobs that nothing else uses may be deleted."""

    job: bytes


class JobUnwanted(Record, frozen=True):
    """Nobody holds a handle: the job is to be forgotten when it has ended."""

    job: bytes


class LeasedUpTo(Record, frozen=True):
    """Tasks below `index` may be on some worker (a mark that only grows)."""

    job: bytes
    index: int


class ResultAdded(Record, frozen=True):
    """A result page, and the ranges of it that count. `failed` is how many of those are failures."""

    job: bytes
    arrival: int
    start: int
    stop: int
    won: list[Range]
    failed: int
    host: str
    member: str
    queued: float
    retried: list[tuple[int, int]]
    ruling: bool
    payload: bytes
    blobs: list[bytes]


class Tried(Record, frozen=True):
    """An attempt at a task did not count: why (`raised`, `crash`, `timeout`, `unfit`), where, and what was seen.
    `attempt` names it (the lease's run and number), so that hearing of it twice counts once."""

    job: bytes
    index: int
    attempt: str
    kind: str
    host: str
    place: str
    detail: str


class WorkerSeen(Record, frozen=True):
    """A worker instance has a session: after a restart of the broker it may come back with leases."""

    instance: bytes


class WorkerGone(Record, frozen=True):
    """That worker instance will not come back."""

    instance: bytes


# -- what is read back -----------------------------------------------------------------------------------------------


class StoredPage(msgspec.Struct, gc=False):
    """A page without its payload."""

    first: int
    count: int
    blobs: list[bytes]


class StoredResult(msgspec.Struct, gc=False):
    """A result page without its payload."""

    arrival: int
    start: int
    stop: int
    won: list[Range]
    failed: int
    host: str
    member: str
    queued: float
    retried: list[tuple[int, int]]
    ruling: bool
    blobs: list[bytes]


class StoredJob(msgspec.Struct):
    """All that is kept of a job, without payloads. `total` is None while it is open."""

    opened: JobOpened
    total: int | None
    state: JobState
    unwanted: bool
    leased_up_to: int
    pages: list[StoredPage]
    results: list[StoredResult]
    tried: list[Tried]


class Stored(msgspec.Struct):
    """All that a broker knows when it starts: `run` is its own number, larger than all before."""

    run: int
    jobs: list[StoredJob]
    workers: list[bytes]


def without_payload(opened: JobOpened) -> JobOpened:
    """The same without the function's bytes, which only the store keeps."""
    return msgspec.structs.replace(opened, function_payload=b"")
