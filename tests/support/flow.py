"""A broker and its store, spoken to in the notation of the flows: see tests/flows/test_flows.py."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Callable

from raisin_broker.belonging import RosterChanged
from raisin_broker.charter import Charter
from raisin_broker.machine import (
    Arrived,
    Broker,
    CommitFailed,
    Committed,
    Event,
    Garbled,
    Remembered,
    StopAsked,
    TurnEnded,
    Unreachable,
)
from raisin_broker.membership import Membership
from raisin_broker.outbox import Ask, Command, Commit, Recall, Send, Stage, Stop
from raisin_broker.retention import Keep, Room
from raisin_broker.state import Instant, Member
from raisin_broker.store.memory import MemoryStore
from raisin_broker.wording import remembered, worded
from raisin_core import digests
from raisin_core.errors import StoreError
from raisin_core.identity.standing import read_book
from raisin_core.messages import VERSION, Beat, Message, Roster
from tests.support import notation, wire
from tests.support.papers import Papers, described

LINE = re.compile(r"^(?P<time>[\d.]+)?\s*(?P<who>[\w/]+)?\s*(?P<mark>[<>]) (?P<text>.*)$")
KEEP = Keep(seconds=3600.0, most=1000)
MEMBERS = {name: Member(name, frozenset(("client", "worker"))) for name in ("ann", "bob", "cleo", "dan")}


class Flow:
    """A broker with its store, and what it has said and done but nobody has looked at."""

    def __init__(self) -> None:
        self.now = self.wall_ahead = 0.0
        self.names: notation.Names = {}
        self.out: list[str] = []
        self.store = MemoryStore()
        self.disk: list[str] = []
        self.papers: Papers | None = None
        self.book = b""
        self._before: list[MemoryStore] = []
        self._begin()

    def _begin(self) -> None:
        self.machine = Broker(self.store.start(), self._at(), keep=KEEP)
        if (papers := self.papers) is None:
            self.charter = Charter(Membership(b""), self._keep_book)
            self.handle(RosterChanged(MEMBERS))
            return
        known = read_book(self.book) if self.book else None
        claim = b"" if known else papers.keys("claim").public
        self.charter = Charter(Membership(papers.broker.key, known, claim), self._keep_book)
        self.handle(self.charter.as_it_is())

    def _close(self) -> None:
        """From now on it is a broker for a closed cluster, and has none yet."""
        self.papers, self.store = Papers(), MemoryStore()
        self._begin()

    def _keep_book(self, book: bytes) -> None:
        if self.disk and self.disk.pop(0) == "full":
            self.out.append("< the book cannot be kept")
            raise OSError(errno.ENOSPC, "No space left on device")
        self.book = book
        self.out.append("< keep the book")

    def _at(self) -> Instant:
        return Instant(self.now, self.now + self.wall_ahead)

    def do(self, who: str, text: str, now: float) -> None:
        """A line with `>`."""
        before, self.now = self.now, now
        word, _, rest = text.partition(" ")
        actions: dict[str, Callable[[str], None]] = {
            "turn": lambda _: self.handle(TurnEnded()),
            "here": self._here,
            "wait": lambda rest: self._wait(rest.split(), before),
            "disk": lambda rest: self.disk.extend(rest.split()),
            "killed": lambda _: self._kill(),
            "powerless": lambda rest: self._cut(int(rest)),
            "room": lambda rest: self.handle(Room(*self._room(rest))),
            "unreachable": lambda rest: self.handle(Unreachable(rest.encode())),
            "stop": lambda _: self.handle(StopAsked()),
            "garbled": self._garble,
            "clock": self._set_clock,
            "closed": lambda _: self._close(),
            "made": self._make,
        }
        if who:
            message, payload = notation.parse(text, self.names, who.split("/")[0])
            named = self.papers.documents if self.papers else {}
            self.say(who, message, named.get(payload.decode(errors="replace"), payload))
        else:
            actions[word](rest)
        self.machine.check()
        deadline = self.machine.next_deadline()
        assert deadline is None or math.isfinite(deadline), "the shell could not wait for that"

    def tell(self, *lines: str) -> list[str]:
        """Lines with `>`; what came out at the last of them."""
        for line in lines:
            self.out.clear()
            found = LINE.match(line)
            assert found, line
            assert found["mark"] == ">", line
            self.do(found["who"] or "", found["text"], float(found["time"] or self.now))
        out, self.out = self.out, []
        return out

    def say(self, who: str, message: Message, payload: bytes) -> None:
        name = who.split("/")[0]
        key = self.papers.keys(name).public.decode() if self.papers else name
        self.handle(Arrived(who.encode(), key, *wire.passed(message, payload)))

    def handle(self, event: Event) -> None:
        for command in self.machine.handle(event, self._at()):
            self._carry_out(command)

    def _here(self, text: str) -> None:
        who, role, *slots = text.split()
        state = self.machine.state
        known = f"roster={state.version}" if state.version else ""
        self.do(who, f"Hello instance={who} role={role} {' '.join(slots)} {known}", self.now)
        if state.extended:
            assert self.out.pop().startswith(f"{who} < Roster version={state.version}")
        told = f" cluster={state.cluster} {known}" if known else ""
        assert self.out.pop() == f"{who} < Welcome run={state.run}{told}"
        if role == "worker":
            self.do(who, "Held leases=none seen=0", self.now)

    def _wait(self, alive: list[str], since: float) -> None:
        """Heartbeats and what answers them is not shown."""
        until, self.now = self.now, since
        while self.now < until:
            self.now = min(until, self.now + 1.0)
            for who in alive:
                session = self.machine.state.sessions[who.encode()]
                told = (2**62, digests.held(session.leases)) if session.role == "worker" else (0, 0)
                self.say(who, Beat(*told), b"")
                assert self.out.pop() == f"{who} < BeatBack"
            self.handle(TurnEnded())

    def _garble(self, text: str) -> None:
        """What comes out again and again is shown once."""
        who, times, reason = text.split(maxsplit=2)
        for _ in range(int(times)):
            self.handle(Garbled(who.encode(), reason, VERSION))
        self.out = list(dict.fromkeys(self.out))

    def _make(self, text: str) -> None:
        assert self.papers is not None, "there is no closed cluster"
        self.papers.make(*text.split())

    def _set_clock(self, text: str) -> None:
        self.wall_ahead += float(text)

    def _kill(self) -> None:
        self.store = self.store.crash()
        self._begin()

    def _cut(self, commits: int) -> None:
        """The power fails: the last commits were not on the disk (the count of runs was)."""
        run, self.store = self.machine.state.run, self._before[-commits]
        while self.store.start().run < run:
            pass
        self._begin()

    def _room(self, text: str) -> tuple[int, str]:
        used, _, short = text.partition(" ")
        return int(used), short

    def _carry_out(self, command: Command) -> None:
        match command:
            case Send():
                who = command.route.decode()
                said_by_store = worded(command, self.store)
                assert said_by_store is not None, f"missing: {command!r}"
                message, payload = wire.passed(*said_by_store)
                if isinstance(message, Roster):
                    payload = described(payload).encode()
                said = notation.write(message, payload, self.names, who.split("/")[0])
                self.out.append(f"{who} < {said}")
            case Stage():
                self.store.stage(command.batch, command.records)
                self.out.append(f"< keep {', '.join(type(record).__name__ for record in command.records)}")
            case Commit():
                self._commit(command.batch)
            case Recall():
                found = remembered(command, self.store)
                self.handle(Remembered(command.job, command.number, found))
            case Ask():
                self.handle(self.charter.answer(command, self._at().wall))
            case Stop():
                self.out.append("< stop")

    def _commit(self, batch: int) -> None:
        self._before.append(self.store.crash())
        self.store.fail_next = int(bool(self.disk) and self.disk.pop(0) == "full")
        try:
            self.store.commit(batch)
        except StoreError as error:
            self.out.append("< commit fails")
            self.handle(CommitFailed(batch, str(error)))
        else:
            self.out.append("< commit")
            self.handle(Committed(batch))


def play(lines: list[str], show: Callable[[str], None]) -> None:
    """Run a dialog. Raises AssertionError at the first line that is not as written."""
    flow = Flow()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            show(line)
            continue
        found = LINE.match(line)
        assert found, f"line {number} says nothing: {line}"
        if found["mark"] == "<":
            said = f"{found['who'] or ''} < {found['text']}".strip()
            assert flow.out, f"line {number}: expected {said}, but nothing came"
            came = flow.out.pop(0)
            assert came == said, f"line {number}: {came!r} instead of {said!r}"
        else:
            assert not flow.out, f"left over before line {number}: {flow.out}"
            show(line)
            flow.do(found["who"] or "", found["text"], float(found["time"] or flow.now))
            for each in flow.out:
                show(f"        {each}")
    assert not flow.out, f"left over at the end: {flow.out}"
