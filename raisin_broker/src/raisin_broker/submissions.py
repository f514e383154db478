"""What clients submit: jobs, pages, their end, cancelling and forgetting.

Rules of this file: pure. Whatever was not acknowledged may come again, byte for byte, and changes nothing then.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from raisin_broker import records, reports
from raisin_broker.outbox import KeyOf, Outbox, Recall, Show
from raisin_broker.records import TAG
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
    RefusalCode,
    Refused,
    Release,
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
            if self._refused(session, message, payload):
                return
            job = self._make(session, message, payload, at)
        elif not session.may(job):
            self.out.send_later(session.route, reports.not_yours(job))
            return
        job.watchers[session.route] = None
        if job.shown_end:  # its end was told when nobody was there to hear it
            self.out.show_later(Show(job.id, asked=session.route))
        self._acknowledge(session.route, Opened(message.job, len(job.pages) + CREDIT))

    def on_page(self, session: Session, message: Page, payload: bytes, at: Instant) -> None:
        if (job := self._own(session, message.job)) is None:
            return
        if message.number >= len(job.pages) and not job.ended and self.state.room:
            self._refuse(session, "busy", self.state.room, message.job)
            return
        if message.number > len(job.pages) and not job.ended:
            self._lost(session, job, f"{message.number} pages were acknowledged, {len(job.pages)} are here")
            return
        if message.number == len(job.pages) and not job.ended and job.total is None:
            if message.first != job.tasks or not 0 < message.count <= MOST_TASKS - job.tasks:
                self._refuse(session, "malformed", f"page {message.number} begins at {message.first}", message.job)
                return
            if job.opened.resume:
                if len(message.tags) != TAG * message.count:
                    self._refuse(session, "malformed", f"page {message.number} has no tag for each task", message.job)
                    return
                key = job.opened.account, job.opened.resume
                # What the store would find before it has cleared the key must not count.
                if self.out.durable(self.state.cleared.get(key, 0)):
                    job.recalling[message.number] = session.route, message, payload
                    running = [
                        (lease.job, lease.start, lease.stop)
                        for each in self.state.active.values()
                        if each.superseded and (each.opened.account, each.opened.resume) == key
                        for lease in each.leases.values()
                    ]
                    self.out.recall(Recall(job.id, message.number, *key, message.tags, running))
                    return
            self.add_page(job, message, payload, at)
        self.acknowledge_page(session.route, job, message)

    def acknowledge_page(self, route: bytes, job: Job, message: Page) -> None:
        """A page is here (for the first time or not)."""
        stored = len(job.pages)
        if message.last and message.number < stored:
            self._close(route, job, message.first + message.count)
        else:
            self._acknowledge(route, Stored(message.job, stored, stored + CREDIT))

    def on_close(self, session: Session, message: Close, at: Instant) -> None:
        job = self._own(session, message.job)
        if job is not None and message.total > job.tasks and not job.ended:
            self._lost(session, job, f"{message.total} tasks were acknowledged, {job.tasks} are here")
        elif job is not None:
            self._close(session.route, job, message.total)

    def on_cancel(self, session: Session, message: Cancel) -> None:
        if (job := self._own(session, message.job)) is not None and not job.ended:
            self.end(job, "cancelled")

    def on_release(self, session: Session, message: Release) -> None:
        """From now on it takes any result from everybody."""
        job = self._own(session, message.job)
        if job is None or job.opened.options.pickles is None:
            return
        options = msgspec.structs.replace(job.opened.options, pickles=None)
        job.opened = msgspec.structs.replace(job.opened, options=options)
        job.held_by = ""
        self.out.record(records.JobReleased(job.id, options))

    def on_forget(self, session: Session, message: Forget) -> None:
        job = self.state.jobs.get(message.job)
        if job is None or not session.may(job):
            return
        job.watchers.pop(session.route, None)
        job.held = job.held and job.opened.instance != session.instance
        unwanted = job.unwanted or not (message.keep or job.opened.resume)
        if unwanted and job.total is None and not job.ended and job.opened.instance == session.instance:
            self.end(job, "cancelled")  # whoever could have closed it will not
        if unwanted and job.ended and not job.watchers:
            self.forget(job)
        elif unwanted and not job.unwanted:
            job.unwanted = True
            self.out.record(records.JobUnwanted(job.id))

    def end_if_done(self, job: Job) -> None:
        """A closed job with all its results is done."""
        if not job.ended and job.total is not None and len(job.done) >= job.total:
            self.end(job, "done")

    def end(self, job: Job, state: JobState) -> None:
        """A job ends: workers forget it, nothing of it waits, and those who watch will be told."""
        job.state, job.ended_at = state, self.state.wall
        self.state.active.pop(job.id, None)
        self.out.record(records.JobMarked(job.id, state, job.ended_at))
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
        job.deferred.clear()
        job.given.clear()
        self.out.show_later(Show(job.id, len(job.arrivals), over=True))
        if job.unwanted and not job.watchers:
            self.forget(job)

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
            account=session.account,
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
            resume=message.resume,
            fingerprint=message.fingerprint,
            parts=message.parts,
            owner_key=session.key,
            epoch=message.epoch,
        )
        self._take_key(opened, message.force, at)
        job = Job(opened, touched=at.wall, context=message.context)
        self.state.jobs[job.id] = self.state.active[job.id] = job
        self.out.record(opened)
        # The payload is in the store from now on; memory keeps the rest.
        job.opened = records.without_payload(opened)
        return job

    def _take_key(self, opened: records.JobOpened, force: bool, at: Instant) -> None:
        """The job's key is its function's from now on, and those of its jobs whose clients are gone are continued by
        this one."""
        name = opened.account, opened.resume
        if not opened.resume:
            return
        if force and name in self.state.keys:
            self.out.record(records.KeyCleared(*name))
            self.state.cleared[name] = self.out.gathering
        self.state.keys[name] = opened.fingerprint
        for job in self.state.active.values():
            if (job.opened.account, job.opened.resume) == name and reports.left_for_good(self.state, job, at.mono):
                job.superseded = not job.watchers

    def add_page(self, job: Job, message: Page, payload: bytes, at: Instant) -> None:
        """A page of arguments is here; its tasks wait to be run."""
        job.add_page(message.count, message.blobs, at.mono)
        job.touched = at.wall
        job.ready.add(message.first, message.first + message.count)
        span = message.number, message.first, message.count
        self.out.record(records.PageAdded(job.id, *span, payload, message.blobs, message.tags))

    def _close(self, route: bytes, job: Job, total: int) -> None:
        if job.total is None and not job.ended:
            if total != job.tasks:
                self._refuse_at(route, "malformed", f"{total} tasks closed, {job.tasks} sent", job.id)
                return
            job.total = total
            self.out.record(records.JobClosed(job.id, total))
            self.out.show_later(Show(job.id, total=total))
            self.end_if_done(job)
        self._acknowledge(route, Closed(job.id))

    def _acknowledge(self, route: bytes, message: Acknowledgement) -> None:
        """Later ones say all that earlier ones do."""
        self._acknowledged[route, message.job] = message

    def _own(self, session: Session, job: bytes) -> Job | None:
        """The job, if there is one and it belongs to the member's account."""
        found = self.state.jobs.get(job)
        if found is None:
            self._refuse(session, "unknown job", f"no job {job.hex()[:8]} here", job)
        elif not session.may(found):
            self.out.send_later(session.route, reports.not_yours(found))
            return None
        return found

    def _refused(self, session: Session, message: Open, payload: bytes) -> bool:
        """Whether a new job cannot be, which is then said."""
        name = session.account, message.resume
        if message.function != digests.content(payload):
            self._refuse(session, "malformed", "the function is not what its digest says", message.job)
        elif not _possible(message.options):
            self._refuse(session, "malformed", f"impossible options: {message.options}"[:500], message.job)
        elif self.state.room:
            self._refuse(session, "busy", self.state.room, message.job)
        elif (
            message.resume
            and not message.force
            and self.state.keys.get(name, message.fingerprint) != (message.fingerprint)
        ):
            reason = f"the results under {message.resume!r} are another function's"
            self.out.send_later(session.route, Refused("changed", reason, message.job), KeyOf(*name))
        else:
            return False
        return True

    def _lost(self, session: Session, job: Job, what: str) -> None:
        reason = f"the broker has lost what it had acknowledged of job {job.id.hex()[:8]}: {what}"
        self._refuse(session, "lost", reason, job.id)

    def _refuse(self, session: Session, code: RefusalCode, reason: str, about: bytes) -> None:
        self._refuse_at(session.route, code, reason, about)

    def _refuse_at(self, route: bytes, code: RefusalCode, reason: str, about: bytes) -> None:
        self.out.send_later(route, Refused(code, reason, about))

    def forget(self, job: Job) -> None:
        """Nobody needs it any more."""
        self.state.jobs.pop(job.id, None)
        self.state.active.pop(job.id, None)
        self.out.hide(job.id)
        self.out.record(records.JobForgotten(job.id))


def _possible(options: Options) -> bool:
    """Whether numbers are such as the scheduler can work with (NaN is none)."""
    times = (options.deadline, options.task_timeout)
    return options.retries >= 0 and options.chunksize >= 0 and all(0.0 <= each < math.inf for each in times)
