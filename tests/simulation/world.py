"""Time, chance and the trace of one simulation.

Rules of this file: one source of randomness; what happens at the same instant happens in the order it was asked for.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable
from typing import Final

from raisin_core.messages import Message
from tests.simulation.rare import Seen
from tests.simulation.story import Line

EPOCH: Final = 1.7e9


class Crash(Exception):
    """The process ends here, between two commands."""


class World:
    """Everything that happens, in order of time."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.messages = 0
        self.harmful = True
        self.seen = Seen()
        self.trace: list[Line] = []
        self._digest = hashlib.sha256()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._asked = 0

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
        """Let things happen until it is done (True; looked at once a second) or too late (False)."""
        heap, look = self._heap, self.now
        while True:
            if self.now >= look:
                if done():
                    return True
                look = self.now + 1.0
            if not heap or heap[0][0] > until:
                self.now = max(self.now, until)
                return done()
            self.now, _, call = heapq.heappop(heap)
            call()

    def pass_by(self, seconds: float) -> None:
        """Let things happen for so long."""
        self.run(lambda: False, self.now + seconds)

    def note(self, who: str, what: Message | str, frames: list[bytes] | None = None) -> None:
        """Add a line to the trace."""
        self.trace.append(Line(self.now, who, what))
        self._digest.update(f"{self.now:.9f} {who} ".encode())
        self._digest.update(what.encode() if isinstance(what, str) else b"".join(frames or [repr(what).encode()]))
