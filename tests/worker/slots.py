"""A real task process under test, and other interpreters to run it in."""

from __future__ import annotations

import os
import pickle
import select
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import cloudpickle

from raisin_core import marked, pages, plain_pages
from raisin_core.client import function as client
from raisin_core.serialization import objects
from raisin_worker.events import Died, Outcome, RangeEnded, Ready, SlotEvent, Wrote
from raisin_worker.executor import Executor

PATIENCE = 30.0
JOB = b"j" * 16
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
E = TypeVar("E", bound=SlotEvent)


def function(target: Callable[..., Any], star: bool = False, axes: bool = False, **kwargs: Any) -> bytes:
    """A function as its client sends it; one of a test module travels by value."""
    module = sys.modules.get(getattr(target, "__module__", "") or "")
    ours = module is not None and module.__name__.startswith("tests.")
    if ours and module is not None:
        cloudpickle.register_pickle_by_value(module)
    try:
        body = objects.dumps((target, kwargs))
    finally:
        if ours and module is not None:
            cloudpickle.unregister_pickle_by_value(module)
    return pages.pack(pickle.dumps((star, axes, True, body))).payload


def plain(target: Callable[..., Any], classes: Sequence[type] = ()) -> client.Packed:
    """The same with results without pickle."""
    module = sys.modules[target.__module__]
    cloudpickle.register_pickle_by_value(module)
    try:
        return client.pack(target, {}, False, plain=True, classes=classes)
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def page(values: Sequence[Any], first: int = 0) -> tuple[int, int, bytes]:
    return first, len(values), pages.encode(values).payload


class Slot:
    """An executor and all that it said."""

    def __init__(self, folder: Path, python: str = sys.executable, **given: Any) -> None:
        self.blobs, self.scratch = folder / "blobs", folder / "scratch"
        self.blobs.mkdir(exist_ok=True)
        self.scratch.mkdir(exist_ok=True)
        options = {"cwd": folder, "env": {"PATH": os.defpath}, "path": None, "main": None, **given}
        self.executor = Executor(0, python, blobs=self.blobs, scratch=self.scratch, **options)
        self.events: list[SlotEvent] = []
        self._functions = 0

    def run(
        self, payload: bytes, values: Sequence[Any], stop: int | None = None, start: int = 0, timeout: float = 0.0
    ) -> None:
        """Begin a range with a fresh function and job."""
        self._functions += 1
        name = b"%016d" % self._functions
        self.executor.define(name, payload)
        stop = len(values) if stop is None else stop
        self.executor.run(name, name, start, stop, [page(values)], timeout)

    def wait(self, kind: type[E], when: Callable[[E], bool] = lambda _: True) -> E:
        """The first event of this kind, waiting for it; fails with all that was heard instead."""
        deadline, seen = time.monotonic() + PATIENCE, 0
        while time.monotonic() < deadline:
            for event in self.events[seen:]:
                if isinstance(event, kind) and when(event):
                    return event
                assert kind is Died or not isinstance(event, Died), event
            seen = len(self.events)
            self.pump()
        raise AssertionError(f"no {kind.__name__} came, but {self.events}")

    def pump(self, milliseconds: float = 50) -> None:
        poll = select.poll()
        for fd in self.executor.fds():
            poll.register(fd, select.POLLIN)
        if self.executor.wants_write():
            poll.register(self.executor.fileno(), select.POLLIN | select.POLLOUT)
        poll.poll(milliseconds)
        self.executor.flush()
        self.events += self.executor.read()

    def until(self, condition: Callable[[], bool]) -> None:
        """Go on listening until something is true."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.events
            self.pump(5)

    def end(self) -> int:
        """Where the range ended."""
        return self.wait(RangeEnded).stop

    def outcomes(self) -> list[Outcome]:
        return [event for event in self.events if isinstance(event, Outcome)]

    def decoded(self, classes: Sequence[type] = ()) -> pages.Outcomes:
        """All results so far, as one page."""
        wall, cpu, items, text, rss = array("d"), array("d"), list[Any](), dict[int, str](), 0
        first = self.outcomes()[0].start
        for each in self.outcomes():
            one = plain_pages.decode_outcomes(each.payload, self.fetch, classes, marked.EVERYTHING)
            assert (one.start, one.start + len(one.items)) == (each.start, each.stop)
            wall.extend(one.timing(index)[0] for index in range(each.start, each.stop))
            cpu.extend(one.timing(index)[1] for index in range(each.start, each.stop))
            items, text, rss = items + one.items, {**text, **one.text}, one.rss
        return pages.Outcomes(first, items, wall, cpu, rss, text)

    def results(self, payload: bytes, values: Sequence[Any], stop: int | None = None, start: int = 0) -> list[Any]:
        """Run a range to its end; what the tasks gave."""
        self.events.clear()
        self.run(payload, values, stop, start)
        self.end()
        return self.decoded().items

    def fetch(self, digest: bytes) -> bytes:
        return (self.blobs / digest.hex()).read_bytes()

    def failed(self) -> list[int]:
        return [index for each in self.outcomes() for index in each.failed]

    def unfit(self) -> list[tuple[int, str]]:
        return [pair for each in self.outcomes() for pair in each.unfit]

    def written(self) -> list[tuple[int, bytes]]:
        return [(event.index, event.text) for event in self.events if isinstance(event, Wrote)]


def started(folder: Path, **given: Any) -> Iterator[Slot]:
    """A slot that is ready, and afterwards is gone."""
    slot = Slot(folder, **given)
    try:
        slot.wait(Ready)
        yield slot
    finally:
        slot.executor.kill()
