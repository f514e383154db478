"""What the broker knows: members, sessions, jobs, leases.

Rules of this file: pure data with the few operations that keep it consistent; decisions are made elsewhere.
A task that has not ended is in exactly one place: `ready`, `picky`, `deferred`, `limbo`, or at least one live lease.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from raisin_broker.columns import Arrivals, Pages
from raisin_broker.records import JobOpened, Tried
from raisin_core import messages as m
from raisin_core.messages import ENDED, JobState, LeaseId
from raisin_core.ranges import Range, Ranges

EPOCHS: Final = 900  # a roster has room for 1,000


class Instant(NamedTuple):
    """Now, in seconds, on the host's monotonic clock (for silence and durations) and its wall clock (for deadlines)."""

    mono: float
    wall: float


class Member(msgspec.Struct, frozen=True):
    """Whom a key belongs to, what it may do, and whose machine it is (its own, if nothing is said)."""

    name: str
    roles: frozenset[str]
    account: str = ""


class Lease(msgspec.Struct):
    """`[start, stop)` of a job is being run by the session with this route; `touched` is when it last moved."""

    id: LeaseId
    job: bytes
    start: int
    stop: int
    route: bytes
    touched: float
    trimming: bool = False


class Session(msgspec.Struct):
    """One connection's life of an instance. `place` names host and environment: where a task cannot run, it cannot
    run. Leases of this run up to number `since` were given before the connection stood. A worker gets none before it
    has `listed` those that it holds. `runs` are the accounts whose code it runs (empty: everybody's); it `began` at
    that time (monotonic)."""

    route: bytes
    key: str
    member: str
    instance: bytes
    role: str
    host: str
    environment: str
    slots: int
    context: bytes
    heard: float
    account: str = ""
    admin: bool = False
    since: int = 0
    runs: frozenset[str] = frozenset()
    began: float = 0.0
    suspect: bool = False
    draining: bool = False
    listed: bool = True
    leases: dict[LeaseId, Lease] = msgspec.field(default_factory=dict)
    functions: set[bytes] = msgspec.field(default_factory=set)
    contexts: set[bytes] = msgspec.field(default_factory=set)
    pages: dict[bytes, set[int]] = msgspec.field(default_factory=dict)
    over: list[bytes] = msgspec.field(default_factory=list)
    pace: dict[bytes, float] = msgspec.field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"{self.host} {self.environment}".strip()

    @property
    def works(self) -> bool:
        """Whether it may be given work."""
        return self.role == "worker" and self.listed and not self.suspect and not self.draining

    def trusted(self, job: Job) -> bool:
        """Whether the job takes any result of this worker's."""
        pickles = job.opened.options.pickles
        return pickles is None or self.member in pickles

    def serves(self, job: Job) -> bool:
        """Whether this worker runs code of the job's account."""
        return not self.runs or job.opened.account in self.runs

    def may(self, job: Job) -> bool:
        """Whether the job belongs to this member's account, or it may do everything."""
        return self.admin or job.opened.account == self.account


class Follower(msgspec.Struct):
    """A reader of a job's results. By window, `pending` is a heap of result pages not sent yet, each as one number, in
    the order of their starts: `start << 40 | arrival` (a pair would need three times the memory)."""

    route: bytes
    reader: int
    order: str
    after: int
    limit: int
    sent: int = 0
    pending: list[int] = msgspec.field(default_factory=list)


class Deferred(msgspec.Struct):
    """A task that another job is computing: its tag, and which it is there. When that is over, `batch` is what must be
    durable before the store can tell what came of it."""

    tag: bytes
    job: bytes
    index: int
    batch: int = 0


