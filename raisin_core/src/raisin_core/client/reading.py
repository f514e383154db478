"""Reading a job's results: in the order of its tasks, or as they arrive.

Rules of this file: what was read and is not wanted yet is bounded: in order by a window of tasks ahead (smaller where
results are large), by arrival by a number of pages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from raisin_core.client import commands as c
from raisin_core.client.batch import Batch, open_result
from raisin_core.client.job import Job
from raisin_core.client.trust import Held, Part, Trust
from raisin_core.errors import CancelledError, DeadlineExceeded, JobIncomplete, RaisinError
from raisin_core.errors import TimeoutError as RaisinTimeout
from raisin_core.messages import Result
from raisin_core.texts import plain

WINDOW_TASKS: Final = 65_536
LEAST_TASKS: Final = 64
WINDOW_BYTES: Final = 32 * 1024 * 1024
WINDOW_PAGES: Final = 16
HELD_SECONDS: Final = 1.0
"""So long is waited for a result that the broker says holds the job, to say what it is."""

Run = tuple[int, list[Any], frozenset[int]]
Meanwhile = Callable[[], None]


class InOrder:
    """Values of consecutive tasks, as runs."""

    def __init__(self, job: Job, name: str, trust: Trust) -> None:
        self.next = 0
        self.failed = 0
        self._job, self._name, self._trust = job, name, trust
        self._holding = Holding(job, name, trust)
        self._tap = job.tap("window")
        self._runs: dict[int, Part] = {}
        self._window = WINDOW_TASKS
        self._limit = self._bytes = self._tasks = 0
        self._ask()

    def run(
        self, until: float | None, meanwhile: Meanwhile | None = None, more: Callable[[], bool] | None = None
    ) -> Run | None:
        """The next run, in order; None at the end. `more` adds to the job while nothing has come: False when it cannot.

        Raises RaisinTimeout after `until`; CancelledError or DeadlineExceeded if the job ended before this task;
        UntrustedResult where the next is not to be loaded, and where such a one holds the job; it is kept, and given
        when `Trust` says so.
        """
        while True:
            if self.next in self._runs:
                return self._take()
            if self._at_end():
                self._job.all_read(self.failed)
                return None
            if self._open_arrived():
                continue
            if more is not None and more():
                continue
            self._holding.check(self._runs)
            if not self._job.wait(self._news, until, meanwhile):
                raise RaisinTimeout(timeout_text(self._job, self.next))
            if not self._tap.results and self._job.ended and not self._finished_late():
                raise ended_early(self._job, self._name)
            if not self._tap.results and is_incomplete(self._job, self.next):
                raise incomplete(self._job, self._name)

    def close(self) -> None:
        """Read no more."""
        self._tap.close()

    def _news(self) -> bool:
        if self._tap.results or self._at_end() or is_incomplete(self._job, self.next) or self._holding.due():
            return True
        return self._job.ended and not self._finished_late()

    def _at_end(self) -> bool:
        return self._job.total is not None and self.next >= self._job.total

    def _finished_late(self) -> bool:
        """Whether the job is done, so that what is missing is still on its way."""
        progress = self._job.progress
        return progress is not None and progress.state == "done"

    def _take(self) -> Run:
        start = self.next
        items, failed, held = self._runs[start]
        if held:
            items, failed = self._loaded(start)
        self._runs.pop(start, None)
        self.next += len(items)
        if self.next + self._window // 2 > self._limit:
            self._ask()
        return start, items, failed

    def _loaded(self, start: int) -> tuple[list[Any], frozenset[int]]:
        """A run with what is accepted by now, up to the first that is not; raises UntrustedResult if that is next."""
        items, failed, held = self._trust.settle(start, self._runs[start])
        self.failed += len(failed) - len(self._runs[start][1])
        self._runs[start] = items, failed, held
        if not held:
            return items, failed
        at = min(held) - start
        if not at:
            raise self._trust.refusal(items[0], self._name, self._job.id, self._job.progress)
        self._runs[start + at] = items[at:], frozenset(each for each in failed if each >= start + at), held
        return items[:at], frozenset(each for each in failed if each < start + at)

    def _ask(self) -> None:
        """Move the window on."""
        self._limit = max(self._limit, self.next + self._window)
        self._tap.ask(self.next, self._limit)

    def _open_arrived(self) -> bool:
        """Decode one page that has come."""
        if not self._tap.results:
            return False
        message, payload = self._tap.results.popleft()
        batch = open_arrived(self._job, message, payload, self._name, self._trust)
        self._resize(len(payload), message.stop - message.start)
        for start, items, failed in batch.runs():
            held = batch.held and frozenset(index for index in batch.held if start <= index < start + len(items))
            self._runs[start] = items, failed, held
            self.failed += len(failed)
        return True

    def _resize(self, size: int, tasks: int) -> None:
        self._bytes += size
        self._tasks += tasks
        fitting = WINDOW_BYTES * self._tasks // max(1, self._bytes)
        self._window = max(LEAST_TASKS, min(WINDOW_TASKS, fitting))


def open_arrived(job: Job, message: Result, payload: bytes, name: str, trust: Trust) -> Batch:
    """A result page that a reader was given, unsealed and decoded. Raises SealError, ClusterError (a blob is lost)."""
    opened = job.open_payload(message, payload)
    if opened.own:
        trust.own.add(opened.member)
    return open_result(message, opened, job.fetch, name, trust)


class Holding:
    """Looks whether the job waits for a word about somebody's result; the result itself may still be on its way."""

    def __init__(self, job: Job, name: str, trust: Trust) -> None:
        self._job, self._name, self._trust = job, name, trust
        self._since: float | None = None

    def due(self) -> bool:
        """Whether there is something to `check`."""
        if not self._trust.holds(self._job.progress):
            return False
        return self._since is None or time.monotonic() - self._since > HELD_SECONDS

    def check(self, runs: Mapping[int, Part] = {}) -> None:
        """Raises UntrustedResult that says what is held, if that is known or has been waited for."""
        progress = self._job.progress
        if progress is None or not self._trust.holds(progress):
            self._since = None
            return
        if progress.held in self._trust.own:  # a machine that was not known as one's own when the job was submitted
            self._trust.released = True
            self._job.session.post(c.ReleaseJob(self._job.id))
            return
        kept = (items[min(held) - start] for start, (items, _, held) in sorted(runs.items()) if held)
        found: Held | None = next(kept, None)
        if found is not None:
            raise self._trust.refusal(found, self._name, self._job.id, progress)
        if self._since is not None and self.due():
            raise self._trust.holding(self._name, self._job.id, progress)
        self._since = self._since or time.monotonic()


