"""What a million results that nobody collects cost the broker: machine and store alone, in a process of their own.

With pages of one task each (as slow tasks make them), and with readers that have stopped to read.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RESULTS = 1_000_000
CACHE = 32 * 2**20
PROGRAM = """
import sys
from pathlib import Path

import psutil

from raisin_broker.store.sql import SqlStore
from raisin_core import messages as m
from tests.broker.keeping import ANN, BOB, WORKER, Kept

results, reader = int(sys.argv[2]), sys.argv[3]
store = SqlStore(Path(sys.argv[1]) / "raisin.db")
kept = Kept(store)
kept.check = False
kept.here(ANN)
kept.here(WORKER, "worker")
job = kept.open(tasks=0)
for number in range(results // 4000):
    kept.say(ANN, m.Page(job.id, number, number * 4000, 4000, [], (number + 1) * 4000 == results), bytes(4000))
kept.turn()
if reader != "none":
    kept.say(ANN, m.Follow(job.id, 1, reader, 0, 10))


def compute(stop):
    while len(job.done) < stop:
        lease = next(iter(job.leases.values()))
        for task in range(lease.start, lease.stop):
            kept.say(WORKER, m.Results(lease.id, job.id, task, task + 1, 1e-6), b"result %d" % task)
            if task % 500 == 0:
                kept.turn()
        kept.turn()
        kept.said.clear()


compute(results // 10)
process = psutil.Process()
before, done = process.memory_info().rss, len(job.done)
compute(results)
assert len(job.arrivals) == results and job.visible == results and job.state == "done"
kept.machine.check()
print(process.memory_info().rss - before, results - done)
"""


def growth(folder: Path, reader: str, results: int) -> float:
    """Bytes per result page, behind the first tenth of them (when the store's cache is full)."""
    command = [sys.executable, "-c", PROGRAM, str(folder), str(results), reader]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    grown, pages = map(int, done.stdout.split())
    return grown / pages


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["none", "arrival", "window"])
def test_a_million_results_that_nobody_collects(tmp_path: Path, reader: str) -> None:
    each = growth(tmp_path, reader, RESULTS)
    assert each < 64, f"{each:.1f} bytes per result page"
