"""The ciphers by `cryptography` (OpenSSL).

Rules of this file: the library is imported inside functions; nothing but `choice` uses this module.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from raisin_core.ciphers.choice import PUBLICS, SECRETS
from raisin_core.errors import Tampered


def available() -> bool:
    """Whether it is installed."""
    try:
        import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401
    except ImportError:
        return False
    return True


def aes_gcm(key: bytes) -> AesGcm:
    """The cipher under this key."""
    return AesGcm(key)


def scrypt(password: bytes, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    """RFC 7914."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    derived: bytes = Scrypt(salt=salt, length=length, n=n, r=r, p=p).derive(password)
    return derived


def ed25519_public(seed: bytes) -> bytes:
    """RFC 8032."""
    return _raw(_signing(seed).public_key())


def sign(seed: bytes, data: bytes) -> bytes:
    """R and S, 64 bytes."""
    signature: bytes = _signing(seed).sign(data)
    return signature


def verify(public: bytes, data: bytes, signature: bytes) -> None:
    """As `Library` says: OpenSSL's equation has no cofactor. Raises Tampered."""
    from cryptography.exceptions import InvalidSignature

    try:
        _verifying(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        raise Tampered("what was signed has been changed, or was signed by another") from None


def x25519_public(secret: bytes) -> bytes:
    """RFC 7748."""
    return _raw(_agreeing(secret).public_key())


def x25519(secret: bytes, public: bytes) -> bytes:
    """The shared secret. Raises Tampered for points of low order."""
    try:
        shared: bytes = _agreeing(secret).exchange(_agreed(public))
    except ValueError:
        raise Tampered("a public key of X25519 with which everyone shares the same") from None
    return shared


@lru_cache(maxsize=SECRETS)
def _signing(seed: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed)


@lru_cache(maxsize=PUBLICS)
def _verifying(public: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(public)


@lru_cache(maxsize=SECRETS)
def _agreeing(secret: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(secret)


@lru_cache(maxsize=PUBLICS)
def _agreed(public: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    return X25519PublicKey.from_public_bytes(public)


def _raw(public: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    raw: bytes = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return raw


class AesGcm:
    """AES-256-GCM, as `Aead` says."""

    def __init__(self, key: bytes) -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher, self._invalid = AESGCM(key), InvalidTag

    def encrypt(self, nonce: bytes, data: Any, associated: bytes) -> bytes:
        """Ciphertext and tag."""
        done: bytes = self._cipher.encrypt(nonce, data, associated)
        return done

    def decrypt(self, nonce: bytes, data: Any, associated: bytes) -> bytes:
        """What was encrypted. Raises Tampered."""
        try:
            done: bytes = self._cipher.decrypt(nonce, data, associated)
        except self._invalid:
            raise Tampered("what was encrypted has been changed, or with another key") from None
        return done
