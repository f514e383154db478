"""Which library computes: `cryptography` where it can be imported, else `pycryptodomex`.

Rules of this file: libraries are looked for when something is to be computed, and once; nobody else asks which it is.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Final, Protocol, cast

from raisin_core.errors import InstallationError

KEY: Final = 32  # bytes
NONCE: Final = 12  # bytes
TAG: Final = 16  # bytes
SECRETS: Final = 64  # how many key objects of one kind a library's module remembers, of own secrets
PUBLICS: Final = 4096  # and of others' public keys
LIBRARIES: Final = ("by_cryptography", "by_cryptodomex")  # the first that is installed
Data = bytes | bytearray | memoryview


class Aead(Protocol):
    """AES-256-GCM under one key (NIST SP 800-38D). A nonce (12 bytes) must not be used twice with a key."""

    def encrypt(self, nonce: bytes, data: Data, associated: bytes) -> bytes:
        """The ciphertext, as long as `data`, and behind it the tag (16 bytes) that covers it and `associated`."""

    def decrypt(self, nonce: bytes, data: Data, associated: bytes) -> bytes:
        """What was encrypted. Raises Tampered where anything differs, the key included."""


class Library(Protocol):
    """What a library's module has."""

    def available(self) -> bool:
        """Whether it is installed."""

    def aes_gcm(self, key: bytes) -> Aead:
        """The cipher under this key."""

    def scrypt(self, password: bytes, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
        """RFC 7914."""

    def ed25519_public(self, seed: bytes) -> bytes:
        """RFC 8032. The lengths of what `curves` gives are checked, here and below."""

    def sign(self, seed: bytes, data: bytes) -> bytes:
        """R and S, 64 bytes."""

    def verify(self, public: bytes, data: bytes, signature: bytes) -> None:
        """Raises Tampered unless R is, byte for byte, what S and the key give: the equation without the cofactor."""

    def x25519_public(self, secret: bytes) -> bytes:
        """RFC 7748."""

    def x25519(self, secret: bytes, public: bytes) -> bytes:
        """The shared secret. Raises Tampered for points of low order."""


def aes_gcm(key: bytes) -> Aead:
    """AES-256-GCM under a key of 32 bytes. Raises InstallationError where there is no library.

    >>> cipher = aes_gcm(bytes(32))
    >>> cipher.decrypt(bytes(12), cipher.encrypt(bytes(12), b"data", b"context"), b"context")
    b'data'
    """
    if len(key) != KEY:
        raise ValueError(f"a key of AES-256 has {KEY} bytes, this one has {len(key)}")
    return library().aes_gcm(key)


@lru_cache(maxsize=1)
def library() -> Library:
    """The library that computes. Raises InstallationError where there is none."""
    for name in LIBRARIES:
        found = cast(Library, import_module(f"raisin_core.ciphers.{name}"))
        if found.available():
            return found
    raise InstallationError("encryption needs a library that is missing here: pip install pycryptodomex")
