"""What the client's machine knows: jobs on their way, and who reads what.

Rules of this file: pure; it decides nothing.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from raisin_core import messages as m
from raisin_core.client import commands as c
from raisin_core.ranges import Ranges

FIRST_CREDIT: Final = 16
MEMBERS: Final = b"members"
"""What the question who is here is about, as jobs are asked about by their ids."""


class Me(msgspec.Struct, frozen=True):
    """What a client says of itself; `before` are instances of this machine that it knows to be dead."""

    instance: bytes
    host: str
    pid: int
    environment: str = ""
    context: bytes = b""
    context_payload: bytes = b""
    before: list[bytes] = []

    def hello(self, roster: int) -> m.Hello:
        """How a session begins; `roster` is the version that is known here."""
        return m.Hello(
            instance=self.instance,
            role="client",
            host=self.host,
            pid=self.pid,
            environment=self.environment,
            context=self.context,
            replaces=self.before,
            roster=roster,
        )


class Blobs:
    """Blobs that messages need: those that are with the broker, and those on their way."""

    def __init__(self) -> None:
        self._there: set[bytes] = set()
        self._waits: dict[bytes, None] = {}

    def want(self, names: list[bytes]) -> list[bytes]:
        """Which of them are to be sent now."""
        new = [name for name in dict.fromkeys(names) if name not in self._there and name not in self._waits]
        self._waits.update(dict.fromkeys(new))
        return new

    def came(self, name: bytes) -> None:
        """The broker has it."""
        self._waits.pop(name, None)
        self._there.add(name)

    def missing(self, names: list[bytes]) -> bool:
        """Whether one of them is not with the broker yet."""
        return not self._there.issuperset(names)


class Reader(msgspec.Struct):
    """Where a reader is; `seen` are the arrivals that it was given, the `newest` of them recorded in the broker's run
    `run`."""

    order: m.Order
    after: int
    limit: int
    seen: Ranges = msgspec.field(default_factory=Ranges)
    newest: int = 0
    run: int = 0


class Job(msgspec.Struct):
    """A job on its way to the broker, which was `told` of it in this session. `pages` are those that are not
    acknowledged, from number `stored` on. A broker without room is told again at `again_at` (monotonic).
    `asked`: what it is, and nobody has answered yet."""

    open: c.Submit | None
    opened: bool = False
    told: bool = False
    pages: deque[c.AddPage] = msgspec.field(default_factory=deque)
    stored: int = 0
    sent: int = 0
    credit: int = FIRST_CREDIT
    total: int | None = None
    closed: bool = False
    close_sent: bool = False
    cancelled: bool = False
    released: bool = False
    attached: bool = False
    asked: bool = False
    again_at: float | None = None
    ended: bool = False
    readers: dict[int, Reader] = msgspec.field(default_factory=dict)
    fetching: dict[int, None] = msgspec.field(default_factory=dict)

    @property
    def added(self) -> int:
        return self.stored + len(self.pages)


def question(answer: m.Jobs | m.Explained | m.Members) -> bytes:
    """What was asked about: a job, all jobs, or who is here."""
    if isinstance(answer, m.Explained):
        return answer.line.job
    return MEMBERS if isinstance(answer, m.Members) else b""
