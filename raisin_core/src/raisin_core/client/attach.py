"""attach: a handle for a job that was submitted before, by this program or another."""

from __future__ import annotations

import re
import time
from typing import Any, Final

from raisin_core.client import connection
from raisin_core.client.asking import HINT
from raisin_core.client.commands import Describes
from raisin_core.client.handles import Handle
from raisin_core.client.job import Job
from raisin_core.client.jobs import JobInfo, listed
from raisin_core.client.map import Map
from raisin_core.client.process import Process
from raisin_core.client.runs import RemoteRun
from raisin_core.client.scan import Scan
from raisin_core.client.trust import Trust, parse
from raisin_core.errors import BrokerUnreachable, UnknownJob, UsageError
from raisin_core.marked import NOTHING
from raisin_core.texts import plain

SECONDS: Final = 10.0
LISTED: Final = 10_000
CANDIDATES: Final = 5

_ID: Final = re.compile(r"[0-9a-f]{4,32}")


def attach(id: str, trust: Any = "auto") -> Handle:
    """A handle for the job with this id (`Handle.id`), submitted before by this program or another one.

    The first digits will do, four or more, where only one job's id begins with them. Its results are those that `get`,
    `get_all` and iteration would have given there. They are kept when it is dropped. `trust` is the option of that name
    (see `Map`); enums, namedtuples and dataclasses in results are found among those of `__main__`.
    Raises UnknownJob, NotYourJob, UsageError (no id, or several jobs'), BrokerUnreachable.
    """
    accept = parse("attach", trust)
    digits = checked(id)
    cluster = connection.current("auto")
    key = found(digits, cluster)
    known = cluster.runs.get(key)
    shared = known if isinstance(known, RemoteRun) and known.share() else None
    job = shared.job if shared else Job(cluster.session, key, seal=cluster.seal(key))
    described = _describe(job, cluster)
    form, shape = described.form, described.shape
    run = shared or RemoteRun(job, described.name, cluster, save=True, ours=False, trust=Trust())
    run.trust.know(_classes(job))
    if accept != NOTHING:
        run.accept(accept)
    if form == "process":
        return Process(None, _run=run)
    if form == "scan":
        return Scan(None, _run=run, _shape=shape, _tuples=bool(described.resume))
    return Map(None, _run=run, _star=shape != [1])


def _classes(job: Job) -> tuple[type, ...]:
    """Where results come as values, the classes that they may be of."""
    if not job.sealer.epoch:
        return ()
    from raisin_core.analysis.valuetypes import value_types_here  # what it needs takes a while to import

    return value_types_here()


def checked(id: str) -> str:
    """Its digits. Raises UsageError."""
    digits = id.strip().lower() if isinstance(id, str) else ""
    if not _ID.fullmatch(digits):
        raise UsageError(f"{id!r} is no job id (32 hexadecimal digits, or the first 4 or more of them)")
    return digits


def found(digits: str, cluster: connection.Connection) -> bytes:
    """The whole id that begins with these digits. Raises UnknownJob, UsageError, ClusterError."""
    if len(digits) == 32:
        return bytes.fromhex(digits)
    candidates = [job for job in listed(cluster, LISTED) if job.id.startswith(digits)]
    if not candidates:
        raise UnknownJob(f"no job {digits}... here ({cluster.address}); {HINT}")
    if len(candidates) > 1:
        raise UsageError(_ambiguous(digits, candidates))
    return bytes.fromhex(candidates[0].id)


def _ambiguous(digits: str, candidates: list[JobInfo]) -> str:
    """Which jobs it might be, with as many digits as tell them apart."""
    shown = candidates[:CANDIDATES]
    enough = next(n for n in range(8, 33) if n == 32 or len({job.id[:n] for job in candidates}) == len(candidates))
    texts = [f"{job.id[:enough]} {plain(job.name, 30)} ({job.words})" for job in shown]
    more = f" and {len(candidates) - len(shown)} more" if len(candidates) > len(shown) else ""
    return f"the ids of {len(candidates)} jobs begin with {digits}: {', '.join(texts)}{more}; give more digits"


def _describe(job: Job, cluster: connection.Connection) -> Describes:
    """What the broker says of it. Raises UnknownJob, NotYourJob, BrokerUnreachable."""
    job.attach()
    try:
        here = job.wait(lambda: job.description and job.progress, time.monotonic() + SECONDS, cluster.heal)
    except UnknownJob as error:
        raise UnknownJob(f"{error}; {HINT}") from None
    if not here:
        raise BrokerUnreachable(f"the broker at {cluster.address} did not answer within {SECONDS:.0f} s")
    assert job.description is not None
    return job.description
