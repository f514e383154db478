"""Who collects what: results by arrival or by window, progress, descriptions.

Rules of this file: pure. Only what is durable is shown (`Job.visible`).
"""

from __future__ import annotations

import heapq
from typing import Final

from raisin_broker.outbox import Outbox, PageOf, ResultOf, Show
from raisin_broker.records import StoredResult
from raisin_broker.state import Follower, Instant, Job, Session, State
from raisin_core.messages import Argument, Attach, Described, Fetch, Follow, Progress, Refused, Result, Unfollow

PROGRESS_SECONDS: Final = 0.5


class Readers:
    """Handlers of what clients ask for."""

    def __init__(self, state: State, out: Outbox) -> None:
        self.state = state
        self.out = out
        self._progress_at = 0.0

    def on_follow(self, session: Session, message: Follow) -> None:
        if (job := self._job(session, message.job)) is None:
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
            job.watchers[session.route] = None
            opened = job.opened
            self.out.send_later(session.route, Described(job.id, opened.form, opened.name, opened.shape))
            self.out.show_later(Show(job.id, asked=session.route))

    def on_fetch(self, session: Session, message: Fetch) -> None:
        if (job := self._job(session, message.job)) is None:
            return
        number = job.page_of(message.index)
        if number < 0 or message.index >= job.tasks:
            self.out.send(session.route, Refused("malformed", f"no task {message.index}", job.id))
            return
        page = job.pages[number]
        reply = Argument(job.id, number, page.first, page.count, page.blobs)
        self.out.send_later(session.route, reply, PageOf(job.id, number))

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
        if at.mono < self._progress_at:
            return
        changed = [job for job in self.state.active.values() if job.changed and job.watchers]
        if changed:
            self._progress_at = at.mono + PROGRESS_SECONDS
        for job in changed:
            self._tell(job)

    def deadline(self) -> float | None:
        """When progress is to be said."""
        changed = any(job.changed and job.watchers for job in self.state.active.values())
        return self._progress_at if changed else None

    def leave(self, route: bytes) -> None:
        """A session is over: it reads and watches nothing any more."""
        for job in self.state.jobs.values():
            job.watchers.pop(route, None)
            for key in [key for key in job.followers if key[0] == route]:
                del job.followers[key]

    def _job(self, session: Session, job: bytes) -> Job | None:
        found = self.state.jobs.get(job)
        if found is None:
            self.out.send_later(session.route, Refused("unknown job", f"no job {job.hex()[:8]} here", job))
        return found

    def _pump(self, job: Job, follower: Follower) -> None:
        if follower.order == "arrival":
            while follower.sent < min(job.visible, follower.limit):
                follower.sent += 1
                self._send(job, follower, job.results[follower.sent - 1])
            return
        while follower.sent < job.visible:
            result = job.results[follower.sent]
            follower.sent += 1
            if result.stop > follower.after:
                heapq.heappush(follower.pending, (result.start, result.arrival))
        while follower.pending and follower.pending[0][0] < follower.limit:
            _, arrival = heapq.heappop(follower.pending)
            self._send(job, follower, job.results[arrival - 1])

    def _send(self, job: Job, follower: Follower, result: StoredResult) -> None:
        message = Result(
            job=job.id,
            reader=follower.reader,
            arrival=result.arrival,
            start=result.start,
            stop=result.stop,
            won=result.won,
            host=result.host,
            member=result.member,
            queued=result.queued,
            retried=result.retried,
            ruling=result.ruling,
            blobs=result.blobs,
        )
        self.out.send(follower.route, message, ResultOf(job.id, result.arrival))

    def _tell(self, job: Job) -> None:
        job.changed = False
        for route in job.watchers:
            self.out.send(route, self._progress(job))

    def _progress(self, job: Job) -> Progress:
        """How the job stands, as far as it may be seen: a total or an end that is not durable is none yet."""
        return Progress(
            job=job.id,
            state=job.state if job.shown_end or not job.ended else "running",
            done=len(job.done),
            failed=job.failed,
            running=sum(lease.stop - lease.start for lease in job.leases.values()),
            total=job.shown_total,
            arrivals=job.visible,
            waits=self._reason(job),
        )

    def _reason(self, job: Job) -> str:
        """Why nothing of the job runs, where that is so."""
        if job.ended or job.leases:
            return ""
        if job.opened.context and job.opened.context not in self.state.contexts:
            return "the client that submitted it is not connected"
        if not self.state.workers():
            return "no worker is connected"
        if job.limbo and not job.waits:
            return "waiting for workers that had some of its tasks before the broker restarted"
        where = job.opened.options.where
        if where and not any(session.member in where for session in self.state.workers()):
            return f"none of {', '.join(where)} is connected"
        return ""
