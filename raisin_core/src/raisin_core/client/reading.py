"""Reading a job's results: in the order of its tasks, or as they arrive.

Rules of this file: what was read and is not wanted yet is bounded: in order by a window of tasks ahead (smaller where
results are large), by arrival by a number of pages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from raisin_core.client.batch import Batch, open_result
from raisin_core.client.job import Job
from raisin_core.errors import CancelledError, DeadlineExceeded, JobIncomplete, RaisinError
from raisin_core.errors import TimeoutError as RaisinTimeout

WINDOW_TASKS: Final = 65_536
LEAST_TASKS: Final = 64
WINDOW_BYTES: Final = 32 * 1024 * 1024
WINDOW_PAGES: Final = 16

Run = tuple[int, list[Any], frozenset[int]]
Meanwhile = Callable[[], None]


class InOrder:
    """Values of consecutive tasks, as runs."""

    def __init__(self, job: Job, name: str) -> None:
        self.next = 0
        self.failed = 0
        self._job, self._name = job, name
        self._tap = job.tap("window")
        self._runs: dict[int, tuple[list[Any], frozenset[int]]] = {}
        self._window = WINDOW_TASKS
        self._limit = self._bytes = self._tasks = 0
        self._ask()

    def run(
        self, until: float | None, meanwhile: Meanwhile | None = None, more: Callable[[], bool] | None = None
    ) -> Run | None:
        """The next run, in order; None at the end. `more` adds to the job while nothing has come: False when it cannot.

        Raises RaisinTimeout after `until`; CancelledError or DeadlineExceeded if the job ended before this task.
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
        if self._tap.results or self._at_end() or is_incomplete(self._job, self.next):
            return True
        return self._job.ended and not self._finished_late()

    def _at_end(self) -> bool:
        return self._job.total is not None and self.next >= self._job.total

    def _finished_late(self) -> bool:
        """Whether the job is done, so that what is missing is still on its way."""
        progress = self._job.progress
        return progress is not None and progress.state == "done"

    def _take(self) -> Run:
        items, failed = self._runs.pop(self.next)
        start = self.next
        self.next += len(items)
        if self.next + self._window // 2 > self._limit:
            self._ask()
        return start, items, failed

    def _ask(self) -> None:
        """Move the window on."""
        self._limit = max(self._limit, self.next + self._window)
        self._tap.ask(self.next, self._limit)

    def _open_arrived(self) -> bool:
        """Decode one page that has come."""
        if not self._tap.results:
            return False
        message, payload = self._tap.results.popleft()
        batch = open_result(message, self._job.open_payload(message, payload), self._job.fetch, self._name)
        self._resize(len(payload), message.stop - message.start)
        for start, items, failed in batch.runs():
            self._runs[start] = items, failed
            self.failed += len(failed)
        return True

    def _resize(self, size: int, tasks: int) -> None:
        self._bytes += size
        self._tasks += tasks
        fitting = WINDOW_BYTES * self._tasks // max(1, self._bytes)
        self._window = max(LEAST_TASKS, min(WINDOW_TASKS, fitting))


def by_arrival(job: Job, name: str, until: float | None, meanwhile: Meanwhile | None) -> Iterator[Batch]:
    """All result pages in the order they came, from the first on; ends with the job."""
    tap = job.tap("arrival")
    limit = WINDOW_PAGES
    tap.ask(0, limit)
    taken = 0

    def news() -> bool:
        progress = job.progress
        if tap.results or progress is None:
            return bool(tap.results)
        return taken >= progress.arrivals and (job.ended or progress.abandoned)

    try:
        while True:
            if not job.wait(news, until, meanwhile):
                raise RaisinTimeout(timeout_text(job, taken))
            if not tap.results:
                break
            message, payload = tap.results.popleft()
            taken += 1
            if taken + WINDOW_PAGES // 2 >= limit:
                limit = taken + WINDOW_PAGES
                tap.ask(0, limit)
            yield open_result(message, job.open_payload(message, payload), job.fetch, name)
    finally:
        tap.close()
    if job.progress is not None and job.progress.abandoned:
        raise incomplete(job, name)
    if job.progress is not None and job.progress.state != "done":
        raise ended_early(job, name)


def timeout_text(job: Job, done: int) -> str:
    """What to say when somebody waited in vain."""
    progress = job.progress
    lost = job.session.lost_at
    total = f" of {job.total}" if job.total is not None else ""
    text = f"{max(done, progress.done if progress else 0)}{total} done"
    text += f"; job {job.id.hex()[:8]} continues (get() waits on, cancel() stops it)"
    if job.blocked:
        text += f"\n  the rest of it is not submitted: {job.blocked}"
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
