"""Seconds and memory until a broker with a million stored tasks, half of them done, is ready for work: a new process,
from its start to the line that says that it listens."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

TASKS = 1_000_000
SIZES = (4096, 1)  # tasks per page
BATCH = 500  # pages per commit


def make(path, size):
    """Every second page is answered whole, in the order in which two workers would."""
    from commits_raisin import JOB

    from raisin_broker.records import About, PageAdded, ResultAdded
    from raisin_broker.store.sql import SqlStore

    pages = TASKS // size
    about = About("laptop", "me", 0.5)
    store = SqlStore(path)
    store.start()
    store.stage(0, [JOB])
    records = (PageAdded(JOB.job, at, at * size, size, bytes(10 + size), []) for at in range(pages))
    answers = (
        ResultAdded(JOB.job, arrival, at * size, (at + 1) * size, [], 0, 1, about, bytes(10 + size))
        for arrival, at in enumerate(range(0, pages, 2), 1)
    )
    batch = 0
    for source in (records, answers):
        while some := [record for _, record in zip(range(BATCH), source)]:
            batch += 1
            store.stage(batch, some)
            store.commit(batch)
    store.close()


def recover(directory):
    """Start a broker on it, and wait until it says that it listens; seconds, and megabytes at the most."""
    command = [sys.executable, "-m", "raisin_broker.main", "--data", str(directory), "--listen", "127.0.0.1:0"]
    began = time.perf_counter()
    broker = subprocess.Popen([*command, "--end-with-stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    said = broker.stdout.readline()
    seconds = time.perf_counter() - began
    assert "listening on" in said, said
    process = psutil.Process(broker.pid)
    memory = process.memory_info()
    peak = getattr(memory, "peak_wset", 0) or high_water(broker.pid) or memory.rss
    broker.communicate()
    return seconds, peak / 1e6


def high_water(pid):
    """The most memory that a process has needed (Linux)."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def figures():
    found = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as place:
            make(Path(place) / "raisin.db", size)
            found |= named(size, *recover(Path(place)))
    return found


def named(size, seconds, megabytes):
    about = f"broker's start, {TASKS:,} tasks in pages of {size}"
    return {f"{about}, s": seconds, f"{about}, MB": megabytes}


if __name__ == "__main__":
    print(json.dumps(figures()))
