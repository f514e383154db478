"""Where payloads are sealed before they leave a member, and opened after they arrive.

Every payload passes here with the place it belongs to, so that a sealed one cannot be moved elsewhere unnoticed. Within
one person's own cluster nothing is sealed (the links are encrypted, and the broker is that person's too): `NullSealer`.
Where a cluster has several people, one that seals from member to member, past the broker, takes its place.
"""

from __future__ import annotations

import hashlib
from typing import Literal, NamedTuple, Protocol


class Context(NamedTuple):
    """What a payload is and where it belongs: tasks `[first, first + count)` of a job."""

    kind: Literal["arguments", "results", "function"]
    job: bytes
    first: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs here


class Sealer(Protocol):
    """Makes payloads unreadable to all but the members. `open` raises ValueError for what belongs elsewhere."""

    def seal(self, payload: bytes, context: Context) -> bytes:
        """The payload, to be sent."""
        ...

    def open(self, payload: bytes, context: Context) -> bytes:
        """The payload, as it was before it was sealed for the same context."""
        ...

    def tag_key(self, name: str) -> bytes:
        """The key (32 bytes) for tags of arguments under a `resume` key, so that only members can tell arguments by
        them."""
        ...


class NullSealer:
    """Leaves payloads as they are."""

    def seal(self, payload: bytes, context: Context) -> bytes:
        """The payload itself."""
        return payload

    def open(self, payload: bytes, context: Context) -> bytes:
        """The payload itself."""
        return payload

    def tag_key(self, name: str) -> bytes:
        """A key that everybody can compute."""
        return hashlib.sha256(b"raisin tags " + name.encode()).digest()
