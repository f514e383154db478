"""Who gets which tasks: leases for free slots, and trims where work is unevenly spread.

A function's pace on a host is not known before its first task: so one task first, then ranges worth about 100 ms, two
per slot, shrinking towards the end of a closed job (guided self-scheduling: C. Polychronopoulos, D. Kuck, 1987). A
member whose pickles a job does not take has one task of it, until its first result has come.

Rules of this file: pure; it reads the state and says what to give, it sends and changes nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raisin_broker.state import Job, Lease, Session, State
from raisin_core.messages import LeaseId
from raisin_core.ranges import Range

RANGE_SECONDS: Final = 0.1
LEAST_SECONDS: Final = 0.004
STALE_SECONDS: Final = 0.2
MAX_TASKS: Final = 65_536


class Grant(NamedTuple):
    """Give these tasks of a job to a session."""

    session: Session
    job: Job
    tasks: Range


def next_grant(state: State) -> Grant | None:
    """The next lease to give out: the least loaded worker first, and for it the job with the least running."""
    waiting = [job for job in state.active.values() if job.waits and _known(state, job)]
    if not waiting:
        return None
    for session in sorted((s for s in state.workers() if len(s.leases) < 2 * s.slots), key=_load):
        for job in sorted(waiting, key=lambda job: len(job.leases)):
            if admits(session, job) and (tasks := _choose(state, session, job)) is not None:
                return Grant(session, job, tasks)
    return None


def admits(session: Session, job: Job) -> bool:
    """Whether the submitter allows this worker, and its owner the submitter."""
    where = job.opened.options.where
    return (not where or session.member in where) and session.serves(job)


def fits(state: State, session: Session, job: Job, index: int) -> bool:
    """Whether a task that failed before should be tried on this worker: never where it cannot run, and where it raised
    or
    crashed only if there is no other place."""
    tries = job.tried.get(index, [])
    if any(t.kind == "unfit" and t.place == session.place for t in tries):
        return False
    been = {t.place for t in tries}
    if session.place not in been:
        return True
    unfit = {t.place for t in tries if t.kind == "unfit"}
    return not any(admits(s, job) and s.place not in been | unfit for s in state.workers())


def someone_fits(state: State, job: Job, index: int) -> bool:
    """Whether any worker that is here may still be able to run this task."""
    unfit = {t.place for t in job.tried.get(index, []) if t.kind == "unfit"}
    return any(
        admits(s, job) and s.place not in unfit
        for s in state.sessions.values()
        if s.role == "worker" and not s.draining
    )


def next_trim(state: State, now: float) -> tuple[Lease, int] | None:
    """A lease to shorten, and where, because some slot has nothing to do: what is queued first, then half of what runs
    long."""
    if not any(s.works and len(s.leases) < s.slots for s in state.sessions.values()):
        return None
    best: tuple[float, Lease, int] | None = None
    for job in state.active.values():
        if job.waits or job.held_by:
            continue
        for lease in job.leases.values():
            gain, stop = _gain(state, lease, now)
            if gain > 0 and (best is None or gain > best[0]):
                best = gain, lease, stop
    return None if best is None else (best[1], best[2])


def _load(session: Session) -> float:
    return len(session.leases) / session.slots


def _known(state: State, job: Job) -> bool:
    """Whether the job's context, if it has one, is here (its client brings it back after a restart)."""
    return not job.context or job.context in state.contexts


def _choose(state: State, session: Session, job: Job) -> Range | None:
    tasting = not session.trusted(job) and session.member not in job.tasted
    if tasting and _runs_some(state, session.member, job):
        return None
    queues = len(session.leases) >= session.slots
    pace = session.pace.get(job.opened.function)
    if queues and (pace is None or pace > RANGE_SECONDS):
        return None
    for index in job.picky:
        if fits(state, session, job, index):
            return index, index + 1
    if not job.ready or _shuns(state, session, job):
        return None
    start, stop = job.ready.first()
    return start, start + 1 if tasting else min(stop, start + _size(state, session, job, pace))


def _runs_some(state: State, member: str, job: Job) -> bool:
    """Whether the member has a task of this job."""
    return any(state.sessions[lease.route].member == member for lease in job.leases.values())


def _shuns(state: State, session: Session, job: Job) -> bool:
    """Whether tasks of this job could not run at this place, and other places are left to try."""
    if session.place not in job.shunned:
        return False
    return any(admits(s, job) and s.place not in job.shunned for s in state.workers())


def _size(state: State, session: Session, job: Job, pace: float | None) -> int:
    if chunk := job.opened.options.chunksize:
        return chunk
    if pace is None:
        return 1
    pace = max(pace, 1e-9)
    most = min(MAX_TASKS, max(1, int(RANGE_SECONDS / pace)))
    if job.total is None:
        return most
    share = -(-len(job.ready) // (2 * max(1, sum(s.slots for s in state.workers()))))
    return min(most, max(share, min(MAX_TASKS, int(LEAST_SECONDS / pace)), 1))


def _gain(state: State, lease: Lease, now: float) -> tuple[float, int]:
    """Seconds of waiting that shortening this lease may save, and where to cut."""
    session = state.sessions[lease.route]
    still = now - lease.touched
    if lease.trimming or session.suspect or still < STALE_SECONDS:
        return 0.0, 0
    count = lease.stop - lease.start
    if lease.id in _queued(session):
        return still * count + 1.0, lease.start
    return (still * (count - 1), lease.start + (count + 1) // 2) if count > 1 else (0.0, 0)


def _queued(session: Session) -> list[LeaseId]:
    """The leases behind those that the slots are busy with."""
    return list(session.leases)[session.slots :]
