"""The ciphers by `pycryptodomex`.

Rules of this file: the library is imported inside functions; nothing but `choice` uses this module.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from raisin_core.ciphers.choice import PUBLICS, SECRETS
from raisin_core.ciphers.curve25519 import BASE, ORDER, PRIME
from raisin_core.errors import Tampered

TAG = 16


def available() -> bool:
    """Whether it is installed."""
    try:
        import Cryptodome.Cipher.AES  # noqa: F401
    except ImportError:
        return False
    return True


def aes_gcm(key: bytes) -> AesGcm:
    """The cipher under this key."""
    return AesGcm(key)


def scrypt(password: bytes, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    """RFC 7914."""
    from Cryptodome.Protocol import KDF

    kdf: Any = KDF.scrypt  # its stub says that a password and a salt are text
    derived: bytes = kdf(password, salt, length, n, r, p)
    return derived


def ed25519_public(seed: bytes) -> bytes:
    """RFC 8032."""
    _, public = _signing(seed)
    return public


def sign(seed: bytes, data: bytes) -> bytes:
    """R and S, 64 bytes."""
    scheme, _ = _signing(seed)
    signature: bytes = scheme.sign(data)
    return signature


def verify(public: bytes, data: bytes, signature: bytes) -> None:
    """As `Library` says. Raises Tampered.

    The library has a function for this, but it multiplies by the cofactor, which OpenSSL does not: one would accept
    signatures that the other refuses. Nothing here is secret.
    """
    from Cryptodome.PublicKey.ECC import EccPoint

    try:
        minus = EccPoint(*_verifying(public), "Ed25519")
    except ValueError:
        raise Tampered("a public key of Ed25519 that is no point of the curve") from None
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    digest = hashlib.sha512(r + public)
    digest.update(data)
    k = int.from_bytes(digest.digest(), "little") % ORDER
    found = EccPoint(*BASE, "Ed25519")  # in place from here on: to copy a point costs as much as to multiply it
    found *= s
    minus *= k
    found += minus
    if r != _encoded(found):
        raise Tampered("what was signed has been changed, or was signed by another")


def x25519_public(secret: bytes) -> bytes:
    """RFC 7748."""
    public: bytes = _agreeing(secret).public_key().export_key(format="raw")
    return public


def x25519(secret: bytes, public: bytes) -> bytes:
    """The shared secret. Raises Tampered for points of low order."""
    from Cryptodome.Protocol.DH import key_agreement

    try:
        shared: bytes = key_agreement(static_priv=_agreeing(secret), static_pub=_agreed(public), kdf=bytes)
    except ValueError:
        raise Tampered("a public key of X25519 with which everyone shares the same") from None
    return shared


@lru_cache(maxsize=SECRETS)
def _signing(seed: bytes) -> tuple[Any, bytes]:
    """What signs, and the public key. (Not the library's key itself: its repr shows the seed.)"""
    from Cryptodome.Signature import eddsa

    key = eddsa.import_private_key(seed)
    return eddsa.new(key, "rfc8032"), key.public_key().export_key(format="raw")


@lru_cache(maxsize=PUBLICS)
def _verifying(public: bytes) -> tuple[int, int]:
    """The point, negated."""
    from Cryptodome.Signature import eddsa

    x, y = map(int, eddsa.import_public_key(public).pointQ.xy)
    return -x % PRIME, y


def _encoded(point: Any) -> bytes:
    x, y = map(int, point.xy)
    return (y | (x & 1) << 255).to_bytes(32, "little")


@lru_cache(maxsize=SECRETS)
def _agreeing(secret: bytes) -> Any:
    from Cryptodome.Protocol.DH import import_x25519_private_key

    return import_x25519_private_key(secret)


@lru_cache(maxsize=PUBLICS)
def _agreed(public: bytes) -> Any:
    from Cryptodome.Protocol.DH import import_x25519_public_key

    return import_x25519_public_key(public)


class AesGcm:
    """AES-256-GCM, as `Aead` says."""

    def __init__(self, key: bytes) -> None:
        from Cryptodome.Cipher import AES

        self._key, self._aes = key, AES

    def encrypt(self, nonce: bytes, data: Any, associated: bytes) -> bytes:
        """Ciphertext and tag."""
        cipher = self._new(nonce, associated)
        done: bytes = cipher.encrypt(data) + cipher.digest()
        return done

    def decrypt(self, nonce: bytes, data: Any, associated: bytes) -> bytes:
        """What was encrypted. Raises Tampered."""
        view = memoryview(data)
        try:
            done: bytes = self._new(nonce, associated).decrypt_and_verify(view[:-TAG], view[-TAG:])
        except ValueError:
            raise Tampered("what was encrypted has been changed, or with another key") from None
        return done

    def _new(self, nonce: bytes, associated: bytes) -> Any:
        return self._aes.new(self._key, self._aes.MODE_GCM, nonce=nonce).update(associated)
