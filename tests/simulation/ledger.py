"""What is durable, and whether what was said fits it.

The rule that the broker is compared with: persist, then speak. It is kept by watching the records on their way to the
store and the messages on their way out, and is much simpler than the broker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from raisin_broker import records as r
from raisin_broker.store.base import Store
from raisin_core import messages as m
from raisin_core.client.state import FIRST_CREDIT
from raisin_core.errors import StoreError
from raisin_core.ranges import Ranges

UNSURE: Final = "the disk did not answer"


class Facts:
    """What is durable of a job."""

    def __init__(self) -> None:
        self.pages = self.tasks = self.arrivals = self.leased = 0
        self.total: int | None = None
        self.state: m.JobState = "running"
        self.unwanted = False
        self.pickles: list[str] | None = None
        self.done = Ranges()
        self.tried: set[int] = set()

    @property
    def finished(self) -> bool:
        """Whether all that was submitted is done, or need not be."""
        return self.state != "running" or (self.total is None and len(self.done) == self.tasks)


class Wrong(AssertionError):
    """A promise was broken; `job` is whose, and `task` which, where that is known."""

    def __init__(self, text: str, job: bytes | None = None, task: int | None = None) -> None:
        super().__init__(text)
        self.job, self.task = job, task


class Ledger:
    """Stands between the broker and its store. The next `failing` commits will not work; of the next `unsure` ones
    the broker is told so although they did."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.failing = self.unsure = 0
        self.jobs: dict[bytes, Facts] = {}
        self.forgotten: set[bytes] = set()
        self._credit: dict[bytes, int] = {}
        self.run = 0
        self._staged: dict[int, Sequence[r.Record]] = {}
        self._commits: list[Sequence[r.Record]] = []

    def start(self, store: Store) -> r.Stored:
        """The broker begins anew, with what its store finds; which must be what was committed."""
        self.store = store
        self._staged = {}
        stored = store.start()
        if stored.run <= self.run:
            raise Wrong(f"run {stored.run} after run {self.run}")
        self.run = stored.run
        found = {job.opened.job: self._read(job) for job in stored.jobs}
        for job in {**self.jobs, **found}:
            mine, theirs = self.jobs.get(job), found.get(job)
            if mine is None or theirs is None or vars(mine) != vars(theirs):
                raise Wrong(f"the store kept {theirs and vars(theirs)} of {mine and vars(mine)}", job)
        return stored

    def stage(self, batch: int, records: Sequence[r.Record]) -> None:
        self._staged[batch] = records
        self.store.stage(batch, records)

    def commit(self, batch: int) -> None:
        """Make it durable. Raises StoreError."""
        if self.failing:
            self.failing -= 1
            raise StoreError("the disk is full")
        self.store.commit(batch)
        due = {number: self._staged.pop(number) for number in sorted(self._staged) if number <= batch}
        for records in due.values():
            self._commits.append(records)
            for record in records:
                self._apply(record)
        if self.unsure:
            self.unsure -= 1
            for number, records in due.items():
                self.store.stage(number, records)  # so that it is really written twice
            raise StoreError(UNSURE)

    def cut(self, batches: int) -> set[bytes]:
        """The power fails, and these many of the last batches are gone: the jobs that lost something."""
        before, self.jobs = self.jobs, {}
        self._commits = self._commits[: max(0, len(self._commits) - batches)]
        for records in self._commits:
            for record in records:
                self._apply(record)
        return {
            job
            for job in before.keys() | self.jobs.keys()
            if job not in self.jobs or job not in before or vars(before[job]) != vars(self.jobs[job])
        }

    # -- what became durable -------------------------------------------------------------------------------------

    def _apply(self, record: r.Record) -> None:
        if isinstance(record, r.JobOpened):
            self.jobs.setdefault(record.job, Facts()).pickles = record.options.pickles
        elif isinstance(record, r.JobForgotten):
            self.jobs.pop(record.job, None)
            self.forgotten.add(record.job)
        elif not isinstance(record, (r.WorkerSeen, r.WorkerGone, r.KeyCleared)):
            job: bytes = record.job  # type: ignore[attr-defined]
            self._change(self.jobs[job], record, job)

    def _change(self, facts: Facts, record: r.Record, job: bytes) -> None:
        match record:
            case r.PageAdded():
                if (record.number, record.first) != (facts.pages, facts.tasks):
                    raise Wrong(f"page {record.number} at {record.first} after {facts.pages} pages", job)
                facts.pages, facts.tasks = facts.pages + 1, facts.tasks + record.count
            case r.JobClosed():
                facts.total = record.total
            case r.JobMarked():
                if facts.state != "running":
                    raise Wrong(f"{record.state} after {facts.state}", job)
                if record.state == "done" and len(facts.done) != facts.total:
                    raise Wrong(f"done with {len(facts.done)} of {facts.total}", job)
                facts.state = record.state
            case r.ResultAdded():
                self._on_result(facts, record, job)
            case r.Tried():
                facts.tried.add(record.index)
            case r.JobReleased():
                facts.pickles = record.options.pickles
            case r.JobUnwanted():
                facts.unwanted = True
            case r.LeasedUpTo():
                facts.leased = max(facts.leased, record.index)

    def _on_result(self, facts: Facts, record: r.ResultAdded, job: bytes) -> None:
        if facts.state != "running":
            raise Wrong(f"a result after the job was {facts.state}", job)
        if record.arrival != facts.arrivals + 1:
            raise Wrong(f"result page {record.arrival} after {facts.arrivals}", job)
        facts.arrivals += 1
        for start, stop in record.won or [(record.start, record.stop)]:
            if not record.start <= start < stop <= min(record.stop, facts.tasks):
                raise Wrong(f"{start}..{stop} was won by {record.start}..{record.stop} of {facts.tasks}", job)
            if facts.done.overlap(start, stop):
                raise Wrong(f"counted twice: {facts.done.overlap(start, stop)}", job, start)
            facts.done.add(start, stop)

    def _read(self, stored: r.StoredJob) -> Facts:
        facts = Facts()
        facts.pages, facts.tasks = len(stored.pages), stored.pages.tasks
        facts.total, facts.state, facts.leased = stored.total, stored.state, stored.leased_up_to
        facts.arrivals, facts.done = len(stored.arrivals), Ranges(stored.done)
        facts.unwanted, facts.pickles = stored.unwanted, stored.opened.options.pickles
        facts.tried = {tried.index for tried in stored.tried}
        return facts

    # -- what is said --------------------------------------------------------------------------------------------

    def heard(self, message: m.Message) -> None:
        """The broker hears this: nobody goes further than it said."""
        if isinstance(message, m.Page) and message.number >= self._credit.get(message.job, FIRST_CREDIT):
            raise Wrong(f"page {message.number} is beyond the credit", message.job)

    def spoken(self, message: m.Message) -> None:
        """The broker is about to say this: it must be true already."""
        if isinstance(message, (m.Opened, m.Stored)):
            self._credit[message.job] = max(self._credit.get(message.job, FIRST_CREDIT), message.credit)
        job = getattr(message, "job", None)
        facts = self.jobs.get(job) if job is not None else None
        if isinstance(message, m.Welcome) and message.run != self.run:
            raise Wrong(f"run {message.run} instead of {self.run}")
        if facts is None:
            early = (m.Opened, m.Stored, m.Closed, m.Result, m.Described)
            if isinstance(message, early) and job not in self.forgotten:
                raise Wrong(f"said before it is durable: {message}", job)
        elif not self._fits(facts, message):
            raise Wrong(f"said before it is durable: {message} of {vars(facts)}", job)

    def _fits(self, facts: Facts, message: m.Message) -> bool:
        match message:
            case m.Stored():
                return message.pages <= facts.pages
            case m.Closed():
                return facts.total is not None or facts.state in m.ENDED
            case m.Result():
                return message.arrival <= facts.arrivals
            case m.Progress():
                ends = message.state == facts.state or message.state == "running"
                return ends and message.arrivals <= facts.arrivals and message.total in (-1, facts.total)
            case m.Judged(verdict="recorded" | "duplicate"):
                missing = facts.done.missing(message.start, message.stop)
                return all(index in facts.tried for start, stop in missing for index in range(start, stop))
            case m.Judged(verdict="cancelled"):
                return facts.state in ("cancelled", "late")
        return True


def ruling_of(record: r.Record) -> m.Ruling | None:
    """The ruling in a record, if it is one."""
    if isinstance(record, r.ResultAdded) and record.about.ruling:
        return msgspec.msgpack.decode(record.payload, type=m.Ruling)
    return None
