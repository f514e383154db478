"""Who does what harm, and when: each seed draws some kinds of harm, and how often they strike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tests.simulation.broker import BrokerHost
from tests.simulation.client import ClientHost
from tests.simulation.harms import Harms
from tests.simulation.host import Host
from tests.simulation.worker import WorkerHost
from tests.simulation.world import World

FRAGILE: Final = {"broker": 0.002, "worker": 0.002, "client": 0.001}
EVERY: Final[dict[str, tuple[Callable[[Harms], None], float]]] = {
    "cut": (Harms.cut, 8.0),
    "snap": (Harms.snap, 5.0),
    "mute": (Harms.mute, 20.0),
    "stall": (Harms.stall, 10.0),
    "part": (Harms.part, 30.0),
    "full": (Harms.fill_queue, 8.0),
    "kill broker": (Harms.kill_broker, 30.0),
    "stop broker": (Harms.stop_broker, 40.0),
    "kill worker": (Harms.kill_worker, 20.0),
    "kill client": (Harms.kill_client, 100.0),
    "lose client": (Harms.lose_client, 150.0),
    "drain": (Harms.drain, 25.0),
    "pause": (Harms.pause, 20.0),
    "accident": (Harms.accident, 3.0),
    "broken starts": (Harms.break_starts, 20.0),
    "sleep": (Harms.sleep, 15.0),
    "freeze": (Harms.freeze, 25.0),
    "night": (Harms.night, 400.0),
    "jump": (Harms.jump, 30.0),
    "disk full": (Harms.fill_disk, 15.0),
    "disk unsure": (Harms.hide_commit, 10.0),
    "disk stuck": (Harms.stick, 30.0),
    "owner": (Harms.change_owner, 20.0),
    "remove": (Harms.remove, 40.0),
}
"""How often each kind strikes, in seconds, where it is drawn."""
POWER_CUTS: Final = True
"""Whether power cuts are among them. After one, a job that lost something of what was acknowledged must complete
nevertheless, or its client must be told that it failed; clients are not told yet."""
if POWER_CUTS:
    EVERY["power cut"] = (Harms.cut_power, 60.0)


class Faults:
    """Harm that comes again and again until `world.harmful` is over."""

    def __init__(self, world: World, broker: BrokerHost, workers: list[WorkerHost], clients: list[ClientHost]) -> None:
        self.world, self.broker, self.workers, self.clients = world, broker, workers, clients
        self.harms = Harms(world, broker, workers, clients)
        self._back = world.random.choice((0.1, 0.1, 0.5, 1.0))  # how likely the dead come back within a second
        share = world.random.choice((0.15, 0.35, 0.5))
        self.drawn = [name for name in EVERY if world.chance(share)]
        pace = world.random.choice((0.3, 0.6, 1.0, 2.0))
        for name in self.drawn:
            harm, every = EVERY[name]
            self._again(harm, every * pace)
        kinds: dict[str, Sequence[Host]] = {"broker": [broker], "worker": workers, "client": clients}
        for kind, hosts in kinds.items():
            if world.chance(0.3):
                self.drawn.append(f"fragile {kind}")
                for host in hosts:
                    host.fragile = FRAGILE[kind]
        world.note("faults", ", ".join(self.drawn))
        world.after(1.0, self._revive)

    def end(self) -> float:
        """From now on nothing breaks; the time when the last harm will have passed."""
        self.world.note("faults", "are over")
        self.world.harmful = False
        return self.harms.heal()

    def _again(self, harm: Callable[[Harms], None], every: float) -> None:
        def strike() -> None:
            if self.world.harmful:
                harm(self.harms)
                self._again(harm, every)

        self.world.after(self.world.random.expovariate(1 / every), strike)

    def _revive(self) -> None:
        """Whoever is dead comes back after a while; in the end at once."""
        for worker in self.workers:
            if not worker.gone and self._may_revive(worker):
                worker.restart(replace=self.world.chance(0.7))
        others: list[BrokerHost | ClientHost] = [self.broker, *(each for each in self.clients if not each.gone)]
        for host in others:
            if self._may_revive(host):
                host.restart()
        self.world.after(1.0, self._revive)

    def _may_revive(self, host: Host) -> bool:
        return not host.alive and (not self.world.harmful or self.world.chance(self._back))