class Job(msgspec.Struct):
    """A job and where each of its tasks is.

    `visible` result pages are durable and may be shown; so are `shown_total` (-1 before) and, with `shown_end`, its
    end. `runs` says from which result page on they were recorded in which run of the broker; `sources` are other jobs
    whose pages hold results of this one. `recalling` holds pages while the store looks up what is recorded of them,
    `deferred` tasks that a superseded job computes, `asked` those of them that the store looks up. `held`: its client
    may still have a handle; `superseded`: another job continues it; `touched` and `ended_at` are wall-clock times.
    `tasted` are the members of whom a result has come; `held_by` is the one whose result holds it (see
    `Options.pickles`), `told_held` the one that readers were told of. `given` is what was leased to whom (by key) and
    has no result of theirs yet; tasks below `leased_before` may have been leased to anybody in a former run.
    `context` is that of its client, or of another that takes it up; `left_at` is when its client went (monotonic).
    """

    opened: JobOpened
    pages: Pages = msgspec.field(default_factory=Pages)
    page_times: array[float] = msgspec.field(default_factory=lambda: array("d"))
    total: int | None = None
    state: JobState = "running"
    ended_at: float = 0.0
    touched: float = 0.0
    held: bool = True
    context: bytes = b""
    left_at: float | None = None
    told_abandoned: bool = False
    unwanted: bool = False
    superseded: bool = False
    tasted: set[str] = msgspec.field(default_factory=set)
    held_by: str = ""
    told_held: str = ""
    leased_up_to: int = 0
    leased_before: int = 0
    given: dict[str, Ranges] = msgspec.field(default_factory=dict)
    ready: Ranges = msgspec.field(default_factory=Ranges)
    picky: dict[int, None] = msgspec.field(default_factory=dict)
    limbo: Ranges = msgspec.field(default_factory=Ranges)
    done: Ranges = msgspec.field(default_factory=Ranges)
    leases: dict[LeaseId, Lease] = msgspec.field(default_factory=dict)
    arrivals: Arrivals = msgspec.field(default_factory=Arrivals)
    runs: list[tuple[int, int]] = msgspec.field(default_factory=list)
    sources: set[bytes] = msgspec.field(default_factory=set)
    recalling: dict[int, tuple[bytes, m.Page, bytes]] = msgspec.field(default_factory=dict)
    deferred: dict[int, Deferred] = msgspec.field(default_factory=dict)
    asked: list[int] = msgspec.field(default_factory=list)
    visible: int = 0
    shown_total: int = -1
    shown_end: bool = False
    failed: int = 0
    tried: dict[int, list[Tried]] = msgspec.field(default_factory=dict)
    shunned: set[str] = msgspec.field(default_factory=set)
    followers: dict[tuple[bytes, int], Follower] = msgspec.field(default_factory=dict)
    watchers: dict[bytes, None] = msgspec.field(default_factory=dict)
    changed: bool = False

    @property
    def id(self) -> bytes:
        return self.opened.job

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def tasks(self) -> int:
        """How many tasks have been submitted so far."""
        return self.pages.tasks

    @property
    def waits(self) -> bool:
        """Whether some task could be leased now."""
        return bool(self.ready or self.picky) and not self.superseded and not self.held_by

    def add_page(self, count: int, blobs: list[bytes], now: float) -> None:
        self.pages.add(count, blobs)
        self.page_times.append(now)

    def add_arrival(self, start: int, stop: int, run: int) -> None:
        """A result page, recorded in this run of the broker."""
        number = self.arrivals.add(start, stop)
        if not self.runs or self.runs[-1][1] != run:
            self.runs.append((number, run))

    def run_of(self, arrival: int) -> int:
        """The broker's run in which a result page was recorded; 0 if there is no such page."""
        if not 0 < arrival <= len(self.arrivals):
            return 0
        return self.runs[bisect_right(self.runs, (arrival, 2**63)) - 1][1]

    def give(self, key: str, start: int, stop: int) -> None:
        """These tasks are leased to a member: it may answer them, also when the lease is over."""
        self.given.setdefault(key, Ranges()).add(start, stop)

    def answerable(self, key: str, start: int, stop: int) -> Ranges:
        """Which of these tasks a member may answer: what was never leased to it, it cannot have computed."""
        given = self.given.get(key)
        found = Ranges(given.overlap(start, stop) if given is not None else ())
        if start < self.leased_before:
            found.add(start, min(stop, self.leased_before))
        return found

    def settle(self, start: int, stop: int) -> None:
        """These tasks have their results: they are nowhere else."""
        self.done.add(start, stop)
        self.ready.remove(start, stop)
        self.limbo.remove(start, stop)
        for index in [i for i in self.picky if start <= i < stop] if self.picky else ():
            del self.picky[index]
        for index in [i for i in self.deferred if start <= i < stop] if self.deferred else ():
            del self.deferred[index]

    def release(self, start: int, stop: int) -> None:
        """Tasks come back from a lease: those that are not done and not leased elsewhere are ready again."""
        for a, b in self.done.missing(start, stop):
            for low, high in self._unleased(a, b):
                self.ready.add(low, high)
                for index in self.tried:
                    if low <= index < high:
                        self.ready.remove(index, index + 1)
                        self.picky[index] = None
                self.limbo.remove(low, high)

    def set_aside(self, start: int, stop: int) -> None:
        """Tasks that were leased may still be with their worker."""
        for a, b in self.done.missing(start, stop):
            for low, high in self._unleased(a, b):
                self.limbo.add(low, high)

    def _unleased(self, start: int, stop: int) -> list[Range]:
        left = Ranges([(start, stop)])
        for lease in self.leases.values():
            left.remove(lease.start, lease.stop)
        return list(iter(left))  # list(left) would make room for as many ranges as there are tasks


