"""A client collects results, and asks how things stand."""

from __future__ import annotations

from typing import Literal

import msgspec

from raisin_core.messages.base import Blobs, Form, Id, Index, JobState, Message, Order, Text


class Follow(Message, frozen=True):
    """Asks for results. By arrival: pages that arrived after number `after`, up to number `limit`.
    By window: pages with tasks in `[after, limit)`. Said again with larger figures to go on (a cumulative credit). In
    a new session, `seen` is the newest page that the reader has, recorded in the broker's run `run`: where the broker
    knows another one by that number, some were lost."""

    way = "client>broker"
    job: Id
    reader: Index
    order: Order
    after: Index
    limit: Index
    seen: Index = 0
    run: Index = 0


class Unfollow(Message, frozen=True):
    """This reader wants no more."""

    way = "client>broker"
    job: Id
    reader: Index


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """Where results come from that were recorded before: the page of `job` that holds its tasks `[start, stop)`; the
    first that counts here is task `first` there."""

    job: Id
    start: Index
    stop: Index
    first: Index


class Result(Message, frozen=True):
    """One recorded result page; only the indices in `won` count (pairs of start and stop), all if it is empty.
    `retried` lists (index, attempts) where there was more than one; `queued` is the wait before the lease, in
    seconds; `run` is the broker's when it was recorded. With an `origin` the payload is another job's page."""

    way = "broker>client"
    payload = "the results, encoded together; with `ruling`, the broker's own (see `Ruling`)"
    job: Id
    reader: Index
    arrival: Index
    start: Index
    stop: Index
    won: list[tuple[int, int]]
    host: Text
    member: str
    queued: float = 0.0
    retried: list[tuple[int, int]] = []
    ruling: bool = False
    blobs: Blobs = []
    run: Index = 0
    origin: Origin | None = None


class Ruling(msgspec.Struct, frozen=True, array_like=True):
    """What the broker itself records for a task that no worker could finish: the payload of such a result page.
    `trials` tells, for each attempt, the host and what happened there."""

    kind: Literal["crashed", "timeout", "unfit"]
    trials: list[tuple[str, str]]


class Progress(Message, frozen=True):
    """How a job stands; said when asked for, at most twice a second while it changes, and when it ends.
    `arrivals` is the number of result pages so far; `total` is -1 until the job is closed. An `abandoned` job's
    client has gone without closing it, and all that it had submitted is done. `held` is the member whose
    result can only travel as a pickle and holds the job (see `Options.pickles`)."""

    way = "broker>client"
    job: Id
    state: JobState
    done: int
    failed: int
    running: int
    total: int
    arrivals: int
    waits: str = ""
    abandoned: bool = False
    held: str = ""


class Fetch(Message, frozen=True):
    """Asks for the page of arguments that holds the task `index`."""

    way = "client>broker"
    job: Id
    index: Index


class Attach(Message, frozen=True):
    """Asks what job this is."""

    way = "client>broker"
    job: Id


class Described(Message, frozen=True):
    """The answer to Attach, followed by a Progress."""

    way = "broker>client"
    job: Id
    form: Form
    name: Text
    shape: list[int]
    resume: str = ""


class ListJobs(Message, frozen=True):
    """Asks for the jobs of one's account, the newest first; an admin's question is for those of all."""

    way = "client>broker"
    limit: Index = 100


class JobLine(msgspec.Struct, frozen=True, array_like=True):
    """One job in a list. Times are wall-clock seconds, 0 where there is none; `total` is -1 until it is closed;
    `attended`: the client that submitted it is connected."""

    job: Id
    name: str
    form: Form
    state: JobState
    done: int
    failed: int
    running: int
    total: int
    opened: float
    ended: float
    member: str
    account: str
    resume: str
    attended: bool


class Jobs(Message, frozen=True):
    """The answer to ListJobs; `all` is how many there are."""

    way = "broker>client"
    jobs: list[JobLine]
    all: int


class Explain(Message, frozen=True):
    """Asks why a job is not running (or not faster)."""

    way = "client>broker"
    job: Id


class WorkerLine(msgspec.Struct, frozen=True, array_like=True):
    """One worker, as far as it concerns a job: how many of its tasks it runs, and why it runs no more of them."""

    member: str
    host: str
    slots: int
    running: int
    reason: str


class Explained(Message, frozen=True):
    """The answer to Explain: how many tasks are where, and what holds them up, in general and worker by worker."""

    way = "broker>client"
    line: JobLine
    ready: int
    picky: int
    waiting: int
    reasons: list[str]
    workers: list[WorkerLine]
