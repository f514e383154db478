"""What members sign and hand to one another: rosters, admissions, resignations.

    Book = [Signed(Roster), admissions since, resignations since]      all in msgpack, as arrays

Each has exactly one encoding; bytes that would not be written again the same way are refused, so nothing that is not
signed can hide in a book. A signature is over a name of its kind, the cluster's id (SHA-256 of the root's public key)
and SHA-256 of the document: it is good for nothing else and nowhere else.

Rules of this file: types with their bounds, how they are encoded, what is signed; pure. What documents mean together is
said in `standing`.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from raisin_core.ciphers import sign
from raisin_core.errors import RosterError
from raisin_core.identity.secrets import Bytes32, Publics, Secrets

FORMAT: Final = 1
MAX_MEMBERS: Final = 10_000
MAX_GRANTS: Final = 1_000
MAX_EPOCHS: Final = 1_000
MAX_BOOK: Final = 12 * 1024 * 1024  # bytes: a payload may have 16 MiB

Bytes40 = Annotated[bytes, msgspec.Meta(min_length=40, max_length=40)]
Bytes48 = Annotated[bytes, msgspec.Meta(min_length=48, max_length=48)]
Bytes64 = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Count = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Uses = Annotated[int, msgspec.Meta(ge=1, le=MAX_MEMBERS)]
Roles = Annotated[list[Name], msgspec.Meta(min_length=1, max_length=8)]


class Document(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What all of these have."""


class Member(Document, frozen=True):
    """A machine that belongs to the cluster: its name, whose it is, what it may be (sorted), and its keys."""

    name: Name
    account: Name
    roles: Roles
    publics: Publics


class Grant(Document, frozen=True):
    """An open invitation: the keys of its seed, and what a guest becomes by it; `uses` guests in all, until
    `join_before` (seconds since 1970). `joined` are the Ed25519 keys of those that became members by it before this
    roster."""

    publics: Publics
    name: Name
    account: Name
    roles: Roles
    uses: Uses
    join_before: Seconds
    joined: Annotated[list[Bytes32], msgspec.Meta(max_length=MAX_MEMBERS)] = []


class Broker(Document, frozen=True):
    """Where the cluster's broker is, and its CURVE key (Z85)."""

    addresses: Annotated[list[Text], msgspec.Meta(max_length=16)]
    key: Bytes40


class Wrap(Document, frozen=True):
    """The epoch's key for one member or grant: its X25519 key, a fresh one, the key sealed under what both share."""

    x25519: Bytes32
    ephemeral: Bytes32
    sealed: Bytes48


class Past(Document, frozen=True):
    """The key of an earlier epoch that is still in use, sealed under that of the roster's."""

    epoch: Count
    sealed: Bytes48


class Former(Document, frozen=True):
    """Who was a member up to an epoch: what it signed until then can still be told to be its own."""

    ed25519: Bytes32
    name: Name
    account: Name
    roles: Roles
    epoch: Count


class Roster(Document, frozen=True):
    """Who belongs to the cluster, as its root says: version after version. `commitment` is SHA-256("commit" || K_e).
    `tags` is the secret behind tags of arguments (`resume=`), the same in all epochs, sealed under K_e. `former` are
    those who left, as long as something of an epoch of theirs is in use."""

    format: Literal[1]
    root: Bytes32
    cluster: Name
    version: Count
    epoch: Count
    broker: Broker
    members: Annotated[list[Member], msgspec.Meta(max_length=MAX_MEMBERS)]
    grants: Annotated[list[Grant], msgspec.Meta(max_length=MAX_GRANTS)]
    commitment: Bytes32
    wraps: Annotated[list[Wrap], msgspec.Meta(max_length=MAX_MEMBERS + MAX_GRANTS)]
    past: Annotated[list[Past], msgspec.Meta(max_length=MAX_EPOCHS)]
    tags: Bytes48
    former: Annotated[list[Former], msgspec.Meta(max_length=MAX_MEMBERS)] = []


