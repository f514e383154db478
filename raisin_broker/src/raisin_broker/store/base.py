"""What the broker asks of a store.

Rules: `commit` is atomic and, when it returns, survives the death of the process. Payloads of a batch that is not
committed yet can be read from the moment it is given to `stage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from raisin_broker.records import Record, Stored


class Store(Protocol):
    """Keeps records; reads back state and payloads."""

    def start(self) -> Stored:
        """Count up the broker's run, durably, and read everything back."""
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

    def result(self, job: bytes, arrival: int) -> bytes | None:
        """The payload of a result page."""
        ...

    def function(self, digest: bytes) -> bytes | None:
        """The payload of a function."""
        ...

    def blobs_in_use(self) -> set[bytes]:
        """The digests that any kept job refers to."""
        ...

    def close(self) -> None:
        """Close it in good order."""
        ...
