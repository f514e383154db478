"""A broker with a store, to try what it keeps."""

from __future__ import annotations

from itertools import count
from typing import Literal

from raisin_broker.belonging import RosterChanged
from raisin_broker.machine import Arrived, Broker, Committed, Event, Remembered, TurnEnded
from raisin_broker.outbox import Commit, Recall, Send, Stage
from raisin_broker.records import JobForgotten
from raisin_broker.retention import Keep, Room
from raisin_broker.state import Instant, Job, Member
from raisin_broker.store.memory import MemoryStore
from raisin_core import digests
from raisin_core import messages as m
from tests.broker.stores import AnyStore

HOUR = 3600.0
ANN, BOB, WORKER = b"ann", b"bob", b"worker"
MEMBERS = {name: Member(name, frozenset(("client", "worker")), "zoe") for name in ("ann", "bob", "worker")}


class Kept:
    """A broker with a store, and short ways to bring its jobs into every state."""

    def __init__(self, store: AnyStore | None = None, seconds: float = HOUR, most: int = 1000) -> None:
        self.store = store or MemoryStore()
        self.now = 1.0
        self.said: list[Send] = []
        self.gone: list[bytes] = []
        self.commits = self.check = True
        self.keep = Keep(seconds, most)
        self.machine = Broker(self.store.start(), self._at(), keep=self.keep)
        self.handle(RosterChanged(MEMBERS))
        self._numbers = count(1)

    @property
    def jobs(self) -> dict[bytes, Job]:
        return self.machine.state.jobs

    @property
    def room(self) -> str:
        return self.machine.state.room

    def killed(self) -> Kept:
        """The next process, a little later."""
        assert isinstance(self.store, MemoryStore)
        return Kept(self.store.crash(), self.keep.seconds, self.keep.most)

    def handle(self, event: Event) -> None:
        for command in self.machine.handle(event, self._at()):
            match command:
                case Send():
                    self.said.append(command)
                case Stage():
                    self.store.stage(command.batch, command.records)
                    self.gone += [each.job for each in command.records if isinstance(each, JobForgotten)]
                case Recall():
                    found = self.store.recall(command.account, command.key, command.tags)
                    self.handle(Remembered(command.job, command.number, found))
                case Commit() if self.commits:
                    self.store.commit(command.batch)
                    self.handle(Committed(command.batch))
        if self.check:
            self.machine.check()

    def turn(self, later: float = 0.0) -> None:
        self.now += later
        self.handle(TurnEnded())

    def say(self, who: bytes, message: m.Message, payload: bytes = b"") -> None:
        self.handle(Arrived(who, who.decode(), message, payload))

    def here(
        self, who: bytes, role: Literal["client", "worker"] = "client", instance: bytes = b"", context: bytes = b""
    ) -> None:
        slots = int(role == "worker")
        self.say(who, m.Hello(instance or who.ljust(16, b"-"), role, who.decode(), 1, "", slots, context))
        if role == "worker":
            self.say(who, m.Held([], 0))

    def room_is(self, used: int, short: str = "") -> None:
        self.handle(Room(used, short))
        self.turn()

    def open(self, who: bytes = ANN, tasks: int = 1, last: bool = True, context: bytes = b"", resume: str = "") -> Job:
        """A job with one page (with a key: without)."""
        name = b"job %012d" % next(self._numbers)
        self.say(who, m.Open(name, "map", "f", digests.content(b"f"), m.Options(), context, resume=resume), b"f")
        if tasks and not resume:
            self.say(who, m.Page(name, 0, 0, tasks, [], last), b"a")
        self.now += 1.0
        return self.jobs[name]

    def ended(self, who: bytes = ANN) -> Job:
        """A job that was cancelled: the shortest way to an end."""
        job = self.open(who)
        self.say(who, m.Cancel(job.id))
        return job

    def _at(self) -> Instant:
        return Instant(self.now, 1e9 + self.now)


def leave(kept: Kept, who: bytes = ANN) -> None:
    kept.say(who, m.Goodbye())


def alone(kept: Kept) -> Job:
    """An ended job whose client has left: nothing but what is done to it next keeps it."""
    job = kept.ended()
    leave(kept)
    kept.turn()
    return job


def old_and_too_much(kept: Kept) -> None:
    """Whatever can go, does (nobody is found silent: all have spoken)."""
    for _ in range(3):
        kept.now += 2 * HOUR
        for who in list(kept.machine.state.sessions):
            kept.say(who, m.Beat())
        kept.turn()
        kept.room_is(5000)
