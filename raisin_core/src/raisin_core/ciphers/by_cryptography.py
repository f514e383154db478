"""The ciphers by `cryptography` (OpenSSL).

Rules of this file: the library is imported inside functions; nothing but `choice` uses this module.
"""

from __future__ import annotations

from typing import Any

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
