"""What the broker hears of leases: results, whose blobs go before them, and crashes.

Of one lease things are said in the order in which they happened, so that the broker does not take what waits for its
blobs for skipped, or for lost with a crash. All is said again in each session: results until there is a verdict,
crashes until their job is over.

Rules of this file: pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from raisin_core import messages as m
from raisin_core.messages import HeldLease, LeaseId, Message
from raisin_worker.events import Died
from raisin_worker.state import Slot, State, Unjudged, WorkLease

MOST_CRASHES: Final = 256
MOST_REFUSALS: Final = 256


class Delivery:
    """Says it with `say`, which does nothing while there is no session."""

    def __init__(self, state: State, say: Callable[[Message, bytes], None]) -> None:
        self.state = state
        self._say = say
        self._refusals: deque[tuple[bytes, int, int]] = deque()

    def add(self, message: m.Results, payload: bytes) -> None:
        """Results that their blobs, which are on their way, go before."""
        key = message.job, message.start, message.stop
        before = self.state.unjudged.get(key)
        self.state.unjudged[key] = Unjudged(message, payload, set(message.blobs))
        self._say_results(self.state.unjudged[key])
        if before is not None and before.waits:  # the tasks were run again: nobody waits for those blobs
            self._go_on({before.message.lease})

    def refused(self, message: m.Results, payload: bytes) -> None:
        """Results of tasks that are not run here; a broker that leases such things for ever fills no memory."""
        self.add(message, payload)
        self._refusals.append((message.job, message.start, message.stop))
        if len(self._refusals) > MOST_REFUSALS:
            self.state.unjudged.pop(self._refusals.popleft(), None)

    def crashed(self, crash: m.Crashed) -> None:
        """The broker counts it once; nobody answers it."""
        self.state.crashes[crash.lease] = crash
        if len(self.state.crashes) > MOST_CRASHES:
            del self.state.crashes[next(iter(self.state.crashes))]
        self._say_crashes({crash.lease})

    def blame(self, lease: WorkLease, died: Died) -> None:
        """The task that ran, also if it lies behind a trim that came too late; else the next one."""
        if lease.start < lease.stop:
            index = max(died.index, lease.start)
            self.crashed(m.Crashed(lease.id, lease.job, index, died.kind, died.detail, died.slot))

    def blame_start(self, slot: Slot, died: Died) -> None:
        """A process that does not even start: whoever waits for it must hear of it."""
        for lease in self.state.queue():
            if slot.context in lease.settings and slot.failures >= 3:
                del self.state.leases[lease.id]
                detail = f"the task process does not start: {died.detail}"
                self.crashed(m.Crashed(lease.id, lease.job, lease.start, "crash", detail, slot.number))
                return

    def judged(self, message: m.Judged) -> None:
        """There is a verdict on these results (or on those of an earlier run of the same tasks)."""
        judged = self.state.unjudged.pop((message.job, message.start, message.stop), None)
        if judged is not None and judged.waits:
            self._go_on({judged.message.lease})

    def blob_there(self, digest: bytes) -> None:
        """The broker has this blob."""
        waited = {each.message.lease for each in self.state.unjudged.values() if digest in each.waits}
        for each in self.state.unjudged.values():
            each.waits.discard(digest)
        self._go_on(waited)

    def over(self, job: bytes) -> None:
        """Nobody asks for crashes of this job any more."""
        for crash in [crash for crash in self.state.crashes.values() if crash.job == job]:
            del self.state.crashes[crash.lease]

    def repeat(self) -> None:
        """A new session begins."""
        for each in self.state.unjudged.values():
            self._say_results(each)
        self._say_crashes(self.state.crashes.keys())

    def held(self) -> list[HeldLease]:
        """What nobody else is to be given: what is still to be run, and results whose blobs are on their way."""
        found = {lease.id: lease.held() for lease in self.state.leases.values() if lease.start < lease.stop}
        for each in self.state.unjudged.values():
            message = each.message
            if self._must_wait(message.lease, message.start):
                known = found.get(message.lease)
                start = min(message.start, known.start) if known else message.start
                stop = max(message.stop, known.stop) if known else message.stop
                found[message.lease] = HeldLease(message.lease, message.job, start, stop)
        return list(found.values())

    def _go_on(self, leases: set[LeaseId]) -> None:
        """What is to be said of these leases may not have to wait any longer."""
        for each in self.state.unjudged.values() if leases else ():
            if each.message.lease in leases:
                self._say_results(each)
        self._say_crashes(leases)

    def _say_results(self, each: Unjudged) -> None:
        if not self._must_wait(each.message.lease, each.message.start):
            self._say(each.message, each.payload)

    def _say_crashes(self, leases: Iterable[LeaseId]) -> None:
        for lease in leases:
            crash = self.state.crashes.get(lease)
            if crash is not None and not self._must_wait(lease, crash.index):
                self._say(crash, b"")

    def _must_wait(self, lease: LeaseId, start: int) -> bool:
        """Whether something of this lease up to that task waits for its blobs."""
        waiting = (each.message for each in self.state.unjudged.values() if each.waits)
        return any(message.lease == lease and message.start <= start for message in waiting)
