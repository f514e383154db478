"""Keys from passwords and from other keys: scrypt and HKDF, by the standard library.

Rules of this file: what some Pythons lack (scrypt, where they are built without OpenSSL's) the chosen library does.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from raisin_core.ciphers.choice import library

DIGEST: Final = 32  # bytes of SHA-256


def hkdf(key: bytes, length: int, salt: bytes = b"", info: bytes = b"") -> bytes:
    """HKDF-SHA256 (RFC 5869): `length` bytes from a key, other ones for other `info`.

    Raises ValueError for more than 8,160 bytes.
    """
    if not 0 < length <= 255 * DIGEST:
        raise ValueError(f"HKDF gives 1 to {255 * DIGEST} bytes, not {length}")
    extracted = hmac.digest(salt or bytes(DIGEST), key, "sha256")
    blocks = [b""]
    for number in range(1, -(-length // DIGEST) + 1):
        blocks.append(hmac.digest(extracted, blocks[-1] + info + bytes([number]), "sha256"))
    return b"".join(blocks)[:length]


def scrypt(password: bytes, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    """scrypt (RFC 7914): slow on purpose; `n` is a power of 2. Needs 128 * n * r bytes of memory.

    Raises ValueError for parameters that scrypt does not have.
    """
    own = getattr(hashlib, "scrypt", None)
    if own is None:
        return library().scrypt(password, salt, n, r, p, length)
    room = 128 * r * (n + p + 2) + (1 << 20)  # what OpenSSL counts, and some to spare
    derived: bytes = own(password, salt=salt, n=n, r=r, p=p, maxmem=room, dklen=length)
    return derived
