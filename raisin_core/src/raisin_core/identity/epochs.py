"""The keys of a cluster's epochs: wrapped for each member, kept while they are in use, known by their commitment.

A wrap is an ephemeral X25519 key and the epoch's key under AES-256-GCM (nonce 0) with HKDF-SHA256(shared secret, salt =
ephemeral || recipient, info = cluster || epoch); so each has a key of its own. Keys of earlier epochs in use, and the
secret of tags, are sealed likewise under keys derived from the newest epoch's.

Rules of this file: pure but for the ephemeral keys; a key that does not match its commitment is no key.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import Final

from raisin_core.ciphers import NONCE, Aead, aes_gcm, hkdf, x25519, x25519_public
from raisin_core.errors import SealError, Tampered
from raisin_core.identity.documents import Past, Roster, Wrap, cluster_id, decode
from raisin_core.identity.standing import Standing

_NONCE: Final = bytes(NONCE)


def commitment(key: bytes) -> bytes:
    """By which an epoch's key is known, and which tells nothing about it."""
    return hashlib.sha256(b"commit" + key).digest()


def wrap(key: bytes, recipient: bytes, cluster: bytes, epoch: int, ephemeral: bytes | None = None) -> Wrap:
    """An epoch's key for the owner of an X25519 key; `ephemeral` is 32 fresh random bytes. Raises Tampered where the
    recipient's is none."""
    secret = os.urandom(32) if ephemeral is None else ephemeral
    public = x25519_public(secret)
    cipher = aes_gcm(_wrapping(x25519(secret, recipient), public, recipient, cluster, epoch))
    return Wrap(recipient, public, cipher.encrypt(_NONCE, key, b""))


def unwrap(wrapped: Wrap, secret: bytes, public: bytes, cluster: bytes, epoch: int) -> bytes:
    """The epoch's key, by the X25519 secret of the recipient. Raises SealError."""
    try:
        shared = x25519(secret, wrapped.ephemeral)
        return aes_gcm(_wrapping(shared, wrapped.ephemeral, public, cluster, epoch)).decrypt(
            _NONCE, wrapped.sealed, b""
        )
    except Tampered:
        raise SealError(f"the key of epoch {epoch} was not sealed for this machine, or has been changed") from None


def keys_of(standing: Standing, secret: bytes, public: bytes) -> dict[int, bytes]:
    """The keys of all epochs in use, by epoch, for the owner of an X25519 key. Raises SealError."""
    roster = standing.head
    mine = next((each for each in wraps_of(standing) if each.x25519 == public), None)
    if mine is None:
        raise SealError(f"roster {roster.version} of {roster.cluster!r} has no key for this machine")
    key = unwrap(mine, secret, public, standing.cluster, roster.epoch)
    if not hmac.compare_digest(commitment(key), roster.commitment):
        raise SealError(f"the key of epoch {roster.epoch} is not the one that the roster names")
    return {roster.epoch: key, **{each.epoch: open_past(each, key, roster) for each in roster.past}}


def wraps_of(standing: Standing) -> list[Wrap]:
    """All wraps of a standing's roster. They are read anew each time: nobody needs them often, and they are large."""
    return decode(standing.parts.roster.body, Roster).wraps


def seal_past(keys: Mapping[int, bytes], roster_epoch: int, key: bytes, cluster: bytes) -> list[Past]:
    """Keys of earlier epochs under that of a newer one."""
    return [
        Past(each, _under(key, cluster, roster_epoch, each).encrypt(_NONCE, keys[each], b"")) for each in sorted(keys)
    ]


def open_past(past: Past, key: bytes, roster: Roster) -> bytes:
    """The key of an earlier epoch. Raises SealError."""
    try:
        return _under(key, cluster_id(roster.root), roster.epoch, past.epoch).decrypt(_NONCE, past.sealed, b"")
    except Tampered:
        raise SealError(f"the key of the earlier epoch {past.epoch} has been changed") from None


def seal_tags(secret: bytes, key: bytes, cluster: bytes, epoch: int) -> bytes:
    """The secret of tags, which is the same in all epochs, under the key of one. Who was a member once knows it, and
    can recognise by it arguments that it can guess; nothing else depends on it."""
    return _under(key, cluster, epoch, 0).encrypt(_NONCE, secret, b"")


def open_tags(standing: Standing, key: bytes) -> bytes:
    """The secret of tags, by the key of the standing's epoch. Raises SealError."""
    roster = standing.head
    try:
        return _under(key, standing.cluster, roster.epoch, 0).decrypt(_NONCE, roster.tags, b"")
    except Tampered:
        raise SealError("the secret of tags has been changed") from None


def _wrapping(shared: bytes, ephemeral: bytes, recipient: bytes, cluster: bytes, epoch: int) -> bytes:
    return hkdf(shared, 32, salt=ephemeral + recipient, info=cluster + epoch.to_bytes(8, "big"))


def _under(key: bytes, cluster: bytes, epoch: int, what: int) -> Aead:
    """The cipher for one secret (the key of an earlier epoch; 0: that of tags), used once, hence nonce 0."""
    return aes_gcm(hkdf(key, 32, info=b"raisin past" + cluster + epoch.to_bytes(8, "big") + what.to_bytes(8, "big")))
