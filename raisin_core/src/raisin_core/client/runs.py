"""One call of a verb being carried out, wherever that is: what handles and iterators stand on.

`RemoteRun` submits to a broker. `LocalRun` (where="process", and verbs inside a task) calls the function here, one task
after the other, when somebody wants to know.
"""

from __future__ import annotations

import itertools
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec

from raisin_core.client.batch import Batch
from raisin_core.client.connection import Connection
from raisin_core.client.feeder import Feeder
from raisin_core.client.job import Job
from raisin_core.client.reading import InOrder, Meanwhile, Run, by_arrival
from raisin_core.errors import CancelledError, TaskFailed
from raisin_core.messages import JobState, Progress
from raisin_core.pages import Outcomes

Call = Callable[[Any], Any]
Elements = Callable[[], Iterator[Any]]


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

    def heal(self) -> None: ...

    def cancel(self) -> None: ...

    def forget(self) -> None: ...


class RemoteRun:
    """A job at a broker, and the feeder that fills it (None where it was submitted whole, or by somebody else).

    A run that nobody wants any more is forgotten when it has ended.
    """

    def __init__(self, job: Job, name: str, connection: Connection, save: bool, feeder: Feeder | None = None) -> None:
        self.job, self.name, self.feeder = job, name, feeder
        self.id = job.id
        self.lazy = False
        self._connection, self._save = connection, save
        self._wanted = True
        connection.runs[job.id] = self
        job.on_end = self._on_end

    def in_order(self) -> InOrder:
        return InOrder(self.job, self.name)

    def by_arrival(self, until: float | None, meanwhile: Meanwhile | None) -> Iterator[Batch]:
        yield from by_arrival(self.job, self.name, until, meanwhile)

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

    def heal(self) -> None:
        """Called now and then while somebody waits."""
        self._connection.heal()

    def cancel(self) -> None:
        if self.feeder:
            self.feeder.stop()
        if not self.job.ended:
            self.job.cancel()

    def forget(self) -> None:
        """Nobody has a handle any more: what is not to be saved is deleted, now or when it has ended."""
        self._wanted = False
        if self.job.ended or self._save:
            self._drop()

    def leave(self, wait: bool, interrupted: bool) -> str:
        """At the interpreter's end: finish what was started, or leave it to the cluster; gives what to say of it."""
        if self.lazy or (interrupted and not self._save):
            self.cancel()
        elif wait and not self.job.ended:
            self.join(None, self.heal)
        elif not self.job.ended:
            if self.feeder:
                self.feeder.stop()
            count = self.feeder.submitted if self.feeder else 1
            end = "" if self.feeder is None or self.feeder.over else " and no end"
            return f"{self.name}: {count} elements{end} were submitted; raisin.attach({self.id.hex()!r}) collects them"
        self.forget()
        return ""

    def _on_end(self) -> None:
        if not self._wanted:
            self._drop()

    def _drop(self) -> None:
        if self._connection.runs.pop(self.id, None) is not None:
            self.job.forget(self._save)


class LocalRun:
    """Tasks called here, in order; each once, however often results are asked for."""

    def __init__(self, key: bytes, name: str, call: Call, elements: Iterator[Any], total: int | None) -> None:
        self.id, self.name = key, name
        self.total = total
        self.cancelled = False
        self._call, self._elements = call, elements
        self._arguments: list[Any] = []
        self._batches: list[Batch] = []
        self._error: Exception | None = None
        self._lock = threading.RLock()

    def step(self) -> Batch | None:
        """Run the next task; None if there is none."""
        with self._lock:
            return None if self.cancelled else self._next()

    def _next(self) -> Batch | None:
        try:
            element = next(self._elements)
        except StopIteration:
            self.total = len(self._batches)
            return None
        except Exception as error:  # noqa: BLE001 - the iterable is the user's
            self._error, self.total = error, len(self._batches)
            return None
        index = len(self._batches)
        self._arguments.append(element)
        failed, began = False, (time.perf_counter(), time.process_time())
        try:
            item = self._call(element)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except Exception as error:  # noqa: BLE001 - the task is the user's
            item, failed = _kept(error), True
        except SystemExit as error:
            item, failed = TaskFailed(f"SystemExit: {error}"), True
        outcomes = _measured(index, item, began)
        failures = frozenset((index,)) if failed else frozenset()
        batch = Batch([(index, index + 1)], index, [item], failures, "here", "", 0.0, {}, outcomes)
        self._batches.append(batch)
        return batch

    def batch(self, index: int) -> Batch | None:
        """The results of a task, run if need be; None behind the end."""
        while index >= len(self._batches):
            if self.step() is None:
                return None
        return self._batches[index]

    def in_order(self) -> LocalValues:
        return LocalValues(self)

    def by_arrival(self, until: float | None, meanwhile: Meanwhile | None) -> Iterator[Batch]:
        for index in itertools.count():
            if (batch := self.batch(index)) is None:
                break
            yield batch
        if self.cancelled:
            raise CancelledError(f"{self.name} was cancelled")

    def progress(self) -> Progress:
        state: JobState = "cancelled" if self.cancelled else "done" if self.total == len(self._batches) else "running"
        failed = sum(bool(batch.failed) for batch in self._batches)
        total = -1 if self.total is None else self.total
        return Progress(self.id, state, len(self._batches), failed, 0, total, len(self._batches))

    def join(self, until: float | None, meanwhile: Meanwhile | None) -> bool:
        while self.step() is not None:
            if until is not None and time.monotonic() >= until:
                return False
        return True

    def argument(self, index: int) -> Any:
        return self._arguments[index]

    def error(self) -> Exception | None:
        return self._error

    def heal(self) -> None:
        pass  # there is nothing between us and the function

    def cancel(self) -> None:
        self.cancelled = self.cancelled or self.total != len(self._batches)

    def forget(self) -> None:
        self._batches.clear()


class LocalValues:
    """The results of a LocalRun, in order."""

    def __init__(self, run: LocalRun) -> None:
        self.next = self.failed = 0
        self._run = run

    def run(
        self, until: float | None, meanwhile: Meanwhile | None = None, more: Callable[[], bool] | None = None
    ) -> Run | None:
        batch = self._run.batch(self.next)
        if batch is None:
            if self._run.cancelled and self.next != self._run.total:
                raise CancelledError(f"{self._run.name} was cancelled")
            return None
        index, self.next = self.next, self.next + 1
        self.failed += len(batch.failed)
        return index, batch.items, batch.failed

    def close(self) -> None:
        pass


def _kept(error: Exception) -> Exception:
    """StopIteration would end the loops of whoever asks."""
    if isinstance(error, (StopIteration, StopAsyncIteration)):
        return TaskFailed(f"{type(error).__name__}: {error}")
    return error


def _measured(index: int, item: Any, began: tuple[float, float]) -> Outcomes:
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    return Outcomes(index, [item], array("d", [wall]), array("d", [cpu]), 0, {})
