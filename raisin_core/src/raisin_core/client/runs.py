"""One call of a verb being carried out, wherever that is: what handles and iterators stand on.

`RemoteRun` submits to a broker; `local.LocalRun` (where="process", and verbs inside a task) does without one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import msgspec

from raisin_core.client import commands as c
from raisin_core.client.batch import Batch
from raisin_core.client.connection import Connection
from raisin_core.client.feeder import Feeder
from raisin_core.client.job import Job
from raisin_core.client.reading import InOrder, Meanwhile, Run, by_arrival
from raisin_core.client.trust import Trust
from raisin_core.marked import Accept
from raisin_core.messages import Progress

FEED_SECONDS: Final = 5.0


class Values(Protocol):
    """Results in the order of tasks: see reading.InOrder."""

    next: int
    failed: int

    def run(
        self, until: float | None, meanwhile: Meanwhile | None = None, more: Callable[[], bool] | None = None
    ) -> Run | None: ...

    def close(self) -> None: ...


class Running(Protocol):
    """What a handle needs of a call under way."""

    id: bytes
    name: str

    def in_order(self) -> Values: ...

    def by_arrival(self, until: float | None, meanwhile: Meanwhile | None) -> Iterator[Batch]: ...

    def progress(self) -> Progress: ...

    def join(self, until: float | None, meanwhile: Meanwhile | None) -> bool: ...

    def argument(self, index: int) -> Any: ...

    def error(self) -> Exception | None: ...

    def accept(self, accept: Accept) -> None: ...

    def check_held(self) -> None: ...

    def heal(self) -> None: ...

    def cancel(self) -> None: ...

    def forget(self) -> None: ...


class RemoteRun:
    """A job at a broker, and the feeder that fills it (None where it was submitted whole, or by somebody else).

    A run that nobody wants any more (several handles may share it) is forgotten when it has ended.
    """

    def __init__(
        self,
        job: Job,
        name: str,
        connection: Connection,
        save: bool,
        feeder: Feeder | None = None,
        ours: bool = True,
        trust: Trust | None = None,
    ) -> None:
        self.trust = trust or Trust()
        self.job, self.name, self.feeder, self._ours = job, name, feeder, ours
        self.id = job.id
        self.lazy = False
        self._connection, self._save = connection, save
        self._handles = 1
        self._gone = False
        self._lock = threading.Lock()
        connection.runs[job.id] = self
        job.on_end = self._on_end

    def in_order(self) -> InOrder:
        return InOrder(self.job, self.name, self.trust)

    def by_arrival(self, until: float | None, meanwhile: Meanwhile | None) -> Iterator[Batch]:
        yield from by_arrival(self.job, self.name, until, meanwhile, self.trust)

    def progress(self) -> Progress:
        """What the broker said last, and what is known here already."""
        said, total, failed = self.job.progress, self.job.total, self.job.failed_of_all
        known = said or Progress(self.id, "running", 0, 0, 0, -1, 0)
        if known.state != "running" or total is None:
            return known
        if failed is not None:
            return Progress(self.id, "done", total, failed, 0, total, known.arrivals)
        return msgspec.structs.replace(known, total=total)

    def join(self, until: float | None, meanwhile: Meanwhile | None) -> bool:
        return self.job.wait(lambda: self.job.ended, until, meanwhile)

    def argument(self, index: int) -> Any:
        return self.job.argument(index)

    def error(self) -> Exception | None:
        """What ended the feeding early: an exception of the iterable, or an argument that cannot travel."""
        return self.feeder.error if self.feeder else None

    def accept(self, accept: Accept) -> None:
        """Load these results, too, whoever computed them; a job that one of them holds goes on."""
        if self.trust.widen(accept) and self.job.sealer.epoch:
            self.job.session.post(c.ReleaseJob(self.id))

    def check_held(self) -> None:
        """Raises UntrustedResult if the job waits for a word about somebody's result."""
        if self.trust.holds(self.job.progress):
            raise self.trust.holding(self.name, self.id, self.job.progress)

    def heal(self) -> None:
        """Called now and then while somebody waits."""
        self._connection.heal()

    def cancel(self) -> None:
        if self.feeder:
            self.feeder.stop()
        if not self.job.ended:
            self.job.cancel()

    def forget(self) -> None:
        """A handle is gone; after the last one, what is not to be saved is deleted, now or when it has ended."""
        self._handles -= 1
        if self.job.ended or not self._ours:
            self._drop_unwanted()

    def share(self) -> bool:
        """One more handle for it, which keeps its results; False if it has been forgotten already."""
        with self._lock:
            self._handles += not self._gone
            self._save = self._save or not self._gone
            return not self._gone

    def leave(self, wait: bool, interrupted: bool) -> str:
        """At the interpreter's end: finish what was started, or leave it to the cluster; gives what to say of it."""
        if not self._ours:
            pass  # whoever submitted it sees to it
        elif self.lazy or (interrupted and not self._save):
            self.cancel()
        elif wait and not self.job.ended:
            self.join(None, self.heal)
        elif not self.job.ended:
            if self.feeder:
                self._finish_feeding(self.feeder)
            count = self.feeder.submitted if self.feeder else 1
            end = "" if self.feeder is None or self.feeder.over else " and no end"
            return f"{self.name}: {count} elements{end} were submitted; raisin.attach({self.id.hex()!r}) collects them"
        self._handles = 1
        self.forget()
        return ""

    def _finish_feeding(self, feeder: Feeder) -> None:
        """Submit what is known to be finite, if that takes not long."""
        if feeder.pager.length is not None:
            self.job.wait(lambda: feeder.over or self.job.ended, time.monotonic() + FEED_SECONDS, self.heal)
        feeder.stop()

    def _on_end(self) -> None:
        self._drop_unwanted()

    def _drop_unwanted(self) -> None:
        with self._lock:
            if self._gone or self._handles > 0:
                return
            self._gone = True
        self._connection.runs.pop(self.id, None)
        self.job.forget(self._save)
