"""What the broker asks of a store.

Rules: `commit` is atomic and, when it returns, survives the death of the process (with durability "power", also of the
machine's power). Payloads of a batch that is not committed yet can be read from the moment it is given to `stage`.
What was read and is damaged raises StoreError, and nothing is written then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from raisin_broker.records import Recalled, Record, Stored, StoredResult

Durability = Literal["process", "power"]


class Store(Protocol):
    """Keeps records; reads back state and payloads."""

    def start(self) -> Stored:
        """Count up the broker's run, durably (against power cuts, too), and read everything back."""
        ...

    def stage(self, batch: int, records: Sequence[Record]) -> None:
        """Hold a batch: its payloads can be read, nothing is durable."""
        ...

    def commit(self, batch: int) -> None:
        """Make a staged batch durable, and any before it, in one transaction. StoreError: it stays staged."""
        ...

    def page(self, job: bytes, number: int) -> bytes | None:
        """The payload of a page."""
        ...

    def result(self, job: bytes, arrival: int) -> StoredResult | None:
        """A result page; one with a source comes with its source's payload and `about`."""
        ...

    def function(self, digest: bytes) -> bytes | None:
        """The payload of a function."""
        ...

    def recall(self, account: str, key: str, tags: bytes) -> list[Recalled]:
        """What is recorded (and committed) under a key for these tags (`TAG` bytes each), in their order."""
        ...

    def tags(self, job: bytes, start: int, stop: int) -> list[bytes]:
        """The tags of tasks `[start, stop)`, as far as the job has any (and they are committed)."""
        ...

    def key(self, account: str, key: str) -> bytes:
        """What is known of a key: msgpack of (number of results recorded under it, `parts` of its function)."""
        ...

    def blobs_in_use(self) -> set[bytes]:
        """The digests that any kept job refers to."""
        ...

    def tidy(self) -> bool:
        """Delete a little of what was forgotten (a few milliseconds' worth); whether there is more."""
        ...

    def size(self) -> int:
        """How many bytes the store needs on its disk, without those that it can fill again."""
        ...

    def close(self) -> None:
        """Close it in good order."""
        ...
