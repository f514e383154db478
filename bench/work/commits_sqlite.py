"""The same by the driver alone: one table, one row a transaction."""

import json
import sqlite3
import tempfile
import time
from pathlib import Path

from commits_raisin import COUNTS, PAYLOAD, name

SYNCHRONOUS = {"process": "NORMAL", "power": "FULL"}


def measure(durability):
    with tempfile.TemporaryDirectory() as place:
        db = sqlite3.connect(Path(place) / "plain.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability]}")
        db.execute("CREATE TABLE pages (number INTEGER PRIMARY KEY, payload BLOB)")
        began = time.perf_counter()
        for number in range(COUNTS[durability]):
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO pages VALUES (?, ?)", (number, PAYLOAD))
            db.execute("COMMIT")
        seconds = time.perf_counter() - began
        db.close()
    return COUNTS[durability] / seconds


if __name__ == "__main__":
    print(json.dumps({name(durability): measure(durability) for durability in COUNTS}))
