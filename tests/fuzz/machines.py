"""Machines that hear well-formed messages nobody would send: every kind, any field values, in any order.

A case is a seed: who says what when follows from it. Nothing may raise, and `check()` holds after every step. What the
machine itself wants (commits, looking things up) is done as its shell would do it, sometimes in vain.

Rules of this file: pure; the same bytes make the same case.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import msgspec

from raisin_broker import machine as b
from raisin_broker.outbox import Commit, Recall, Send, Stage
from raisin_broker.retention import Keep, Room
from raisin_broker.state import Instant, Member
from raisin_broker.store.memory import MemoryStore
from raisin_broker.wording import remembered, worded
from raisin_core import digests, envelope
from raisin_core import messages as m
from raisin_core.client import commands as c
from raisin_core.client.machine import Client
from raisin_core.client.state import Me as ClientMe
from raisin_core.errors import StoreError
from raisin_core.peer import BlobThere, Connected, Disconnected, Received, Tick
from raisin_worker import events as e
from raisin_worker.commands import BlobHere, Drain
from raisin_worker.machine import Me as WorkerMe
from raisin_worker.machine import Worker
from tests.support import anything

STEPS: Final = 250
NAMES: Final = ("ann", "bob", "cleo", "root")
ROLES: Final = {"ann": {"client"}, "bob": {"worker"}, "cleo": {"client", "worker"}, "root": {"client", "admin"}}
MEMBERS: Final = {name: Member(name, frozenset(roles)) for name, roles in ROLES.items()}
ROUTES: Final = [(name.encode() + b"/%d" % number, name) for name in NAMES for number in range(3)]
CODE: Final = b"f"
IDS: Final = [bytes([number]) * 16 for number in range(3)]
DIGESTS: Final = [digests.content(CODE), digests.content(b""), bytes(32)]
SUBMITS: Final = (
    *(kind for kind in anything.SAID_TO_BROKER if kind.way == "client>broker"),
    *(m.Beat, m.Open, m.Page, m.Page, m.Page, m.Page, m.Page),
)
WORKS: Final = (
    *(kind for kind in anything.SAID_TO_BROKER if kind.way == "worker>broker" and kind is not m.Draining),
    *(m.Beat, m.Results, m.Results, m.Results),
)
TAGS: Final = (b"", b"a" * 16, b"a" * 16 + b"b" * 16)


def crossed(message: m.Message, payload: bytes) -> tuple[m.Message, bytes]:
    """As it arrives."""
    found = envelope.decode(envelope.encode(message, payload))
    assert not isinstance(found, envelope.Malformed), found.reason
    return found


def likely(message: m.Message, rng: Random) -> m.Message:
    """Changed so that it is not refused at once, most of the time."""
    if rng.random() < 0.15:
        return message
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    if isinstance(message, m.Hello):
        fields |= {"slots": rng.choice((1, 2, 3)), "context": b""}
    if isinstance(message, m.Open):
        options = m.Options(
            retries=rng.choice((0, 2)), chunksize=rng.choice((0, 1, 3)), deadline=rng.choice((0.0, 2e9))
        )
        fields |= {"function": DIGESTS[0], "options": options, "context": b"", "resume": rng.choice(("", "", "key"))}
    if isinstance(message, m.Page):
        number = rng.choice((0, 0, 0, 1, 2))
        count = rng.choice((1, 2, 2))
        fields |= {"number": number, "first": 2 * number, "count": count, "tags": rng.choice((b"", b"", TAGS[count]))}
    if isinstance(message, (m.Results, m.Lease)):
        start = rng.choice((0, 1, 2, 3))
        fields |= {"start": start, "stop": start + rng.choice((1, 1, 2, 5))}
    return type(message)(**fields)


class BrokerCase:
    """A broker, its store, and peers of all roles."""

    def __init__(self, rng: Random) -> None:
        self.rng, self.now = rng, 0.0
        self.store = MemoryStore()
        self.begin()

    def begin(self) -> None:
        self.machine = b.Broker(self.store.start(), self.at(), keep=Keep(self.rng.choice((5.0, 3600.0)), 1000))
        self.handle(b.RosterChanged(MEMBERS))

    def at(self) -> Instant:
        return Instant(self.now, self.now + 1e9)

    def step(self) -> None:
        actions: list[tuple[float, Callable[[], None]]] = [
            (0.70, self.say),
            (0.93, self.turn),
            (0.95, lambda: self.handle(b.Garbled(self.route()[0], "garbage", self.rng.choice((-1, 1, 9))))),
            (0.97, lambda: self.handle(b.Unreachable(self.route()[0]))),
            (0.985, self.run_out_of_room),
            (0.994, self.change_roster),
            (1.0, self.restart),
        ]
        dice = self.rng.random()
        next(action for share, action in actions if dice < share)()
        self.machine.check()
        self.machine.next_deadline()

    def route(self) -> tuple[bytes, str]:
        return self.rng.choice(ROUTES)

    def say(self) -> None:
        """Mostly what a session may say, of what there is."""
        route, name = self.route()
        session = self.machine.state.sessions.get(route)
        if session is None and self.rng.random() < 0.95:
            self.greet(route, name)
            return
        kinds: tuple[type[m.Message], ...] = m.MESSAGES
        if session is not None and self.rng.random() < 0.95:
            kinds = SUBMITS if session.role == "client" else WORKS
        held = list(session.leases.values()) if session is not None else []
        leases = [each for job in self.machine.state.jobs.values() for each in job.leases]
        kind = self.rng.choice(kinds)
        message = likely(anything.message(kind, self.rng, anything.Pool(IDS, DIGESTS, leases)), self.rng)
        if held and isinstance(message, (m.Results, m.Crashed)) and self.rng.random() < 0.8:
            lease = self.rng.choice(held)
            message = msgspec.structs.replace(message, lease=lease.id, job=lease.job)
            if isinstance(message, m.Results) and self.rng.random() < 0.7:
                message = msgspec.structs.replace(message, start=lease.start, stop=lease.stop)
        payload = CODE if kind is m.Open else anything.payload(kind, self.rng)
        self.handle(b.Arrived(route, name, *crossed(message, payload)))

    def greet(self, route: bytes, name: str) -> None:
        role = self.rng.choice([role for role in ("client", "worker") if role in ROLES[name]])
        hello = m.Hello(route.ljust(16, b"-"), role, name, 1, slots=self.rng.choice((1, 2, 3)))
        self.handle(b.Arrived(route, name, hello))
        if role == "worker":
            self.handle(b.Arrived(route, name, m.Held([], 0)))

    def turn(self) -> None:
        self.now += self.rng.choices((0.0, 0.01, 0.3, 3.0, 20.0, 200.0), (20, 20, 20, 4, 1, 1))[0]
        self.handle(b.TurnEnded())

    def run_out_of_room(self) -> None:
        self.handle(Room(self.rng.choice((0, 2000)), self.rng.choice(("", "full"))))
        if self.rng.random() < 0.7:
            self.handle(Room(0))

    def change_roster(self) -> None:
        self.handle(b.RosterChanged({name: each for name, each in MEMBERS.items() if self.rng.random() < 0.8}))
        self.handle(b.RosterChanged(MEMBERS))

    def restart(self) -> None:
        self.store = self.store.crash()
        self.begin()

    def handle(self, event: b.Event) -> None:
        for command in self.machine.handle(event, self.at()):
            match command:
                case Send():
                    told = worded(command, self.store)
                    assert told is not None, f"missing: {command!r}"
                    crossed(*told)
                case Stage():
                    self.store.stage(command.batch, command.records)
                case Commit():
                    self.commit(command.batch)
                case Recall():
                    found = remembered(command, self.store)
                    self.handle(b.Remembered(command.job, command.number, found))

    def commit(self, batch: int) -> None:
        self.store.fail_next = int(self.rng.random() < 0.05)
        try:
            self.store.commit(batch)
        except StoreError as error:
            self.handle(b.CommitFailed(batch, str(error)))
        else:
            self.handle(b.Committed(batch))


class WorkerCase:
    """A worker whose broker says anything; its own task processes do what they are told."""

    def __init__(self, rng: Random) -> None:
        self.rng, self.now = rng, 100.0
        self.machine = Worker(WorkerMe(IDS[0], "den", 7, "3.11", rng.choice((1, 2, 4)), [], rng.random() < 0.5))
        self.leases = [m.LeaseId(run, number) for run in (1, 2) for number in (1, 2, 3)]

    def step(self) -> None:
        self.now += self.rng.choice((0.0, 0.01, 1.0, 30.0))
        dice = self.rng.random()
        if dice < 0.6:
            kind = self.rng.choice((*anything.SAID_TO_WORKERS, m.Lease, m.Argument, m.Function, m.Welcome))
            pool = anything.Pool(IDS, DIGESTS, self.leases)
            message = likely(anything.message(kind, self.rng, pool), self.rng)
            self.handle(Received(*crossed(message, anything.payload(kind, self.rng))))
        elif dice < 0.9:
            self.slot_event()
        else:
            given: tuple[c.Event | e.Ready | BlobHere | Drain, ...]
            given = (Connected(), Connected(), Disconnected(), Tick(), BlobHere(self.rng.choice(DIGESTS), True))
            self.handle(self.rng.choice((*given, BlobThere(self.rng.choice(DIGESTS)), Drain(self.rng.random() < 0.1))))
        self.machine.check()
        self.machine.next_deadline()

    def slot_event(self) -> None:
        slot = self.rng.choice(self.machine.state.slots)
        lease = self.machine.state.leases.get(slot.lease) if slot.lease is not None else None
        if slot.state == "starting":
            self.handle(self.rng.choice((e.Ready(slot.number), e.Died(slot.number, -1, "crash", "it does not start"))))
        elif lease is not None and lease.start < lease.stop:
            stop = self.rng.randint(lease.start + 1, min(lease.stop, lease.start + 5))
            outcome = e.Outcome(slot.number, lease.start, stop, 0.1, [], [], b"results", [])
            died = e.Died(slot.number, lease.start, "crash", "signal 9")
            self.handle(self.rng.choice((outcome, died, e.Wrote(slot.number, lease.start, b"text"))))
        elif slot.lease is not None:
            self.handle(e.RangeEnded(slot.number, 0))

    def handle(self, event: object) -> None:
        for command in self.machine.handle(event, self.now):  # type: ignore[arg-type]
            if hasattr(command, "message"):
                crossed(command.message, getattr(command, "payload", b""))


class ClientCase:
    """A client whose broker says anything, while its program submits, reads, cancels and forgets."""

    def __init__(self, rng: Random) -> None:
        self.rng, self.now = rng, 100.0
        self.machine = Client(ClientMe(IDS[0], "den", 7))
        self.pages: dict[bytes, int] = {}

    def step(self) -> None:
        self.now += self.rng.choice((0.0, 0.01, 1.0, 30.0))
        dice = self.rng.random()
        if dice < 0.6:
            kind = self.rng.choice((*anything.SAID_TO_CLIENTS, m.Welcome, m.Opened, m.Stored, m.Result))
            message = anything.message(kind, self.rng, anything.Pool(IDS, DIGESTS))
            self.handle(Received(*crossed(message, anything.payload(kind, self.rng))))
        elif dice < 0.9:
            self.program()
        else:
            self.handle(self.rng.choice((Connected(), Disconnected(), Tick(), BlobThere(self.rng.choice(DIGESTS)))))
        self.machine.check()
        self.machine.next_deadline()

    def program(self) -> None:
        job, rng = self.rng.choice(IDS), self.rng
        if job not in self.machine.jobs:
            self.pages[job] = 0
            blobs = rng.choice(([], DIGESTS[:1]))
            opened = m.Open(job, "map", "f", DIGESTS[0], m.Options(), blobs=blobs)
            self.handle(rng.choice((c.Submit(opened, CODE), c.AttachTo(job))))
            return
        number = self.pages[job]
        reading = c.Read(job, rng.choice((1, 2)), rng.choice(("arrival", "window")), rng.choice((0, 3)), 9)
        event = rng.choice(
            (
                *(c.AddPage(m.Page(job, number, number, 1), b"page"), reading, c.StopReading(job, 1)),
                *(c.CancelJob(job), c.ForgetJob(job, rng.random() < 0.5), c.FetchArguments(job, 3)),
                *(c.Ask(job, m.Explain(job)), c.Ask(b"", m.ListJobs())),
            )
        )
        mine = self.machine.jobs[job]
        if isinstance(event, c.AddPage):
            if mine.attached or mine.total is not None:
                return
            self.pages[job] += 1
        self.handle(event)

    def handle(self, event: object) -> None:
        for command in self.machine.handle(event, self.now):  # type: ignore[arg-type]
            if hasattr(command, "message") and isinstance(command.message, m.Message):
                crossed(command.message, getattr(command, "payload", b""))


def broker(data: bytes) -> None:
    """One case."""
    _run(BrokerCase(Random(data)))


def worker(data: bytes) -> None:
    """One case."""
    _run(WorkerCase(Random(data)))


def client(data: bytes) -> None:
    """One case."""
    _run(ClientCase(Random(data)))


def _run(made: BrokerCase | WorkerCase | ClientCase) -> None:
    for _ in range(STEPS):
        made.step()


# -- envelopes -------------------------------------------------------------------------------------------------------


def headers() -> list[bytes]:
    """A header of every message, several times."""
    rng, pool = Random(1), anything.Pool(IDS, DIGESTS)
    return [envelope.encode(anything.message(kind, rng, pool))[1] for kind in m.MESSAGES for _ in range(5)]


def decoded(data: bytes) -> object:
    """What a header and its payload are taken for."""
    return envelope.decode([envelope.FIRST, data, b"payload"[: len(data) % 2 * 7]])


def sound(found: object, data: bytes) -> bool:
    """Nothing, or a message that stays the same when it is sent on."""
    if isinstance(found, envelope.Malformed):
        return len(found.reason) < 500
    message, payload = found  # type: ignore[misc]
    again = envelope.decode(envelope.encode(message, payload))
    return repr(again) == repr(found)


def all_sound(found: object, data: bytes) -> bool:
    """The same for each of a bundle."""
    assert isinstance(found, list)
    return all(sound(each, data) for each in found)


def bundles() -> list[bytes]:
    """Frames of a bundle, each behind its length."""
    rng, pool = Random(2), anything.Pool(IDS, DIGESTS)
    found = []
    for _ in range(20):
        bundle = envelope.Bundle()
        for kind in rng.sample(m.MESSAGES, 5):
            bundle.add(anything.message(kind, rng, pool), anything.payload(kind, rng))
        found.append(b"".join(len(frame).to_bytes(2, "big") + frame for frame in bundle.take()))
    return found


def unbundled(data: bytes) -> object:
    """What frames are taken for."""
    frames = []
    while data:
        size = int.from_bytes(data[:2], "big")
        frames.append(data[2 : 2 + size])
        data = data[2 + size :]
    return list(envelope.decode_all(frames))
