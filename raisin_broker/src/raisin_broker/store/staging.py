"""What all stores share: batches that wait for their commit, and a bounded cache of what was read last.

Rules of this file: no I/O. A key names a page or a result page: its job, and its number.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from raisin_broker.records import TAG, JobOpened, PageAdded, Record, ResultAdded, StoredResult

T = TypeVar("T")
Key = tuple[bytes, int]
Batch = tuple[int, Sequence[Record]]
ENTRY: Final = 400  # bytes that a cached payload takes besides its own


def blobs(record: Record) -> list[bytes]:
    """The digests that a record refers to."""
    if isinstance(record, ResultAdded):
        return record.about.blobs
    if isinstance(record, PageAdded):
        return record.blobs
    return record.function_blobs if isinstance(record, JobOpened) else []


def result_of(it: ResultAdded) -> StoredResult:
    """A result page as it is kept; its source is still to be looked up."""
    return StoredResult(it.arrival, it.start, it.stop, it.won, it.run, it.about, it.payload, it.source)


def with_source(result: StoredResult, source: StoredResult | None) -> StoredResult | None:
    """A result page with what its source says; None if that is gone."""
    if source is None:
        return None
    return StoredResult(
        result.arrival,
        result.start,
        result.stop,
        result.won,
        result.run,
        source.about,
        source.payload,
        result.source,
        (source.start, source.stop),
    )


def split(tags: bytes) -> list[bytes]:
    """The tags one by one."""
    return [tags[at : at + TAG] for at in range(0, len(tags), TAG)]


class Staged:
    """Batches that are not committed yet, and what can be read of them."""

    def __init__(self) -> None:
        self.pages: dict[Key, bytes] = {}
        self.results: dict[Key, StoredResult] = {}
        self.functions: dict[bytes, bytes] = {}
        self._batches: dict[int, Sequence[Record]] = {}
        self._newest = -1

    def add(self, batch: int, records: Sequence[Record]) -> None:
        """Hold a batch."""
        self._batches[batch] = records
        for record in records:
            if isinstance(record, PageAdded):
                self.pages[record.job, record.number] = record.payload
            elif isinstance(record, ResultAdded):
                self.results[record.job, record.arrival] = result_of(record)
            elif isinstance(record, JobOpened):
                self.functions[record.function] = record.function_payload

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
            for record in records:
                self._drop(record)

    def blobs(self) -> set[bytes]:
        """What the held batches refer to."""
        return {digest for records in self._batches.values() for record in records for digest in blobs(record)}

    def _drop(self, record: Record) -> None:
        if isinstance(record, PageAdded):
            self.pages.pop((record.job, record.number), None)
        elif isinstance(record, ResultAdded):
            self.results.pop((record.job, record.arrival), None)
        elif isinstance(record, JobOpened):
            self.functions.pop(record.function, None)


class Cache(Generic[T]):
    """What was used last, up to `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._entries: OrderedDict[Key, tuple[T, int]] = OrderedDict()
        self._jobs: dict[bytes, set[Key]] = {}

    def get(self, key: Key) -> T | None:
        """What is there, which is then the last to go."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: Key, value: T, size: int) -> None:
        """Keep a value of so many bytes, at the cost of those not used for longest."""
        size += ENTRY
        if size > self._limit:
            return
        if key in self._entries:
            self._drop(key)
        self._entries[key] = value, size
        numbers = self._jobs.get(key[0])
        if numbers is None:
            self._jobs[key[0]] = {key}
        else:
            numbers.add(key)
        self._size += size
        while self._size > self._limit:
            self._drop(next(iter(self._entries)))

    def forget(self, job: bytes) -> None:
        """Drop all that belongs to a job."""
        for key in list(self._jobs.get(job, ())):
            self._drop(key)

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._size -= entry[1]
        keys = self._jobs[key[0]]
        keys.remove(key)
        if not keys:
            del self._jobs[key[0]]
