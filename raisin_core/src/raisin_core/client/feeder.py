"""Feeds a job with pages: from the thread that reads its results (`raisin.map`), or from a thread of its own (a
started Map).

What cannot be pulled or encoded ends the job there: the results of what came before are given out, then the error is
raised.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from raisin_core.client.job import Job
from raisin_core.client.pager import Pager
from raisin_core.errors import RaisinError

TASKS_AHEAD = 1_000_000


class Feeder:
    """Moves values from a pager into a job. `error` is what ended it early."""

    def __init__(self, job: Job, pager: Pager, tags: Callable[[Sequence[Any]], bytes] | None = None) -> None:
        self.job, self.pager, self._tags = job, pager, tags
        self.submitted = 0
        self.error: Exception | None = None
        self.over = False
        self.stopped = False

    def step(self) -> None:
        """Add one page; close the job when there is no more."""
        values = self.pager.pull()
        if values:
            try:
                begun = self.submitted
                for first, count, encoded in self.pager.encoded(values, begun):
                    tags = self._tags(values[first - begun : first - begun + count]) if self._tags else b""
                    self.job.add_page(first, count, encoded, tags=tags)
                    self.submitted += count
            except RaisinError as error:
                self._end(error)
                return
        if self.pager.over:
            self._end(self.pager.error)

    def start(self) -> None:
        """Feed from a thread, as fast as the broker takes it and not too far ahead of what is done."""
        threading.Thread(target=self._feed, name="raisin-feeder", daemon=True).start()

    def stop(self) -> None:
        """Pull no more."""
        self.stopped = True

    def ready(self) -> bool:
        """Whether another page may be added now."""
        return self.job.has_room and not self.over

    def _feed(self) -> None:
        while not self.over and not self.stopped:
            try:
                self.job.wait(lambda: self.stopped or self.job.ended or (self.ready() and not self._far_ahead()), None)
            except RaisinError:
                return  # whoever waits for results is told
            if self.job.ended or self.stopped:
                return
            self.step()

    def _far_ahead(self) -> bool:
        progress = self.job.progress
        return self.submitted - (progress.done if progress else 0) > TASKS_AHEAD

    def _end(self, error: Exception | None) -> None:
        self.error, self.over = error, True
        self.job.close(self.submitted)
        with self.job.condition:
            self.job.condition.notify_all()
