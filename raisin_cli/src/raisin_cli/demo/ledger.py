"""What arrived: every result of both acts as raisin delivered it, with the time.

Rules of this file: it counts what it is given, also what it should never be given: a result twice, or none.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any, NamedTuple

import raisin
from raisin_cli.demo.witness import Done, label


class Arrival(NamedTuple):
    """A result: of which task, from which worker and process, computed and arrived when (monotonic seconds)."""

    task: str
    worker: str
    pid: int
    ended: float
    at: float


class Ledger:
    """Results by task (see `witness.label`). Filled by the threads of acts, read by everybody."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.values: dict[str, Any] = {}
        self.failures: dict[str, str] = {}
        self.counts: Counter[str] = Counter()

    def add(self, record: dict[str, Any]) -> None:
        """Enter a record of `get_all`."""
        task = label(record["args"])
        self.counts[task] += 1
        if record["state"] != "done":
            self.failures[task] = repr(record["error"])
            return
        done: Done = record["res"]
        self.values[task] = done.value
        self.arrivals.append(Arrival(task, record["account"], done.pid, done.ended, time.monotonic()))

    def twice(self, tasks: set[str]) -> int:
        """How many of these were counted more than once."""
        return sum(self.counts[task] > 1 for task in tasks)

    def lost(self, tasks: set[str]) -> int:
        """How many of these have no result."""
        return sum(task not in self.values for task in tasks)


class Act:
    """A job under way; a thread of its own enters its results into the ledger as they arrive."""

    def __init__(self, handle: raisin.Map | raisin.Scan, total: int, ledger: Ledger) -> None:
        self.handle, self.total, self.ledger = handle, total, ledger
        self.done = 0
        self.cpu = self.wall = 0.0
        self.error: Exception | None = None
        self.began = time.monotonic()
        self.seconds = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._collect, name="raisin-demo", daemon=True)

    def start(self) -> None:
        """Submit the job."""
        self.began = time.monotonic()
        self.handle.start()
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether it is over, not longer than that. Raises what became of the job, if that is an error."""
        over = self._over.wait(seconds)
        if self.error is not None:
            raise self.error
        return over

    def _collect(self) -> None:
        try:
            for record in self.handle.get_all():
                self.ledger.add(record)
                self.done += 1
                self.cpu += record["cpu_time"]
                self.wall += record["run_time"]
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            self.error = error
        self.seconds = time.monotonic() - self.began
        self._over.set()
