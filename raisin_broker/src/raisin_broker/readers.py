"""Who collects what: results by arrival or by window, progress, descriptions.

Rules of this file: pure. Only what is durable is shown (`Job.visible`).
"""

from __future__ import annotations

import heapq
from typing import Final

from raisin_broker import reports
from raisin_broker.outbox import Outbox, PageOf, ResultOf, Show
from raisin_broker.state import Follower, Instant, Job, Session, State
from raisin_core.messages import (
    Argument,
    Attach,
    Described,
    Explain,
    Fetch,
    Follow,
    Jobs,
    ListJobs,
    Progress,
    Refused,
    Result,
    Unfollow,
)

PROGRESS_SECONDS: Final = 0.5
MOST_LISTED: Final = 10_000
ARRIVAL_BITS: Final = 40


class Readers:
    """Handlers of what clients ask for."""

    def __init__(self, state: State, out: Outbox) -> None:
        self.state = state
        self.out = out
        self._progress_at = self._now = 0.0

    def on_follow(self, session: Session, message: Follow) -> None:
        if (job := self._job(session, message.job)) is None:
            return
        if message.seen and job.run_of(message.seen) != message.run:
            reason = f"results of job {job.id.hex()[:8]} that were given out are gone from the broker"
            self.out.send(session.route, Refused("gone", reason, job.id))
            return
        key = (session.route, message.reader)
        follower = job.followers.get(key)
        if follower is None:
            follower = Follower(session.route, message.reader, message.order, message.after, message.limit)
            follower.sent = message.after if message.order == "arrival" else 0
            job.followers[key] = follower
            if job.visible or job.shown_end:
                self.out.send(session.route, self._progress(job))
        job.watchers[session.route] = None
        follower.after, follower.limit = message.after, max(follower.limit, message.limit)
        self._pump(job, follower)

    def on_unfollow(self, session: Session, message: Unfollow) -> None:
        if (job := self.state.jobs.get(message.job)) is not None:
            job.followers.pop((session.route, message.reader), None)

    def on_attach(self, session: Session, message: Attach) -> None:
        if (job := self._job(session, message.job)) is not None:
            if job.context not in self.state.contexts and session.context:
                job.context = session.context  # its client is gone: the rest runs as this one's tasks would
            job.watchers[session.route] = None
            opened = job.opened
            told = Described(job.id, opened.form, opened.name, opened.shape, opened.resume)
            self.out.send_later(session.route, told)
            self.out.show_later(Show(job.id, asked=session.route))

    def on_fetch(self, session: Session, message: Fetch) -> None:
        if (job := self._job(session, message.job)) is None:
            return
        number = job.pages.of(message.index)
        if number < 0 or message.index >= job.tasks:
            self.out.send(session.route, Refused("malformed", f"no task {message.index}", job.id))
            return
        reply = Argument(job.id, number, *job.pages.span(number), job.pages.blobs(number))
        self.out.send_later(session.route, reply, PageOf(job.id, number))

    def on_list(self, session: Session, message: ListJobs) -> None:
        mine = sorted((job for job in self.state.jobs.values() if session.may(job)), key=lambda job: -job.opened.opened)
        lines = [reports.line(self.state, job) for job in mine[: min(message.limit, MOST_LISTED)]]
        self.out.send(session.route, Jobs(lines, len(mine)))

    def on_explain(self, session: Session, message: Explain) -> None:
        if (job := self._job(session, message.job)) is not None:
            self.out.send(session.route, reports.explained(self.state, job))

    def show(self, job: Job, show: Show) -> None:
        """This much of a job is durable now."""
        job.visible = max(job.visible, show.arrivals)
        if show.total >= 0:
            job.shown_total, job.changed = show.total, True
        for follower in job.followers.values():
            self._pump(job, follower)
        if show.over and not job.shown_end:
            job.shown_end = True
            self._tell(job)
        if show.asked:
            self.out.send(show.asked, self._progress(job))

    def tell_progress(self, at: Instant) -> None:
        """Say how jobs stand, at most twice a second while they change."""
        self._now = at.mono
        for job in [job for job in self.state.active.values() if job.held_by != job.told_held]:
            self._tell(job)  # at once: somebody has to decide
        if at.mono < self._progress_at:
            return
        for job in self._left():
            job.changed = job.changed or (not job.told_abandoned and reports.abandoned(self.state, job, at.mono))
        changed = [job for job in self.state.active.values() if job.changed and job.watchers]
        if changed:
            self._progress_at = at.mono + PROGRESS_SECONDS
        for job in changed:
            self._tell(job)

    def deadline(self) -> float | None:
        """When progress is to be said."""
        changed = any(job.changed and job.watchers for job in self.state.active.values())
        left = (job.left_at for job in self._left() if job.left_at is not None and not job.told_abandoned)
        times = [max(self._now, at + self.state.patience) for at in left]  # some are known to have left: minus infinity
        return min([*times, *([self._progress_at] if changed else [])], default=None)

    def _left(self) -> list[Job]:
        """Open jobs that somebody watches although their client has gone."""
        return [
            job
            for job in self.state.active.values()
            if job.left_at is not None and job.total is None and job.watchers and len(job.done) == job.tasks
        ]

    def leave(self, route: bytes) -> None:
        """A session is over: it reads and watches nothing any more."""
        for job in self.state.jobs.values():
            if route in job.watchers:
                del job.watchers[route]
                job.touched = self.state.wall
            for key in [key for key in job.followers if key[0] == route]:
                del job.followers[key]

    def _job(self, session: Session, job: bytes) -> Job | None:
        found = self.state.jobs.get(job)
        if found is None:
            self.out.send_later(session.route, Refused("unknown job", f"no job {job.hex()[:8]} here", job))
        elif not session.may(found):
            self.out.send_later(session.route, reports.not_yours(found))
            return None
        return found

    def _pump(self, job: Job, follower: Follower) -> None:
        if follower.order == "arrival":
            while follower.sent < min(job.visible, follower.limit):
                follower.sent += 1
                self._send(job, follower, follower.sent)
            return
        while follower.sent < job.visible:
            follower.sent += 1
            start, stop = job.arrivals.span(follower.sent)
            if stop > follower.after:
                heapq.heappush(follower.pending, start << ARRIVAL_BITS | follower.sent)
        while follower.pending and follower.pending[0] >> ARRIVAL_BITS < follower.limit:
            self._send(job, follower, heapq.heappop(follower.pending) & (2**ARRIVAL_BITS - 1))

    def _send(self, job: Job, follower: Follower, arrival: int) -> None:
        """What else is told with a result page is with its payload in the store."""
        start, stop = job.arrivals.span(arrival)
        run = job.run_of(arrival)
        message = Result(job.id, follower.reader, arrival, start, stop, [], "", "", run=run)
        self.out.send(follower.route, message, ResultOf(job.id, arrival))

    def _tell(self, job: Job) -> None:
        job.changed, job.told_held = False, job.held_by
        job.told_abandoned = reports.abandoned(self.state, job, self._now)
        for route in job.watchers:
            self.out.send(route, self._progress(job))

    def _progress(self, job: Job) -> Progress:
        """How the job stands, as far as it may be seen: a total or an end that is not durable is none yet."""
        return Progress(
            job=job.id,
            state=job.state if job.shown_end or not job.ended else "running",
            done=len(job.done),
            failed=job.failed,
            running=reports.running(job),
            total=job.shown_total,
            arrivals=job.visible,
            abandoned=job.visible == len(job.arrivals) and reports.abandoned(self.state, job, self._now),
            held="" if job.ended else job.held_by,
            waits="" if job.ended or job.leases else next(iter(reports.reasons(self.state, job)), ""),
        )
