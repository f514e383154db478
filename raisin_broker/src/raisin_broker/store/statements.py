"""Records to SQL: what is written for each, and in which order.

Rules of this file: pure. Inserts name the conflict that they tolerate (`OR IGNORE` would also swallow a broken row),
and rows of a job that does not exist are not written. A job's id is the last parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from raisin_broker.records import (
    JobClosed,
    JobForgotten,
    JobMarked,
    JobOpened,
    JobUnwanted,
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

JOB: Final = """
    INSERT INTO jobs (owner, instance, form, name, function, function_blobs, options, context, shape, opened,
                      total, state, unwanted, leased_up_to, job)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 'running', 0, 0, ?) ON CONFLICT (job) DO NOTHING"""
FUNCTION: Final = "INSERT INTO functions (digest, payload) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING"
BLOB: Final = """
    INSERT INTO blobs (job, digest) SELECT number, ? FROM jobs WHERE job = ? ON CONFLICT (job, digest) DO NOTHING"""
PAGE: Final = """
    INSERT INTO pages (job, number, first, count, blobs, payload)
    SELECT number, ?, ?, ?, ?, ? FROM jobs WHERE job = ? ON CONFLICT (job, number) DO NOTHING"""
RESULT: Final = """
    INSERT INTO results (job, arrival, start, stop, won, failed, host, member, queued, retried, ruling, blobs, payload)
    SELECT number, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM jobs WHERE job = ? ON CONFLICT (job, arrival) DO NOTHING"""
TRIED: Final = """
    INSERT INTO tried (job, task, attempt, kind, host, place, detail)
    SELECT number, ?, ?, ?, ?, ?, ? FROM jobs WHERE job = ? ON CONFLICT (job, task, attempt) DO NOTHING"""
_OF_JOB = "WHERE job = (SELECT number FROM jobs WHERE job = ?)"
FORGET: Final = (
    f"DELETE FROM pages {_OF_JOB}",
    f"DELETE FROM results {_OF_JOB}",
    f"DELETE FROM tried {_OF_JOB}",
    f"DELETE FROM blobs {_OF_JOB}",
    """DELETE FROM functions WHERE digest = (SELECT function FROM jobs WHERE job = ?)
       AND (SELECT COUNT(*) FROM jobs WHERE function = functions.digest) = 1""",
    "DELETE FROM jobs WHERE job = ?",
)
# Records that change which jobs and workers there are: what is before them stays before, what is after stays after.
BARRIERS: Final = (JobOpened, JobForgotten, WorkerGone)

pack: Final = msgspec.msgpack.Encoder().encode


def _job(it: JobOpened) -> Row:
    lists = pack(it.function_blobs), pack(it.options), it.context, pack(it.shape)
    return (it.owner, it.instance, it.form, it.name, it.function, *lists, it.opened, it.job)


def _page(it: PageAdded) -> Row:
    return it.number, it.first, it.count, pack(it.blobs), it.payload, it.job


def _result(it: ResultAdded) -> Row:
    span, who = (it.start, it.stop, pack(it.won), it.failed), (it.host, it.member, it.queued)
    return (it.arrival, *span, *who, pack(it.retried), it.ruling, pack(it.blobs), it.payload, it.job)


_SIMPLE: Final[dict[type[Record], tuple[str, Callable[[Any], Row]]]] = {
    PageAdded: (PAGE, _page),
    ResultAdded: (RESULT, _result),
    Tried: (TRIED, lambda it: (it.index, it.attempt, it.kind, it.host, it.place, it.detail, it.job)),
    JobClosed: ("UPDATE jobs SET total = ? WHERE job = ?", lambda it: (it.total, it.job)),
    JobMarked: ("UPDATE jobs SET state = ? WHERE job = ?", lambda it: (it.state, it.job)),
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
    """The statements for these batches, each with its rows; alike ones together as far as the order allows."""
    groups: dict[str, list[Row]] = {}
    for _, records in due:
        for record in records:
            barrier = isinstance(record, BARRIERS)
            if barrier:
                yield from groups.items()
                groups = {}
            for sql, row in _writes(record):
                groups.setdefault(sql, []).append(row)
            if barrier:
                yield from groups.items()
                groups = {}
    yield from groups.items()


def _writes(record: Record) -> Iterator[tuple[str, Row]]:
    if isinstance(record, JobForgotten):
        yield from ((sql, (record.job,)) for sql in FORGET)
    elif isinstance(record, JobOpened):
        yield JOB, _job(record)
        yield FUNCTION, (record.function, record.function_payload)
    else:
        sql, row = _SIMPLE[type(record)]
        yield sql, row(record)
    if isinstance(record, (JobOpened, PageAdded, ResultAdded)):
        yield from ((BLOB, (digest, record.job)) for digest in blobs(record))
