"""Who is killed when, and what came of it.

Each victim is hit in the middle of its work: a task process while it analyses a large file, the worker of another one
while that does, the broker while both are busy. The next one's turn comes when the last one's consequence was seen.

Rules of this file: nothing is estimated. A task is *in hand* if it had begun and its result had not arrived; *rerun*
if it began again afterwards; recovery is the arrival of the first result computed after the kill by whoever was hit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from raisin_cli.demo.cluster import KILL, Cluster
from raisin_cli.demo.ledger import Arrival, Ledger
from raisin_cli.demo.witness import Start, Witness

MOMENTS: Final = (0.08, 0.3, 0.55)
"""Not before this part of the first act is done."""
FRESH_SECONDS: Final = 0.2


@dataclass
class Kill:
    """A kill. `back` is None until the first result afterwards; the rest is told by `Chaos.settle`."""

    victim: str
    pid: int
    at: float
    task: str
    worker: str
    in_hand: set[str]
    back: float | None = None
    rerun: int = 0
    lost: int = 0
    twice: int = 0


class Chaos:
    """`step` is to be called all the time; it does what it is time for. `large` tells tasks worth being hit in."""

    def __init__(self, cluster: Cluster, witness: Witness, ledger: Ledger, large: Callable[[str], bool]) -> None:
        self.kills: list[Kill] = []
        self._cluster, self._witness, self._ledger, self._large = cluster, witness, ledger, large
        self._seen = 0
        self._plan = (self._kill_task_process, self._kill_worker, self._kill_broker)

    @property
    def recovered(self) -> bool:
        """Whether the last one killed is back."""
        return not self.kills or self.kills[-1].back is not None

    @property
    def spared(self) -> int:
        """How many were not killed (yet)."""
        return len(self._plan) - len(self.kills)

    def step(self, progress: float) -> None:
        """Look at what came, and kill if it is time: only while an act runs, since afterwards nobody is at work.
        `progress` of the first act is from 0 to 1."""
        begun = self._witness.read()
        self.look()
        if self.recovered and len(self.kills) < len(self._plan) and progress >= MOMENTS[len(self.kills)]:
            for start in reversed(begun):
                if self._at_work(start) and self._plan[len(self.kills)](start):
                    break

    def look(self) -> None:
        """Look at what came."""
        count = len(self._ledger.arrivals)
        new, self._seen = self._ledger.arrivals[self._seen : count], count
        for arrival in new if not self.recovered else ():
            if _is_recovery(self.kills[-1], arrival):
                self.kills[-1].back = arrival.at - self.kills[-1].at
                break

    def settle(self) -> None:
        """Once all is done: what became of the tasks in hand."""
        self._witness.read()
        for kill in self.kills:
            kill.rerun = len({each.label for each in self._witness.starts if each.at > kill.at} & kill.in_hand)
            kill.lost, kill.twice = self._ledger.lost(kill.in_hand), self._ledger.twice(kill.in_hand)

    def _at_work(self, start: Start) -> bool:
        """Whether this has just begun, and will take a moment."""
        last = next(each for each in reversed(self._witness.starts) if each.pid == start.pid)
        return last is start and self._large(start.label) and time.monotonic() - start.at < FRESH_SECONDS

    def _kill_task_process(self, start: Start) -> bool:
        worker = self._cluster.worker(start.worker)
        if worker is None:
            return False
        self._strike(f"task process of {worker.name}", start.pid, start.label, worker.name, {start.pid})
        return True

    def _kill_worker(self, start: Start) -> bool:
        worker = self._cluster.worker(start.worker)
        if worker is None or worker.pid is None or worker.name == self.kills[0].worker:
            return False  # the other one's turn
        below = {each.pid for each in self._witness.starts if each.worker == worker.pid}
        self._strike(f"worker {worker.name}", worker.pid, start.label, worker.name, below)
        return True

    def _kill_broker(self, start: Start) -> bool:
        broker = self._cluster.broker
        if broker.pid is None or any(worker.pid is None for worker in self._cluster.workers):
            return False
        self._strike(broker.name, broker.pid, start.label, "", {each.pid for each in self._witness.starts})
        return True

    def _strike(self, victim: str, pid: int, task: str, worker: str, pids: set[int]) -> None:
        with suppress(ProcessLookupError):  # should it be gone already, its service manager notices all the same
            os.kill(pid, KILL)
        at = time.monotonic()
        begun = {each.label for each in self._witness.starts if each.pid in pids}
        self.kills.append(Kill(victim, pid, at, task, worker, begun - self._ledger.values.keys()))


def _is_recovery(kill: Kill, arrival: Arrival) -> bool:
    return arrival.ended > kill.at and kill.worker in ("", arrival.worker) and arrival.pid != kill.pid
