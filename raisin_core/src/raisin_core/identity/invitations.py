"""The one line that a friend pastes: an invitation into a cluster, or the claim of a broker that has none yet.

    rsn1-...    invitation: the broker's addresses and key, the cluster's id, the grant's seed
    rsb1-...    claim: the addresses and key of a broker, and the seed that may found a cluster there, once

After the prefix: length (2 bytes), msgpack, the first 4 bytes of SHA-256(prefix and all before), in lower-case base32,
which survives being dictated, folded by mail programs and changed to capitals.

Rules of this file: pure; whatever is not exactly such a line is InvitationError; seeds are shown by `line` alone.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Annotated, Final, TypeVar

import msgspec
from zmq.utils import z85

from raisin_core.addresses import endpoints
from raisin_core.errors import InvitationError
from raisin_core.identity.secrets import GRANT_SEED, Bytes32

LONGEST: Final = 4000  # characters
_PREFIX: Final = re.compile(r"(rs[a-z])([0-9]{1,3})-")
_CHECK: Final = 4  # bytes

Seed = Annotated[bytes, msgspec.Meta(min_length=GRANT_SEED, max_length=GRANT_SEED)]
Addresses = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=200)]], msgspec.Meta(min_length=1, max_length=16)
]


class _Ticket(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    addresses: Addresses
    broker_key: Bytes32

    @property
    def key(self) -> bytes:
        """The broker's CURVE key as libzmq says it: 40 bytes of Z85."""
        encoded: bytes = z85.encode(self.broker_key)
        return encoded

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.addresses)})"


class Invitation(_Ticket, frozen=True):
    """What a guest needs to join. `broker_key` is raw; `seed` gives the grant's keys."""

    cluster: Bytes32
    seed: Seed

    __repr__ = _Ticket.__repr__


class Claim(_Ticket, frozen=True):
    """What the founder of a cluster needs to have it served by a broker elsewhere."""

    seed: Seed

    __repr__ = _Ticket.__repr__


_Any = TypeVar("_Any", Invitation, Claim)
_PREFIXES: Final = {Invitation: "rsn1-", Claim: "rsb1-"}


def line(ticket: Invitation | Claim) -> str:
    """The line to be pasted, which is secret: whoever has it gets in."""
    prefix, body = _PREFIXES[type(ticket)], msgspec.msgpack.encode(ticket)
    data = len(body).to_bytes(2, "big") + body
    return prefix + base64.b32encode(data + _checksum(prefix, data)).decode().rstrip("=").lower()


def parse(text: str) -> Invitation:
    """The invitation in a line. Raises InvitationError: cut, mistyped, of another kind."""
    return _parse(text, Invitation)


def parse_claim(text: str) -> Claim:
    """The claim in a line. Raises InvitationError."""
    return _parse(text, Claim)


def _parse(text: str, kind: type[_Any]) -> _Any:
    if len(text) > LONGEST:
        raise InvitationError(f"an invitation has some 200 characters, this is {len(text)} characters long")
    bare = "".join(text.split()).lower()
    _check_kind(bare, kind)
    data = _decoded(bare, _PREFIXES[kind])
    try:
        ticket = msgspec.msgpack.decode(data, type=kind)
        for address in ticket.addresses:
            endpoints(address)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise _mistyped() from None
    if line(ticket) != bare:
        raise _mistyped()
    return ticket


def _check_kind(bare: str, kind: type[_Any]) -> None:
    found, wanted = _PREFIX.match(bare), _PREFIXES[kind]
    if found is None:
        raise InvitationError(f"this is no invitation: one begins with {wanted}")
    if found[1] != wanted[:3]:
        known = next((each.__name__.lower() for each, prefix in _PREFIXES.items() if prefix[:3] == found[1]), "")
        raise InvitationError(
            f"this is {known and f'a {known} and '}not what is wanted here: that begins with {wanted}"
        )
    if found[0] != wanted:
        raise InvitationError(f"this is of version {found[2]}, this raisin reads {wanted[:-1]}: upgrade raisin")


def _decoded(bare: str, prefix: str) -> bytes:
    """What is between the length and the checksum, both of which are right."""
    digits = bare[len(prefix) :].upper()
    try:
        data = base64.b32decode(digits + "=" * (-len(digits) % 8))
    except ValueError:
        data = b""
    if len(data) < 2 + _CHECK:
        raise _mistyped()
    length = int.from_bytes(data[:2], "big")
    if length > len(data) - 2 - _CHECK:
        raise InvitationError(
            "this invitation was cut, or mistyped: paste all of it, from its first letter to its last"
        )
    if length < len(data) - 2 - _CHECK or data[-_CHECK:] != _checksum(prefix, data[:-_CHECK]):
        raise _mistyped()
    return data[2:-_CHECK]


def _checksum(prefix: str, data: bytes) -> bytes:
    return hashlib.sha256(prefix.encode() + data).digest()[:_CHECK]


def _mistyped() -> InvitationError:
    return InvitationError("this invitation was mistyped, or cut: copy it again, all of it")
