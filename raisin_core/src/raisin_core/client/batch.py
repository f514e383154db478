"""A result page, opened: which tasks it answers, with what, and how to say it as records."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from raisin_core import pages
from raisin_core.errors import NoHostFits, TaskCrashed, TaskTimeout
from raisin_core.failures import Failure
from raisin_core.messages import Result, Ruling
from raisin_core.ranges import Range


class Batch(NamedTuple):
    """Results that count. `items` are values, or exceptions in the place of those that failed; `ranges` say for which
    tasks; `outcomes` has the measurements (None where the broker ruled)."""

    ranges: list[Range]
    start: int
    items: list[Any]
    failed: frozenset[int]
    host: str
    member: str
    queued: float
    attempts: dict[int, int]
    outcomes: pages.Outcomes | None

    def runs(self) -> Iterator[tuple[int, list[Any], frozenset[int]]]:
        """Each range as (first index, items, indices of those that failed)."""
        for start, stop in self.ranges:
            failed = self.failed and frozenset(index for index in self.failed if start <= index < stop)
            yield start, self.items[start - self.start : stop - self.start], failed

    def record(self, index: int) -> dict[str, Any]:
        """What is known of one task: see raisin.Map.get_all."""
        item = self.items[index - self.start]
        failed = index in self.failed
        wall, cpu = self.outcomes.timing(index) if self.outcomes else (0.0, 0.0)
        record: dict[str, Any] = {} if failed else {"res": item}
        return record | {
            "index": index,
            "state": "failed" if failed else "done",
            "error": item if failed else None,
            "host": self.host,
            "account": self.member,
            "attempts": self.attempts.get(index, 1),
            "run_time": wall,
            "cpu_time": cpu,
            "queued_time": self.queued,
            "max_rss": self.outcomes.rss if self.outcomes else 0,
            "stdout": self.outcomes.text.get(index, "") if self.outcomes else "",
        }


def from_outcomes(outcomes: pages.Outcomes, ranges: list[Range], message: Result | None, host: str = "") -> Batch:
    """Open a decoded result page."""
    start = outcomes.start
    items, attempts = outcomes.items, dict(message.retried) if message else {}
    failed = frozenset(start + at for at, item in enumerate(items) if type(item) is Failure)
    if failed:
        items = list(items)
        for index in failed:
            task = f"task {index} on {message.host if message else host}"
            error = items[index - start].error(f"{task}, attempt {attempts.get(index, 1)}")
            items[index - start] = _only_here(error, task)
    return Batch(
        ranges,
        start,
        items,
        failed,
        message.host if message else host,
        message.member if message else "",
        message.queued if message else 0.0,
        attempts,
        outcomes,
    )


def _only_here(error: BaseException, task: str) -> BaseException:
    """A task did not find a file that is here: its error says what to do."""
    name = getattr(error, "filename", None)
    if isinstance(error, FileNotFoundError) and isinstance(name, str) and os.path.isfile(name):
        error.strerror = f"it exists only here, not for {task}; strings are not shipped, pass pathlib.Path({name!r})"
    return error


def open_result(message: Result, payload: bytes, fetch: pages.Fetch, name: str) -> Batch:
    """Open a result page as it came from the broker."""
    ranges = list(message.won) or [(message.start, message.stop)]
    if message.ruling:
        error = ruling_error(msgspec.msgpack.decode(payload, type=Ruling), message.start, name)
        attempts = dict(message.retried)
        failed = frozenset((message.start,))
        return Batch(ranges, message.start, [error], failed, message.host, message.member, 0.0, attempts, None)
    outcomes = pages.decode_outcomes(payload, fetch)
    if message.origin is not None:
        outcomes = outcomes.moved(message.origin.first, message.start, message.stop)
    return from_outcomes(outcomes, ranges, message)


def ruling_error(ruling: Ruling, index: int, name: str) -> Exception:
    """The exception that says why the broker gave a task up."""
    hosts = "\n  ".join(f"{host}  {detail}".rstrip() for host, detail in ruling.trials)
    if ruling.kind == "unfit":
        count = len({host for host, _ in ruling.trials})
        reasons = {detail for _, detail in ruling.trials}
        why = reasons.pop() if len(reasons) == 1 else "it cannot run"
        hosts_word = "the only host" if count == 1 else f"all {count} hosts"
        return NoHostFits(f"{name} (task {index}): {why} on {hosts_word}; install it there, or add a host:\n  {hosts}")
    if ruling.kind == "timeout":
        return TaskTimeout(f"{name} (task {index}) took longer than its task_timeout:\n  {hosts}")
    times = len(ruling.trials)
    return TaskCrashed(f"{name} (task {index}) ended its process {times} times:\n  {hosts}")
