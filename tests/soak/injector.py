"""Does to a cluster what the faults say, and undoes it.

Rules of this file: each kind has one method, which says what it did and gives what ends it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.soak.cluster import BROKER, Cluster
from tests.soak.disk import forbid_writing
from tests.soak.faults import Fault
from tests.soak.network import KILL, send

DELAY_SECONDS = 0.2
LOSS = 0.05

Begun = tuple[str, Callable[[], object]]


def nothing() -> None:
    """What ends a fault that is over at once."""


class Injector:
    """Begins faults."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.disk_trouble = False

    def begin(self, fault: Fault) -> Begun:
        """Begin it: what was done in words, and what is to be called when it is to end."""
        kinds: dict[str, Callable[[Fault], Begun]] = {
            "kill": self._kill,
            "kill task": self._kill_task,
            "freeze": self._freeze,
            "lid": self._freeze,
            "unplug": self._unplug,
            "bad line": self._bad_line,
            "half-open": self._half_open,
            "address": self._address,
            "disk full": self._disk_full,
            "read-only": self._read_only,
            "unwritable": self._unwritable,
        }
        return kinds[fault.kind](fault)

    def _kill(self, fault: Fault) -> Begun:
        pid = self.cluster.parts[fault.target].kill()
        return f"kill -9 of pid {pid}" if pid else "it did not run", nothing

    def _kill_task(self, fault: Fault) -> Begun:
        found = self.cluster.parts[fault.target].task_processes()
        if not found:
            return "it had no task process", nothing
        pid = random.Random(fault.dice).choice(found)
        send(pid, KILL)
        return f"kill -9 of the task process {pid}", nothing

    def _freeze(self, fault: Fault) -> Begun:
        part = self.cluster.parts[fault.target]
        return f"SIGSTOP of {part.freeze(True)} processes", lambda: part.freeze(False)

    def _unplug(self, fault: Fault) -> Begun:
        self.cluster.network.plug(fault.target, False)
        return "cable pulled", lambda: self.cluster.network.plug(fault.target, True)

    def _bad_line(self, fault: Fault) -> Begun:
        self.cluster.order(fault.target, DELAY_SECONDS, LOSS)
        return f"{DELAY_SECONDS * 1000:.0f} ms and {LOSS:.0%} loss", lambda: self.cluster.order(fault.target)

    def _half_open(self, fault: Fault) -> Begun:
        way = random.Random(fault.dice).choice(("up", "down", "both"))
        self.cluster.order(fault.target, silent=way)
        return f"silent: {way}", lambda: self.cluster.order(fault.target)

    def _address(self, fault: Fault) -> Begun:
        self.cluster.network.move(fault.target)
        return f"moved to {self.cluster.network.address(fault.target)}", nothing

    def _disk_full(self, fault: Fault) -> Begun:
        self.cluster.disk.fill()
        return "disk full", self._disk_well(self.cluster.disk.make_room)

    def _read_only(self, fault: Fault) -> Begun:
        """Killed first: a disk with files that are open for writing cannot be made read-only."""
        broker = self.cluster.parts[BROKER]
        broker.held = True
        pid = broker.kill()
        self.cluster.disk.set_read_only(True)
        broker.held = False
        return f"killed (pid {pid}), has to start on a read-only disk", self._disk_well(
            lambda: self.cluster.disk.set_read_only(False)
        )

    def _unwritable(self, fault: Fault) -> Begun:
        pid = self.cluster.parts[BROKER].pid
        if pid is None:
            return "it did not run", nothing
        forbid_writing(pid, True)
        return f"pid {pid} can write to no file", self._disk_well(lambda: forbid_writing(pid, False))

    def _disk_well(self, heal: Callable[[], object]) -> Callable[[], object]:
        """Until `heal`, the broker has a reason to end by itself."""
        self.disk_trouble = True

        def healed() -> None:
            heal()
            self.disk_trouble = False

        return healed
