"""The ciphers that raisin uses, and nothing of which library computes them.

`cryptography` does where it is installed (some thirty times faster), else `pycryptodomex`, which comes with raisin;
what one writes the other reads, byte for byte. What the standard library has is taken from there.

Rules of this package: `choice` alone knows which library it is; each library has a module of its own with the same
functions (`Library`), which imports it inside functions and remembers its key objects, a bounded number of them.
"""

from raisin_core.ciphers.choice import NONCE, TAG, Aead, aes_gcm
from raisin_core.ciphers.curves import SIGNATURE, ed25519_public, sign, verify, x25519, x25519_public
from raisin_core.ciphers.derivation import hkdf, scrypt

__all__ = [
    "NONCE",
    "SIGNATURE",
    "TAG",
    "Aead",
    "aes_gcm",
    "ed25519_public",
    "hkdf",
    "scrypt",
    "sign",
    "verify",
    "x25519",
    "x25519_public",
]
