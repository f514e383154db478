"""What all stores share: batches that wait for their commit, and a bounded cache of payloads.

Rules of this file: no I/O. A key names a payload: its kind, the job (or the function's digest), and its number.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from raisin_broker.records import JobOpened, PageAdded, Record, ResultAdded

Key = tuple[Literal["page", "result", "function"], bytes, int]
Batch = tuple[int, Sequence[Record]]
ENTRY: Final = 400  # bytes that a cached payload takes besides its own


def payloads(records: Iterable[Record]) -> list[tuple[Key, bytes]]:
    """The payloads in these records, by key."""
    found: list[tuple[Key, bytes]] = []
    for record in records:
        if isinstance(record, PageAdded):
            found.append((("page", record.job, record.number), record.payload))
        elif isinstance(record, ResultAdded):
            found.append((("result", record.job, record.arrival), record.payload))
        elif isinstance(record, JobOpened):
            found.append((("function", record.function, 0), record.function_payload))
    return found


def blobs(record: Record) -> list[bytes]:
    """The digests that a record refers to."""
    if isinstance(record, (PageAdded, ResultAdded)):
        return record.blobs
    return record.function_blobs if isinstance(record, JobOpened) else []


class Staged:
    """Batches that are not committed yet."""

    def __init__(self) -> None:
        self._batches: dict[int, Sequence[Record]] = {}
        self._payloads: dict[Key, bytes] = {}
        self._newest = -1

    def add(self, batch: int, records: Sequence[Record]) -> None:
        """Hold a batch."""
        self._batches[batch] = records
        self._payloads.update(payloads(records))

    def due(self, batch: int) -> list[Batch]:
        """This batch and what was left behind before it, in order; KeyError if it was never staged."""
        if batch not in self._batches and batch > self._newest:
            raise KeyError(f"batch {batch} was never staged")
        return sorted((number, records) for number, records in self._batches.items() if number <= batch)

    def remove(self, due: Sequence[Batch]) -> None:
        """These batches are durable."""
        for number, records in due:
            self._newest = max(self._newest, number)
            del self._batches[number]
            for key, _ in payloads(records):
                self._payloads.pop(key, None)

    def payload(self, key: Key) -> bytes | None:
        """A payload of a batch that is held."""
        return self._payloads.get(key)

    def blobs(self) -> set[bytes]:
        """What the held batches refer to."""
        return {digest for records in self._batches.values() for record in records for digest in blobs(record)}


class Cache:
    """The payloads used last, up to `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._payloads: OrderedDict[Key, bytes] = OrderedDict()
        self._jobs: dict[bytes, set[Key]] = {}

    def get(self, key: Key) -> bytes | None:
        """The payload, which is then the last to go."""
        payload = self._payloads.get(key)
        if payload is not None:
            self._payloads.move_to_end(key)
        return payload

    def put(self, key: Key, payload: bytes) -> None:
        """Keep a payload, at the cost of those not used for longest."""
        if len(payload) + ENTRY > self._limit:
            return
        self._drop(key)
        self._payloads[key] = payload
        self._jobs.setdefault(key[1], set()).add(key)
        self._size += len(payload) + ENTRY
        while self._size > self._limit:
            self._drop(next(iter(self._payloads)))

    def forget(self, job: bytes) -> None:
        """Drop all that belongs to a job."""
        for key in list(self._jobs.get(job, ())):
            self._drop(key)

    def _drop(self, key: Key) -> None:
        payload = self._payloads.pop(key, None)
        if payload is None:
            return
        self._size -= len(payload) + ENTRY
        keys = self._jobs[key[1]]
        keys.remove(key)
        if not keys:
            del self._jobs[key[1]]
