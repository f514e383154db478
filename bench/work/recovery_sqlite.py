"""The same rows by the driver alone, in a new process that does nothing else: a list of tuples for each table."""

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from recovery_raisin import SIZES, high_water, make, named


def read(path):
    db = sqlite3.connect(path)
    pages = db.execute("SELECT job, number, first, count, blobs FROM pages ORDER BY job, number").fetchall()
    results = db.execute(
        "SELECT job, arrival, start, stop, won, failed, run, source_job FROM results ORDER BY job, arrival"
    ).fetchall()
    return len(pages), len(results)


def figures():
    found = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "raisin.db"
            make(path, size)
            began = time.perf_counter()
            done = subprocess.run([sys.executable, __file__, path], capture_output=True, text=True, check=True)
            found |= named(size, time.perf_counter() - began, float(done.stdout))
    return found


if __name__ == "__main__":
    if len(sys.argv) > 1 and Path(sys.argv[1]).is_file():
        kept = read(sys.argv[1])
        print(high_water("self") / 1e6)
    else:
        print(json.dumps(figures()))
