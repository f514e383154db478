"""Streams sealed with a password: unreadable without it, and nothing of them is believed before it is authenticated.

    header  `</>sealed 1</>`, log2 N, r, p (a byte each), salt (32 bytes), commitment (32), CRC-32 of all this (4)
    chunk   length of the ciphertext with its tag, its highest bit set in the last chunk (4 bytes), CRC-32 of these (4),
            ciphertext (up to 1 MiB), tag (16)

Big-endian throughout. The password gives key and commitment by scrypt and HKDF-SHA256; chunks are AES-256-GCM with the
whole header as associated data and nonce = number of the chunk (11 bytes) and 1 in the last, else 0: so their order and
the end are authenticated too. That is the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizar, "Online
Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015. GCM alone would let somebody make a stream
that opens with two passwords; the commitment (Albertini et al., "How to Abuse and Fix Authenticated Encryption Without
Key Commitment", USENIX Security 2022) rules that out and tells a wrong password from a changed stream. Checksums
protect nothing; they tell damage from a cut or a wrong password. docs/sealing.md says what is promised.

Rules of this file: nothing is derived, allocated or awaited because an unauthenticated header says so, beyond the
limits here; what was not authenticated is given to nobody.
"""

from __future__ import annotations

import hmac
import itertools
import os
import re
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from raisin_core.ciphers import NONCE, TAG, Aead, aes_gcm, hkdf, scrypt
from raisin_core.errors import StreamError, Tampered, Truncated, UnknownFormat, UsageError, WrongPassword

MAGIC: Final = b"</>sealed 1</>"
CHUNK: Final = 1 << 20  # bytes of plaintext in a chunk, at most
LAST: Final = 1 << 31
SMALL: Final = 1 << 14  # a chunk below this size goes in one piece with its head
MAX_MEMORY: Final = 128 << 20  # bytes that a header may make scrypt use
MAX_WORK: Final = 1 << 22  # N * r * p that a header may ask for: a second or so

_HEADER: Final = struct.Struct(">14s3B32s32sI")
_HEAD: Final = struct.Struct(">II")
_VERSION: Final = re.compile(rb"</>sealed (\d+)</>")
_LONGEST_VERSION: Final = 32  # bytes of `</>sealed ...</>`

Data = bytes | bytearray | memoryview
Read = Callable[[int], bytes]


class Cost(NamedTuple):
    """Parameters of scrypt: N = 2**log_n, r, p."""

    log_n: int
    r: int
    p: int

    def bearable(self) -> bool:
        """Whether scrypt has such parameters, and a reader may be asked for them."""
        if not (self.r and self.p and 0 < self.log_n < min(32, 16 * self.r)):
            return False
        n = 1 << self.log_n
        return 128 * n * self.r <= MAX_MEMORY and n * self.r * self.p <= MAX_WORK


# OWASP's Password Storage Cheat Sheet counts N=2**15, r=8, p=3 (32 MiB) as good as its N=2**17, r=8, p=1 (128 MiB); a
# fifth of a second either way, and a stream should not cost its reader 128 MiB.
COST: Final = Cost(log_n=15, r=8, p=3)


def seal(chunks: Iterable[Data], password: str | bytes, cost: Cost = COST) -> Iterator[bytes]:
    """The sealed stream of what `chunks` yields, in pieces of any size, some 2 MiB in memory at a time.

    Small pieces are gathered until there is 1 MiB of them. An empty piece means "send now": what was gathered goes out
    as a chunk of its own. If `chunks` raises, so does this, and what was written so far ends without a last chunk,
    which its reader finds to be `Truncated`.

    Raises UsageError for a password that is none, InstallationError where no library can encrypt.

    >>> import io
    >>> sealed = b"".join(seal([b"some", b"thing"], "password"))
    >>> unseal(io.BytesIO(sealed).read, "password")(100)
    b'something'
    """
    if not cost.bearable():
        raise UsageError(f"no reader would accept {cost}")
    return _sealed(chunks, _secret(password), cost)


def unseal(read: Read, password: str | bytes) -> Read:
    """What was sealed, by a function like a file's `read`: up to so many bytes, and b"" at the authenticated end.

    `read` (a file's, or like it) gives the sealed stream; after the end, it stands exactly behind it. Whoever stops
    before b"" has not seen the end, so does not know whether something is missing.

    Raises UnknownFormat, Truncated, Tampered and WrongPassword, here for the header and while reading for the rest;
    after an error there is nothing more to be read.
    """
    return _Unsealing(read, _secret(password)).read


def _secret(password: str | bytes) -> bytes:
    """A password as bytes: the same ones for what looks the same, however a keyboard composes its accents."""
    if not isinstance(password, (str, bytes)) or not password:
        raise UsageError("a password is a text or bytes, and not empty")
    if isinstance(password, bytes):
        return password
    try:
        return unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError:
        raise UsageError("this password is not a valid text: it has lone surrogates") from None


# -- writing ---------------------------------------------------------------------------------------------------------


def _sealed(pieces: Iterable[Data], secret: bytes, cost: Cost) -> Iterator[bytes]:
    salt = os.urandom(32)
    key, commitment = _derive(secret, salt, cost)
    header = _HEADER.pack(MAGIC, *cost, salt, commitment, 0)[:-4]
    header += zlib.crc32(header).to_bytes(4, "big")
    cipher, numbers = aes_gcm(key), itertools.count()
    yield header
    for data, last in _portions(pieces):
        body = cipher.encrypt(_nonce(next(numbers), last), data, header)
        del data  # from here on, whoever gave it may change it
        head = _head(len(body), last)
        if len(body) < SMALL:
            yield head + body
        else:  # two pieces, rather than a copy of a large one
            yield head
            yield body


