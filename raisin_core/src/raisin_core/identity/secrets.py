"""A member's keys: three pairs that one short seed gives, so that one seed is all there is to keep.

CURVE for the links, X25519 for what is wrapped to the member, Ed25519 for what it signs: each by HKDF with a name of
its own, so that none tells anything about the others.

Rules of this file: pure; what is secret shows in no repr.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Final

import msgspec
import zmq
from zmq.utils import z85

from raisin_core.ciphers import ed25519_public, hkdf, x25519_public
from raisin_core.identity.keys import Keys

MEMBER_SEED: Final = 32  # bytes
GRANT_SEED: Final = 16  # bytes: it is typed and pasted

Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class Publics(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The public halves of a member's or a grant's keys, 32 bytes each."""

    curve: Bytes32
    x25519: Bytes32
    ed25519: Bytes32

    @property
    def key(self) -> bytes:
        """The CURVE key as libzmq says it: 40 bytes of Z85."""
        encoded: bytes = z85.encode(self.curve)
        return encoded


class Secrets:
    """All keys that a seed gives.

    >>> Secrets.derive(bytes(32)).public == Secrets.derive(bytes(32)).public
    True
    """

    def __init__(self, curve: bytes, x25519: bytes, ed25519: bytes) -> None:
        secret = z85.encode(curve)
        self.curve = Keys(zmq.curve_public(secret), secret)
        self.x25519 = x25519
        self.ed25519 = ed25519

    @classmethod
    def derive(cls, seed: bytes) -> Secrets:
        """The keys of a seed: 32 random bytes for a member, 16 for a grant. Raises ValueError for other lengths."""
        if len(seed) not in (MEMBER_SEED, GRANT_SEED):
            raise ValueError(f"a seed has {MEMBER_SEED} bytes, or {GRANT_SEED} in an invitation, not {len(seed)}")
        return cls(*(hkdf(seed, 32, info=f"raisin {name}".encode()) for name in ("curve", "x25519", "ed25519")))

    @cached_property
    def public(self) -> Publics:
        """The public halves."""
        return Publics(z85.decode(self.curve.public), x25519_public(self.x25519), ed25519_public(self.ed25519))

    def __repr__(self) -> str:
        return f"Secrets(of {self.curve.public.decode()})"