class Signed(Document, frozen=True):
    """A roster's encoding with the root's signature."""

    body: Annotated[bytes, msgspec.Meta(max_length=MAX_BOOK)]
    signature: Bytes64


class Admission(Document, frozen=True):
    """A guest's keys, signed by the grant's (its Ed25519 key is `grant`) and its own."""

    grant: Bytes32
    publics: Publics
    name: Name
    by_grant: Bytes64
    by_self: Bytes64


class Resignation(Document, frozen=True):
    """A member leaves, for good; `version` is that of the roster it held."""

    member: Bytes32
    version: Count
    signature: Bytes64


class Book(Document, frozen=True):
    """A roster, and what happened since it was signed."""

    roster: Signed
    admissions: Annotated[list[Admission], msgspec.Meta(max_length=MAX_MEMBERS)] = []
    resignations: Annotated[list[Resignation], msgspec.Meta(max_length=MAX_MEMBERS)] = []


AnyDocument = TypeVar("AnyDocument", bound=Document)
_encoder: Final = msgspec.msgpack.Encoder()


def encode(document: Document) -> bytes:
    """The one encoding of a document."""
    return _encoder.encode(document)


def decode(data: bytes, kind: type[AnyDocument]) -> AnyDocument:
    """The document that these bytes are. Raises RosterError if they are none, or not as `encode` writes it.

    >>> decode(encode(Broker(["a:1"], b"." * 40)), Broker).addresses
    ['a:1']
    """
    if len(data) > MAX_BOOK:
        raise RosterError(f"a {kind.__name__.lower()} of {len(data)} bytes is larger than any may be ({MAX_BOOK})")
    try:
        document = msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RosterError(f"this is no {kind.__name__.lower()}: {error}") from None
    if encode(document) != data:
        raise RosterError(f"this {kind.__name__.lower()} is written in another way than raisin writes it")
    return document


def cluster_id(root: bytes) -> bytes:
    """The id of the cluster whose root has this public key."""
    return hashlib.sha256(root).digest()


def signed_text(kind: str, cluster: bytes, data: bytes) -> bytes:
    """What a signature of this kind is over."""
    return f"raisin {kind} {FORMAT}".encode() + b"\0" + cluster + hashlib.sha256(data).digest()


def roster_text(cluster: bytes, body: bytes) -> bytes:
    """What the root signs."""
    return signed_text("roster", cluster, body)


def admission_text(cluster: bytes, grant: bytes, publics: Publics, name: str) -> bytes:
    """What a grant and its guest sign."""
    return signed_text("admission", cluster, _encoder.encode([grant, publics, name]))


def resignation_text(cluster: bytes, member: bytes, version: int) -> bytes:
    """What a member that leaves signs."""
    return signed_text("resignation", cluster, _encoder.encode([member, version]))


def guest_name(grant: Grant, publics: Publics) -> str:
    """The name of whoever joins by this grant with these keys."""
    return grant.name if grant.uses == 1 else f"{grant.name}-{publics.ed25519[:2].hex()}"


def admission(seed: bytes, guest: Secrets, grant: Grant, cluster: bytes) -> Admission:
    """The guest's admission by a grant, of which it has the seed."""
    name = guest_name(grant, guest.public)
    text = admission_text(cluster, grant.publics.ed25519, guest.public, name)
    by_grant = sign(Secrets.derive(seed).ed25519, text)
    return Admission(grant.publics.ed25519, guest.public, name, by_grant, sign(guest.ed25519, text))


def resignation(member: Secrets, cluster: bytes, version: int) -> Resignation:
    """A member's own word that it leaves."""
    key = member.public.ed25519
    return Resignation(key, version, sign(member.ed25519, resignation_text(cluster, key, version)))


def former(member: Member, epoch: int) -> Former:
    """A member that leaves in this epoch."""
    return Former(member.publics.ed25519, member.name, member.account, member.roles, epoch)


def sign_roster(root_seed: bytes, roster: Roster) -> Signed:
    """The roster as the root publishes it."""
    body = encode(roster)
    return Signed(body, sign(root_seed, roster_text(cluster_id(roster.root), body)))
