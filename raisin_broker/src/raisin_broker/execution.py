"""What workers do: leases given, results recorded, attempts that do not count, leases reconciled.

The first result of a task wins. A worker's word about a lease is taken when it fits what is known, and trimmed away
when not.

Rules of this file: pure.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import Final, Literal

import msgspec

from raisin_broker import records, reports, scheduler
from raisin_broker.outbox import FunctionOf, Outbox, PageOf
from raisin_broker.recording import Recording
from raisin_broker.records import About, Tried
from raisin_broker.state import Instant, Job, Lease, Session, State
from raisin_broker.submissions import Submissions
from raisin_core import messages as m
from raisin_core.messages import HeldLease, LeaseId
from raisin_core.ranges import Range, Ranges

STRIKES: Final = 3
RulingKind = Literal["crashed", "timeout", "unfit"]
RULED: Final[dict[RulingKind, str]] = {"crashed": "crash", "timeout": "timeout", "unfit": "unfit"}


class Execution:
    """Handlers of what workers say, and the giving out of work."""

    def __init__(self, state: State, out: Outbox, submissions: Submissions, recording: Recording) -> None:
        self.state = state
        self.out = out
        self.submissions = submissions
        self.recording = recording

    # -- giving work ---------------------------------------------------------------------------------------------

    def give_work(self, at: Instant) -> None:
        """Lease what is ready to whoever is free; shorten leases where some have nothing to do.

        Not while nothing can be committed: results would pile up in memory.
        """
        if self.out.stuck:
            return
        self._end_superseded()
        marked: dict[bytes, Job] = {}
        while (grant := scheduler.next_grant(self.state)) is not None:
            self._give(grant.session, grant.job, grant.tasks, at)
            if grant.tasks[1] > grant.job.leased_up_to:
                grant.job.leased_up_to = grant.tasks[1]
                marked[grant.job.id] = grant.job
        for job in marked.values():
            self.out.record(records.LeasedUpTo(job.id, job.leased_up_to))
        while (trim := scheduler.next_trim(self.state, at.mono)) is not None:
            lease, stop = trim
            lease.trimming = True
            self.out.send(lease.route, m.Trim(lease.id, stop))

    def _end_superseded(self) -> None:
        """Jobs that another one continues: what had begun is brought to its end, then it is over."""
        for job in [job for job in self.state.active.values() if job.superseded]:
            for lease in job.leases.values():
                if not lease.trimming and lease.stop - lease.start > 1:
                    lease.trimming = True
                    self.out.send(lease.route, m.Trim(lease.id, lease.start))
            if not job.leases:
                self.submissions.end(job, "cancelled")

    def _give(self, session: Session, job: Job, tasks: Range, at: Instant) -> None:
        start, stop = tasks
        job.ready.remove(start, stop)
        job.picky.pop(start, None)
        self.state.leases_given += 1
        name = LeaseId(self.state.run, self.state.leases_given)
        lease = Lease(name, job.id, start, stop, session.route, at.mono)
        self.state.add_lease(job, session, lease)
        job.give(session.key, start, stop)
        self._send_needs(session, job, start, stop)
        opened = job.opened
        message = m.Lease(lease.id, job.id, start, stop, opened.function, job.context, opened.options.task_timeout)
        self.out.send(session.route, message)
        job.changed = True

    def _send_needs(self, session: Session, job: Job, start: int, stop: int) -> None:
        """Send what the lease refers to, unless this session has it."""
        opened = job.opened
        if job.context and job.context not in session.contexts:
            session.contexts.add(job.context)
            self.out.send(session.route, m.Context(job.context), self.state.contexts[job.context])
        if opened.function not in session.functions:
            session.functions.add(opened.function)
            function = m.Function(opened.function, opened.function_blobs)
            self.out.send(session.route, function, FunctionOf(opened.function))
        pages = session.pages.setdefault(job.id, set())
        for number in job.pages.numbers(start, stop):
            if number not in pages:
                pages.add(number)
                message = m.Argument(job.id, number, *job.pages.span(number), job.pages.blobs(number))
                self.out.send(session.route, message, PageOf(job.id, number))

    # -- results -------------------------------------------------------------------------------------------------

    def on_results(self, session: Session, message: m.Results, payload: bytes, at: Instant) -> None:
        job = self.state.jobs.get(message.job)
        if job is None or message.start >= message.stop or message.stop > job.tasks:
            self._judge(session, message, "unknown")
            return
        if job.state in ("cancelled", "late"):
            self._judge(session, message, "cancelled")
            return
        mine = job.answerable(session.key, message.start, message.stop) or job.done.covers(message.start, message.stop)
        if not mine or self._is_anothers(session, job, message.lease):
            self._judge(session, message, "unknown")
            return
        self._measure(session, job, message)
        self._advance(session, job, message, at)
        won = self._won(job, message, session)
        if won:
            self._record(job, session, message, won, payload, at)
            self._taste(job, session, message)
        self._judge(session, message, "recorded" if won else "duplicate")
        self.submissions.end_if_done(job)

    def _taste(self, job: Job, session: Session, message: m.Results) -> None:
        """The first result that can only travel as a pickle, of a member whose pickles the job does not take, holds
        it."""
        job.tasted.add(session.member)
        if message.opaque and not session.trusted(job) and not job.held_by:
            job.held_by = session.member

    def _won(self, job: Job, message: m.Results, session: Session) -> list[Range]:
        """Which of these results count: not those that are there already, nor those that will be tried again, nor any
        of tasks that were never leased to this member."""
        fresh = job.answerable(session.key, message.start, message.stop)
        for start, stop in job.done.overlap(message.start, message.stop):
            fresh.remove(start, stop)
        attempt = f"{message.lease.run}.{message.lease.number}"
        unfit = dict(message.unfit)
        for index in sorted({*message.failed, *unfit}):
            if index not in fresh:
                continue
            kind: Literal["unfit", "raised"] = "unfit" if index in unfit else "raised"
            tried = Tried(job.id, index, attempt, kind, session.host, session.place, unfit.get(index, ""))
            if self._tries_again(job, session, tried):
                fresh.remove(index, index + 1)
            elif kind == "unfit":  # no host is left: that says more than this host's exception
                fresh.remove(index, index + 1)
                self._rule(job, index, "unfit")
        return list(iter(fresh))

    def _record(
        self, job: Job, session: Session, message: m.Results, won: list[Range], payload: bytes, at: Instant
    ) -> None:
        failures = {*message.failed, *(index for index, _ in message.unfit)}
        given = at.mono - message.seconds
        about = About(
            host=session.host,
            member=session.member,
            queued=max(0.0, given - job.page_times[job.pages.of(message.start)]),
            retried=[(i, len(t) + 1) for i, t in job.tried.items() if message.start <= i < message.stop],
            blobs=message.blobs,
        )
        self.recording.add(job, message.start, message.stop, about, payload, won, failures)
        for start, stop in won if session.key in job.given else ():
            job.given[session.key].remove(start, stop)
        job.touched = at.wall
        failed = sum(a <= index < b for index in failures for a, b in won)
        if failed < sum(b - a for a, b in won):
            job.shunned.discard(session.place)

    # -- attempts that do not count ------------------------------------------------------------------------------

    def on_crashed(self, session: Session, message: m.Crashed, at: Instant) -> None:
        job = self.state.jobs.get(message.job)
        if job is not None and self._is_anothers(session, job, message.lease):
            return
        lease = self._lease(session, message)
        if lease is not None:
            self.state.end_lease(lease)
        if job is None or job.ended:
            return
        if lease is not None:
            self._give_back(job, lease.start, lease.stop)
        mine = message.index in job.answerable(session.key, message.index, message.index + 1)
        if mine and message.index not in job.done and message.index < job.tasks:
            kind = "timeout" if message.kind == "timeout" else "crash"
            attempt = f"{message.lease.run}.{message.lease.number}"
            tried = Tried(job.id, message.index, attempt, kind, session.host, session.place, message.detail)
            if not self._tries_again(job, session, tried):
                self._rule(job, message.index, "timeout" if kind == "timeout" else "crashed")

    def reconsider(self) -> None:
        """A worker has gone, or nobody is awaited any more: some tasks may have nobody left who could run them."""
        for job in list(self.state.active.values()) if not self.state.awaited else ():
            for index in list(job.picky):
                kinds = {t.kind for t in job.tried[index]}
                if "unfit" in kinds and self._workers_here() and not scheduler.someone_fits(self.state, job, index):
                    self._rule(job, index, "unfit")

    def _tries_again(self, job: Job, session: Session, tried: Tried) -> bool:
        """Note an attempt that did not count; whether there will be another. Hearing of it twice counts once."""
        tries = job.tried.setdefault(tried.index, [])
        if any(t.attempt == tried.attempt for t in tries):
            self._give_back(job, tried.index, tried.index + 1)  # unless it is somewhere already
            return True
        again = self._may_again(job, tries, tried)
        if again or tried.kind != "raised":
            tries.append(tried)
            self.out.record(tried)
        if tried.kind == "unfit":
            job.shunned.add(session.place)
            again = bool(self.state.awaited) or scheduler.someone_fits(self.state, job, tried.index)
        if not tries:
            del job.tried[tried.index]
        if again:
            self._give_back(job, tried.index, tried.index + 1)
        return again

    def _may_again(self, job: Job, tries: list[Tried], tried: Tried) -> bool:
        if tried.kind == "crash":
            return sum(t.kind == "crash" for t in tries) + 1 < STRIKES
        return sum(t.kind in ("raised", "timeout") for t in tries) < job.opened.options.retries

    def _rule(self, job: Job, index: int, kind: RulingKind) -> None:
        """The broker's own result for a task that nobody could finish."""
        tries = job.tried[index]
        about = [t for t in tries if t.kind == RULED[kind]]
        trials = [(t.host if kind != "unfit" else t.place, t.detail) for t in about]
        if kind == "unfit":  # there are others, whose owners could allow it
            trials += [(s.place, reports.closed(job)) for s in self.state.workers() if not s.serves(job)]
        payload = msgspec.msgpack.encode(m.Ruling(kind, trials))
        told = About(host=about[-1].host, member="", retried=[(index, len(tries))], ruling=True)
        self.recording.add(job, index, index + 1, told, payload, [(index, index + 1)], {index})
        self.submissions.end_if_done(job)

    # -- leases --------------------------------------------------------------------------------------------------

    def on_trimmed(self, session: Session, message: m.Trimmed, at: Instant) -> None:
        lease = session.leases.get(message.lease)
        if lease is None:
            return
        lease.trimming, lease.touched = False, at.mono
        if message.stop >= lease.stop:
            return
        job, old = self.state.jobs[lease.job], lease.stop
        lease.stop = max(lease.start, message.stop)
        if lease.start >= lease.stop:
            self.state.end_lease(lease)
        self._give_back(job, lease.stop, old)

    def on_held(self, session: Session, message: m.Held, at: Instant) -> None:
        """Reconcile: what the worker does not hold is ready again; what it holds beyond that it keeps if nobody else
        has it."""
        session.listed = True
        listed = {held.lease for held in message.leases}
        for lease in list(session.leases.values()):
            if lease.id not in listed and self.state.arrived(session, lease.id, message.seen):
                self.release(lease)
        for held in message.leases:
            if held.lease not in session.leases and not self._adopt(session, held, at):
                self._take_away(session, held)
        self.submissions.say_over(session)
        if self.state.awaited.pop(session.instance, None) is not None:
            self.reconsider()

    def release(self, lease: Lease) -> None:
        """A lease is over, done or not: what is left of it is ready again."""
        self.state.end_lease(lease)
        if (job := self.state.jobs.get(lease.job)) is not None and not job.ended:
            self._give_back(job, lease.start, lease.stop)

    def set_aside(self, lease: Lease) -> None:
        """A lease is over, but its worker may still have it: what is left of it waits for that one."""
        self.state.end_lease(lease)
        if (job := self.state.jobs.get(lease.job)) is not None and not job.ended:
            job.set_aside(lease.start, lease.stop)
            job.changed = True

    def end_limbo(self) -> None:
        """The wait after a restart is over: what no worker reported is ready again."""
        for job in self.state.active.values():
            for start, stop in job.limbo:
                job.limbo.remove(start, stop)
                self._give_back(job, start, stop)

    def _adopt(self, session: Session, held: HeldLease, at: Instant) -> bool:
        job = self.state.jobs.get(held.job)
        if job is None or job.ended or not held.start < held.stop <= job.tasks:
            return False
        if held.lease in job.leases or not job.answerable(session.key, held.start, held.stop).covers(
            held.start, held.stop
        ):
            return False
        free = Ranges(chain(job.ready, job.limbo, ((i, i + 1) for i in job.picky)))
        if not free.covers(held.start, held.stop):
            return False
        job.ready.remove(held.start, held.stop)
        job.limbo.remove(held.start, held.stop)
        for index in [i for i in job.picky if held.start <= i < held.stop]:
            del job.picky[index]
        lease = Lease(held.lease, job.id, held.start, held.stop, session.route, at.mono)
        self.state.add_lease(job, session, lease)
        job.give(session.key, held.start, held.stop)
        session.pages.setdefault(job.id, set())
        return True

    def _take_away(self, session: Session, held: HeldLease) -> None:
        """A lease that somebody else has by now, or whose job has ended."""
        job = self.state.jobs.get(held.job)
        if job is None or job.ended:
            session.over.append(held.job)
        else:
            session.pages.setdefault(job.id, set())
            self.out.send(session.route, m.Trim(held.lease, 0))

    def _give_back(self, job: Job, start: int, stop: int) -> None:
        if not job.ended:
            job.release(start, stop)
            job.changed = True

    def _advance(self, session: Session, job: Job, message: m.Results, at: Instant) -> None:
        """The lease goes on behind these results."""
        lease = self._lease(session, message)
        if lease is None:
            return
        begun, lease.start, lease.touched = lease.start, max(lease.start, min(message.stop, lease.stop)), at.mono
        if lease.start >= lease.stop:
            self.state.end_lease(lease)
        if begun < message.start:  # a gap: the worker skipped something, so somebody must run it
            self._give_back(job, begun, min(message.start, lease.stop))

    def _is_anothers(self, session: Session, job: Job, lease: LeaseId) -> bool:
        """Whether another session holds this lease now: nobody answers for it but its holder."""
        held = job.leases.get(lease)
        return held is not None and held.route != session.route

    def _lease(self, session: Session, message: m.Results | m.Crashed) -> Lease | None:
        """The lease that this is about, if the session holds it."""
        lease = session.leases.get(message.lease)
        return lease if lease is not None and lease.job == message.job else None

    def _measure(self, session: Session, job: Job, message: m.Results) -> None:
        seconds = message.seconds if 0.0 <= message.seconds < math.inf else 0.0  # it may be no number at all
        pace = seconds / (message.stop - message.start)
        old = session.pace.get(job.opened.function)
        session.pace[job.opened.function] = pace if old is None else (old + pace) / 2

    def _judge(self, session: Session, message: m.Results, verdict: m.Verdict) -> None:
        self.out.send_later(session.route, m.Judged(message.job, message.start, message.stop, verdict))

    def _workers_here(self) -> bool:
        return any(session.role == "worker" for session in self.state.sessions.values())
