"""Results that were recorded under a key count again for tasks with the same arguments.

Rules of this file: pure. A page of a job with a key is added when the store has said what is recorded of it: what is
not is computed, and nothing is asked twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from raisin_broker.recording import Recording
from raisin_broker.records import Recalled, Source
from raisin_broker.state import Instant, State
from raisin_broker.submissions import Submissions


class Resumption:
    """Handles what the store remembers."""

    def __init__(self, state: State, submissions: Submissions, recording: Recording) -> None:
        self.state = state
        self.submissions = submissions
        self.recording = recording

    def on_recalled(self, key: bytes, number: int, found: Sequence[Recalled], at: Instant) -> None:
        """This is recorded of the page's tasks."""
        job = self.state.jobs.get(key)
        if job is None or number not in job.recalling:
            return
        route, message, payload = job.recalling.pop(number)
        if number == len(job.pages) and not job.ended and job.total is None:
            self.submissions.add_page(job, message, payload, at)
            for first, last in _runs([each for each in found if each.job in self.state.jobs]):
                source = Source(first.job, first.arrival, first.index)
                self.recording.add_recalled(job, message.first + first.at, message.first + last.at + 1, source)
        if route in self.state.sessions:
            self.submissions.acknowledge_page(route, job, message)
        self.submissions.end_if_done(job)


def _runs(found: Sequence[Recalled]) -> Iterator[tuple[Recalled, Recalled]]:
    """First and last of each run of tasks whose results are neighbours in one page."""
    if not found:
        return
    first = found[0]
    for before, after in pairwise(found):
        if (after.job, after.arrival, after.at - before.at, after.index - before.index) != (
            before.job,
            before.arrival,
            1,
            1,
        ):
            yield first, before
            first = after
    yield first, found[-1]
