"""Where payloads are sealed before they leave a member, and opened after they arrive.

Every payload passes here with the place it belongs to, so that a sealed one cannot be moved elsewhere unnoticed, and
with what its author states about it, so that the broker between can neither write nor change one. Within one person's
own cluster nothing is sealed (the links are encrypted, and the broker is that person's too): `NullSealer`. In a cluster
of several people `sealed.MemberSealer` takes its place: it seals from member to member, past the broker.

Rules of this file: what both have in common; no ciphers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

import msgspec

from raisin_core.messages import Options


class Context(NamedTuple):
    """What a payload is and where it belongs: tasks `[first, first + count)` of a job, in its page `page`; for results,
    by the lease `(run, number)`. A function belongs to no place: it is named by its digest."""

    kind: Literal["arguments", "results", "function"]
    job: bytes
    first: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    page: int = 0
    lease: tuple[int, int] = (0, 0)


class Warrant(msgspec.Struct, frozen=True, array_like=True, tag="warrant"):
    """What a submitter states with each page of arguments: run this function on them, as these options say, not after
    that wall-clock time (seconds since the epoch). `fingerprint` is that of the function where results are recorded
    under a key."""

    function: bytes
    options: Options
    not_after: float
    fingerprint: bytes = b""


class Attestation(msgspec.Struct, frozen=True, array_like=True, tag="attestation"):
    """What a worker states with each page of results: on whose warrant it computed them (the submitter's Ed25519
    key), and the warrant's fingerprint."""

    submitter: bytes
    fingerprint: bytes = b""


Statement = Warrant | Attestation


class Parcel(NamedTuple):
    """What is sealed together: a payload, its blobs (the names that it has them by -> those they travel by; empty where
    they are the same), and the tags of its tasks where the job has a key."""

    payload: bytes
    blobs: Mapping[bytes, bytes] = {}
    tags: bytes = b""


class Opened(NamedTuple):
    """A payload that was opened, and who stands for it. `own`: its author, and whoever's warrant it was computed on,
    are this machine or machines that its user confirmed as theirs."""

    parcel: Parcel
    own: bool = True
    signer: bytes = b""  # Ed25519 public key; empty where nothing is signed
    member: str = ""
    account: str = ""
    statement: Statement | None = None

    @property
    def payload(self) -> bytes:
        """What was sealed."""
        return self.parcel.payload


class Sealer(Protocol):
    """Makes payloads unreadable to all but the members, and unforgeable to all but their authors.

    What is opened was written by a member of the newest roster for this very place; anything else is SealError.
    """

    @property
    def epoch(self) -> int:
        """The epoch whose key seals now (0: nothing is sealed)."""
        ...

    def seal(self, parcel: Parcel, context: Context, statement: Statement | None = None) -> bytes:
        """The parcel, to be sent; signed where there is a statement (arguments, results)."""
        ...

    def open(self, payload: bytes, context: Context) -> Opened:
        """The parcel that was sealed for the same context. Raises SealError."""
        ...

    def seal_blob(self, data: bytes) -> tuple[bytes, bytes]:
        """A blob as it travels: its name (32 bytes) and content; the same content gives the same."""
        ...

    def open_blob(self, data: bytes) -> bytes:
        """The blob, as it was. Raises SealError."""
        ...

    def hide(self, text: str, job: bytes) -> str:
        """A text about a job (its name, a reason) that must stand in a header, readable by members only."""
        ...

    def reveal(self, text: str) -> str:
        """A text with all that is hidden in it made readable, as far as it can be."""
        ...

    def tag_key(self, name: str) -> bytes:
        """The key (32 bytes) for tags of arguments under a `resume` key, so that only members can tell arguments by
        them."""
        ...


class NullSealer:
    """Leaves everything as it is."""

    epoch = 0

    def seal(self, parcel: Parcel, context: Context, statement: Statement | None = None) -> bytes:
        """The payload itself."""
        return parcel.payload

    def open(self, payload: bytes, context: Context) -> Opened:
        """The payload itself."""
        return Opened(Parcel(payload))

    def seal_blob(self, data: bytes) -> tuple[bytes, bytes]:
        """Its SHA-256 and itself."""
        return hashlib.sha256(data).digest(), data

    def open_blob(self, data: bytes) -> bytes:
        """The blob itself."""
        return data

    def hide(self, text: str, job: bytes) -> str:
        """The text itself."""
        return text

    def reveal(self, text: str) -> str:
        """The text itself."""
        return text

    def tag_key(self, name: str) -> bytes:
        """A key that everybody can compute."""
        return hashlib.sha256(b"raisin tags " + name.encode()).digest()
