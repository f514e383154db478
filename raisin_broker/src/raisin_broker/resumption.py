"""Results that were recorded under a key count again for tasks with the same arguments.

Rules of this file: pure. A page of a job with a key is added when the store has said what is recorded of it: what is
not is computed. What a superseded job is computing is waited for, and then asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from raisin_broker.outbox import Outbox, Recall
from raisin_broker.recording import Recording
from raisin_broker.records import TAG, Recalled, Source
from raisin_broker.state import Deferred, Instant, Job, State
from raisin_broker.submissions import Submissions

DEFERRED: Final = -1


class Resumption:
    """Handles what the store remembers."""

    def __init__(self, state: State, out: Outbox, submissions: Submissions, recording: Recording) -> None:
        self.state = state
        self.out = out
        self.submissions = submissions
        self.recording = recording

    def on_recalled(self, key: bytes, number: int, found: Sequence[Recalled], at: Instant) -> None:
        """This is recorded of the page's tasks (or, without a page, of those that were deferred)."""
        job = self.state.jobs.get(key)
        if job is None or job.ended:
            if job is not None:
                job.recalling.pop(number, None)
            return
        if number == DEFERRED:
            self._settle_deferred(job, found)
        elif number in job.recalling:
            self._add_page(job, number, found, at)
        self.submissions.end_if_done(job)

    def look(self) -> None:
        """Once a turn: tasks that others were computing and are no more are asked for again (when what came of them is
        durable), or computed."""
        for job in [job for job in self.state.active.values() if job.deferred]:
            over = {index: each for index, each in job.deferred.items() if not self._is_running(each)}
            for each in over.values():
                each.batch = each.batch or self.out.pending
            known = {index: each for index, each in over.items() if self.out.durable(each.batch)}
            if known:
                job.asked = list(known)
                name = job.opened.account, job.opened.resume
                self.out.recall(Recall(job.id, DEFERRED, *name, b"".join(each.tag for each in known.values())))

    def due(self) -> bool:
        """Whether `look` has something to do that no message will bring about."""
        deferred = (each for job in self.state.active.values() for each in job.deferred.values())
        return any(each.batch and self.out.durable(each.batch) for each in deferred)

    def _is_running(self, task: Deferred) -> bool:
        other = self.state.active.get(task.job)
        return other is not None and any(a.start <= task.index < a.stop for a in other.leases.values())

    def _add_page(self, job: Job, number: int, found: Sequence[Recalled], at: Instant) -> None:
        route, message, payload = job.recalling.pop(number)
        if number == len(job.pages) and job.total is None:
            self.submissions.add_page(job, message, payload, at)
            self._record(job, [message.first + each for each in range(message.count)], found)
            for each in found:
                if not each.arrival and each.job in self.state.active:
                    index = message.first + each.at
                    job.ready.remove(index, index + 1)
                    tag = message.tags[each.at * TAG : (each.at + 1) * TAG]
                    job.deferred[index] = Deferred(tag, each.job, each.index)
        if route in self.state.sessions:
            self.submissions.acknowledge_page(route, job, message)

    def _settle_deferred(self, job: Job, found: Sequence[Recalled]) -> None:
        tasks, job.asked = job.asked, []
        for index in tasks:
            if job.deferred.pop(index, None) is not None:
                job.ready.add(index, index + 1)
        self._record(job, tasks, found)
        job.changed = True

    def _record(self, job: Job, tasks: Sequence[int], found: Sequence[Recalled]) -> None:
        """These tasks of the job were asked for, and this was found of them."""
        there = [(tasks[each.at], each) for each in found if each.arrival and each.job in self.state.jobs]
        for (start, first), (last, _) in _runs(there):
            self.recording.add_recalled(job, start, last + 1, Source(first.job, first.arrival, first.index))


def _runs(found: Sequence[tuple[int, Recalled]]) -> Iterator[tuple[tuple[int, Recalled], tuple[int, Recalled]]]:
    """First and last of each run of tasks whose results are neighbours in one page."""
    run: list[tuple[int, Recalled]] = []
    for each in found:
        if run and not _follows(run[-1], each):
            yield run[0], run[-1]
            run = []
        run.append(each)
    if run:
        yield run[0], run[-1]


def _follows(before: tuple[int, Recalled], after: tuple[int, Recalled]) -> bool:
    same_page = (before[1].job, before[1].arrival) == (after[1].job, after[1].arrival)
    return same_page and after[0] - before[0] == after[1].index - before[1].index == 1
