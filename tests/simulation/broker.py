"""The broker's shell in the simulation: carries out the machine's commands as `raisin_broker.server` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from raisin_broker.machine import (
    Arrived,
    Broker,
    CommitFailed,
    Committed,
    Event,
    Remembered,
    RosterChanged,
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
from raisin_core.messages import Draining, Goodbye, Hello, Message, Ruling
from tests.simulation.host import Host
from tests.simulation.ledger import Ledger, Wrong, ruling_of
from tests.simulation.network import Wire
from tests.simulation.world import Crash, World
from tests.support import wire

SILENCE: Final = 14.0  # and up to a second since the last turn

Judge = Callable[[ResultAdded, Ruling], None]


class BrokerHost(Host):
    """A broker. `revive` gives the store that its next process finds."""

    patience = 0.5

    def __init__(
        self, world: World, store: Store, revive: Callable[[Store], Store], members: Mapping[str, Member], judge: Judge
    ) -> None:
        super().__init__(world, "broker")
        self.routes: dict[bytes, Wire] = {}
        self.ledger = Ledger(store)
        self._heard: dict[str, float] = {}
        self._instances: dict[str, bytes] = {}
        self._left: set[str] = set()
        self._revive, self._members, self._judge = revive, dict(members), judge
        self._inbox: list[tuple[bytes, str, list[bytes]]] = []
        self._stopping = False
        self._begin(store)

    def _begin(self, store: Store) -> None:
        self.alive, self.asleep_until, self._stopping = True, 0.0, False
        self._offset = self.world.random.uniform(10.0, 1000.0)
        stored = self.ledger.start(store)
        self._heard = {key: at for key, at in self._heard.items() if self._instances.get(key) in stored.workers}
        self.machine = Broker(stored, self._now())
        self._handle(RosterChanged(self._members))
        self.poke()

    def restart(self) -> None:
        """A new process on the same store."""
        if not self.alive:
            self.world.note(self.name, "restarts")
            self._begin(self._revive(self.ledger.store))

    def die(self) -> None:
        super().die()
        self._inbox = []
        routes, self.routes = self.routes, {}
        for each in routes.values():
            each.break_off()

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
        inbox, self._inbox = self._inbox, []
        for route, key, frames in inbox:
            message, payload = wire.opened(frames)
            self._listen(route, key, message)
            self._handle(Arrived(route, key, message, payload))
        self._handle(TurnEnded())

    def next_deadline(self) -> float | None:
        return self.machine.next_deadline()

    def silent(self, key: str) -> bool:
        """Whether it may believe that this peer is gone."""
        return key in self._left or self.world.now - self._heard.get(key, -SILENCE) >= SILENCE

    def _listen(self, route: bytes, key: str, message: Message) -> None:
        if isinstance(message, Hello) or route in self.machine.state.sessions:
            self._heard[key] = self.world.now
        if isinstance(message, Hello):
            self._left.discard(key)
            self._instances[key] = message.instance
        elif isinstance(message, (Draining, Goodbye)):
            self._left.add(key)

    def _now(self) -> Instant:
        return Instant(self.clock, self.world.wall)

    def _handle(self, event: Event) -> None:
        commands = self.machine.handle(event, self._now())
        self.machine.check()
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
        try:
            self.ledger.commit(batch)
        except StoreError as error:
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
        if route is None or not route.down(frames):
            self._handle(Unreachable(command.route))
