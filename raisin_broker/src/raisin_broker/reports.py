"""What the broker tells people: jobs in a list, and why one of them does not run.

Rules of this file: pure; it looks and changes nothing. Reasons are in the order in which they are worth knowing.
"""

from __future__ import annotations

from collections.abc import Iterator

from raisin_broker.state import Job, Session, State
from raisin_core.messages import Explained, JobLine, Refused, WorkerLine


def line(state: State, job: Job) -> JobLine:
    """A job in a list, as far as it may be seen: an end that is not durable is none yet."""
    opened = job.opened
    return JobLine(
        job=job.id,
        name=opened.name,
        form=opened.form,
        state=job.state if job.shown_end or not job.ended else "running",
        done=len(job.done),
        failed=job.failed,
        running=running(job),
        total=job.shown_total,
        opened=opened.opened,
        ended=job.ended_at if job.shown_end else 0.0,
        member=opened.owner,
        account=opened.account,
        resume=opened.resume,
        attended=attended(state, job),
    )


def attended(state: State, job: Job) -> bool:
    """Whether the client that submitted it is connected (and not silent)."""
    session = state.instances.get(job.opened.instance)
    return session is not None and not session.suspect


def explained(state: State, job: Job) -> Explained:
    """Where its tasks are, and what holds them up."""
    workers = sorted((s for s in state.sessions.values() if s.role == "worker"), key=lambda s: (s.member, s.host))
    return Explained(
        line=line(state, job),
        ready=len(job.ready),
        picky=len(job.picky),
        waiting=len(job.limbo),
        reasons=list(reasons(state, job)),
        workers=[_worker(state, job, session) for session in workers],
    )


def reasons(state: State, job: Job) -> Iterator[str]:
    """What holds up the tasks of a job that do not run, whoever would run them."""
    opened, workers = job.opened, state.workers()
    if job.ended:
        yield f"it is {job.state}"
        return
    if job.context and job.context not in state.contexts:
        yield "the client that submitted it is not connected"
    if not workers:
        yield "no worker is connected"
    if job.limbo:
        yield "waiting for workers that had some of its tasks before the broker restarted"
    if job.held_by:
        yield held(job)
    where = opened.options.where
    asked = [session for session in workers if not where or session.member in where]
    if where and workers and not asked:
        yield f"none of {', '.join(where)} is connected"
    if asked and not any(session.serves(job) for session in asked):
        yield f"no worker that is connected runs code of account {opened.account}: {_allow(job)}"
    if state.room:
        yield state.room
    if job.total is None and len(job.done) == job.tasks:
        absent = "" if attended(state, job) else ", and its client is not connected"
        yield f"all that was submitted is done, but it was not closed{absent}"


def abandoned(state: State, job: Job, now: float) -> bool:
    """Whether the job's client has gone without closing it (and is not just coming back), and all of it is done."""
    open_ = job.total is None and not job.ended
    return open_ and len(job.done) == job.tasks and left_for_good(state, job, now)


def left_for_good(state: State, job: Job, now: float) -> bool:
    """Whether the job's client is known to be gone, or has been away for so long that it may not come back."""
    return job.left_at is not None and now - job.left_at >= state.patience


def held(job: Job) -> str:
    """Why nothing more of it is given out."""
    return (
        f"a result of {job.held_by} can only be read with pickle, which its submitter did not allow: no more of it is "
        "given out until somebody takes such results (trust=...), or cancels it"
    )


def closed(job: Job) -> str:
    """What a worker says whose owner has not allowed the job's account."""
    return f"does not run code of account {job.opened.account}: {_allow(job)}"


def not_yours(job: Job) -> Refused:
    """A job of another account."""
    whose = f"job {job.id.hex()[:8]} belongs to {job.opened.account}"
    return Refused("not yours", f"{whose}; only machines of that account may have it", job.id)


def _allow(job: Job) -> str:
    return f"its owner may allow it with `raisin worker allow {job.opened.account}`"


def _worker(state: State, job: Job, session: Session) -> WorkerLine:
    mine = sum(lease.stop - lease.start for lease in session.leases.values() if lease.job == job.id)
    return WorkerLine(session.member, session.host, session.slots, mine, _why_not(state, job, session))


def _why_not(state: State, job: Job, session: Session) -> str:
    """Why this worker runs no more of it; empty where it could."""
    where = job.opened.options.where
    if session.suspect:
        return "silent: it may be asleep or gone"
    if session.draining:
        return "draining: it takes no more work"
    if where and session.member not in where:
        return "not among the members that the job asks for"
    if not session.serves(job):
        return closed(job)
    if session.place in job.shunned or _unfit(job, session):
        details = [t.detail for tries in job.tried.values() for t in tries if t.place == session.place and t.detail]
        return f"it cannot run some of it: {details[-1]}" if details else "it cannot run some of it"
    others = {lease.job for lease in session.leases.values()} - {job.id}
    if len(session.leases) >= session.slots and others:
        names = sorted(state.jobs[each].opened.name for each in others)
        return f"busy with {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return ""


def _unfit(job: Job, session: Session) -> bool:
    tries = (t for index in job.picky for t in job.tried.get(index, ()))
    return any(t.kind == "unfit" and t.place == session.place for t in tries)


def running(job: Job) -> int:
    """How many of its tasks are leased."""
    return sum(lease.stop - lease.start for lease in job.leases.values())
