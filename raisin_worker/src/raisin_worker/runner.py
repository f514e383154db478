"""The inner loop: runs one range of tasks, and decides how closely to look at each.

Tasks that take under `TINY` seconds run in blocks that are timed as a whole; longer ones are timed one by one. Between
two tasks nothing happens but this: the index is made known, the end of the range looked at, the result appended.
An exception ends a loop, not the range: it becomes the result of its task, and the loop is entered again behind it.

Rules of this file: the standard library only; it runs inside the task process, in any interpreter.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, monotonic_ns, perf_counter, process_time
from typing import Any, Final

from raisin_core import pages
from raisin_core.failures import Failure
from raisin_worker import frames
from raisin_worker.capture import Capture, Streams
from raisin_worker.frames import CURRENT, SINCE, STOP
from raisin_worker.payloads import Fetch, Function, Piece, Unfit, Values, failure, load_function, unfit_reason
from raisin_worker.report import Report

TINY: Final = 50e-6
LONG: Final = 10e-3
BLOCK: Final = 4e-3
FIRST: Final = 16
HOLD: Final = 0.1
LARGE: Final = 64 * 1024

Call = Callable[[Any], Any]
Keep = Callable[[Any], None]


class Runner:
    """Runs ranges, one at a time."""

    def __init__(self, words: memoryview, report: Report, capture: Capture, streams: Streams, fetch: Fetch) -> None:
        self._words, self._report, self._capture, self._streams, self._fetch = words, report, capture, streams, fetch
        self._payloads: dict[bytes, bytes] = {}
        self._functions: dict[bytes, Function] = {}
        self._home = os.getcwd()
        self._pid = os.getpid()

    def define(self, digest: bytes, payload: bytes) -> None:
        """A function that ranges will name."""
        self._payloads[digest] = payload

    def run(self, digest: bytes, start: int, stop: int, pieces: list[Piece], timeout: float) -> int:
        """Run `[start, stop)`, or less if it is trimmed; the end of what was reported."""
        words, report = self._words, self._report
        words[SINCE] = 0
        words[CURRENT] = start
        report.begin(start)
        self._streams.install()
        try:
            function = self._function(digest)
        except Unfit as error:
            report.classes = ()  # everybody reads this
            self._refuse(error, stop)
        else:
            report.classes = function.classes
            for piece in pieces:
                end = stop if function.axes else min(stop, piece.first + piece.count)
                self._run_piece(function, piece, end, timeout > 0)
        report.flush()
        self._capture.end()
        self._go_home()
        words[CURRENT] = frames.IDLE
        return report.base

    def _function(self, digest: bytes) -> Function:
        if digest not in self._functions:
            self._functions[digest] = load_function(self._payloads[digest], self._fetch)
            del self._payloads[digest]
        return self._functions[digest]

    def _run_piece(self, function: Function, piece: Piece, stop: int, stamped: bool) -> None:
        words, report = self._words, self._report
        at = report.next()
        while at < stop and at < words[STOP]:
            block = min(stop, at + self._room(function))
            try:
                values = piece.values(function, at, block, words, self._fetch)
            except Unfit as error:
                self._refuse(error, stop)
                return
            at = self._stretch(function, values, at, stamped)
            if at >= stop:
                self._capture.end_line()  # before the results: whoever has them all may go
            self._flush_if_due(function)

    def _room(self, function: Function) -> int:
        """How many tasks to run before looking up again."""
        free = pages.TASKS - len(self._report.items)
        if function.typical is None or function.typical >= TINY:
            return min(free, FIRST)
        return max(1, min(free, int(BLOCK / max(function.typical, 1e-9)), int(pages.BYTES / function.weight)))

    def _stretch(self, function: Function, values: Values, at: int, stamped: bool) -> int:
        """Run a block of tasks; the index after the last one that was run."""
        report, words = self._report, self._words
        limit = TINY / 2 if report.timed else TINY  # changing one's mind costs a page
        tiny = function.typical is not None and function.typical < limit
        report.set_timed(not tiny)
        call = function.spread if function.star else function.target
        began, cpu = perf_counter(), process_time()
        words[SINCE] = monotonic_ns()
        try:
            if not tiny:
                next_at = timed(call, values, at, words, report.items.append, report.wall, report.cpu, self._caught)
            elif stamped:
                next_at = stamping(call, values, at, words, report.items.append)
            elif function.star:
                next_at = starred(function.target, values, at, words, report.items.append)
            else:
                next_at = plain(call, values, at, words, report.items.append)
        except BaseException as error:  # noqa: BLE001 - whatever a task raises is its result
            report.append(self._caught(report.next(), error), (monotonic_ns() - words[SINCE]) * 1e-9)
            next_at = report.next()
        self._learn(function, next_at - at, perf_counter() - began, process_time() - cpu)
        return next_at

    def _caught(self, index: int, error: BaseException) -> Failure:
        """What a task raised, as its result."""
        if os.getpid() != self._pid:
            raise error  # a child that the task forked: it ends as any Python program would
        why = unfit_reason(error)
        if why is not None:
            self._report.unfit[index] = why
        return failure(error)

    def _learn(self, function: Function, count: int, wall: float, cpu: float) -> None:
        report = self._report
        report.spent += wall
        report.spent_cpu += cpu
        if count > 0:
            report.typical = function.typical = wall / count
            report.typical_cpu = function.typical_cpu = cpu / count

    def _flush_if_due(self, function: Function) -> None:
        report = self._report
        items = report.items
        late = monotonic() - report.sent > HOLD or report.last_wall() > LONG
        weight = weigh_all(items)
        function.weight = max(1.0, weight / max(1, len(items)))
        if late or len(items) >= pages.TASKS or weight > pages.BYTES:
            report.flush()

    def _refuse(self, error: Unfit, stop: int) -> None:
        """None of the tasks up to `stop` can run here."""
        report, words = self._report, self._words
        report.flush()
        report.set_timed(False)
        why, same = str(error.args[0]), failure(error)
        for at in range(report.next(), stop):
            if at >= words[STOP]:
                break
            report.unfit[at] = why
            report.items.append(same)
            if len(report.items) >= pages.TASKS:
                report.flush()

    def _go_home(self) -> None:
        """A task may have changed the directory, or even removed it."""
        try:
            here = os.getcwd()
        except OSError:
            here = ""
        if here != self._home:
            with suppress(OSError):
                os.chdir(self._home)


# The loops differ only in what they can afford to know of a task. Each returns the index after the last task it ran.


def plain(call: Call, values: Values, at: int, words: memoryview, keep: Keep) -> int:
    """One argument per task."""
    for value in values:
        words[CURRENT] = at
        if at >= words[STOP]:
            break
        keep(call(value))
        at += 1
    return at


def starred(call: Callable[..., Any], values: Values, at: int, words: memoryview, keep: Keep) -> int:
    """A tuple of arguments per task."""
    for value in values:
        words[CURRENT] = at
        if at >= words[STOP]:
            break
        keep(call(*value))
        at += 1
    return at


def stamping(call: Call, values: Values, at: int, words: memoryview, keep: Keep) -> int:
    """The beginning of each task is made known, so that one that takes too long can be ended."""
    for value in values:
        words[SINCE] = monotonic_ns()  # before the index: the agent must not see a new task with an old beginning
        words[CURRENT] = at
        if at >= words[STOP]:
            break
        keep(call(value))
        at += 1
    return at


def timed(
    call: Call,
    values: Values,
    at: int,
    words: memoryview,
    keep: Keep,
    walls: array[float],
    cpus: array[float],
    caught: Callable[[int, BaseException], Failure],
) -> int:
    """Each task is timed; returns early after one that took long or gave much."""
    for value in values:
        words[SINCE] = monotonic_ns()
        words[CURRENT] = at
        if at >= words[STOP]:
            break
        cpu, began = process_time(), perf_counter()
        try:
            result = call(value)
        except BaseException as error:  # noqa: BLE001 - whatever a task raises is its result
            result = caught(at, error)
        took = perf_counter() - began
        walls.append(took)
        cpus.append(process_time() - cpu)
        keep(result)
        at += 1
        if took > LONG or weigh(result) > LARGE:
            break
    return at


def weigh_all(items: list[Any]) -> int:
    """About how many bytes results will take, from a sample."""
    count = len(items)
    if count < 8:
        return sum(map(weigh, items))
    sample = items[:: max(1, count // 16)]
    return sum(map(weigh, sample)) * count // max(1, len(sample))


def weigh(value: Any, depth: int = 2) -> int:
    """About how many bytes a value takes when it travels; cheap rather than right."""
    kind = type(value)
    if kind in (int, float, bool, complex, type(None)):
        return 9
    if kind in (str, bytes, bytearray):
        return len(value)
    if kind is Failure:
        return len(value.traceback) + sum(len(link.data) + len(link.text) for link in value.chain)
    if kind in (list, tuple, set, frozenset, dict) and depth:
        return _weigh_some(list(value.items()) if kind is dict else list(value), depth)
    try:
        return max(int(getattr(value, "nbytes", 0)), sys.getsizeof(value)) + 32
    except Exception:  # noqa: BLE001 - the value's own code may raise anything
        return 1024


def _weigh_some(values: list[Any], depth: int) -> int:
    sample = values[:8]
    return 16 + sum(weigh(value, depth - 1) for value in sample) * len(values) // max(1, len(sample))
