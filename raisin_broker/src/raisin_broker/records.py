"""What the broker makes durable: typed records, written in numbered batches, and what is read back at a start.

Rules of this file: types only. A record says what became true; applying it twice is the same as applying it once.
"""

from __future__ import annotations

from typing import Final

import msgspec

from raisin_broker.columns import Arrivals, Pages
from raisin_core.messages import Form, JobState, Options
from raisin_core.ranges import Range, Ranges

TAG: Final = 16


class Record(msgspec.Struct, frozen=True, gc=False):
    """One fact to keep."""


class JobOpened(Record, frozen=True):
    """A job exists. `owner` is the member with the public key `owner_key`, of `account`; `instance` the client process;
    `opened` is wall-clock time; what is sealed of it is sealed with the key of the roster's `epoch` (0: nothing is).
    With `resume`, results are recorded under that key of the account, for the function with this `fingerprint`; `parts`
    say to its client what that is made of."""

    job: bytes
    owner: str
    account: str
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
    resume: str = ""
    fingerprint: bytes = b""
    parts: bytes = b""
    owner_key: str = ""
    epoch: int = 0


class JobReleased(Record, frozen=True):
    """The job takes any result from everybody: these are its options from now on."""

    job: bytes
    options: Options


class KeyCleared(Record, frozen=True):
    """Nothing counts any more that was recorded under this key of an account; a new fingerprint may follow."""

    account: str
    key: str


class PageAdded(Record, frozen=True):
    """Arguments of tasks `[first, first + count)`; `tags` name each of them, `TAG` bytes a task, where the job has a
    key to record under."""

    job: bytes
    number: int
    first: int
    count: int
    payload: bytes
    blobs: list[bytes]
    tags: bytes = b""


class JobClosed(Record, frozen=True):
    """The job has `total` tasks."""

    job: bytes
    total: int


class JobMarked(Record, frozen=True):
    """The job's state for good (done, cancelled, late), and since when (wall-clock time)."""

    job: bytes
    state: JobState
    ended: float


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


class About(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What readers are told of a result page besides its tasks; see messages.Result."""

    host: str
    member: str
    queued: float = 0.0
    retried: list[tuple[int, int]] = []
    ruling: bool = False
    blobs: list[bytes] = []


class Source(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a result that was recorded before is: page `arrival` of `job`, from its task `first` on."""

    job: bytes
    arrival: int
    first: int


class ResultAdded(Record, frozen=True):
    """A result page, and the ranges of it that count (all if `won` is empty). `failed` is how many of those are
    failures; those in `kept` succeeded, and are recorded under the job's key where it has one. `run` is the broker's.
    With a `source` the page has no payload of its own: its tasks were answered before, by that page's."""

    job: bytes
    arrival: int
    start: int
    stop: int
    won: list[Range]
    failed: int
    run: int
    about: About
    payload: bytes
    kept: list[Range] = []
    source: Source | None = None


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


class StoredResult(msgspec.Struct, frozen=True, gc=False):
    """A result page as readers get it. With a `source`, `payload` and `about` are that page's."""

    arrival: int
    start: int
    stop: int
    won: list[Range]
    run: int
    about: About
    payload: bytes
    source: Source | None = None
    source_span: Range = (0, 0)


class Recalled(msgspec.Struct, frozen=True, gc=False):
    """The result of the task with the tag number `at` (in a page's tags) was recorded before: task `index` of result
    page `arrival` of `job`. Without an arrival (0) it is being computed there."""

    at: int
    job: bytes
    arrival: int
    index: int


class StoredJob(msgspec.Struct):
    """All that is kept of a job, without payloads and what readers are told. `total` is None while it is open; `ended`
    is wall-clock time (0 before); `runs` says from which arrival on results are of which run of the broker, as pairs;
    `sources` are the jobs whose pages hold results of this one."""

    opened: JobOpened
    total: int | None
    state: JobState
    ended: float
    unwanted: bool
    leased_up_to: int
    pages: Pages
    arrivals: Arrivals
    done: Ranges
    failed: int
    runs: list[tuple[int, int]]
    sources: set[bytes]
    tried: list[Tried]


class StoredKey(msgspec.Struct, frozen=True, gc=False):
    """A key of an account, and the fingerprint of the function whose results are recorded under it."""

    account: str
    key: str
    fingerprint: bytes


class Stored(msgspec.Struct):
    """All that a broker knows when it starts: `run` is its own number, larger than all before."""

    run: int
    jobs: list[StoredJob]
    workers: list[bytes]
    keys: list[StoredKey] = []


def without_payload(opened: JobOpened) -> JobOpened:
    """The same without the bytes that only the store keeps."""
    return msgspec.structs.replace(opened, function_payload=b"", parts=b"")
