"""How a job's messages leave this machine, and how they are read when they come back.

On a cluster of one person nothing is sealed: `NoSeal` leaves all as it is, and costs nothing. On one of several
`memberseal.MemberSeal` takes its place.

Rules of this file: what both have in common.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Protocol

from raisin_core.identity.sealing import Context, NullSealer, Opened, Parcel, Sealer
from raisin_core.messages import Argument, Open, Page, Result

Blobs = dict[bytes, bytes]


class Circle(Protocol):
    """Who is who in the cluster, as this machine sees it now: see belonging.Belonging."""

    @property
    def sealer(self) -> Sealer: ...

    @property
    def signature(self) -> bytes:
        """This machine's Ed25519 key."""
        ...

    def of_my_account(self, signature: bytes) -> bool:
        """Whether a member of this machine's account signs with this Ed25519 key."""
        ...

    def refresh(self) -> bool:
        """Look whether another process knows a newer roster; True if so."""
        ...


class Seal(Protocol):
    """What a job does to its messages."""

    @property
    def sealer(self) -> Sealer: ...

    def submit(self, message: Open, payload: bytes, blobs: Blobs) -> tuple[Open, bytes, Blobs]: ...

    def page(self, message: Page, payload: bytes, blobs: Blobs) -> tuple[Page, bytes, Blobs]: ...

    def result(self, message: Result, payload: bytes) -> Opened: ...

    def arguments(self, message: Argument, payload: bytes) -> Opened: ...

    def needs(self, message: Result) -> int | None:
        """A task whose page of arguments must have been opened before these results can be; None if there is none."""
        ...

    def names(self, digest: bytes) -> Iterable[bytes]:
        """The names by which a blob may travel, given that of its content."""
        ...

    def blob(self, digest: bytes, data: bytes) -> bytes | None:
        """The blob's content; None if this is another one. Raises SealError."""
        ...

    def text(self, text: str) -> str:
        """A text from the broker, readable."""
        ...

    def printed(self, text: bytes) -> bytes | None:
        """What a task wrote; None if no member says so."""
        ...


_null = NullSealer()


class NoSeal:
    """Leaves everything as it is."""

    def __init__(self) -> None:
        self.sealer: Sealer = _null

    def submit(self, message: Open, payload: bytes, blobs: Blobs) -> tuple[Open, bytes, Blobs]:
        return message, payload, blobs

    def page(self, message: Page, payload: bytes, blobs: Blobs) -> tuple[Page, bytes, Blobs]:
        return message, payload, blobs

    def result(self, message: Result, payload: bytes) -> Opened:
        return Opened(Parcel(payload))

    def arguments(self, message: Argument, payload: bytes) -> Opened:
        return Opened(Parcel(payload))

    def needs(self, message: Result) -> int | None:
        return None

    def names(self, digest: bytes) -> Iterable[bytes]:
        return (digest,)

    def blob(self, digest: bytes, data: bytes) -> bytes | None:
        return data

    def text(self, text: str) -> str:
        return text

    def printed(self, text: bytes) -> bytes | None:
        return text


def keyed(sealer: Sealer, key: str, fingerprint: bytes) -> bytes:
    """A function's fingerprint as only members can compute it: nobody else can tell by it which function it is."""
    return hmac.digest(sealer.tag_key(key), b"fingerprint" + fingerprint, "sha256")


def hidden(sealer: Sealer, data: bytes) -> bytes:
    """Bytes that only members read, of any job."""
    return sealer.seal(Parcel(data), Context("function", b"", 0, 0))


def seen(sealer: Sealer, data: bytes) -> bytes:
    """What was `hidden`. Raises SealError."""
    return sealer.open(data, Context("function", b"", 0, 0)).payload
