"""The worker's machine on a test bench."""

from __future__ import annotations

from raisin_core import messages as m
from raisin_core.messages import LeaseId
from raisin_core.peer import Connected, Received, Say, Tick
from raisin_worker import commands as c
from raisin_worker.events import Outcome, Ready
from raisin_worker.machine import Me, Worker
from tests.support import wire

JOB, OTHER = b"j" * 16, b"k" * 16
FUNCTION, CONTEXT, BLOB = b"f" * 32, b"c" * 32, b"b" * 32
ONE, TWO, THREE = LeaseId(1, 1), LeaseId(1, 2), LeaseId(1, 3)


class Bench:
    """A worker, its clock, and what came out of it at the last event."""

    def __init__(self, slots: int = 1, eager: bool = True) -> None:
        self.now = 100.0
        self.worker = Worker(Me(b"w" * 16, "den", 7, "3.11", slots, [b"v" * 16], eager))

    def on(self, event: c.Event, seconds: float = 0.0) -> list[c.Command]:
        """Hand it an event, so many seconds after the last."""
        self.now += seconds
        out = self.worker.handle(event, self.now)
        self.worker.check()
        return out

    def hear(self, message: m.Message, payload: bytes = b"") -> list[c.Command]:
        return self.on(Received(*wire.passed(message, payload)))

    def tick(self, seconds: float = 0.0) -> list[c.Command]:
        return self.on(Tick(), seconds)

    def welcome(self, run: int = 1) -> list[c.Command]:
        self.on(Connected())
        return self.hear(m.Welcome(run, 5.0, 15.0))

    def ready(self) -> None:
        """Its slots have started."""
        for slot in self.worker.state.slots:
            self.on(Ready(slot.number))

    def give(self, lease: LeaseId, start: int, stop: int, job: bytes = JOB, context: bytes = b"") -> list[c.Command]:
        """A lease, with all that it needs: pages have ten tasks."""
        if FUNCTION not in self.worker.state.functions:
            self.hear(m.Function(FUNCTION), b"function")
        for number in range(start // 10, (stop - 1) // 10 + 1):
            if number not in self.worker.state.pages.get(job, {}):
                self.hear(m.Argument(job, number, number * 10, 10), b"page %d" % number)
        return self.hear(m.Lease(lease, job, start, stop, FUNCTION, context, 2.5))

    def done(self, start: int, stop: int, slot: int = 0, blobs: list[bytes] | None = None) -> list[c.Command]:
        return self.on(Outcome(slot, start, stop, 0.1, [], [], b"results", blobs or []))


def said(out: list[c.Command]) -> list[m.Message]:
    return [command.message for command in out if isinstance(command, Say)]


def others(out: list[c.Command]) -> list[c.Command]:
    return [command for command in out if not isinstance(command, Say)]


def judged(start: int, stop: int) -> m.Judged:
    return m.Judged(JOB, start, stop, "recorded")


def ready_bench() -> Bench:
    """A worker with one slot that is ready, in a session."""
    bench = Bench()
    bench.tick()
    bench.welcome()
    bench.ready()
    return bench
