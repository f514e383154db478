"""The broker as a machine: events in, commands out.

A turn of the broker's loop hands over what has arrived, one event each, and then `TurnEnded`: that is when time is
looked at
(after draining: whoever spoke is not silent), work is given out, and one numbered batch of records is staged and
committed.

Rules of this file: pure. `handle` is the table of the protocol; what each message does stands in the room it belongs
to: `peers` (sessions), `belonging` (who is a member), `submissions` (jobs and pages), `resumption` (what was recorded
before), `execution` (leases and results), `readers` (collecting), `retention` (what may go).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import msgspec

from raisin_broker.belonging import Answered, Belonging, RosterChanged
from raisin_broker.execution import Execution
from raisin_broker.outbox import Command, Outbox, Show, Stop
from raisin_broker.peers import Peers, Timing
from raisin_broker.readers import Readers
from raisin_broker.recording import Recording
from raisin_broker.records import Recalled, Stored, StoredJob
from raisin_broker.resumption import Resumption
from raisin_broker.retention import Keep, Retention, Room
from raisin_broker.state import Instant, Job, Session, State
from raisin_broker.submissions import Submissions
from raisin_core import messages as m
from raisin_core.messages import VERSION, Message


class Arrived(msgspec.Struct, frozen=True):
    """A well-formed message came from this route, from the holder of this key."""

    route: bytes
    key: str
    message: Message
    payload: bytes = b""


class Garbled(msgspec.Struct, frozen=True):
    """Something that is no message came from this route."""

    route: bytes
    reason: str
    version: int


class Unreachable(msgspec.Struct, frozen=True):
    """A message could not be sent: the connection is gone, or its queue is full."""

    route: bytes


class TurnEnded(msgspec.Struct, frozen=True):
    """All that had arrived has been handed over."""


class Committed(msgspec.Struct, frozen=True):
    """A batch is durable."""

    batch: int


class CommitFailed(msgspec.Struct, frozen=True):
    """A batch is not durable; it stays staged."""

    batch: int
    reason: str


class Remembered(msgspec.Struct, frozen=True):
    """The answer to Recall: what is recorded of a page's tasks."""

    job: bytes
    number: int
    found: list[Recalled]


class StopAsked(msgspec.Struct, frozen=True):
    """End in good order; `final` if this cluster will not come back."""

    final: bool = False


Event = (
    Arrived
    | Garbled
    | Unreachable
    | TurnEnded
    | Committed
    | CommitFailed
    | Remembered
    | Room
    | RosterChanged
    | Answered
    | StopAsked
)

CLIENT_WAYS = ("peer>broker", "client>broker")
WORKER_WAYS = ("peer>broker", "worker>broker")


