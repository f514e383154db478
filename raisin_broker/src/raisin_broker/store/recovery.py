"""Reads back what a broker needs at its start.

Rules of this file: reads only, and never a payload; pages and result pages come as columns in blocks of rows, so that a
million of them take neither a million objects nor long. What makes no sense raises Damaged.
"""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final

import msgspec

from raisin_broker.columns import Arrivals, Pages
from raisin_broker.records import JobOpened, StoredJob, StoredKey, Tried
from raisin_core.messages import Options
from raisin_core.ranges import Range, Ranges

_digests: Final[Callable[[bytes], list[bytes]]] = msgspec.msgpack.Decoder(list[bytes]).decode
_lengths: Final[Callable[[bytes], list[int]]] = msgspec.msgpack.Decoder(list[int]).decode
pairs: Final[Callable[[bytes], list[Range]]] = msgspec.msgpack.Decoder(list[tuple[int, int]]).decode
_options: Final[Callable[[bytes], Options]] = msgspec.msgpack.Decoder(Options).decode
_BLOCK: Final = 8192
Column = tuple[Any, ...]


class Damaged(Exception):
    """Rows contradict each other."""


def read_jobs(db: sqlite3.Connection) -> list[StoredJob]:
    """All jobs in the order in which they were opened. Raises sqlite3.Error, msgspec.DecodeError, Damaged."""
    with _uncollected():
        return _read_jobs(db)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the cyclic garbage collector, which would look through all that was read again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _read_jobs(db: sqlite3.Connection) -> list[StoredJob]:
    jobs = {
        row[0]: _job(row)
        for row in db.execute(
            "SELECT number, job, owner, account, instance, form, name, function, function_blobs, options, context, "
            "shape, opened, resume, fingerprint, owner_key, epoch, total, state, ended, unwanted, leased_up_to "
            "FROM jobs WHERE job IS NOT NULL ORDER BY number"
        )
    }
    try:
        _read_pages(db, jobs)
        _read_results(db, jobs)
        _read_tried(db, jobs)
    except (TypeError, ValueError, OverflowError) as error:  # a column that holds something else
        raise Damaged(str(error)) from error
    return list(jobs.values())


def read_workers(db: sqlite3.Connection) -> list[bytes]:
    """The workers that may come back, in the order in which they were seen. Raises sqlite3.Error."""
    return [instance for (instance,) in db.execute("SELECT instance FROM workers ORDER BY number")]


def read_keys(db: sqlite3.Connection) -> list[StoredKey]:
    """The keys, in the order in which they were first used. Raises sqlite3.Error."""
    query = "SELECT account, name, fingerprint FROM keys WHERE account IS NOT NULL ORDER BY number"
    return [StoredKey(*row) for row in db.execute(query)]


def _job(row: Column) -> StoredJob:
    _, job, owner, account, instance, form, name, function, blobs, options, context, shape, opened = row[:13]
    resume, fingerprint, owner_key, epoch, total, state, ended, unwanted, leased_up_to = row[13:]
    record = JobOpened(
        job=job,
        owner=owner,
        account=account,
        instance=instance,
        form=form,
        name=name,
        function=function,
        function_payload=b"",
        function_blobs=_digests(blobs),
        options=_options(options),
        context=context,
        shape=_lengths(shape),
        opened=opened,
        resume=resume,
        fingerprint=fingerprint,
        owner_key=owner_key,
        epoch=epoch,
    )
    return StoredJob(
        opened=record,
        total=total,
        state=state,
        ended=ended,
        unwanted=bool(unwanted),
        leased_up_to=leased_up_to,
        pages=Pages(),
        arrivals=Arrivals(),
        done=Ranges(),
        failed=0,
        runs=[],
        sources=set(),
        tried=[],
    )


def _blocks(db: sqlite3.Connection, query: str) -> Iterator[tuple[int, list[Column]]]:
    """The rows of a query whose first column is the job, in blocks of one job: (job, columns)."""
    cursor = db.execute(query)
    while rows := cursor.fetchmany(_BLOCK):
        if rows[0][0] == rows[-1][0]:  # nearly always
            yield rows[0][0], list(zip(*rows))
        else:
            for job, some in groupby(rows, itemgetter(0)):
                yield job, list(zip(*some))


def _consecutive(numbers: Column, first: int) -> None:
    if numbers[0] != first or numbers[-1] != first + len(numbers) - 1:
        raise Damaged("pages are missing")


def _read_pages(db: sqlite3.Connection, jobs: dict[int, StoredJob]) -> None:
    query = "SELECT job, number, first, count, blobs FROM pages ORDER BY job, number"
    needed: dict[int, dict[int, list[bytes]]] = {}
    for number, (_, numbers, firsts, counts, blobs) in _blocks(db, query):
        if number not in jobs:
            continue
        pages = jobs[number].pages
        _consecutive(numbers, len(pages))
        if firsts[0] != pages.tasks or firsts[-1] + counts[-1] != pages.tasks + sum(counts):
            raise Damaged("pages are missing")
        pages.firsts.extend(firsts)
        pages.tasks += sum(counts)
        if any(blobs):
            found = {at: _digests(some) for at, some in zip(numbers, blobs) if some is not None}
            needed.setdefault(number, {}).update(found)
    for number, digests in needed.items():
        pages = jobs[number].pages
        jobs[number].pages = Pages(pages.firsts, pages.tasks, digests)


def _read_results(db: sqlite3.Connection, jobs: dict[int, StoredJob]) -> None:
    query = "SELECT job, arrival, start, stop, won, failed, run, source_job FROM results ORDER BY job, arrival"
    wins: dict[int, list[Range]] = {}
    for number, (_, arrivals, starts, stops, won, failed, runs, sources) in _blocks(db, query):
        if number not in jobs:
            continue
        job = jobs[number]
        _consecutive(arrivals, len(job.arrivals) + 1)
        job.arrivals.starts.extend(starts)
        job.arrivals.stops.extend(stops)
        job.failed += sum(failed)
        job.runs += _changes(job.runs[-1][1] if job.runs else None, arrivals, runs)
        job.sources.update(source for source in set(sources) if source is not None)
        wins.setdefault(number, []).extend(_wins(starts, stops, won))
    for number, ranges in wins.items():
        ranges.sort()
        jobs[number].done = Ranges.of_sorted(ranges)


def _wins(starts: Column, stops: Column, won: Column) -> Iterator[Range]:
    if not any(won):
        return zip(starts, stops)
    return chain.from_iterable(
        [(start, stop)] if some is None else pairs(some) for start, stop, some in zip(starts, stops, won)
    )


def _changes(last: int | None, arrivals: Column, runs: Column) -> list[Range]:
    """Where another run of the broker begins."""
    if min(runs) == max(runs) == last:
        return []
    before = (last, *runs)
    return [(arrival, run) for arrival, run, old in zip(arrivals, runs, before) if run != old]


def _read_tried(db: sqlite3.Connection, jobs: dict[int, StoredJob]) -> None:
    for number, *fields in db.execute(
        "SELECT jobs.number, jobs.job, task, attempt, kind, host, place, detail "
        "FROM tried JOIN jobs ON jobs.number = tried.job WHERE jobs.job IS NOT NULL ORDER BY tried.number"
    ):
        jobs[number].tried.append(Tried(*fields))