def by_arrival(job: Job, name: str, until: float | None, meanwhile: Meanwhile | None, trust: Trust) -> Iterator[Batch]:
    """All result pages in the order they came, from the first on; ends with the job. Raises UntrustedResult for what is
    not to be loaded."""
    holding = Holding(job, name, trust)
    tap = job.tap("arrival")
    limit = WINDOW_PAGES
    tap.ask(0, limit)
    taken = 0

    def news() -> bool:
        progress = job.progress
        if tap.results or progress is None:
            return bool(tap.results)
        if holding.due():
            return True
        return taken >= progress.arrivals and (job.ended or progress.abandoned)

    try:
        while True:
            if not job.wait(news, until, meanwhile):
                raise RaisinTimeout(timeout_text(job, taken))
            if not tap.results:
                if trust.holds(job.progress):
                    holding.check()
                    continue
                break
            message, payload = tap.results.popleft()
            taken += 1
            if taken + WINDOW_PAGES // 2 >= limit:
                limit = taken + WINDOW_PAGES
                tap.ask(0, limit)
            yield _settled(open_arrived(job, message, payload, name, trust), job, name, trust)
    finally:
        tap.close()
    if job.progress is not None and job.progress.abandoned:
        raise incomplete(job, name)
    if job.progress is not None and job.progress.state != "done":
        raise ended_early(job, name)


def _settled(batch: Batch, job: Job, name: str, trust: Trust) -> Batch:
    if not batch.held:
        return batch
    items, failed, held = trust.settle(batch.start, (batch.items, batch.failed, batch.held))
    batch = batch._replace(items=items, failed=failed, held=held)
    for index in sorted(held):
        if any(start <= index < stop for start, stop in batch.ranges):
            raise trust.refusal(items[index - batch.start], name, job.id, job.progress)
    return batch


def timeout_text(job: Job, done: int) -> str:
    """What to say when somebody waited in vain."""
    progress = job.progress
    lost = job.session.lost_at
    total = f" of {job.total}" if job.total is not None else ""
    text = f"{max(done, progress.done if progress else 0)}{total} done"
    text += f"; job {job.id.hex()[:8]} continues (get() waits on, cancel() stops it)"
    if job.blocked:
        text += f"\n  the rest of it is not submitted: {job.blocked}"
    if progress is not None and progress.held:
        text += f"\n  nothing more of it is begun: a result of {plain(progress.held)} waits for trust="
    if progress is not None and progress.waits:
        text += f"\n  nothing of it runs: {progress.waits}"
    if lost is not None:
        text += f"\n  the broker at {job.session.address} is silent for {time.monotonic() - lost:.0f} s"
    return text


def is_incomplete(job: Job, taken: int) -> bool:
    """Whether no more will come than the first `taken` tasks: the client that fed it is gone."""
    progress = job.progress
    return progress is not None and progress.abandoned and taken >= progress.done


def incomplete(job: Job, name: str) -> RaisinError:
    """The error for a job that nobody will close."""
    count = job.progress.done if job.progress else 0
    return JobIncomplete(
        f"{name} (job {job.id.hex()[:8]}): its client ended when it had submitted {count} elements and no end; "
        "those are done (get_all() and iteration give them). Run its program again for the rest, with resume= to "
        "re-use them"
    )


def ended_early(job: Job, name: str) -> RaisinError:
    """The error for a job that ended before all its results were there."""
    progress = job.progress
    assert progress is not None
    of = f" of {progress.total}" if progress.total >= 0 else ""
    if progress.state == "late":
        return DeadlineExceeded(f"{name} (job {job.id.hex()[:8]}) passed its deadline, {progress.done}{of} tasks done")
    return CancelledError(f"{name} (job {job.id.hex()[:8]}) was cancelled with {progress.done}{of} tasks done")