class Broker:
    """The broker's machine. `stored` is what the store held at the start."""

    def __init__(self, stored: Stored, at: Instant, timing: Timing | None = None, keep: Keep | None = None) -> None:
        self.state = State()
        self.out = Outbox()
        self.timing = timing or Timing()
        self.submissions = Submissions(self.state, self.out)
        self.readers = Readers(self.state, self.out)
        self.recording = Recording(self.state, self.out)
        self.resumption = Resumption(self.state, self.out, self.submissions, self.recording)
        self.execution = Execution(self.state, self.out, self.submissions, self.recording)
        self.retention = Retention(self.state, self.submissions, keep or Keep())
        self.peers = Peers(self.state, self.out, self.execution, self.readers, self.timing)
        self.belonging = Belonging(self.state, self.out, self.peers, self.submissions)
        self.state.patience = self.timing.silence
        self._at = at
        self._turn_due: float | None = None
        self._load(stored, at)

    def handle(self, event: Event, at: Instant) -> list[Command]:
        """Take one event; the commands are to be carried out in their order."""
        self._at, self.state.wall = at, at.wall
        match event:
            case Arrived():
                self._on_arrived(event, at)
            case TurnEnded():
                self._on_turn_ended(at)
            case Committed():
                if self.out.stuck:
                    self._turn_due = at.mono  # nothing was leased meanwhile
                self._show(self.out.committed(event.batch))
                self.out.go_on()
            case CommitFailed():
                self.out.failed(at.mono)
            case Garbled():
                self._on_garbled(event)
            case Unreachable():
                if (session := self.state.sessions.get(event.route)) is not None:
                    self.peers.lose(session, at)
            case Remembered():
                self.resumption.on_recalled(event.job, event.number, event.found, at)
            case Room():
                self.retention.on_room(event)
            case RosterChanged():
                self.belonging.change(event)
            case Answered():
                self.belonging.answer(event)
            case StopAsked():
                self._on_stop_asked(event)
        return self.out.take()

    def next_deadline(self) -> float | None:
        """When a TurnEnded is needed at the latest, on the monotonic clock."""
        times = [
            self.peers.deadline(),
            self.readers.deadline(),
            self.out.deadline,
            self._job_deadline(),
            self._unrest(),
            self.retention.deadline(),
            self._turn_due,
            self._at.mono if self.resumption.due() else None,
        ]
        return min((time for time in times if time is not None), default=None)

    def check(self) -> None:
        """Invariants. Raises AssertionError."""
        self.state.check()
        for job in self.state.jobs.values():
            assert job.visible <= len(job.arrivals), "more is visible than there is"

    def _on_arrived(self, event: Arrived, at: Instant) -> None:
        message, route = event.message, event.route
        hello = isinstance(message, m.Hello)
        if (self.peers.dropped(route) and not hello) or not self.belonging.admits(route, event.key, message):
            return
        match message:
            case m.Hello():
                self.peers.on_hello(route, event.key, message, event.payload, at)
            case m.Publish() | m.Join() | m.Resign():
                self.belonging.on_asked(route, event.key, message, event.payload)
            case m.ListMembers():
                self.belonging.on_list(route, at)
            case _:
                self._in_session(event, at)

    def _in_session(self, event: Arrived, at: Instant) -> None:
        message, route = event.message, event.route
        session = self.state.sessions.get(route)
        if session is None or session.key != event.key:
            if not isinstance(message, m.Goodbye):
                self.out.send(route, m.WhoAreYou())
            return
        if message.way not in (CLIENT_WAYS if session.role == "client" else WORKER_WAYS) or message.bulk:
            reason = f"a {session.role} does not say {type(message).__name__}"
            self.out.send(route, m.Refused("role", reason))
            return
        self.peers.heard(session, at)
        self._dispatch(session, message, event.payload, at)

    def _dispatch(self, session: Session, message: Message, payload: bytes, at: Instant) -> None:
        """The table of the protocol, as the broker hears it."""
        match message:
            case m.Beat():
                self.peers.on_beat(session, message)
            case m.Results():
                self.execution.on_results(session, message, payload, at)
            case m.Page():
                self.submissions.on_page(session, message, payload, at)
            case m.Follow():
                self.readers.on_follow(session, message)
            case m.Open():
                self.submissions.on_open(session, message, payload, at)
            case m.Close():
                self.submissions.on_close(session, message, at)
            case m.Forget():
                self.submissions.on_forget(session, message)
            case m.Unfollow():
                self.readers.on_unfollow(session, message)
            case m.Cancel():
                self.submissions.on_cancel(session, message)
            case m.Release():
                self.submissions.on_release(session, message)
            case m.Fetch():
                self.readers.on_fetch(session, message)
            case m.Attach():
                self.readers.on_attach(session, message)
            case m.ListJobs():
                self.readers.on_list(session, message)
            case m.Explain():
                self.readers.on_explain(session, message)
            case m.Trimmed():
                self.execution.on_trimmed(session, message, at)
            case m.Crashed():
                self.execution.on_crashed(session, message, at)
            case m.Held():
                self.execution.on_held(session, message, at)
            case m.Wrote():
                self._on_wrote(session, message, payload)
            case m.Draining():
                self.peers.on_draining(session)
            case m.Goodbye():
                self.peers.end(session, gone=True)

    def _on_wrote(self, session: Session, message: m.Wrote, payload: bytes) -> None:
        """Whoever runs nothing of a job has nothing to say there."""
        job = self.state.jobs.get(message.job) if message.job in session.pages else None
        for route in job.watchers if job else ():
            self.out.send(route, m.Printed(message.job, message.index, session.host), payload)

    def _on_garbled(self, event: Garbled) -> None:
        if event.version not in (-1, VERSION):
            reason = f"the broker speaks protocol version {VERSION}, you speak {event.version}: upgrade the older one"
            self.out.send(event.route, m.Refused("version", reason, fatal=True))
        else:
            self.peers.on_garbled(event.route, event.reason)

    def _on_turn_ended(self, at: Instant) -> None:
        self._turn_due = None
        self.peers.check_silence(at)
        self.submissions.check_deadlines(at)
        self.retention.look(at)
        self.resumption.look()
        self.execution.give_work(at)
        self.submissions.acknowledge()
        self.readers.tell_progress(at)
        self._show(self.out.release())
        self.out.flush(at.mono)

    def _show(self, shows: Iterable[Show]) -> None:
        """Whoever asked hears it last: what was said meanwhile (Closed) is true of what is told then."""
        for shown in sorted(shows, key=lambda show: bool(show.asked)):
            if (job := self.state.jobs.get(shown.job)) is not None:
                self.readers.show(job, shown)

    def _on_stop_asked(self, event: StopAsked) -> None:
        for route in self.state.sessions:
            self.out.send(route, m.Farewell(event.final))
        self.out.now.append(Stop())

    def _job_deadline(self) -> float | None:
        """The nearest job deadline, from wall-clock time to the monotonic clock as it stands now."""
        deadlines = [job.opened.options.deadline for job in self.state.active.values()]
        nearest = min((deadline for deadline in deadlines if deadline), default=None)
        return None if nearest is None else self._at.mono + max(0.0, nearest - self._at.wall)

    def _unrest(self) -> float | None:
        """While some slot has nothing to do and leases are out, look again soon: work may have to be moved."""
        idle = any(s.works and len(s.leases) < s.slots for s in self.state.sessions.values())
        leased = idle and any(job.leases for job in self.state.active.values())
        return self._at.mono + 0.1 if leased else None

    def _load(self, stored: Stored, at: Instant) -> None:
        self.state.run, self.state.wall = stored.run, at.wall
        self.state.keys = {(each.account, each.key): each.fingerprint for each in stored.keys}
        self.state.awaited = dict.fromkeys(stored.workers, at.mono + self.timing.silence)
        for each in stored.jobs:
            job = _restore(each, at.mono)
            self.state.jobs[job.id] = job
            if not job.ended:
                self.state.active[job.id] = job
        self.peers.limbo_until = at.mono + self.timing.silence
        for job in list(self.state.active.values()):
            self.submissions.end_if_done(job)


def _restore(stored: StoredJob, now: float) -> Job:
    """A job as it was when the last batch was committed; what was leased waits for its workers."""
    job = Job(
        stored.opened,
        pages=stored.pages,
        total=stored.total,
        state=stored.state,
        ended_at=stored.ended,
        touched=stored.opened.opened,
        unwanted=stored.unwanted,
        leased_up_to=stored.leased_up_to,
        leased_before=stored.leased_up_to,
        context=stored.opened.context,
        left_at=now,
        done=stored.done,
        arrivals=stored.arrivals,
        runs=stored.runs,
        sources=stored.sources,
        visible=len(stored.arrivals),
        failed=stored.failed,
    )
    job.page_times = array("d", [now]) * len(stored.pages)
    job.shown_end = job.ended
    job.shown_total = -1 if job.total is None else job.total
    for tried in stored.tried:
        job.tried.setdefault(tried.index, []).append(tried)
    if not job.ended:
        for start, stop in job.done.missing(0, job.tasks):
            job.limbo.add(start, min(stop, job.leased_up_to))
            job.ready.add(max(start, job.leased_up_to), stop)
        for index in job.tried:
            if index in job.ready:
                job.ready.remove(index, index + 1)
                job.picky[index] = None
    return job
