"""The ciphers by `pycryptodomex`.

Rules of this file: the library is imported inside functions; nothing but `choice` uses this module.
"""

from __future__ import annotations

from typing import Any

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
