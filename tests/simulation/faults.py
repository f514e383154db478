"""Who does what harm, and when: each seed draws some of these, and how often they happen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tests.simulation.broker import BrokerHost
from tests.simulation.client import ClientHost
from tests.simulation.host import Host
from tests.simulation.network import Wire
from tests.simulation.worker import WorkerHost
from tests.simulation.world import World

FRAGILE: Final = {"broker": 0.002, "worker": 0.002, "client": 0.001}


class Faults:
    """Harm that comes again and again until `world.harmful` is over."""

    def __init__(self, world: World, broker: BrokerHost, workers: list[WorkerHost], clients: list[ClientHost]) -> None:
        self.world, self.broker, self.workers, self.clients = world, broker, workers, clients
        faults: dict[str, tuple[Callable[[], None], float]] = {
            "cut": (self.cut, 8.0),
            "snap": (self.snap, 5.0),
            "mute": (self.mute, 20.0),
            "stall": (self.stall, 10.0),
            "full": (self.full, 15.0),
            "kill broker": (self.kill_broker, 30.0),
            "stop broker": (self.stop_broker, 40.0),
            "kill worker": (self.kill_worker, 20.0),
            "kill client": (self.kill_client, 100.0),
            "drain": (self.drain, 25.0),
            "sleep": (self.sleep, 15.0),
            "disk full": (self.fill_disk, 15.0),
            "accident": (self.accident, 5.0),
            "broken starts": (self.break_starts, 20.0),
        }
        self.drawn = [name for name in faults if world.chance(0.4)]
        pace = world.random.choice((0.3, 0.6, 1.0, 2.0))
        for name in self.drawn:
            fault, every = faults[name]
            self._again(fault, every * pace)
        kinds: dict[str, Sequence[Host]] = {"broker": [broker], "worker": workers, "client": clients}
        for kind, hosts in kinds.items():
            if world.chance(0.3):
                self.drawn.append(f"fragile {kind}")
                for host in hosts:
                    host.fragile = FRAGILE[kind]
        world.note("faults", ", ".join(self.drawn))
        world.after(1.0, self._revive)

    def _again(self, fault: Callable[[], None], every: float) -> None:
        def strike() -> None:
            if self.world.harmful:
                fault()
                self._again(fault, every)

        self.world.after(self.world.random.expovariate(1 / every), strike)

    def _revive(self) -> None:
        """Whoever is dead comes back after a while; in the end at once."""
        for worker in self.workers:
            if self._may_revive(worker):
                worker.restart(replace=self.world.chance(0.7))
        others: list[BrokerHost | ClientHost] = [self.broker, *self.clients]
        for host in others:
            if self._may_revive(host):
                host.restart()
        self.world.after(1.0, self._revive)

    def _may_revive(self, host: Host) -> bool:
        return not host.alive and (not self.world.harmful or self.world.chance(0.1))

    def _wire(self) -> Wire | None:
        peers: list[WorkerHost | ClientHost] = [*self.workers, *self.clients]
        peer = self.world.random.choice(peers)
        wire = peer.link.wire
        return wire if peer.alive else None

    def cut(self) -> None:
        if (wire := self._wire()) is not None:
            self.world.note(wire.link.peer.name, "is cut off")
            wire.cut()

    def snap(self) -> None:
        """Cut it while something is being said, since that is where it hurts."""
        if (wire := self._wire()) is not None:
            wire.brittle = self.world.random.randint(1, 6)

    def mute(self) -> None:
        if (wire := self._wire()) is not None:
            up, down = self.world.random.choice(((True, True), (True, False), (False, True)))
            self.world.note(wire.link.peer.name, f"connection falls silent (up {up}, down {down})")
            wire.up_mute, wire.down_mute = wire.up_mute or up, wire.down_mute or down

    def stall(self) -> None:
        if (wire := self._wire()) is not None:
            seconds = self.world.some(0.1, 40.0)
            self.world.note(wire.link.peer.name, f"connection is stalled for {seconds:.1f} s")
            wire.stalled_until = self.world.now + seconds

    def full(self) -> None:
        if (wire := self._wire()) is not None:
            self.world.note(wire.link.peer.name, "queue is full")
            wire.full_until = self.world.now + self.world.some(0.01, 3.0)

    def kill_broker(self) -> None:
        if self.broker.alive:
            self.world.note("broker", "is killed")
            self.broker.die()

    def stop_broker(self) -> None:
        if self.broker.alive and self.world.now >= self.broker.asleep_until:
            self.world.note("broker", "is asked to stop")
            self.broker.stop()

    def kill_worker(self) -> None:
        self._kill(self.world.random.choice(self.workers))

    def kill_client(self) -> None:
        self._kill(self.world.random.choice(self.clients))

    def _kill(self, host: WorkerHost | ClientHost) -> None:
        if host.alive:
            self.world.note(host.name, "is killed")
            host.die()

    def drain(self) -> None:
        host = self.world.random.choice(self.workers)
        if host.alive:
            self.world.note(host.name, "is asked to end")
            host.drain()

    def sleep(self) -> None:
        host: Host = self.world.random.choice([self.broker, *self.workers, *self.clients])
        if host.alive:
            host.sleep(self.world.some(1.0, 180.0))

    def fill_disk(self) -> None:
        self.world.note("broker", "disk is full for a while")
        self.broker.ledger.failing = self.world.random.randint(1, 8)

    def accident(self) -> None:
        host = self.world.random.choice(self.workers)
        if host.alive and host.slots and self.world.now >= host.asleep_until:
            slot = self.world.random.choice(list(host.slots.values()))
            if slot.accident():
                self.world.note(host.name, f"slot {slot.number} dies by accident")

    def break_starts(self) -> None:
        host = self.world.random.choice(self.workers)
        host.failing_starts = 0.6 if host.failing_starts == 0.0 else 0.0
