"""Watches the machines for rare states: what they knew before an event, and what the broker says after it.

Rules of this file: it only looks.
"""

from __future__ import annotations

from collections.abc import Iterable

from raisin_broker import records as r
from raisin_broker.machine import Arrived, Broker, CommitFailed, Event, Remembered, TurnEnded, Unreachable
from raisin_broker.outbox import Command, Send, Stage
from raisin_broker.state import Job, Session
from raisin_core import messages as m
from raisin_core.client.machine import Client
from raisin_worker.machine import Worker
from tests.simulation.ledger import ruling_of
from tests.simulation.rare import Seen

ACKNOWLEDGEMENTS = (m.Opened, m.Stored, m.Closed)


class BrokerWatch:
    """Looks at one broker process."""

    def __init__(self, seen: Seen, machine: Broker) -> None:
        self._saw, self.machine, self.state = seen.saw, machine, machine.state
        self._old = set(machine.state.jobs)
        self._trims: dict[m.LeaseId, int] = {}
        self._done = self._sessions = 0
        self._suspect = self._limbo = self._leaseless = False
        self._leases: set[m.LeaseId] = set()
        self._leased: set[bytes] = set()
        self._unwanted: set[bytes] = set()
        self._superseded: set[bytes] = set()

    def before(self, event: Event) -> None:
        """The machine is about to take this."""
        match event:
            case Arrived():
                if (session := self.state.sessions.get(event.route)) is not None:
                    self._suspect = session.suspect
                    if session.suspect:
                        self._saw("a session that was suspect speaks again")
                    self._before_message(session, event.message)
                if isinstance(event.message, m.Hello):
                    self._before_hello(event.message)
                elif isinstance(event.message, m.Open):
                    self._superseded = {job.id for job in self.state.active.values() if job.superseded}
            case TurnEnded():
                active = self.state.active.values()
                self._sessions = len(self.state.sessions)
                self._limbo = self.machine.peers.limbo_until is not None and any(job.limbo for job in active)
                self._leased = {job.id for job in active if job.opened.options.deadline and job.leases}
            case Unreachable():
                session = self.state.sessions.get(event.route)
                if session is not None and session.leases:
                    self._saw("a full queue ends a session with leases")
            case CommitFailed():
                self._before_failure()

    def after(self, event: Event, commands: Iterable[Command]) -> None:
        """The machine has taken it, and says this."""
        if isinstance(event, TurnEnded):
            self._after_turn(commands)
        elif isinstance(event, Remembered):
            if (asked := self.state.jobs.get(event.job)) is not None and asked.deferred:
                self._saw("a task waits for another job's")
        elif isinstance(event, Arrived):
            session = self.state.sessions.get(event.route)
            if isinstance(event.message, m.Results):
                self._after_results(event.message)
            elif isinstance(event.message, m.Open):
                active = self.state.active.values()
                if any(job.superseded and job.id not in self._superseded for job in active):
                    self._saw("a job is continued by another")
            elif isinstance(event.message, m.Held) and session is not None:
                self._after_held(session, event.message, commands)
        for command in commands:
            if isinstance(command, Stage):
                for record in command.records:
                    self._look_at_record(record)
            elif isinstance(command, Send) and isinstance(command.message, m.Trim):
                self._trims[command.message.lease] = command.message.stop

    # -- before --------------------------------------------------------------------------------------------------

    def _before_message(self, session: Session, message: m.Message) -> None:
        job = self.state.jobs.get(getattr(message, "job", b""))
        match message:
            case m.Results():
                self._before_results(session, job, message)
            case m.Held():
                self._leases = set(session.leases)
            case m.Open() if job is not None:
                self._saw("an opening comes again")
            case m.Page() if job is not None and message.number < len(job.pages):
                self._saw("a page comes again")
                if job.id in self._old:
                    self._saw("a page comes again after a restart")
            case m.Close() if job is not None and job.total is not None:
                self._saw("a close comes again")
            case m.Cancel() if job is not None:
                if job.leases:
                    self._saw("a job is cancelled while leased")
                if job.limbo:
                    self._saw("a job is cancelled in limbo")
            case m.Crashed() if job is not None and not job.ended and message.lease not in session.leases:
                self._saw("a crash is told of a lease that is not held")

    def _before_results(self, session: Session, job: Job | None, message: m.Results) -> None:
        if job is None:
            self._saw("a result of a job that is gone")
            return
        self._done = len(job.done)
        if job.state in ("cancelled", "late"):
            self._saw("a result of a cancelled job")
        if job.limbo.overlap(message.start, message.stop):
            self._saw("a result empties limbo")
        lease = session.leases.get(message.lease)
        self._leaseless = lease is None and message.lease.run == self.state.run
        if lease is None:
            return
        if lease.trimming and message.stop > self._trims.get(lease.id, message.stop):
            self._saw("a trim crosses a result")
        elif lease.stop < message.stop:
            self._saw("tasks are run behind a trim")

    def _before_hello(self, message: m.Hello) -> None:
        old = self.state.instances.get(message.instance)
        if old is not None and old.leases:
            self._saw("a new session of an instance takes over its leases")
        dead = (self.state.instances.get(instance) for instance in message.replaces)
        if any(session is not None and session.leases for session in dead):
            self._saw("a newcomer replaces a session with leases")

    def _before_failure(self) -> None:
        waiting = [command.message for _, command in self.machine.out._waiting if isinstance(command, Send)]
        if any(isinstance(message, ACKNOWLEDGEMENTS) for message in waiting):
            self._saw("a commit fails while an acknowledgement waits")
        if any(isinstance(message, m.Judged) for message in waiting):
            self._saw("a commit fails while a verdict waits")

    # -- after ---------------------------------------------------------------------------------------------------

    def _after_turn(self, commands: Iterable[Command]) -> None:
        if len(self.state.sessions) < self._sessions:
            self._saw("a session ends after long silence")
        if self._limbo and self.machine.peers.limbo_until is None:
            records = [record for each in commands if isinstance(each, Stage) for record in each.records]
            gave_up = any(isinstance(record, r.WorkerGone) for record in records)
            self._saw("limbo ends by timeout" if gave_up else "limbo ends because all have come back")

    def _after_results(self, message: m.Results) -> None:
        job = self.state.jobs.get(message.job)
        if job is None or job.state in ("cancelled", "late"):
            return
        won = len(job.done) - self._done
        if won == 0:
            self._saw("a result counts nothing")
        elif won < message.stop - message.start:
            self._saw("half of a result page counts")
        if won and self._suspect:
            self._saw("a suspect session's result wins")
        if won and self._leaseless and not self._suspect:
            self._saw("a session ends with results on their way, and they win")

    def _after_held(self, session: Session, message: m.Held, commands: Iterable[Command]) -> None:
        for lease in session.leases.keys() - self._leases:
            old = lease.run < self.state.run
            self._saw("a lease is adopted after a restart" if old else "a lease is adopted by a new session")
        if self._leases - session.leases.keys():
            self._saw("a lease that never arrived is ready again")
        if any(isinstance(each, Send) and isinstance(each.message, m.Trim) for each in commands):
            self._saw("a lease that its worker lists is taken away")

    def _look_at_record(self, record: r.Record) -> None:
        job = self.state.jobs.get(getattr(record, "job", b""))
        match record:
            case r.JobUnwanted():
                self._unwanted.add(record.job)
            case r.JobForgotten() if record.job in self._unwanted:
                self._saw("a job that nobody wants is forgotten at its end")
            case r.JobMarked(state="late") if record.job in self._leased:
                self._saw("a job is late while leased")
            case r.Tried(kind="raised") if job is not None and len(self._runs(job, record.index)) > 1:
                self._saw("a retry is remembered over a restart")
            case r.KeyCleared():
                self._saw("a key begins anew")
            case r.ResultAdded(source=source) if job is not None and source is not None:
                self._saw("a result was recorded before")
                if source.job != job.id and source.job in self.state.active:
                    self._saw("a result of a job that goes on counts for another")
            case r.ResultAdded() if job is not None and (ruling := ruling_of(record)) is not None:
                if ruling.kind == "crashed" and len(self._runs(job, record.start)) > 1:
                    self._saw("the third strike comes after a restart")
                elif ruling.kind != "crashed":
                    self._saw("a task fits no host" if ruling.kind == "unfit" else "a task is too slow for good")

    def _runs(self, job: Job, index: int) -> set[str]:
        """The broker's runs in which a task was tried."""
        return {tried.attempt.split(".")[0] for tried in job.tried.get(index, ())}


def watch_worker(seen: Seen, machine: Worker, message: m.Message) -> None:
    """A worker is about to hear this."""
    state = machine.state
    match message:
        case m.Trim() if message.lease not in state.leases:
            seen.saw("a trim comes for a lease that is over")
        case m.Judged() if (message.job, message.start, message.stop) not in state.unjudged:
            seen.saw("a verdict is heard twice")
        case m.Welcome() if state.unjudged and message.run != machine._run:
            seen.saw("results are said again to a new run")


def watch_client(seen: Seen, machine: Client, message: m.Message) -> None:
    """A client is about to hear this."""
    if isinstance(message, m.Result) and (job := machine.jobs.get(message.job)) is not None:
        reader = job.readers.get(message.reader)
        if reader is not None and message.arrival in reader.seen:
            seen.saw("a result page comes twice to a client")
