"""Is every result there exactly once, and the serial one?

Two witnesses are asked: what the clients were given, and what stands in the broker's database.

Rules of this file: reads only; what is wrong is said in a line each.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from raisin_core.ranges import Range, Ranges
from tests.soak import files, workload

SHOWN: Final = 5
_ranges: Final = msgspec.msgpack.Decoder(list[tuple[int, int]]).decode

serial = cache(workload.serial)


class StoredJob(NamedTuple):
    """A job as the database has it; `won` are the ranges that count, page by page."""

    id: str
    label: str
    state: str
    total: int | None
    won: list[Range]


def results(folder: Path) -> list[dict[str, Any]]:
    """What a client was given, job by job."""
    found = sorted(folder.glob("results-*[0-9]"), key=lambda path: int(path.name.split("-")[1]))
    return [files.read(path) for path in found]


def of_job(job: dict[str, Any]) -> list[str]:
    """What is wrong with the outcomes that a client was given, in either of its readings."""
    wrong = []
    for reading in ("first", "second"):
        wrong += [f"{job['label']}, {reading} reading: {text}" for text in of_reading(job, job[reading])]
    return wrong


def of_reading(job: dict[str, Any], outcomes: Sequence[Sequence[Any]]) -> list[str]:
    """What is missing, double, or not what a serial run gives."""
    work = workload.Work(job["kind"], job["tasks"], job["salt"])
    counts = Counter(index for index, _ in outcomes)
    missing = [index for index in range(job["tasks"]) if index not in counts]
    double = [index for index, count in counts.items() if count > 1]
    extra = [index for index in counts if not 0 <= index < job["tasks"]]
    differing = [
        f"{outcome} for task {index} instead of {serial(work, index)}"
        for index, outcome in outcomes
        if not same(outcome, serial(work, index))
    ]
    found = {"missing": missing, "more than once": double, "never asked for": extra, "another result": differing}
    return [f"{what}: {len(which)}, as {which[:SHOWN]}" for what, which in found.items() if which]


def same(outcome: Sequence[Any], expected: Sequence[Any]) -> bool:
    """Whether it is the serial one; what was printed is None where nobody told."""
    return list(outcome[:-1]) == list(expected[:-1]) and outcome[-1] in (None, expected[-1])


def stored(database: Path) -> list[StoredJob]:
    """All jobs of the database; it may be in use."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5.0)) as db:
        won: dict[int, list[Range]] = {}
        for number, ranges, *whole in db.execute("SELECT job, won, start, stop FROM results ORDER BY job, arrival"):
            won.setdefault(number, []).extend(_ranges(ranges) if ranges else [tuple(whole)])
        jobs = db.execute(
            "SELECT number, job, name, state, total FROM jobs WHERE job IS NOT NULL ORDER BY number"
        ).fetchall()
    return [StoredJob(id.hex(), name, state, total, won.get(number, [])) for number, id, name, state, total in jobs]


def unfinished(jobs: Sequence[StoredJob]) -> list[StoredJob]:
    """Jobs that have all their tasks and are not over. (Without a total, the client died while it made them.)"""
    return [job for job in jobs if job.state == "running" and job.total is not None]


def half_made(jobs: Sequence[StoredJob]) -> list[StoredJob]:
    """Jobs whose client died before it had made them whole: given up, they are kept, and nobody waits for them."""
    return [job for job in jobs if job.state == "cancelled" or (job.state == "running" and job.total is None)]


def of_database(jobs: Sequence[StoredJob], given: Sequence[dict[str, Any]]) -> list[str]:
    """What is wrong in the database: jobs that are not over, results recorded twice or not at all, jobs lost."""
    wrong = [f"{job.label} ({job.id[:8]}) is not over" for job in unfinished(jobs)]
    for job in jobs:
        wrong += [f"{job.label} ({job.id[:8]}): {text}" for text in _of_stored(job)]
    known = {job.id for job in jobs}
    return wrong + [
        f"{job['label']} was to be kept and is gone" for job in given if job["kept"] and job["id"] not in known
    ]


def _of_stored(job: StoredJob) -> Iterator[str]:
    seen = Ranges()
    for start, stop in job.won:
        if again := seen.overlap(start, stop):
            yield f"recorded twice: {again}"
        seen.add(start, stop)
    if job.state == "done" and list(seen) != ([(0, job.total)] if job.total else []):
        yield f"done with {list(seen)} of {job.total} recorded"
