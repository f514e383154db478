"""Result pages are recorded: computed ones, the broker's own, and those that were recorded before.

Rules of this file: pure. A task's result is recorded once.
"""

from __future__ import annotations

from raisin_broker.outbox import Outbox, Show
from raisin_broker.records import About, ResultAdded, Source
from raisin_broker.state import Job, State
from raisin_core import messages as m
from raisin_core.ranges import Range, Ranges


class Recording:
    """Adds result pages to jobs."""

    def __init__(self, state: State, out: Outbox) -> None:
        self.state = state
        self.out = out

    def add(
        self, job: Job, start: int, stop: int, about: About, payload: bytes, won: list[Range], failures: set[int]
    ) -> None:
        """The ranges in `won` of a page count; `failures` are the tasks that did not succeed."""
        kept = Ranges(won if job.opened.resume else ())
        for index in failures if kept else ():
            kept.remove(index, index + 1)
        result = ResultAdded(
            job=job.id,
            arrival=len(job.arrivals) + 1,
            start=start,
            stop=stop,
            won=[] if won == [(start, stop)] else won,
            failed=sum(a <= index < b for index in failures for a, b in won),
            run=self.state.run,
            about=about,
            payload=payload,
            kept=list(iter(kept)),
        )
        self._add(job, result, won)

    def add_recalled(self, job: Job, start: int, stop: int, source: Source) -> None:
        """These tasks were answered before."""
        if source.job != job.id:
            job.sources.add(source.job)
        about = About(host="", member="")
        arrival = len(job.arrivals) + 1
        result = ResultAdded(job.id, arrival, start, stop, [], 0, self.state.run, about, b"", source=source)
        self._add(job, result, [(start, stop)])

    def _add(self, job: Job, result: ResultAdded, won: list[Range]) -> None:
        for start, stop in won:
            job.settle(start, stop)
        job.add_arrival(result.start, result.stop, self.state.run)
        job.failed += result.failed
        job.changed = True
        self.out.record(result)
        self.out.show_later(Show(job.id, result.arrival))
        self._drop_pages(job, result.start, result.stop)

    def _drop_pages(self, job: Job, start: int, stop: int) -> None:
        """Pages that are done from end to end need not be kept by any worker; at the end of the job it hears that."""
        if job.total is not None and len(job.done) >= job.total:
            return
        done = [number for number in job.pages.numbers(start, stop) if _page_done(job, number)]
        for session in self.state.sessions.values() if done else ():
            held = session.pages.get(job.id, set())
            if over := [number for number in done if number in held]:
                held.difference_update(over)
                self.out.send(session.route, m.Drop(job.id, over))


def _page_done(job: Job, number: int) -> bool:
    first, count = job.pages.span(number)
    return job.done.covers(first, first + count)
