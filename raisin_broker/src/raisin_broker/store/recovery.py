"""Reads back what a broker needs at its start.

Rules of this file: reads only, and never a payload.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import msgspec

from raisin_broker.records import JobOpened, StoredJob, StoredPage, StoredResult, Tried
from raisin_core.messages import Options
from raisin_core.ranges import Range

_digests: Final[Callable[[bytes], list[bytes]]] = msgspec.msgpack.Decoder(list[bytes]).decode
_lengths: Final[Callable[[bytes], list[int]]] = msgspec.msgpack.Decoder(list[int]).decode
_pairs: Final[Callable[[bytes], list[Range]]] = msgspec.msgpack.Decoder(list[tuple[int, int]]).decode
_options: Final[Callable[[bytes], Options]] = msgspec.msgpack.Decoder(Options).decode


def read_jobs(db: sqlite3.Connection) -> list[StoredJob]:
    """All jobs in the order in which they were opened. Raises sqlite3.Error, msgspec.DecodeError."""
    pages, results = _pages(db), _results(db)
    jobs = {
        row[0]: StoredJob(_opened(row), row[12], row[13], bool(row[14]), row[15], pages[row[0]], results[row[0]], [])
        for row in db.execute(
            "SELECT number, job, owner, instance, form, name, function, function_blobs, options, context, shape, "
            "opened, total, state, unwanted, leased_up_to FROM jobs ORDER BY number"
        )
    }
    for number, *fields in db.execute(
        "SELECT jobs.number, jobs.job, task, attempt, kind, host, place, detail "
        "FROM tried JOIN jobs ON jobs.number = tried.job ORDER BY tried.number"
    ):
        jobs[number].tried.append(Tried(*fields))
    return list(jobs.values())


def read_workers(db: sqlite3.Connection) -> list[bytes]:
    """The workers that may come back, in the order in which they were seen."""
    return [instance for (instance,) in db.execute("SELECT instance FROM workers ORDER BY number")]


def _opened(row: tuple[Any, ...]) -> JobOpened:
    _, job, owner, instance, form, name, function, blobs, options, context, shape, opened = row[:12]
    return JobOpened(
        job=job,
        owner=owner,
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
    )


def _pages(db: sqlite3.Connection) -> defaultdict[int, list[StoredPage]]:
    found: defaultdict[int, list[StoredPage]] = defaultdict(list)
    for job, first, count, blobs in db.execute("SELECT job, first, count, blobs FROM pages ORDER BY job, number"):
        found[job].append(StoredPage(first, count, _digests(blobs)))
    return found


def _results(db: sqlite3.Connection) -> defaultdict[int, list[StoredResult]]:
    found: defaultdict[int, list[StoredResult]] = defaultdict(list)
    for job, arrival, start, stop, won, failed, host, member, queued, retried, ruling, blobs in db.execute(
        "SELECT job, arrival, start, stop, won, failed, host, member, queued, retried, ruling, blobs "
        "FROM results ORDER BY job, arrival"
    ):
        found[job].append(
            StoredResult(
                arrival=arrival,
                start=start,
                stop=stop,
                won=_pairs(won),
                failed=failed,
                host=host,
                member=member,
                queued=queued,
                retried=_pairs(retried),
                ruling=bool(ruling),
                blobs=_digests(blobs),
            )
        )
    return found
