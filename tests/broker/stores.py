"""Records to try stores with."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec

from raisin_broker.records import (
    TAG,
    About,
    JobOpened,
    PageAdded,
    Record,
    ResultAdded,
    Source,
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


def opened(job: bytes = A, function: bytes = F, resume: str = "", fingerprint: bytes = b"print") -> JobOpened:
    return JobOpened(
        job=job,
        owner="zoe-laptop",
        account="zoe",
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
        resume=resume,
        fingerprint=fingerprint if resume else b"",
        parts=b"parts of " + fingerprint if resume else b"",
    )


def tag(task: int) -> bytes:
    """Tasks 5 and 25 have the same arguments, 6 and 26, ..."""
    return blake2b(b"%d" % (task % 20), digest_size=TAG).digest()


def page(job: bytes = A, number: int = 0, blobs: tuple[bytes, ...] = (), tagged: bool = False) -> PageAdded:
    tags = b"".join(map(tag, range(number * 10, number * 10 + 10))) if tagged else b""
    return PageAdded(job, number, number * 10, 10, b"page %d of %s" % (number, job), list(blobs), tags)


def result(
    job: bytes = A, arrival: int = 1, blobs: tuple[bytes, ...] = (), kept: bool = False, run: int = 1
) -> ResultAdded:
    """Page `arrival` answers tasks from (arrival - 1) * 10 on; in an odd one only 0 to 3, and 5."""
    at = arrival * 10 - 10
    won = [(at, at + 4), (at + 5, at + 6)] if arrival % 2 else []
    about = About("zoe-laptop", "zoe", 0.25, [(at + 1, 2)], arrival % 3 == 0, list(blobs))
    payload = b"result %d of %s" % (arrival, job)
    return ResultAdded(job, arrival, at, at + 10, won, 1, run, about, payload, (won or [(at, at + 10)]) if kept else [])


def sourced(source: Source, job: bytes = B, arrival: int = 1, run: int = 1) -> ResultAdded:
    at = arrival * 10 - 10
    return ResultAdded(job, arrival, at, at + 10, [], 0, run, About("", ""), b"", [(at, at + 10)], source)


def tried(job: bytes = A, index: int = 3, attempt: str = "1.7") -> Tried:
    return Tried(job, index, attempt, "crash", "zoe-laptop", "slot 1", "SIGSEGV")


def commit(store: Store, batch: int, *records: Record) -> None:
    store.stage(batch, records)
    store.commit(batch)


def only(stored: Stored) -> StoredJob:
    (job,) = stored.jobs
    return job


def plain(job: StoredJob) -> dict[str, Any]:
    """A job in values that can be compared."""
    values = msgspec.structs.asdict(job)
    pages, arrivals = job.pages, job.arrivals
    values["pages"] = [(*pages.span(number), pages.blobs(number)) for number in range(len(pages))]
    values["arrivals"] = [arrivals.span(arrival) for arrival in range(1, len(arrivals) + 1)]
    values["done"] = list(job.done)
    return values


def jobs(stored: Stored) -> list[dict[str, Any]]:
    return [plain(job) for job in stored.jobs]


def all_of(stored: Stored) -> tuple[Any, ...]:
    return stored.run, jobs(stored), stored.workers, stored.keys


def tidied(store: AnyStore) -> None:
    while store.tidy():
        pass
