"""A result page, opened: which tasks it answers, with what, and how to say it as records."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from raisin_core import pages
from raisin_core.client.trust import Held, Trust
from raisin_core.errors import NoHostFits, TaskCrashed, TaskFailed, TaskTimeout
from raisin_core.failures import Failure
from raisin_core.identity.sealing import Opened
from raisin_core.marked import EVERYTHING, NOTHING, Untrusted
from raisin_core.messages import Result, Ruling
from raisin_core.ranges import Range
from raisin_core.texts import plain, shown


class Batch(NamedTuple):
    """Results that count. `items` are values, or exceptions in the place of those that failed; `ranges` say for which
    tasks; `outcomes` has the measurements (None where the broker ruled). In the place of those `held` there is a
    `trust.Held`."""

    ranges: list[Range]
    start: int
    items: list[Any]
    failed: frozenset[int]
    host: str
    member: str
    queued: float
    attempts: dict[int, int]
    outcomes: pages.Outcomes | None
    held: frozenset[int] = frozenset()

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


def _only_here(error: BaseException, task: str) -> BaseException:
    """A task did not find a file that is here: its error says what to do."""
    name = getattr(error, "filename", None)
    if isinstance(error, FileNotFoundError) and isinstance(name, str) and os.path.isfile(name):
        error.strerror = f"it exists only here, not for {task}; strings are not shipped, pass pathlib.Path({name!r})"
    return error


def open_result(message: Result, opened: Opened, fetch: pages.Fetch, name: str, trust: Trust) -> Batch:
    """Open a result page as it came from the broker: what is not trusted is not loaded."""
    if message.ruling:
        error = ruling_error(msgspec.msgpack.decode(opened.payload, type=Ruling), message.start, name)
        return _batch(message, opened, message.start, [error], frozenset((message.start,)))
    loads = opened.own or trust.accept.everything
    try:
        outcomes = _decoded(opened.payload, fetch, trust, loads)
        if not opened.own:
            _check_place(outcomes, message)
    except ValueError as error:
        if opened.own:
            raise
        return _unreadable(message, opened, error)
    if message.origin is not None:
        outcomes = outcomes.moved(message.origin.first, message.start, message.stop)
    return _from_outcomes(outcomes, message, opened, fetch, loads)


def _decoded(payload: bytes, fetch: pages.Fetch, trust: Trust, loads: bool) -> pages.Outcomes:
    if loads and pages.is_pickle(payload):
        return pages.decode_outcomes(payload, fetch)
    from raisin_core import plain_pages  # what it needs takes a while to import

    return plain_pages.decode_outcomes(payload, fetch, trust.classes, EVERYTHING if loads else NOTHING)


def _from_outcomes(outcomes: pages.Outcomes, message: Result, opened: Opened, fetch: pages.Fetch, loads: bool) -> Batch:
    """Decoded results with exceptions in the place of failures, which are made from texts unless everything `loads`."""
    start, items, attempts = outcomes.start, outcomes.items, dict(message.retried)
    kinds = set(map(type, items))
    failed, held = (_places(items, start, kind) if kind in kinds else frozenset() for kind in (Failure, Untrusted))
    if failed or held:
        items = list(items)
    for index in failed:
        task = f"task {index} on {plain(message.host)}"
        error = items[index - start].error(f"{task}, attempt {attempts.get(index, 1)}", loads)
        items[index - start] = _only_here(error, task)
    for index in held:
        who = opened.member or message.host, opened.account or message.member
        items[index - start] = Held(items[index - start], index, *who, fetch)
    return _batch(message, opened, start, items, failed, held, outcomes)


def _places(items: Sequence[Any], start: int, kind: type) -> frozenset[int]:
    return frozenset(start + at for at, item in enumerate(items) if type(item) is kind)


def _batch(
    message: Result,
    opened: Opened,
    start: int,
    items: list[Any],
    failed: frozenset[int],
    held: frozenset[int] = frozenset(),
    outcomes: pages.Outcomes | None = None,
) -> Batch:
    ranges = list(message.won) or [(message.start, message.stop)]
    account, queued = opened.account or message.member, message.queued if outcomes else 0.0
    attempts = dict(message.retried)
    return Batch(ranges, start, items, failed, message.host, account, queued, attempts, outcomes, held)


def _check_place(outcomes: pages.Outcomes, message: Result) -> None:
    """Raises ValueError for results of other tasks than the page is of."""
    place = message.origin or message
    if (outcomes.start, outcomes.start + len(outcomes.items)) != (place.start, place.stop):
        raise ValueError("results of other tasks")


def _unreadable(message: Result, opened: Opened, error: Exception) -> Batch:
    """A page of somebody else's that is none: its tasks have failed."""
    tasks = range(message.start, message.stop)
    said = f"what {opened.member or shown(message.host)} sent as its result cannot be read: {shown(str(error))}"
    items = [TaskFailed(f"task {index}: {said}") for index in tasks]
    return _batch(message, opened, message.start, list(items), frozenset(tasks))


def ruling_error(ruling: Ruling, index: int, name: str) -> Exception:
    """The exception that says why the broker gave a task up."""
    hosts = "\n  ".join(f"{plain(host)}  {shown(detail)}".rstrip() for host, detail in ruling.trials)
    name = plain(name)
    if ruling.kind == "unfit":
        count = len({host for host, _ in ruling.trials})
        reasons = {shown(detail) for _, detail in ruling.trials}
        why = reasons.pop() if len(reasons) == 1 else "it cannot run"
        hosts_word = "the only host" if count == 1 else f"all {count} hosts"
        return NoHostFits(f"{name} (task {index}): {why} on {hosts_word}; install it there, or add a host:\n  {hosts}")
    if ruling.kind == "timeout":
        return TaskTimeout(f"{name} (task {index}) took longer than its task_timeout:\n  {hosts}")
    times = len(ruling.trials)
    return TaskCrashed(f"{name} (task {index}) ended its process {times} times:\n  {hosts}")
