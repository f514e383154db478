"""Records to SQL: what is written for each, and in which order.

Rules of this file: pure. Inserts name the conflict that they tolerate (`OR IGNORE` would also swallow a broken row),
and rows of a job that does not exist are not written. A job's id is the last parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from zlib import crc32

import msgspec

from raisin_broker.records import (
    JobClosed,
    JobForgotten,
    JobMarked,
    JobOpened,
    JobReleased,
    JobUnwanted,
    KeyCleared,
    LeasedUpTo,
    PageAdded,
    Record,
    ResultAdded,
    Tried,
    WorkerGone,
    WorkerSeen,
)
from raisin_broker.store.staging import Batch, blobs

Row = tuple[Any, ...]
RECORD: Final = "-- record under a key; see recorded.py"

JOB: Final = """
    INSERT INTO jobs (owner, account, instance, form, name, function, function_blobs, options, context, shape, opened,
                      resume, fingerprint, owner_key, epoch, total, state, unwanted, leased_up_to, ended, job)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 'running', 0, 0, 0, ?) ON CONFLICT (job) DO NOTHING"""
FUNCTION: Final = "INSERT INTO functions (digest, crc, payload) VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING"
KEY: Final = """
    INSERT INTO keys (account, name, fingerprint, parts) VALUES (?, ?, ?, ?) ON CONFLICT (account, name) DO NOTHING"""
BLOB: Final = """
    INSERT INTO blobs (job, digest) SELECT number, ? FROM jobs WHERE job = ? ON CONFLICT (job, digest) DO NOTHING"""
PAGE: Final = """
    INSERT INTO pages (job, number, first, count, blobs, tags, crc, payload)
    SELECT number, ?, ?, ?, ?, ?, ?, ? FROM jobs WHERE job = ? ON CONFLICT (job, number) DO NOTHING"""
RESULT: Final = """
    INSERT INTO results (job, arrival, start, stop, won, failed, run, source_job, source_arrival, source_first, about,
                         crc, payload)
    SELECT number, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM jobs WHERE job = ? ON CONFLICT (job, arrival) DO NOTHING"""
TRIED: Final = """
    INSERT INTO tried (job, task, attempt, kind, host, place, detail)
    SELECT number, ?, ?, ?, ?, ?, ? FROM jobs WHERE job = ? ON CONFLICT (job, task, attempt) DO NOTHING"""
# Records that change which jobs, keys and workers there are: what is before them stays before, what is after stays
# after.
BARRIERS: Final = frozenset((JobOpened, JobForgotten, KeyCleared, WorkerGone))

pack: Final = msgspec.msgpack.Encoder().encode


def _job(it: JobOpened) -> Row:
    lists = pack(it.function_blobs), pack(it.options), it.context, pack(it.shape)
    who = it.owner, it.account, it.instance, it.form, it.name
    return (*who, it.function, *lists, it.opened, it.resume, it.fingerprint, it.owner_key, it.epoch, it.job)


def _page(it: PageAdded) -> Row:
    blobs = pack(it.blobs) if it.blobs else None
    return it.number, it.first, it.count, blobs, it.tags or None, crc32(it.payload), it.payload, it.job


def _result(it: ResultAdded) -> Row:
    source = it.source
    where = (source.job, source.arrival, source.first) if source else (None, None, None)
    span = it.arrival, it.start, it.stop, pack(it.won) if it.won else None, it.failed, it.run
    return (*span, *where, pack(it.about), crc32(it.payload), it.payload, it.job)


_SIMPLE: Final[dict[type[Record], tuple[str, Callable[[Any], Row]]]] = {
    JobOpened: (JOB, _job),
    PageAdded: (PAGE, _page),
    ResultAdded: (RESULT, _result),
    Tried: (TRIED, lambda it: (it.index, it.attempt, it.kind, it.host, it.place, it.detail, it.job)),
    JobClosed: ("UPDATE jobs SET total = ? WHERE job = ?", lambda it: (it.total, it.job)),
    JobMarked: ("UPDATE jobs SET state = ?, ended = ? WHERE job = ?", lambda it: (it.state, it.ended, it.job)),
    JobForgotten: ("UPDATE jobs SET job = NULL WHERE job = ?", lambda it: (it.job,)),  # tidying.py does the rest
    KeyCleared: (
        "UPDATE keys SET account = NULL WHERE account = ? AND name = ?",  # as above
        lambda it: (it.account, it.key),
    ),
    JobReleased: ("UPDATE jobs SET options = ? WHERE job = ?", lambda it: (pack(it.options), it.job)),
    JobUnwanted: ("UPDATE jobs SET unwanted = 1 WHERE job = ?", lambda it: (it.job,)),
    LeasedUpTo: (
        "UPDATE jobs SET leased_up_to = MAX(leased_up_to, ?) WHERE job = ?",
        lambda it: (it.index, it.job),
    ),
    WorkerSeen: (
        "INSERT INTO workers (instance) VALUES (?) ON CONFLICT (instance) DO NOTHING",
        lambda it: (it.instance,),
    ),
    WorkerGone: ("DELETE FROM workers WHERE instance = ?", lambda it: (it.instance,)),
}


def plan(due: Iterable[Batch]) -> Iterator[tuple[str, list[Row]]]:
    """The statements for these batches, each with its rows; alike ones together as far as the order allows. What is to
    be recorded under keys comes behind the rows it needs, as `RECORD` with rows (job, arrival, start, stop)."""
    groups: dict[str, list[Row]] = {}
    kept: list[Row] = []
    for _, records in due:
        for record in records:
            barrier = type(record) in BARRIERS
            if barrier:
                yield from _flush(groups, kept)
            _gather(record, groups)
            if barrier:
                yield from _flush(groups, kept)
            elif isinstance(record, ResultAdded) and record.kept and record.source is None:
                kept += [(record.job, record.arrival, start, stop) for start, stop in record.kept]
    yield from _flush(groups, kept)


def _flush(groups: dict[str, list[Row]], kept: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    yield from groups.items()
    if kept:
        yield RECORD, kept.copy()
    groups.clear()
    kept.clear()


def _gather(record: Record, groups: dict[str, list[Row]]) -> None:
    sql, row = _SIMPLE[type(record)]
    groups.setdefault(sql, []).append(row(record))
    if isinstance(record, JobOpened):
        function = record.function, crc32(record.function_payload), record.function_payload
        groups.setdefault(FUNCTION, []).append(function)
        if record.resume:
            groups.setdefault(KEY, []).append((record.account, record.resume, record.fingerprint, record.parts))
    if isinstance(record, (JobOpened, PageAdded, ResultAdded)) and (digests := blobs(record)):
        groups.setdefault(BLOB, []).extend((digest, record.job) for digest in digests)
