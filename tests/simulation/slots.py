"""A task process in virtual time: it runs ranges, flushes prefixes, stops where it is told to, and dies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from raisin_worker.commands import Run
from raisin_worker.events import Died, Outcome, RangeEnded, Ready, SlotEvent
from tests.simulation.host import Host
from tests.simulation.plan import Ending, JobPlan

Tell = Callable[["FakeSlot", SlotEvent], None]


class FakeSlot:
    """One task process of a host. `tell` hands its events to the agent. `frozen_until`: its owner is back."""

    def __init__(self, host: Host, number: int, jobs: Mapping[bytes, JobPlan], tell: Tell, starts: bool) -> None:
        self.host, self.number, self.jobs, self.alive = host, number, jobs, True
        self._tell, self._functions = tell, set[bytes]()
        self._run: Run | None = None
        self._plan: JobPlan | None = None
        self._stop = self._reported = self._at = 0
        self._items: list[tuple[Ending, Any]] = []
        self._began = self.frozen_until = 0.0
        event = Ready(number) if starts else Died(number, -1, "crash", "it does not start")
        host.later(host.world.some(0.02, 1.0), lambda: self._say(event))

    @property
    def busy(self) -> bool:
        return self.alive and self._run is not None

    def define(self, digest: bytes) -> None:
        self._functions.add(digest)

    def run(self, run: Run) -> None:
        """Begin a range."""
        assert self.alive, "a range for a dead process"
        assert self._run is None, "two ranges at once"
        assert run.function in self._functions, "a function that was not defined"
        self._run, self._plan = run, self.jobs[run.job]
        self._arguments = _arguments(run)
        self._at = self._reported = run.start
        self._stop, self._items, self._began = run.stop, [], self.host.world.now
        self._next_task()

    def trim(self, stop: int) -> int:
        """End at `stop`, or soon after; where that is."""
        if self._run is None:
            return self._reported
        self._stop = min(self._stop, max(stop, self._at + 2))
        return self._stop

    def kill(self) -> None:
        """End it; it says nothing more."""
        self.alive, self._run = False, None

    def accident(self) -> bool:
        """It dies while it runs a task that is not to blame; False if there is none that may be."""
        run, plan, at = self._run, self._plan, self._at
        if run is None or plan is None or at >= run.stop or plan.accidents[at] or not plan.tasks[at].harmless:
            return False
        plan.accidents[at] += 1
        self._die("crash")
        return True

    def _next_task(self) -> None:
        run, plan = self._run, self._plan
        if run is None or plan is None:
            return
        over = self._stop + (1 if self.host.world.chance(0.1) else 0)
        if self._at >= min(over, run.stop):
            self._flush()
            self._run = None
            self._say(RangeEnded(self.number, self._reported))
            return
        task = plan.tasks[self._at]
        seconds = plan.timeout if task.slow else task.seconds
        self.host.later(seconds, lambda: self._end_task(run))

    def _end_task(self, run: Run) -> None:
        if self._run is not run or self._plan is None:
            return
        if self.host.world.now < self.frozen_until:
            self.host.later(self.frozen_until - self.host.world.now, lambda: self._end_task(run))
            return
        ending, value = self._plan.run(self._at, self._arguments[self._at], self.host.name)
        if ending in ("crash", "timeout"):
            self._die("crash" if ending == "crash" else "timeout")
            return
        self._items.append((ending, value))
        self._at += 1
        if self.host.world.chance(0.3):
            self._flush()
        self._next_task()

    def _die(self, kind: Any) -> None:
        if self.host.world.chance(0.7):
            self._flush()
        self._run = None
        self._say(Died(self.number, self._at, kind, "as planned"))
        self.alive = False

    def _flush(self) -> None:
        if not self._items or self._run is None or self._plan is None:
            return
        start, self._reported = self._reported, self._at
        failed = [start + at for at, (ending, _) in enumerate(self._items) if ending == "raised"]
        unfit = [(start + at, "it is missing") for at, (ending, _) in enumerate(self._items) if ending == "unfit"]
        payload = msgspec.msgpack.encode((start, self._items))
        seconds = self.host.world.now - self._began
        opaque = any(ending == "ok" and self._plan.opaque[at] for at, (ending, _) in enumerate(self._items, start))
        self._began, self._items = self.host.world.now, []
        blobs = self._plan.blobs(f"r{start}") if self.host.world.chance(0.3) else []
        self._say(Outcome(self.number, start, self._at, seconds, failed, unfit, payload, blobs, opaque))

    def _say(self, event: SlotEvent) -> None:
        if self.alive:
            self._tell(self, event)


def _arguments(run: Run) -> dict[int, int]:
    """The arguments of a range, from the pages that came with it."""
    found: dict[int, int] = {}
    for page in run.pages:
        first, values = msgspec.msgpack.decode(page.payload)
        assert (first, len(values)) == (page.message.first, page.message.count), "a page under another one's name"
        found.update(enumerate(values, first))
    assert found.keys() >= set(range(run.start, run.stop)), "a range without all its arguments"
    return found