def _portions(pieces: Iterable[Data]) -> Iterator[tuple[Data, bool]]:
    """What becomes a chunk each, valid until the next is asked for; and whether it is the last. Large pieces are not
    copied."""
    held, filled = memoryview(bytearray(CHUNK)), 0
    for piece in pieces:
        view = memoryview(piece)
        view = view.cast("B") if view.nbytes else memoryview(b"")
        if filled and (not view or len(view) >= CHUNK):
            yield held[:filled], False
            filled = 0
        while filled + len(view) >= CHUNK:
            room = CHUNK - filled
            if filled:
                held[filled:] = view[:room]
            yield held if filled else view[:room], False
            filled, view = 0, view[room:]
        held[filled : filled + len(view)] = view
        filled += len(view)
        view.release()
    yield held[:filled], True


# -- reading ---------------------------------------------------------------------------------------------------------


class _Unsealing:
    """A sealed stream that is being read."""

    def __init__(self, read: Read, secret: bytes) -> None:
        self._source = read
        self._header, self._cipher = _opened(read, secret)
        self._number = 0
        self._plain, self._at = b"", 0
        self._ended = self._broken = False

    def read(self, size: int) -> bytes:
        """Up to `size` authenticated bytes; b"" at the end."""
        if size < 0:
            raise UsageError(f"a sealed stream is read in pieces of a given size, not {size}")
        while size and self._at == len(self._plain) and not self._ended:
            self._next()
        start, self._at = self._at, min(self._at + size, len(self._plain))
        if start == 0 and self._at == len(self._plain):
            return self._plain if size else b""
        return self._plain[start : self._at]

    def _next(self) -> None:
        if self._broken:
            raise StreamError("reading this sealed stream has failed before; read it again from its start")
        self._broken = True  # until this has gone well, also when the source raises
        length, last = self._chunk_head()
        body = _take(self._source, length, f"chunk {self._number} of the sealed stream")
        try:
            self._plain = self._cipher.decrypt(_nonce(self._number, last), body, self._header)
        except Tampered:
            raise Tampered(f"chunk {self._number} of the sealed stream is not as it was written") from None
        self._at, self._number, self._ended, self._broken = 0, self._number + 1, last, False

    def _chunk_head(self) -> tuple[int, bool]:
        head = _take(self._source, _HEAD.size, f"chunk {self._number} of the sealed stream")
        word, check = _HEAD.unpack(head)
        length = word & ~LAST
        if zlib.crc32(head[:4]) != check or not TAG <= length <= CHUNK + TAG:
            raise Tampered(f"the sealed stream is not as it was written, from its chunk {self._number} on")
        return length, bool(word & LAST)


def _opened(read: Read, secret: bytes) -> tuple[bytes, Aead]:
    """The header, and the cipher that it and the password give."""
    header = _first(read) + _take(read, _HEADER.size - len(MAGIC), "the header of the sealed stream")
    _, *parameters, salt, commitment, check = _HEADER.unpack(header)
    if zlib.crc32(header[:-4]) != check:
        raise Tampered("the header of the sealed stream is not as it was written")
    cost = Cost(*parameters)
    if not cost.bearable():
        raise Tampered(f"the header of the sealed stream asks for more than raisin ever would: scrypt with {cost}")
    key, expected = _derive(secret, salt, cost)
    if not hmac.compare_digest(commitment, expected):
        raise WrongPassword("wrong password: the stream was sealed with another one")
    return header, aes_gcm(key)


def _first(read: Read) -> bytes:
    """The bytes that say what this is. Raises UnknownFormat."""
    found = _gather(read, len(MAGIC))
    while found.startswith(MAGIC[:10]) and not found.endswith(b"</>") and len(found) < _LONGEST_VERSION:
        more = _gather(read, 1)
        if not more:
            break
        found += more
    if found == MAGIC:
        return found
    if MAGIC.startswith(found):
        raise Truncated("the sealed stream ends within its first bytes")
    version = _VERSION.fullmatch(found)
    if version is None:
        raise UnknownFormat(f"this is no sealed stream: it begins with {found!r}")
    raise UnknownFormat(f"sealed in format {version[1].decode()}, this raisin reads format 1: upgrade raisin")


def _take(read: Read, size: int, what: str) -> bytes:
    """Exactly so many bytes. Raises Truncated."""
    found = _gather(read, size)
    if len(found) != size:
        raise Truncated(f"the stream ends within {what}")
    return found


def _gather(read: Read, size: int) -> bytes:
    """So many bytes, fewer only at the end of the source; it may give them in any portions."""
    found = read(size) or b""
    parts, missing = [found], size - len(found)
    while found and missing > 0:
        found = read(missing) or b""
        parts.append(found)
        missing -= len(found)
    return parts[0] if len(parts) == 1 else b"".join(parts)


# -- both ------------------------------------------------------------------------------------------------------------


def _derive(secret: bytes, salt: bytes, cost: Cost) -> tuple[bytes, bytes]:
    """Key and commitment."""
    slow = scrypt(secret, salt, n=1 << cost.log_n, r=cost.r, p=cost.p, length=32)
    both = hkdf(slow, 64, info=MAGIC + bytes(cost) + salt)
    return both[:32], both[32:]


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(NONCE - 1, "big") + bytes([last])


def _head(length: int, last: bool) -> bytes:
    word = (length | LAST * last).to_bytes(4, "big")
    return word + zlib.crc32(word).to_bytes(4, "big")
