"""A call of a verb carried out here, one task after the other, when somebody wants to know: where="process", and verbs
inside a task.

Deadlines and timeouts are looked at between tasks, `task_timeout` when a task has ended: nobody can end it here.
"""

from __future__ import annotations

import itertools
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from typing import Any, Final

from raisin_core.client.batch import Batch
from raisin_core.client.options import Options
from raisin_core.client.reading import Meanwhile, Run
from raisin_core.errors import CancelledError, DeadlineExceeded, RaisinError, TaskFailed, TaskTimeout
from raisin_core.errors import TimeoutError as RaisinTimeout
from raisin_core.marked import Accept
from raisin_core.messages import JobState, Progress
from raisin_core.pages import Outcomes

HOST: Final = "here"

Call = Callable[[Any], Any]


class LocalRun:
    """Tasks called here, in order; each once, however often results are asked for. If it is `lazy`, results are given
    out once and not kept."""

    def __init__(self, key: bytes, options: Options, call: Call, elements: Iterator[Any], total: int | None) -> None:
        self.id, self.name, self.lazy = key, options.name, False
        self._options, self._call, self._elements = options, call, elements
        self._total = total
        self._done = self._failed = 0
        self._ended: JobState | None = None
        self._deadline = time.monotonic() + options.deadline if options.deadline else None
        self._batches: dict[int, Batch] = {}
        self._arguments: dict[int, Any] = {}
        self._error: Exception | None = None
        self._lock = threading.RLock()

    def batch(self, index: int, until: float | None = None) -> Batch | None:
        """The results of a task, run if need be; None behind the end.

        Raises RaisinTimeout after `until`; CancelledError or DeadlineExceeded if it ended before this task.
        """
        with self._lock:
            while index >= self._done and self._ended is None:
                if until is not None and time.monotonic() >= until:
                    raise RaisinTimeout(f"{self._count()} done; it goes on when it is asked again")
                self._step()
            if index >= self._done:
                if self._ended != "done":
                    raise self._ended_early()
                return None
            return self._batches.pop(index) if self.lazy else self._batches[index]

    def in_order(self) -> LocalValues:
        return LocalValues(self)

    def by_arrival(self, until: float | None, meanwhile: Meanwhile | None) -> Iterator[Batch]:
        for index in itertools.count():
            if (batch := self.batch(index, until)) is None:
                return
            yield batch

    def progress(self) -> Progress:
        total = -1 if self._total is None else self._total
        return Progress(self.id, self._ended or "running", self._done, self._failed, 0, total, self._done)

    def join(self, until: float | None, meanwhile: Meanwhile | None) -> bool:
        with self._lock:
            while self._ended is None and (until is None or time.monotonic() < until):
                self._step()
        return self._ended is not None

    def argument(self, index: int) -> Any:
        return self._arguments[index]

    def error(self) -> Exception | None:
        return self._error

    def accept(self, accept: Accept) -> None:
        pass  # all of it is computed here

    def check_held(self) -> None:
        pass

    def heal(self) -> None:
        pass  # there is nothing between us and the function

    def cancel(self) -> None:
        self._ended = self._ended or "cancelled"

    def forget(self) -> None:
        self._batches.clear()

    def _step(self) -> None:
        """Run the next task, or find the end."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._ended = "late"
            return
        try:
            element = next(self._elements)
        except StopIteration:
            self._ended, self._total = "done", self._done
            return
        except Exception as error:  # noqa: BLE001 - the iterable is the user's
            self._ended, self._total, self._error = "done", self._done, error
            return
        index = self._done
        self._batches[index] = batch = self._run(index, element)
        if not self.lazy:
            self._arguments[index] = element
        self._done += 1
        self._failed += bool(batch.failed)
        if self._done == self._total and self._ended is None:
            self._ended = "done"

    def _run(self, index: int, element: Any) -> Batch:
        """Run a task, again where it raises and may be retried."""
        for attempt in itertools.count(1):
            wall, cpu = time.perf_counter(), time.process_time()
            item, failed = self._try(element)
            took, worked = time.perf_counter() - wall, time.process_time() - cpu
            if 0 < self._options.task_timeout < took:
                item, failed = TaskTimeout(f"{self.name} (task {index}) took {took:.1f} s here"), True
            if not failed or attempt > self._options.retries:
                break
        outcomes = Outcomes(index, [item], array("d", [took]), array("d", [worked]), 0, {})
        failures = frozenset((index,)) if failed else frozenset()
        return Batch([(index, index + 1)], index, [item], failures, HOST, "", 0.0, {index: attempt}, outcomes)

    def _try(self, element: Any) -> tuple[Any, bool]:
        """A task's result, and whether that is an exception."""
        try:
            return self._call(element), False
        except (StopIteration, StopAsyncIteration, SystemExit) as error:  # they would end whoever asks
            return TaskFailed(f"{type(error).__name__}: {error}"), True
        except Exception as error:  # noqa: BLE001 - the task is the user's
            return error, True

    def _ended_early(self) -> RaisinError:
        if self._ended == "late":
            return DeadlineExceeded(f"{self.name} passed its deadline, {self._count()} tasks done")
        return CancelledError(f"{self.name} was cancelled with {self._count()} tasks done")

    def _count(self) -> str:
        return str(self._done) if self._total is None else f"{self._done} of {self._total}"


class LocalValues:
    """The results of a LocalRun, in order."""

    def __init__(self, run: LocalRun) -> None:
        self.next = self.failed = 0
        self._run = run

    def run(
        self, until: float | None, meanwhile: Meanwhile | None = None, more: Callable[[], bool] | None = None
    ) -> Run | None:
        batch = self._run.batch(self.next, until)
        if batch is None:
            return None
        index, self.next = self.next, self.next + 1
        self.failed += len(batch.failed)
        return index, batch.items, batch.failed

    def close(self) -> None:
        pass
