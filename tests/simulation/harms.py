"""Each kind of harm, as one method: it strikes once, at somebody drawn, if there is somebody.

Rules of this file: what a harm does must be what can happen to real machines; nothing here knows the protocol.
"""

from __future__ import annotations

from typing import Final

from raisin_broker.state import Member
from tests.simulation.broker import BrokerHost
from tests.simulation.client import ClientHost
from tests.simulation.host import Host
from tests.simulation.network import Wire
from tests.simulation.power import PowerStore
from tests.simulation.worker import WorkerHost
from tests.simulation.world import World

HOUR: Final = 3600.0
WAYS: Final = ((True, True), (True, False), (False, True))


class Harms:
    """All the harm there is."""

    def __init__(self, world: World, broker: BrokerHost, workers: list[WorkerHost], clients: list[ClientHost]) -> None:
        self.world, self.broker, self.workers, self.clients = world, broker, workers, clients
        self.hosts: list[Host] = [broker, *workers, *clients]
        self._accounts = sorted({member.account for member in broker.members.values()})
        self._late = 0.0  # what is on its way has arrived by then

    def _wire(self) -> Wire | None:
        peers: list[WorkerHost | ClientHost] = [*self.workers, *self.clients]
        peer = self.world.random.choice(peers)
        wire = peer.link.wire
        return wire if peer.alive else None

    # -- connections ---------------------------------------------------------------------------------------------

    def cut(self) -> None:
        if (wire := self._wire()) is not None:
            self.world.note(wire.link.peer.name, "is cut off")
            wire.cut()

    def snap(self) -> None:
        """Cut it while something is being said, since that is where it hurts."""
        if (wire := self._wire()) is not None:
            wire.brittle = self.world.random.randint(1, 6)

    def mute(self) -> None:
        """Half open: it looks fine, and what is said is lost from now on, one way or both."""
        if (wire := self._wire()) is not None:
            up, down = self.world.random.choice(WAYS)
            self.world.note(wire.link.peer.name, f"connection falls silent (up {up}, down {down})")
            wire.up_mute, wire.down_mute = wire.up_mute or up, wire.down_mute or down

    def stall(self) -> None:
        if (wire := self._wire()) is not None:
            seconds = self.world.some(0.1, 100.0)
            self.world.note(wire.link.peer.name, f"connection is stalled for {seconds:.1f} s")
            self._stall(wire, True, True, seconds)

    def part(self) -> None:
        """A partition, maybe of one way only: what is said comes when it heals, new connections cannot be made."""
        if (wire := self._wire()) is not None:
            (up, down), seconds = self.world.random.choice(WAYS), self.world.some(1.0, 300.0)
            self.world.note(wire.link.peer.name, f"is parted for {seconds:.1f} s (up {up}, down {down})")
            wire.link.parted_until = self.world.now + seconds
            self._stall(wire, up, down, seconds)

    def _stall(self, wire: Wire, up: bool, down: bool, seconds: float) -> None:
        until = self.world.now + seconds
        wire.stall(up, down, until)
        self._late = max(self._late, until)

    def fill_queue(self) -> None:
        if (wire := self._wire()) is not None:
            self.world.note(wire.link.peer.name, "queue is full")
            wire.full_until = self.world.now + self.world.some(0.01, 3.0)

    # -- processes -----------------------------------------------------------------------------------------------

    def kill_broker(self) -> None:
        if self.broker.alive:
            self.world.note("broker", "is killed")
            self.broker.die()

    def cut_power(self) -> None:
        """The broker's last batches were not on the disk."""
        if self.broker.alive and isinstance(self.broker.ledger.store, PowerStore):
            batches = self.world.random.randint(1, 10)
            self.world.note("broker", f"loses its power, and its last {batches} batches")
            lost = self.broker.lose_power(batches)
            for client in self.clients:
                for job in client.jobs:
                    job.plan.lost = job.plan.lost or job.plan.id in lost

    def stop_broker(self) -> None:
        if self.broker.alive and self.broker.awake:
            self.world.note("broker", "is asked to stop")
            self.broker.stop()

    def kill_worker(self) -> None:
        self._kill(self.world.random.choice(self.workers))

    def kill_client(self) -> None:
        self._kill(self.world.random.choice(self.clients))

    def lose_client(self) -> None:
        """It never comes back."""
        host = self.world.random.choice(self.clients)
        if host.alive and not any(client.gone for client in self.clients):
            self.world.note(host.name, "is gone for good")
            host.gone = True
            host.die()
            for job in host.jobs:
                job.plan.never_closed = True  # unless it is closed already

    def _kill(self, host: WorkerHost | ClientHost) -> None:
        if host.alive:
            self.world.note(host.name, "is killed")
            host.die()

    def drain(self) -> None:
        host = self.world.random.choice(self.workers)
        if host.alive:
            self.world.note(host.name, "is asked to end")
            host.drain()

    def pause(self) -> None:
        """The owner is back: task processes stand still for a while."""
        host, seconds = self.world.random.choice(self.workers), self.world.some(0.5, 60.0)
        self.world.note(host.name, f"pauses its tasks for {seconds:.1f} s")
        for slot in host.slots.values():
            slot.frozen_until = self.world.now + seconds

    def accident(self) -> None:
        """A task process dies; sometimes the connection as well, when that is told."""
        host = self.world.random.choice(self.workers)
        if host.alive and host.slots and host.awake:
            slot = self.world.random.choice(list(host.slots.values()))
            if slot.accident():
                self.world.note(host.name, f"slot {slot.number} dies by accident")
                if host.link.wire is not None and self.world.chance(0.3):
                    host.link.wire.brittle = 1

    def break_starts(self) -> None:
        host = self.world.random.choice(self.workers)
        host.failing_starts = 0.6 if host.failing_starts == 0.0 else 0.0

    # -- owners and members ----------------------------------------------------------------------------------------

    def change_owner(self) -> None:
        """A worker's owner lets other accounts' code run there, or nobody's."""
        host = self.world.random.choice(self.workers)
        host.runs = self.world.random.choice(([], ["nobody"], [self.world.random.choice(self._accounts)]))
        self.world.note(host.name, f"runs code of {host.runs or 'everybody'}")
        host.poke()

    def remove(self) -> None:
        """Somebody is no member any more, but does not know; it comes back with a new key, or never."""
        host = self.world.random.choice([*self.workers, *self.clients])
        if host.removed or host.gone:
            return
        member = self.broker.members[host.key]
        self.world.note(host.name, "is removed from the roster")
        self.broker.change_members({key: each for key, each in self.broker.members.items() if key != host.key})
        host.removed = True
        if isinstance(host, ClientHost):
            for job in host.jobs:
                job.plan.expelled = job.plan.expelled or not job.observes
        host.gone = self._can_spare(host) and self.world.chance(0.3)
        end = self._end if host.gone else self._readmit
        self.world.after(self.world.some(0.1, 60.0), lambda: end(host, member))

    def _can_spare(self, host: WorkerHost | ClientHost) -> bool:
        """Whether all can be done without it."""
        asked = {name for client in self.clients for job in client.jobs for name in job.plan.options.where}
        others = self.workers if isinstance(host, WorkerHost) else self.clients
        return host.name not in asked and not any(each.gone for each in others) and len(others) > 1

    def _end(self, host: WorkerHost | ClientHost, member: Member) -> None:
        if host.alive:
            host.die()

    def _readmit(self, host: WorkerHost | ClientHost, member: Member) -> None:
        if host.removed and not host.gone:
            host.rejoin()
            self.world.note(host.name, "is a member again")
            self.world.seen.saw("a removed member is back under a new key")
            self.broker.change_members({**self.broker.members, host.key: member})

    # -- time ----------------------------------------------------------------------------------------------------

    def sleep(self) -> None:
        host = self.world.random.choice(self.hosts)
        if host.alive:
            host.sleep(self.world.some(1.0, 180.0))

    def freeze(self) -> None:
        host, seconds = self.world.random.choice(self.hosts), self.world.some(1.0, 90.0)
        if host.alive:
            self.world.note(host.name, f"is frozen for {seconds:.1f} s")
            host.freeze(seconds)

    def night(self) -> None:
        """All lids are closed for hours, and opened one after the other; sometimes one much later than all others."""
        hours = self.world.some(1.0, 9.0) * HOUR
        for host in self.hosts:
            if host.alive:
                host.sleep(hours - self.world.some(1.0, 300.0))
        if (late := self.world.random.choice(self.hosts)).alive and self.world.chance(0.1):
            late.sleep(hours + self.world.some(0.1, 1.0) * HOUR)

    def jump(self) -> None:
        """A wall clock is put wrong by hours, or right again."""
        host = self.world.random.choice(self.hosts)
        hours = self.world.random.choice((0.0, 1.0, -1.0)) * self.world.some(0.01, 9.0)
        self.world.note(host.name, f"wall clock is wrong by {hours:.2f} hours")
        host.wall_error = hours * HOUR

    # -- the broker's disk ---------------------------------------------------------------------------------------

    def fill_disk(self) -> None:
        self.world.note("broker", "disk is full for a while")
        self.broker.ledger.failing = self.world.random.randint(1, 8)

    def hide_commit(self) -> None:
        self.world.note("broker", "disk will not answer")
        self.broker.ledger.unsure = self.world.random.randint(1, 2)

    def stick(self) -> None:
        self.broker.stuck_for = self.world.some(0.1, 60.0)

    def heal(self) -> float:
        """Nothing is broken any more; who sleeps wakes by itself, and what is on its way arrives: all by then."""
        self.broker.ledger.failing = self.broker.ledger.unsure = 0
        self.broker.stuck_for = 0.0
        for host in self.hosts:
            host.wall_error = 0.0
        for worker in self.workers:
            worker.failing_starts, worker.runs = 0.0, []
        peers: list[WorkerHost | ClientHost] = [*self.workers, *self.clients]
        for peer in peers:
            peer.link.parted_until = 0.0
        return max(self.world.now, self._late, *(host.asleep_until for host in self.hosts))
