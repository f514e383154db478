"""attach: a handle for a job that was submitted before, by this program or another."""

from __future__ import annotations

import time
from typing import Final

from raisin_core.client import connection
from raisin_core.client.commands import Describes
from raisin_core.client.handles import Handle
from raisin_core.client.job import Job
from raisin_core.client.map import Map
from raisin_core.client.process import Process
from raisin_core.client.runs import RemoteRun
from raisin_core.client.scan import Scan
from raisin_core.errors import BrokerUnreachable, UsageError

SECONDS: Final = 10.0


def attach(id: str) -> Handle:
    """A handle for the job with this id (`Handle.id`), submitted before by this program or another one.

    Its results are those that `get`, `get_all` and iteration would have given there. They are kept when it is dropped.
    Raises UnknownJob, UsageError (no id), BrokerUnreachable.
    """
    try:
        key = bytes.fromhex(id)
    except (TypeError, ValueError):
        key = b""
    if len(key) != 16:
        raise UsageError(f"attach: {id!r} is no job id (32 hexadecimal digits, as Handle.id gives them)")
    cluster = connection.current("auto")
    known = cluster.runs.get(key)
    shared = known if isinstance(known, RemoteRun) and known.share() else None
    job = shared.job if shared else Job(cluster.session, key)
    described = _describe(job, cluster)
    form, shape = described.form, described.shape
    run = shared or RemoteRun(job, described.name, cluster, save=True, ours=False)
    if form == "process":
        return Process(None, _run=run)
    if form == "scan":
        return Scan(None, _run=run, _shape=shape, _tuples=bool(described.resume))
    return Map(None, _run=run, _star=shape != [1])


def _describe(job: Job, cluster: connection.Connection) -> Describes:
    """What the broker says of it. Raises UnknownJob, BrokerUnreachable."""
    job.attach()
    if not job.wait(lambda: job.description and job.progress, time.monotonic() + SECONDS, cluster.heal):
        raise BrokerUnreachable(f"the broker at {cluster.address} did not answer within {SECONDS:.0f} s")
    assert job.description is not None
    return job.description
