"""The broker's shell in the simulation: carries out the machine's commands as `raisin_broker.server` does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from raisin_broker.belonging import RosterChanged
from raisin_broker.machine import (
    Arrived,
    Broker,
    CommitFailed,
    Committed,
    Event,
    Remembered,
    StopAsked,
    TurnEnded,
    Unreachable,
)
from raisin_broker.outbox import Command, Commit, Recall, Send, Stage, Stop
from raisin_broker.records import ResultAdded
from raisin_broker.state import Instant, Member
from raisin_broker.store.base import Store
from raisin_broker.wording import remembered, worded
from raisin_core.errors import StoreError
from raisin_core.messages import Beat, Draining, Goodbye, Hello, Message, Ruling
from tests.simulation.bounds import check_turn
from tests.simulation.host import Host
from tests.simulation.ledger import UNSURE, Ledger, Wrong, ruling_of
from tests.simulation.network import Wire
from tests.simulation.owners import Owners
from tests.simulation.power import PowerStore
from tests.simulation.watch import BrokerWatch
from tests.simulation.world import Crash, World
from tests.support import wire

SILENCE: Final = 14.0  # and up to a second since the last turn

Judge = Callable[[ResultAdded, Ruling], None]


def name_of(key: str) -> str:
    """Whose key it is: "worker1", and when it came back "worker1/2"."""
    return key.partition("/")[0]


class BrokerHost(Host):
    """A broker. `revive` gives the store that its next process finds; `members` are those of the newest roster."""

    patience = 0.5

    def __init__(
        self, world: World, store: Store, revive: Callable[[Store], Store], members: Mapping[str, Member], judge: Judge
    ) -> None:
        super().__init__(world, "broker")
        self.routes: dict[bytes, Wire] = {}
        self.ledger = Ledger(store)
        self._heard: dict[str, float] = {}  # by name, as below
        self._runs: dict[str, list[str]] = {}
        self._instances: dict[str, bytes] = {}
        self._left: set[str] = set()
        self._revive, self.members, self._judge = revive, dict(members), judge
        self._version = 1
        self._inbox: list[tuple[bytes, str, list[bytes]] | None] = []  # None: a newer roster
        self.stuck_for = 0.0  # how long the next commit will take
        self._stuck: int | None = None
        self._stopping = self._moved = False
        self._begin(store)

    def _begin(self, store: Store) -> None:
        self.begin()
        self._stopping = False
        stored = self.ledger.start(store)
        self._heard = {key: at for key, at in self._heard.items() if self._instances.get(key) in stored.workers}
        self.machine = Broker(stored, self._now())
        self._watch = BrokerWatch(self.world.seen, self.machine)
        self._owners = Owners(self.world.seen.saw, self.machine)
        self._hear_roster()
        self.poke()

    def change_members(self, members: Mapping[str, Member]) -> None:
        """There is a newer roster, which is durable."""
        self._left |= {name_of(key) for key in self.members.keys() - members.keys()}
        self.members = dict(members)
        self._version += 1
        if not self.alive:
            self.world.seen.saw("the roster changes while the broker is down")
        self._inbox.append(None)
        self.poke(0.0001)

    def _hear_roster(self) -> None:
        book = b"%d" % self._version
        self._handle(RosterChanged(self.members, {}, "lab", self._version, self._version, book=book))

    def restart(self) -> None:
        """A new process on the same store."""
        if not self.alive:
            self.world.note(self.name, "restarts")
            self._begin(self._revive(self.ledger.store))

    def die(self) -> None:
        super().die()
        self._inbox = []
        if self._owners.held:
            self.world.seen.saw("the broker dies and forgets that a job is held")
        if (batch := self._stuck) is not None:
            self._stuck = None
            durable = self.world.chance(0.5)
            self.world.seen.saw(f"the broker dies in a commit that is {'' if durable else 'not '}durable")
            if durable:
                with suppress(StoreError):
                    self.ledger.commit(batch)
        routes, self.routes = self.routes, {}
        for each in routes.values():
            each.break_off()

    def lose_power(self, batches: int) -> set[bytes]:
        """It dies, and so much of what was committed was not on the disk: the jobs that lost something."""
        self.die()
        store = self.ledger.store
        assert isinstance(store, PowerStore)
        store.cut(batches)
        return self.ledger.cut(batches)

    def stop(self) -> None:
        """End in good order, unless it crashes on its way."""
        with suppress(Crash):
            self._handle(StopAsked())
            self._handle(TurnEnded())
            assert self._stopping, "it was asked to stop, and does not"
        self.die()

    def arrive(self, route: bytes, key: str, frames: list[bytes]) -> None:
        """Something has come from a peer."""
        self._inbox.append((route, key, frames))
        self.poke(0.0001)

    def turn(self) -> None:
        if (batch := self._stuck) is not None:
            self._stuck = None
            self._finish(batch)
        inbox, self._inbox = self._inbox, []
        for each in inbox:
            if each is None:
                self._hear_roster()
                continue
            route, key, frames = each
            message, payload = wire.opened(frames)
            self._listen(route, key, message)
            self.ledger.heard(message)
            self._handle(Arrived(route, key, message, payload))
        self._handle(TurnEnded())
        if self._moved:
            self._moved = False
            self.machine.check()
            check_turn(self.machine, self.wall)
            self._owners.check()

    def next_deadline(self) -> float | None:
        deadline = self.machine.next_deadline()
        assert deadline is None or math.isfinite(deadline), "its shell could not wait for that"
        return deadline

    def silent(self, name: str) -> bool:
        """Whether it may believe that this peer is gone."""
        return name in self._left or self.world.now - self._heard.get(name, -SILENCE) >= SILENCE

    def runs(self, name: str, account: str) -> bool:
        """Whether this worker has said that it runs code of this account."""
        return not self._runs.get(name) or account in self._runs[name]

    def _listen(self, route: bytes, key: str, message: Message) -> None:
        if key not in self.machine.state.members:
            return
        name = name_of(key)
        if isinstance(message, Hello) or route in self.machine.state.sessions:
            self._heard[name] = self.world.now
        if isinstance(message, Hello):
            self._left.discard(name)
            self._instances[name], self._runs[name] = message.instance, message.runs
        elif isinstance(message, (Draining, Goodbye)):
            self._left.add(name)

    def _now(self) -> Instant:
        return Instant(self.clock, self.wall)

    def _handle(self, event: Event) -> None:
        self._watch.before(event)
        self._owners.before(event)
        commands = self.machine.handle(event, self._now())
        if not isinstance(event.message, Beat) if isinstance(event, Arrived) else commands or event != TurnEnded():
            self._moved = True
            self._watch.after(event, commands)
            self._owners.after(event, commands)
        for command in commands:
            self.may_crash()
            self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        match command:
            case Send():
                self._send(command)
            case Stage():
                for record in command.records:
                    if (ruling := ruling_of(record)) is not None and isinstance(record, ResultAdded):
                        self._judge(record, ruling)
                self.ledger.stage(command.batch, command.records)
            case Commit():
                self._commit(command.batch)
            case Recall():
                found = remembered(command, self.ledger.store)
                self._handle(Remembered(command.job, command.number, found))
            case Stop():
                self._stopping = True

    def _commit(self, batch: int) -> None:
        seconds, self.stuck_for = self.stuck_for, 0.0
        if not seconds or self._stopping:
            self._finish(batch)
            return
        self.world.note(self.name, f"is stuck for {seconds:.1f} s in the commit of batch {batch}")
        self._stuck = batch
        self.freeze(seconds)
        if seconds > SILENCE:
            self.world.seen.saw("a commit takes longer than a silence")

    def _finish(self, batch: int) -> None:
        try:
            self.ledger.commit(batch)
        except StoreError as error:
            if str(error) == UNSURE:
                self.world.seen.saw("a commit that failed is durable")
            self.world.note(self.name, f"cannot commit batch {batch}")
            self._handle(CommitFailed(batch, str(error)))
        else:
            self.may_crash()
            self._handle(Committed(batch))

    def _send(self, command: Send) -> None:
        self.ledger.spoken(command.message)
        said = worded(command, self.ledger.store)
        if said is None:
            raise Wrong(f"not in the store: {command.payload!r}", getattr(command.message, "job", None))
        frames = wire.frames(*said)
        route = self.routes.get(command.route)
        self.world.messages += 1
        self.world.note(f"{route.link.peer.name if route else '(gone)'} <", command.message, frames)
        if route is None or route.deaf:
            self.world.seen.lost(command.message)
        if route is None or not route.down(frames):
            self._handle(Unreachable(command.route))
