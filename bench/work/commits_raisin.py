"""Pages acknowledged per second, one page of 20 KB a commit: surviving the process, and surviving a power cut."""

import json
import os
import tempfile
import time
from pathlib import Path

from raisin_broker.records import JobOpened, PageAdded
from raisin_broker.store.sql import SqlStore
from raisin_core.messages import Options

COUNTS = {"process": 4000, "power": 1000}
PAYLOAD = os.urandom(20_000)
JOB = JobOpened(
    job=b"j" * 16,
    owner="me",
    account="me",
    instance=b"i" * 16,
    form="map",
    name="job",
    function=b"f" * 32,
    function_payload=b"code",
    function_blobs=[],
    options=Options(),
    context=b"",
    shape=[],
    opened=0.0,
)


def name(durability):
    return f"commits/s of a page of 20 KB, durability {durability}"


def measure(durability):
    with tempfile.TemporaryDirectory() as place:
        store = SqlStore(Path(place) / "raisin.db", durability=durability)
        store.start()
        store.stage(0, [JOB])
        store.commit(0)
        began = time.perf_counter()
        for number in range(COUNTS[durability]):
            store.stage(number + 1, [PageAdded(JOB.job, number, number * 4096, 4096, PAYLOAD, [])])
            store.commit(number + 1)
        seconds = time.perf_counter() - began
        store.close()
    return COUNTS[durability] / seconds


if __name__ == "__main__":
    print(json.dumps({name(durability): measure(durability) for durability in COUNTS}))
