"""Persist, then speak: what the machine wants written and said, in the right order.

Records gather in the open batch. What must not be said before they are durable waits for the newest batch; the rest
goes at once.
A batch that could not be committed stays first in line, and is tried again.

Rules of this file: pure. Commands are carried out in the order given.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from raisin_broker.records import Record
from raisin_core.messages import Join, Message, Publish, Resign

RETRY_SECONDS: Final = 0.5


class PageOf(msgspec.Struct, frozen=True):
    """The payload is a stored page."""

    job: bytes
    number: int


class ResultOf(msgspec.Struct, frozen=True):
    """The payload is a stored result page."""

    job: bytes
    arrival: int


class FunctionOf(msgspec.Struct, frozen=True):
    """The payload is a stored function."""

    digest: bytes


class KeyOf(msgspec.Struct, frozen=True):
    """The payload is what is recorded under a key of an account."""

    account: str
    key: str


Payload = bytes | PageOf | ResultOf | FunctionOf | KeyOf


class Send(msgspec.Struct, frozen=True):
    """Say this to the peer at this route; the payload may have to be read from the store, and with a result page also
    the rest of its message (see `wording`)."""

    route: bytes
    message: Message
    payload: Payload = b""


class Stage(msgspec.Struct, frozen=True):
    """Hold this batch so that its payloads can be read."""

    batch: int
    records: list[Record]


class Commit(msgspec.Struct, frozen=True):
    """Make the batch durable, then say Committed or CommitFailed."""

    batch: int


class Recall(msgspec.Struct, frozen=True):
    """Look up what is recorded under a key for these tags, then say Remembered. `running` are tasks `[start, stop)` of
    other jobs that are being computed."""

    job: bytes
    number: int
    account: str
    key: str
    tags: bytes
    running: list[tuple[bytes, int, int]] = []


class Ask(msgspec.Struct, frozen=True):
    """Judge what the holder of a key says about who belongs here, and make it durable; then say RosterChanged, or
    Answered."""

    route: bytes
    key: str
    message: Publish | Join | Resign
    payload: bytes


class Show(msgspec.Struct, frozen=True):
    """Not for the shell: result pages of a job up to this arrival may now be seen; its total, unless that is -1; with
    `over`, its end. Whoever is at the route `asked` is to hear how it stands."""

    job: bytes
    arrivals: int = 0
    total: int = -1
    over: bool = False
    asked: bytes = b""


class Stop(msgspec.Struct, frozen=True):
    """The program ends."""


Command = Send | Stage | Commit | Recall | Ask | Stop


class Outbox:
    """Gathers records and commands of one turn; keeps what waits for a commit."""

    def __init__(self) -> None:
        self.now: list[Command] = []
        self._records: list[Record] = []
        self._staged: deque[int] = deque()
        self._newest = 0
        self._waiting: deque[tuple[int, Send | Show]] = deque()
        self._retry_at: float | None = None

    def record(self, record: Record) -> None:
        """Make this durable with the open batch."""
        self._records.append(record)

    def send(self, route: bytes, message: Message, payload: Payload = b"") -> None:
        """Say it now: nothing depends on its being durable."""
        self.now.append(Send(route, message, payload))

    def send_later(self, route: bytes, message: Message, payload: Payload = b"") -> None:
        """Say it when all that was recorded so far is durable."""
        if (batch := self._pending()) is None:
            self.send(route, message, payload)
        else:
            self._waiting.append((batch, Send(route, message, payload)))

    def show_later(self, show: Show) -> None:
        """Let readers see it when all that was recorded so far is durable."""
        self._waiting.append((self._pending() or 0, show))

    def recall(self, question: Recall) -> None:
        """Ask the store."""
        self.now.append(question)

    def ask(self, question: Ask) -> None:
        """Ask who judges documents."""
        self.now.append(question)

    def forget(self, route: bytes) -> None:
        """What waits for a commit is not for this route any more."""
        self._waiting = deque(it for it in self._waiting if not isinstance(it[1], Send) or it[1].route != route)

    def hide(self, job: bytes) -> None:
        """What waits to be seen of this job belongs to one that is no more: another may take its id."""
        self._waiting = deque(it for it in self._waiting if not isinstance(it[1], Show) or it[1].job != job)

    def flush(self, now: float) -> None:
        """The turn is over: stage what was recorded, before anything is sent that must be read from it, and commit the
        oldest batch."""
        if self._records:
            self._newest += 1
            self.now.insert(0, Stage(self._newest, self._records))
            self._staged.append(self._newest)
            self._records = []
        if self._staged and (self._retry_at is None or now >= self._retry_at):
            self.now.append(Commit(self._staged[0]))

    def committed(self, batch: int) -> list[Show]:
        """A batch is durable: release what waited for it; returns what may be shown."""
        if not self._staged or self._staged[0] != batch:
            return []
        self._staged.popleft()
        self._retry_at = None
        return self.release()

    def go_on(self) -> None:
        """What waited for a batch is said: now the next one (not before, or its news would overtake older ones)."""
        if self._staged and self._retry_at is None:
            self.now.append(Commit(self._staged[0]))

    def release(self) -> list[Show]:
        """Say what waits for nothing any more."""
        first = self._staged[0] if self._staged else self._newest + 1
        shown: list[Show] = []
        while self._waiting and self._waiting[0][0] < first:
            _, command = self._waiting.popleft()
            if isinstance(command, Show):
                shown.append(command)
            else:
                self.now.append(command)
        return shown

    def failed(self, now: float) -> None:
        """The commit did not work: try again after a while."""
        self._retry_at = now + RETRY_SECONDS

    @property
    def deadline(self) -> float | None:
        """When the commit is to be tried again."""
        return self._retry_at if self._staged else None

    @property
    def gathering(self) -> int:
        """The number of the batch that what is recorded now will be part of."""
        return self._newest + 1

    @property
    def pending(self) -> int:
        """The batch that must be durable for all that was recorded to be so; 0 if all is."""
        return self._pending() or 0

    def durable(self, batch: int) -> bool:
        """Whether a batch has been committed."""
        return batch < (self._staged[0] if self._staged else self.gathering)

    @property
    def stuck(self) -> bool:
        """Whether the oldest batch could not be committed when it was tried last."""
        return self._retry_at is not None and bool(self._staged)

    @property
    def idle(self) -> bool:
        """Whether everything is durable and said."""
        return not (self._records or self._staged or self._waiting)

    def take(self) -> list[Command]:
        """The commands of this step."""
        commands, self.now = self.now, []
        return commands

    def _pending(self) -> int | None:
        """The batch that must be durable for all that was recorded to be so; None if all is."""
        if self._records:
            return self._newest + 1
        return self._newest if self._staged else None
