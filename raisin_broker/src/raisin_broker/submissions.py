"""What clients submit: jobs, pages, their end, cancelling and forgetting.

Rules of this file: pure. Whatever was not acknowledged may come again, byte for byte, and changes nothing then.
"""

from __future__ import annotations

import math
from typing import Final

from raisin_broker import records
from raisin_broker.outbox import Outbox, Show
from raisin_broker.records import StoredPage
from raisin_broker.state import Instant, Job, Session, State
from raisin_core import digests
from raisin_core.messages import (
    Cancel,
    Close,
    Closed,
    Forget,
    JobState,
    Open,
    Opened,
    Options,
    Over,
    Page,
    Refused,
    Stored,
)

CREDIT: Final = 64
OVER: Final = 16
FUNCTIONS: Final = 256
OVER_SECONDS: Final = 1.0

MOST_TASKS: Final = 2**62

Acknowledgement = Opened | Stored | Closed


class Submissions:
    """Handlers of what clients submit."""

    def __init__(self, state: State, out: Outbox) -> None:
        self.state = state
        self.out = out
        self._acknowledged: dict[tuple[bytes, bytes], Acknowledgement] = {}

    def on_open(self, session: Session, message: Open, payload: bytes, at: Instant) -> None:
        job = self.state.jobs.get(message.job)
        if job is None:
            if message.function != digests.content(payload):
                self._refuse(session, "malformed", "the function is not what its digest says", message.job)
                return
            if not _possible(message.options):
                self._refuse(session, "malformed", f"impossible options: {message.options}", message.job)
                return
            job = self._make(session, message, payload, at)
        job.watchers[session.route] = None
        if job.shown_end:  # its end was told when nobody was there to hear it
            self.out.show_later(Show(job.id, asked=session.route))
        self._acknowledge(session, Opened(message.job, len(job.pages) + CREDIT))

    def on_page(self, session: Session, message: Page, payload: bytes, at: Instant) -> None:
        if (job := self._own(session, message.job)) is None:
            return
        if message.number == len(job.pages) and not job.ended and job.total is None:
            if message.first != job.tasks or not 0 < message.count <= MOST_TASKS - job.tasks:
                self._refuse(session, "malformed", f"page {message.number} begins at {message.first}", message.job)
                return
            self._add_page(job, message, payload, at)
        stored = len(job.pages)
        if message.last and message.number < stored:
            self._close(session, job, message.first + message.count)
        else:
            self._acknowledge(session, Stored(message.job, stored, stored + CREDIT))

    def on_close(self, session: Session, message: Close, at: Instant) -> None:
        if (job := self._own(session, message.job)) is not None:
            self._close(session, job, message.total)

    def on_cancel(self, session: Session, message: Cancel) -> None:
        if (job := self._own(session, message.job)) is not None and not job.ended:
            self.end(job, "cancelled")

    def on_forget(self, session: Session, message: Forget) -> None:
        job = self.state.jobs.get(message.job)
        if job is None:
            return
        job.watchers.pop(session.route, None)
        if job.ended:
            self._forget(job)
        elif not job.unwanted:
            job.unwanted = True
            self.out.record(records.JobUnwanted(job.id))

    def end_if_done(self, job: Job) -> None:
        """A closed job with all its results is done."""
        if not job.ended and job.total is not None and len(job.done) >= job.total:
            self.end(job, "done")

    def end(self, job: Job, state: JobState) -> None:
        """A job ends: workers forget it, nothing of it waits, and those who watch will be told."""
        job.state = state
        self.state.active.pop(job.id, None)
        self.out.record(records.JobMarked(job.id, state))
        running = {lease.route for lease in job.leases.values()}
        for lease in list(job.leases.values()):
            self.state.end_lease(lease)
        for session in self.state.sessions.values():
            if session.pages.pop(job.id, None) is not None:
                session.over.append(job.id)
                if session.route in running or len(session.over) >= OVER:
                    self.say_over(session)
        for places in (job.ready, job.limbo):
            for start, stop in places:
                places.remove(start, stop)
        job.picky.clear()
        self.out.show_later(Show(job.id, len(job.results), over=True))
        if job.unwanted:
            self._forget(job)

    def say_over(self, session: Session) -> None:
        """Tell a worker which jobs have ended (at once if it runs something of them, else a few together), and, when
        it has many, which functions no job uses."""
        stale: set[bytes] = set()
        if len(session.functions) > FUNCTIONS:
            stale = session.functions - {job.opened.function for job in self.state.active.values()}
            session.functions -= stale
        if session.over or stale:
            self.out.send(session.route, Over(session.over, sorted(stale)))
            session.over = []

    def acknowledge(self) -> None:
        """The turn is over: one acknowledgement per job says all that it brought."""
        for (route, _), message in self._acknowledged.items():
            self.out.send_later(route, message)
        self._acknowledged.clear()

    def check_deadlines(self, at: Instant) -> None:
        """End what is late by wall-clock time."""
        for job in list(self.state.active.values()):
            deadline = job.opened.options.deadline
            if deadline and at.wall >= deadline:
                self.end(job, "late")

    def _make(self, session: Session, message: Open, payload: bytes, at: Instant) -> Job:
        opened = records.JobOpened(
            job=message.job,
            owner=session.member,
            instance=session.instance,
            form=message.form,
            name=message.name,
            function=message.function,
            function_payload=payload,
            function_blobs=message.blobs,
            options=message.options,
            context=message.context,
            shape=message.shape,
            opened=at.wall,
        )
        job = Job(opened)
        self.state.jobs[job.id] = self.state.active[job.id] = job
        self.out.record(opened)
        # The payload is in the store from now on; memory keeps the rest.
        job.opened = records.without_payload(opened)
        return job

    def _add_page(self, job: Job, message: Page, payload: bytes, at: Instant) -> None:
        job.add_page(StoredPage(message.first, message.count, message.blobs), at.mono)
        job.ready.add(message.first, message.first + message.count)
        self.out.record(records.PageAdded(job.id, message.number, message.first, message.count, payload, message.blobs))

    def _close(self, session: Session, job: Job, total: int) -> None:
        if job.total is None and not job.ended:
            if total != job.tasks:
                self._refuse(session, "malformed", f"{total} tasks closed, {job.tasks} sent", job.id)
                return
            job.total = total
            self.out.record(records.JobClosed(job.id, total))
            self.out.show_later(Show(job.id, total=total))
            self.end_if_done(job)
        self._acknowledge(session, Closed(job.id))

    def _acknowledge(self, session: Session, message: Acknowledgement) -> None:
        """Later ones say all that earlier ones do."""
        self._acknowledged[session.route, message.job] = message

    def _own(self, session: Session, job: bytes) -> Job | None:
        """The job, if there is one. All members of a cluster count as one person's machines, so anybody's will do."""
        found = self.state.jobs.get(job)
        if found is None:
            self._refuse(session, "unknown job", f"no job {job.hex()[:8]} here", job)
        return found

    def _refuse(self, session: Session, code: str, reason: str, about: bytes) -> None:
        self.out.send_later(session.route, Refused(code, reason, about))  # type: ignore[arg-type]

    def _forget(self, job: Job) -> None:
        self.state.jobs.pop(job.id, None)
        self.state.active.pop(job.id, None)
        self.out.record(records.JobForgotten(job.id))


def _possible(options: Options) -> bool:
    """Whether numbers are such as the scheduler can work with (NaN is none)."""
    times = (options.deadline, options.task_timeout)
    return options.retries >= 0 and options.chunksize >= 0 and all(0.0 <= each < math.inf for each in times)
