"""Signatures and shared secrets: Ed25519 (RFC 8032) and X25519 (RFC 7748), by the chosen library.

Libraries differ in which odd signatures and points they take. What one member accepts all must accept, so whatever is
odd is refused here, before a library sees it, and both verify by the equation without the cofactor.

Rules of this file: everything from others is checked for its length before it is used; no secret in what is raised.
"""

from __future__ import annotations

import hmac
from typing import Final

from raisin_core.ciphers.choice import KEY, library
from raisin_core.ciphers.curve25519 import LOW_ORDER, ORDER, PRIME
from raisin_core.errors import Tampered

SIGNATURE: Final = 64  # bytes: R and S


def ed25519_public(seed: bytes) -> bytes:
    """The public key (32 bytes) of a seed (32 random bytes). Raises ValueError for other lengths."""
    return library().ed25519_public(_own(seed))


def sign(seed: bytes, data: bytes) -> bytes:
    """The signature (64 bytes) of `data`, the same every time. Raises ValueError for seeds that are not 32 bytes.

    >>> verify(ed25519_public(bytes(32)), b"data", sign(bytes(32), b"data"))
    """
    return library().sign(_own(seed), data)


def verify(public: bytes, data: bytes, signature: bytes) -> None:
    """Return where `signature` is of `data` by the owner of `public`.

    Raises Tampered for everything else: other lengths, what is no point or one of low order, S not below the order.
    """
    if len(public) != KEY or len(signature) != SIGNATURE:
        raise Tampered("a key or signature of Ed25519 that is too short or too long")
    y = int.from_bytes(public, "little") & ~(1 << 255)  # the highest bit is the sign of x
    if y >= PRIME or y in LOW_ORDER:  # anyone could sign for a point of low order
        raise Tampered("a public key of Ed25519 that nobody's seed gives")
    if int.from_bytes(signature[KEY:], "little") >= ORDER:
        raise Tampered("a signature of Ed25519 that is written in another way than it is made")
    library().verify(bytes(public), data, bytes(signature))


def x25519_public(secret: bytes) -> bytes:
    """The public key (32 bytes) of a secret (32 random bytes). Raises ValueError for other lengths."""
    return library().x25519_public(_own(secret))


def x25519(secret: bytes, public: bytes) -> bytes:
    """The secret (32 bytes) that the owners of both keys share: not yet a key, derive one from it by `hkdf`.

    Raises ValueError for secrets that are not 32 bytes; Tampered where `public` is not, or is a point of low order (the
    result would be zero for everyone).

    >>> x25519(bytes(32), x25519_public(b"." * 32)) == x25519(b"." * 32, x25519_public(bytes(32)))
    True
    """
    if len(public) != KEY:
        raise Tampered("a public key of X25519 that is too short or too long")
    shared = library().x25519(_own(secret), bytes(public))
    if hmac.compare_digest(shared, bytes(KEY)):
        raise Tampered("a public key of X25519 with which everyone shares the same")
    return shared


def _own(secret: bytes) -> bytes:
    if len(secret) != KEY:
        raise ValueError(f"a secret of Ed25519 or X25519 has {KEY} bytes, this one has {len(secret)}")
    return bytes(secret)
