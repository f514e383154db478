"""The worker's shell in the simulation: carries out the machine's commands as `raisin_worker.agent` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from raisin_core import messages as m
from raisin_core.peer import BlobThere, Connected, Disconnected, Exit, Received, Reconnect, Say, SendBlob, Tick
from raisin_worker import commands as c
from raisin_worker.events import SlotEvent
from raisin_worker.machine import Me, Worker
from tests.simulation.blobs import Bulk
from tests.simulation.host import Host
from tests.simulation.ledger import Wrong
from tests.simulation.network import Link, Listening
from tests.simulation.plan import JobPlan
from tests.simulation.slots import FakeSlot
from tests.simulation.watch import watch_worker
from tests.simulation.world import World
from tests.support import wire


class WorkerHost(Host):
    """A machine that runs a worker, and another one when that has ended. `runs` are the accounts whose code its owner
    lets run (all, if there are none)."""

    def __init__(
        self, world: World, name: str, slots: int, broker: Callable[[], Listening], jobs: Mapping[bytes, JobPlan]
    ) -> None:
        super().__init__(world, name)
        self._slots, self._broker, self._jobs = slots, broker, jobs
        self._instance = b""
        self.runs: list[str] = []
        self._told: list[str] = []
        self.failing_starts = 0.0
        self._failed: Counter[int] = Counter()
        self.boot(replace=False)

    def boot(self, replace: bool) -> None:
        """A new instance; with `replace` it knows that the one before it is dead."""
        before = [self._instance] if replace and self._instance else []
        self._instance = self.world.bytes16()
        self.begin()
        self.machine = Worker(Me(self._instance, self.name, 1, "", self._slots, before))
        self.slots: dict[int, FakeSlot] = {}
        self._inbox: list[c.Event | tuple[FakeSlot, SlotEvent]] = []
        self.bulk = Bulk(self)
        self.link = Link(self.world, self, self._broker, self.key)
        self.poke()

    def restart(self, replace: bool) -> None:
        """Come back, if it is gone."""
        if not self.alive:
            self.world.note(self.name, f"restarts, replacing the old: {replace}")
            self.boot(replace)

    def die(self) -> None:
        super().die()
        for slot in self.slots.values():
            slot.kill()
        self.link.shut()

    def drain(self) -> None:
        """A signal asks it to end."""
        if any(lease.slot is None for lease in self.machine.state.leases.values()):
            self.world.seen.saw("a draining worker gives back what waits")
        self._take(c.Drain())

    # -- what happens to it --------------------------------------------------------------------------------------

    def connected(self) -> None:
        self._take(Connected())
        self.bulk.restart()

    def disconnected(self) -> None:
        self._take(Disconnected())

    def receive(self, frames: list[bytes]) -> None:
        self._take(Received(*wire.opened(frames)))

    def _take(self, event: c.Event | tuple[FakeSlot, SlotEvent]) -> None:
        self._inbox.append(event)
        self.poke(0.0001)

    def turn(self) -> None:
        if self.runs != self._told and self.machine.line.welcome is not None:
            self._handle(Received(m.WhoAreYou()))  # it says Hello again
        inbox, self._inbox = self._inbox, []
        for event in inbox:
            if not isinstance(event, tuple):
                self._handle(event)
            elif self.slots.get(event[0].number) is event[0]:
                self._handle(event[1])
            if not self.alive:
                return
        self._handle(Tick())
        if inbox:
            self.machine.check()
            self._check_work()

    def _check_work(self) -> None:
        """What waits has its arguments, and no task process runs what nobody wants any more."""
        state = self.machine.state
        for lease in state.queue():
            if not state.has_pages(lease):
                raise Wrong(f"{self.name}: a lease waits without its arguments", lease.job, lease.start)
        for slot in self.slots.values():
            if slot.busy and state.slots[slot.number].lease not in state.leases:
                raise Wrong(f"{self.name}: slot {slot.number} runs what is not leased")

    def next_deadline(self) -> float | None:
        return self.machine.next_deadline()

    # -- commands ------------------------------------------------------------------------------------------------

    def _handle(self, event: c.Event) -> None:
        if isinstance(event, Received):
            watch_worker(self.world.seen, self.machine, event.message)
        commands = self.machine.handle(event, self.clock)
        for command in commands:
            self.may_crash()
            self._carry_out(command)

    def _carry_out(self, command: c.Command) -> None:
        match command:
            case Say(message=m.Hello()):
                self._told = self.runs
                self.link.send(msgspec.structs.replace(command.message, runs=self.runs), command.payload)
            case Say():
                self.link.send(command.message, command.payload)
            case c.Run():
                self.slots[command.slot].run(command)
            case c.Define():
                self.slots[command.slot].define(command.digest)
            case c.StartSlot():
                self._start_slot(command.slot)
            case c.TrimSlot():
                stop = self.slots[command.slot].trim(command.stop)
                self._handle(c.SlotTrimmed(command.slot, command.lease, stop))
            case c.FetchBlob():
                self.bulk.fetch(command.digest, lambda: self._take(c.BlobHere(command.digest)))
            case SendBlob():
                self.bulk.send(command.digest, lambda: self._take(BlobThere(command.digest)))
            case Reconnect():
                self.world.note(self.name, "hears nothing: connects anew")
                self.link.reset()
            case Exit():
                self.world.note(self.name, f"ends {command.reason}")
                assert not command.reason, command.reason
                self.die()

    def _start_slot(self, number: int) -> None:
        if (old := self.slots.pop(number, None)) is not None:
            old.kill()
        starts = (
            not self.world.chance(self.failing_starts) or self._failed[number] >= 2
        )  # at the third a task is blamed
        self._failed[number] = 0 if starts else self._failed[number] + 1
        self.slots[number] = FakeSlot(self, number, self._jobs, lambda slot, event: self._take((slot, event)), starts)
