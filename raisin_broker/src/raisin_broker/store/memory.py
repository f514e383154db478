"""The store in memory, for the simulation and for tests: the same contract, with a crash and failures on demand.

Rules of this file: no I/O; `crash` gives what was committed and nothing else. To simulate more, derive from it:
`durable` is all that a commit changes (`copy()` is a snapshot), `apply` writes batches to it, `staged` holds those that
wait.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from raisin_broker.records import Recalled, Record, Stored, StoredKey, StoredResult
from raisin_broker.store.kept import Durable
from raisin_broker.store.staging import Batch, Staged, result_of, split, with_source
from raisin_core.errors import StoreError


class MemoryStore:
    """A `Store` that forgets everything with its process. `fail_next` is how many commits will raise StoreError.

    >>> from raisin_broker.records import WorkerSeen
    >>> store = MemoryStore()
    >>> store.stage(1, [WorkerSeen(b"w" * 16)]); store.commit(1)
    >>> len(store.crash().start().workers)
    1
    """

    def __init__(self, durable: Durable | None = None) -> None:
        self.fail_next = 0
        self.durable = durable or Durable()
        self.staged = Staged()

    def crash(self) -> MemoryStore:
        """What the next process finds: all that was committed."""
        return MemoryStore(self.durable.copy())

    def start(self) -> Stored:
        """Count up the broker's run and read everything back."""
        it = self.durable
        it.run += 1
        keys = [StoredKey(account, name, key.fingerprint) for (account, name), key in it.keys.items()]
        return Stored(it.run, [job.stored() for job in it.jobs.values()], list(it.workers), keys)

    def stage(self, batch: int, records: Sequence[Record]) -> None:
        """Hold a batch: its payloads can be read, nothing is durable."""
        self.staged.add(batch, records)

    def commit(self, batch: int) -> None:
        """Keep a staged batch, and any before it. Raises StoreError (it stays so), KeyError (it never was)."""
        due = self.staged.due(batch)
        if self.fail_next > 0:
            self.fail_next -= 1
            raise StoreError("the disk is full: free some space; nothing is lost, it is tried again")
        self.apply(due)
        self.staged.remove(due)

    def apply(self, due: Sequence[Batch]) -> None:
        """Write batches, which stay staged."""
        for _, records in due:
            for record in records:
                self.durable.apply(record)

    def page(self, job: bytes, number: int) -> bytes | None:
        """The payload of a page."""
        staged = self.staged.pages.get((job, number))
        if staged is not None or job not in self.durable.jobs:
            return staged
        page = self.durable.jobs[job].pages.get(number)
        return page.payload if page else None

    def result(self, job: bytes, arrival: int) -> StoredResult | None:
        """A result page; one with a source comes with its source's payload and `about`."""
        found = self._own(job, arrival)
        if found is None or found.source is None:
            return found
        return with_source(found, self._own(found.source.job, found.source.arrival))

    def function(self, digest: bytes) -> bytes | None:
        """The payload of a function."""
        staged = self.staged.functions.get(digest)
        return staged if staged is not None else self.durable.functions.get(digest)

    def recall(self, account: str, key: str, tags: bytes) -> list[Recalled]:
        """What is recorded (and committed) under a key for these tags, in their order."""
        recorded = self.durable.recorded(account, key)
        found = ((at, recorded.get(tag)) for at, tag in enumerate(split(tags)))
        return [Recalled(at, *where) for at, where in found if where is not None]

    def tags(self, job: bytes, start: int, stop: int) -> list[bytes]:
        """The tags of tasks `[start, stop)`, as far as the job has any."""
        kept = self.durable.jobs.get(job)
        found = [kept.tag(task) for task in range(start, stop)] if kept else []
        return [tag for tag in found if tag]

    def key(self, account: str, key: str) -> bytes:
        """What is known of a key: msgpack of (number of results recorded under it, `parts` of its function)."""
        known = self.durable.keys.get((account, key))
        parts = known.parts if known else b""
        return msgspec.msgpack.encode((len(self.durable.recorded(account, key)), parts))

    def blobs_in_use(self) -> set[bytes]:
        """The digests that any kept job refers to, staged ones included."""
        return self.staged.blobs().union(*(job.blobs() for job in self.durable.jobs.values()))

    def tidy(self) -> bool:
        """Delete one of the jobs that were forgotten; whether there are more."""
        del self.durable.forgotten[:1]
        return bool(self.durable.forgotten)

    def size(self) -> int:
        """The bytes of all payloads, also of what is not tidied away yet."""
        it = self.durable
        return sum(map(len, it.functions.values())) + sum(job.size() for job in (*it.jobs.values(), *it.forgotten))

    def close(self) -> None:
        """Nothing to do."""

    def _own(self, job: bytes, arrival: int) -> StoredResult | None:
        """A result page without what its source says."""
        staged = self.staged.results.get((job, arrival))
        if staged is not None or job not in self.durable.jobs:
            return staged
        result = self.durable.jobs[job].results.get(arrival)
        return result_of(result) if result else None