class State:
    """Everything, with the indices that handlers need.

    `awaited` are workers that were lost, and until when they may come back with what they hold; `lost` are clients
    whose connection broke, and until when that is not taken for their leaving. `keys` has, by account and key, the
    fingerprint of the function whose results are recorded there, and `cleared` in which batch it was cleared last.
    `guests` are keys that are no members', with what they may do. `book` is the newest roster with what was added to
    it, `version` and `epoch` are the roster's; it is `extended` if anything was. `room` says why nothing new is taken
    (no room on the disk); it is empty where there is. `wall` is the time of the event being handled; a client that has
    been away for `patience` seconds may not come back.
    """

    def __init__(self) -> None:
        self.run = self.leases_given = 0
        self.members: dict[str, Member] = {}
        self.guests: dict[str, str] = {}
        self.cluster = ""
        self.version = self.epoch = 0
        self.extended = False
        self.book = b""
        self.sessions: dict[bytes, Session] = {}
        self.instances: dict[bytes, Session] = {}
        self.jobs: dict[bytes, Job] = {}
        self.contexts: dict[bytes, bytes] = {}
        self.awaited: dict[bytes, float] = {}
        self.lost: dict[bytes, float] = {}
        self.active: dict[bytes, Job] = {}
        self.keys: dict[tuple[str, str], bytes] = {}
        self.cleared: dict[tuple[str, str], int] = {}
        self.room = ""
        self.wall = 0.0
        self.patience = 15.0

    def workers(self) -> list[Session]:
        """Sessions that may be given work."""
        return [session for session in self.sessions.values() if session.works]

    def epochs(self) -> list[int]:
        """The epochs of keys with which something here may be sealed: a job with that of its time, its results with
        those that came since, and what is on its way with the newest."""
        oldest = min((it.opened.epoch for it in self.jobs.values() if it.opened.epoch), default=self.epoch)
        return list(range(max(1, min(oldest, self.epoch), self.epoch - EPOCHS), self.epoch + 1))

    def arrived(self, session: Session, lease: LeaseId, seen: int) -> bool:
        """Whether a lease must have come to its worker, or was lost on the way, when that says what it has `seen`."""
        return lease.run < self.run or lease.number <= max(seen, session.since)

    def add_lease(self, job: Job, session: Session, lease: Lease) -> None:
        job.leases[lease.id] = lease
        session.leases[lease.id] = lease

    def end_lease(self, lease: Lease) -> None:
        """Forget a lease, wherever it is noted; its tasks are the caller's business."""
        if (job := self.jobs.get(lease.job)) is not None:
            job.leases.pop(lease.id, None)
        if (session := self.sessions.get(lease.route)) is not None:
            session.leases.pop(lease.id, None)

    def check(self) -> None:
        """Invariants. Raises AssertionError."""
        for job in self.jobs.values():
            if job.ended:
                assert not job.leases, "an ended job has leases"
                assert not job.waits, "an ended job has tasks that wait"
                continue
            left = Ranges([(0, job.tasks)])
            for a, b in job.done:
                assert left.covers(a, b), f"done {a}..{b} of {job.tasks}"
                left.remove(a, b)
            alone = ((i, i + 1) for i in (*job.picky, *job.deferred))
            for a, b in chain(job.ready, alone, job.limbo):
                assert left.covers(a, b), f"task {a}..{b} is in two places, or done and waiting"
                left.remove(a, b)
            for lease in job.leases.values():
                assert lease.start < lease.stop, f"an empty lease {lease}"
                assert self.sessions[lease.route].leases[lease.id] is lease, "a lease without its session"
                left.remove(lease.start, lease.stop)
            assert not left, f"tasks nobody will run: {left}"
        for session in self.sessions.values():
            for lease in session.leases.values():
                assert self.jobs[lease.job].leases[lease.id] is lease, "a lease without its job"
