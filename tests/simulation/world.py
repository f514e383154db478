"""Time, chance and the trace of one simulation.

Rules of this file: one source of randomness; what happens at the same instant happens in the order it was asked for.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from raisin_core.messages import Beat, BeatBack, HeldLease, LeaseId, Message

LAST_LINES: Final = 60
EPOCH: Final = 1.7e9
DULL: Final = (Beat, BeatBack)


class Crash(Exception):
    """The process ends here, between two commands."""


class Entry(NamedTuple):
    """One line of the trace; `what` is a message or a text."""

    now: float
    who: str
    what: Message | str

    def __str__(self) -> str:
        return f"{self.now:9.3f} {self.who:<12} {_short(self.what)}"

    def concerns(self, job: bytes) -> bool:
        """Whether it is about this job, or about nobody's job; heartbeats are not worth a line."""
        return isinstance(self.what, str) or (getattr(self.what, "job", job) == job and not isinstance(self.what, DULL))


class World:
    """Everything that happens, in order of time."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.steps = 0
        self.messages = 0
        self.harmful = True
        self.trace: list[Entry] = []
        self._digest = hashlib.sha256()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._asked = 0

    @property
    def wall(self) -> float:
        """Everybody's wall clock."""
        return EPOCH + self.now

    @property
    def digest(self) -> str:
        """Names this course of events."""
        return self._digest.hexdigest()

    def after(self, delay: float, call: Callable[[], None]) -> None:
        """Do something later."""
        self._asked += 1
        heapq.heappush(self._heap, (self.now + delay, self._asked, call))

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def some(self, low: float, high: float) -> float:
        """A duration; short ones are as likely as long ones."""
        return float(low * (high / low) ** self.random.random())

    def bytes16(self) -> bytes:
        return self.random.getrandbits(128).to_bytes(16, "big")

    def run(self, done: Callable[[], bool], until: float) -> bool:
        """Let things happen until it is done (True) or too late (False)."""
        while not done():
            if not self._heap or self._heap[0][0] > until:
                self.now = max(self.now, until)
                return False
            self.now, _, call = heapq.heappop(self._heap)
            self.steps += 1
            call()
        return True

    def note(self, who: str, what: Message | str, frames: list[bytes] | None = None) -> None:
        """Add a line to the trace."""
        self.trace.append(Entry(self.now, who, what))
        self._digest.update(f"{self.now:.9f} {who} ".encode())
        self._digest.update(what.encode() if isinstance(what, str) else b"".join(frames or [repr(what).encode()]))

    def last_lines(self, job: bytes | None) -> str:
        """The end of the trace, as far as it concerns a job."""
        lines = [
            str(entry) for entry in self.trace if (entry.concerns(job) if job else not isinstance(entry.what, DULL))
        ]
        return "\n".join(lines[-LAST_LINES:])


def _short(what: Any) -> str:
    """A message with its ids cut to what tells them apart."""
    if isinstance(what, str):
        return what
    fields = [
        f"{f.name}={_value(getattr(what, f.name))}"
        for f in msgspec.structs.fields(what)
        if getattr(what, f.name) != f.default
    ]
    return f"{type(what).__name__} {' '.join(fields)}"


def _value(value: Any) -> str:
    if isinstance(value, bytes):
        return value[:3].hex()
    if isinstance(value, LeaseId):
        return f"{value.run}.{value.number}"
    if isinstance(value, HeldLease):
        return f"{_value(value.lease)}:{value.start}-{value.stop}"
    if isinstance(value, list):
        return "[" + " ".join(_value(each) for each in value) + "]"
    return str(value)
