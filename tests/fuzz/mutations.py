"""Ways to damage bytes, each with a seed's randomness.

Rules of this file: pure; the same random numbers give the same bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from random import Random
from typing import Final

from raisin_core.serialization.streams import frames

ODD: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


def flip(data: bytes, rng: Random) -> bytes:
    """One bit."""
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def put(data: bytes, rng: Random) -> bytes:
    """A number at the edge of something, in the place of what was there."""
    at, size = rng.randrange(len(data)), rng.choice((1, 2, 4, 8))
    number = (rng.choice(ODD) & ((1 << 8 * size) - 1)).to_bytes(size, rng.choice(("big", "little")))
    return data[:at] + number + data[at + size :]


def cut(data: bytes, rng: Random) -> bytes:
    """The end is missing."""
    return data[: rng.randrange(len(data))]


def drop(data: bytes, rng: Random) -> bytes:
    """A part is missing."""
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 64) :]


def repeat(data: bytes, rng: Random) -> bytes:
    """A part comes several times, so that what follows is elsewhere and nesting goes deeper."""
    start = rng.randrange(len(data))
    part = data[start : start + rng.randrange(1, 32)]
    return data[:start] + part * rng.choice((2, 3, 1000)) + data[start:]


def swap(data: bytes, rng: Random) -> bytes:
    """Two parts change places."""
    a, b, c = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def noise(data: bytes, rng: Random) -> bytes:
    """Bytes that mean nothing."""
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.randrange(1, 16)) + data[at:]


WAYS: Final[tuple[Callable[[bytes, Random], bytes], ...]] = (flip, flip, put, put, cut, drop, repeat, swap, noise)


def damaged(data: bytes, rng: Random) -> bytes:
    """One to four ways on top of one another."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(WAYS)(data or b"\0", rng)
    return data


def repaired(stream: bytes) -> bytes:
    """A binary stream whose checksums are right again, as whoever means harm would make them."""
    at = stream.find(frames.OPEN, 3) + len(frames.OPEN)
    found = [stream[:at]]
    while at + frames.HEAD.size <= len(stream):
        kind, flags, channel, length, _ = frames.HEAD.unpack_from(stream, at)
        at += frames.HEAD.size
        payload = stream[at : at + length]
        start = frames.SAID.pack(kind, flags, channel, length)
        check = zlib.crc32(payload if flags & frames.CHECKED else b"", zlib.crc32(start))
        found += [start, frames.CRC.pack(check), payload]
        at += length
    return b"".join([*found, stream[at:]])
