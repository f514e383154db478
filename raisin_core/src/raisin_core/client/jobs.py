"""jobs: what this account has at the broker, as a list that people and programs can read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Final, Literal, overload

import msgspec

from raisin_core.client import connection, tables
from raisin_core.client.asking import ask
from raisin_core.errors import ClusterError, UsageError
from raisin_core.messages import Form, JobLine, Jobs, ListJobs
from raisin_core.texts import plain

MOST: Final = 2**31
HEAD: Final = ("id", "name", "state", "tasks", "submitted", "from")

State = Literal["running", "done", "failed", "cancelled", "late", "incomplete"]


class JobInfo(msgspec.Struct, frozen=True):
    """One job, as it stood when it was asked for. `id` is for `raisin.attach`.

    `state`: running, done, failed (over, and some tasks failed), cancelled, late (past its deadline), or incomplete
    (its client went before all was submitted). `done` (those that `failed` among them), `running` and `total` count
    tasks; `total` is None until all are submitted, `ended` until it is over. `member` submitted it, for `account`;
    `attended`: whether the client that did so is connected. `resume` is the key of its results, if it has one.
    """

    id: str
    name: str
    form: Form
    state: State
    done: int
    failed: int
    running: int
    total: int | None
    opened: datetime
    ended: datetime | None
    member: str
    account: str
    resume: str
    attended: bool

    @property
    def words(self) -> str:
        """The state as people say it."""
        return f"done, {self.failed} failed" if self.state == "failed" else self.state

    @property
    def tasks(self) -> str:
        """How many tasks are done, of how many."""
        return str(self.done) if self.total is None else f"{self.done}/{self.total}"


class JobList(Sequence[JobInfo]):
    """Jobs, the newest first; prints as a table. `all` is how many there are at the broker."""

    def __init__(self, jobs: Iterable[JobInfo], all: int | None = None) -> None:
        self._jobs = tuple(jobs)
        self.all = len(self._jobs) if all is None else all

    def __len__(self) -> int:
        return len(self._jobs)

    @overload
    def __getitem__(self, at: int) -> JobInfo: ...

    @overload
    def __getitem__(self, at: slice) -> JobList: ...

    def __getitem__(self, at: int | slice) -> JobInfo | JobList:
        return JobList(self._jobs[at], self.all) if isinstance(at, slice) else self._jobs[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobList) and self._jobs == other._jobs

    def __hash__(self) -> int:
        return hash(self._jobs)

    def __repr__(self) -> str:
        if not self._jobs:
            return "no jobs"
        return "\n".join(filter(None, (tables.table(HEAD, self._rows()), self._more())))

    def _repr_html_(self) -> str:
        return tables.html_table(HEAD, self._rows(), self._more()) if self._jobs else "<p>no jobs</p>"

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                job.id[:8],
                plain(job.name, 30),
                job.words,
                job.tasks,
                f"{job.opened.astimezone():%Y-%m-%d %H:%M}",
                plain(job.member, 24),
            )
            for job in self._jobs
        ]

    def _more(self) -> str:
        more = self.all - len(self._jobs)
        return f"and {more} more" if more > 0 else ""


def jobs(limit: int = 100) -> JobList:
    """The newest `limit` jobs of this account on the cluster that verbs use now, the newest first.

    They are those that run, and those whose results are kept: `save=True`, `resume=`, or a handle somewhere. Collect
    one with `raisin.attach(job.id)`. Raises UsageError, ClusterError (BrokerUnreachable, StartError).

    >>> raisin.jobs()                                        # doctest: +SKIP
    id        name  state           tasks    submitted         from
    3f2a91c0  fit   done, 3 failed  500/500  2026-11-23 09:12  zoe
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= MOST:
        raise UsageError(f"jobs: limit must be a whole number from 1 on, not {limit!r}")
    return listed(connection.current("auto"), limit)


def listed(cluster: connection.Connection, limit: int) -> JobList:
    """The newest jobs at this cluster. Raises ClusterError."""
    said = ask(cluster, ListJobs(limit))
    if not isinstance(said, Jobs):
        raise ClusterError(f"{cluster.address} did not answer with a list of jobs")
    return JobList(map(info, said.jobs), said.all)


def info(line: JobLine) -> JobInfo:
    """What the broker says of a job, as people see it."""
    return JobInfo(
        id=line.job.hex(),
        name=line.name,
        form=line.form,
        state=state(line),
        done=line.done,
        failed=line.failed,
        running=line.running,
        total=line.total if line.total >= 0 else None,
        opened=_time(line.opened),
        ended=_time(line.ended) if line.ended else None,
        member=line.member,
        account=line.account,
        resume=line.resume,
        attended=line.attended,
    )


def state(line: JobLine) -> State:
    """One word for how a job stands."""
    if line.state == "done":
        return "failed" if line.failed else "done"
    if line.state == "running" and line.total < 0 and not line.attended:
        return "incomplete"
    return line.state


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
