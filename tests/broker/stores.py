"""Records to try stores with."""

from __future__ import annotations

from collections.abc import Callable

from raisin_broker.records import (
    JobOpened,
    PageAdded,
    Record,
    ResultAdded,
    Stored,
    StoredJob,
    Tried,
)
from raisin_broker.store.base import Store
from raisin_broker.store.memory import MemoryStore
from raisin_broker.store.sql import SqlStore
from raisin_core.messages import Options

A, B = b"a" * 16, b"b" * 16
F, G = b"f" * 32, b"g" * 32
AnyStore = SqlStore | MemoryStore
Reopen = Callable[[AnyStore], AnyStore]


def opened(job: bytes = A, function: bytes = F) -> JobOpened:
    return JobOpened(
        job=job,
        owner="zoe",
        instance=b"i" * 16,
        form="scan",
        name="näme",
        function=function,
        function_payload=b"code of " + function,
        function_blobs=[job * 2],
        options=Options(retries=2, deadline=1.5, where=["cluster"]),
        context=b"c" * 32,
        shape=[2, 3],
        opened=1234.5,
    )


def page(job: bytes = A, number: int = 0, blobs: tuple[bytes, ...] = ()) -> PageAdded:
    return PageAdded(job, number, number * 10, 10, b"page %d of %s" % (number, job), list(blobs))


def result(job: bytes = A, arrival: int = 1, blobs: tuple[bytes, ...] = ()) -> ResultAdded:
    return ResultAdded(
        job=job,
        arrival=arrival,
        start=arrival * 10,
        stop=arrival * 10 + 10,
        won=[(arrival * 10, arrival * 10 + 4), (arrival * 10 + 5, arrival * 10 + 6)] if arrival % 2 else [],
        failed=1,
        host="zoe-laptop",
        member="zoe",
        queued=0.25,
        retried=[(arrival * 10 + 1, 2)],
        ruling=arrival % 3 == 0,
        payload=b"result %d of %s" % (arrival, job),
        blobs=list(blobs),
    )


def tried(job: bytes = A, index: int = 3, attempt: str = "1.7") -> Tried:
    return Tried(job, index, attempt, "crash", "zoe-laptop", "slot 1", "SIGSEGV")


def commit(store: Store, batch: int, *records: Record) -> None:
    store.stage(batch, records)
    store.commit(batch)


def only(stored: Stored) -> StoredJob:
    (job,) = stored.jobs
    return job
