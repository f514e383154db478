"""Streams changed frame by frame, with checksums that are right: what somebody writes who knows the format.

Rules of this file: pure; the same random numbers give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final, NamedTuple

from raisin_core.serialization import compression
from raisin_core.serialization.streams import frames
from tests.fuzz.mutations import damaged

KINDS: Final = (b"O", b"I", b"C", b"Z")
CHANNELS: Final = (0, 1, 2, 3, 7, 0x7FFFFFFF, 0xFFFFFFFF)
BOMB: Final = bytes(frames.LARGEST)
BOMBS: Final = 64


class Frame(NamedTuple):
    """One frame; its payload is not compressed."""

    kind: bytes
    flags: int
    channel: int
    payload: bytes


Frames = list[Frame]


def parsed(stream: bytes) -> Frames:
    """The frames of a whole stream."""
    at = stream.find(frames.OPEN, len(frames.OPEN)) + len(frames.OPEN)
    found = []
    while at < len(stream):
        head = frames.head(stream[at : at + frames.HEAD.size])
        at += frames.HEAD.size
        payload = stream[at : at + head.length]
        at += head.length
        codec = head.flags & frames.CODEC
        found.append(Frame(head.kind, head.flags - codec, head.channel, compression.decompress(codec, payload)))
    return found


def joined(those: Frames, rng: Random, damage: float = 0.0) -> bytes:
    """A stream of these frames, some of them compressed, in either way, and so many of these damaged."""
    return frames.TAG + b"".join(piece for each in those for piece in _packed(each, rng, damage))


def _packed(frame: Frame, rng: Random, damage: float) -> Iterator[frames.Piece]:
    codec = rng.choice((0, 0, 0, compression.ZLIB, compression.ZSTD))
    if codec == compression.ZSTD and compression.best() != codec:
        codec = compression.NONE
    payload = compression._compressed(codec, frame.payload, 1) if codec else frame.payload
    if codec and rng.random() < damage:
        payload = damaged(payload, rng)[: frames.LARGEST]
    return frames.packed(frame.kind, frame.flags | codec, frame.channel, [payload])


# Ways to write the same otherwise


def cut(those: Frames, rng: Random) -> Frames:
    """One frame becomes two."""
    at = rng.randrange(len(those))
    one = those[at]
    if len(one.payload) < 2:
        return those
    middle = rng.randrange(1, len(one.payload))
    ends = frames.LAST | frames.ALONE
    first, second = one._replace(flags=one.flags & ~ends, payload=one.payload[:middle]), one.payload[middle:]
    return [*those[:at], first, one._replace(payload=second), *those[at + 1 :]]


def reframed(stream: bytes, rng: Random) -> bytes:
    """The same stream in other frames."""
    those = parsed(stream)
    for _ in range(rng.randrange(1, 20)):
        those = cut(those, rng)
    return joined(those, rng)


# Ways to write what nobody writes


def swapped(those: Frames, rng: Random) -> Frames:
    one, other = rng.randrange(len(those)), rng.randrange(len(those))
    those = list(those)
    those[one], those[other] = those[other], those[one]
    return those


def dropped(those: Frames, rng: Random) -> Frames:
    at = rng.randrange(len(those))
    return those[:at] + those[at + 1 :]


def repeated(those: Frames, rng: Random) -> Frames:
    """One again, elsewhere."""
    at = rng.randrange(len(those) + 1)
    return those[:at] + [rng.choice(those)] * rng.choice((1, 1, 2, 300)) + those[at:]


def renamed(those: Frames, rng: Random) -> Frames:
    """One says that it is another kind, of another channel, or has other flags."""
    at = rng.randrange(len(those))
    one = those[at]
    way = rng.randrange(3)
    if way == 0:
        one = one._replace(kind=rng.choice(KINDS))
    elif way == 1:
        one = one._replace(channel=rng.choice(CHANNELS))
    else:
        one = one._replace(flags=one.flags ^ rng.choice((frames.LAST, frames.ALONE, frames.CHECKED, 0x10)))
    return [*those[:at], one, *those[at + 1 :]]


def changed(those: Frames, rng: Random) -> Frames:
    """A payload is damaged."""
    at = rng.randrange(len(those))
    payload = damaged(those[at].payload or b"\0", rng)[: frames.LARGEST]
    return [*those[:at], those[at]._replace(payload=payload), *those[at + 1 :]]


def stuffed(those: Frames, rng: Random) -> Frames:
    """Frames that nobody asks for: empty ones, large ones, files, in many channels."""
    at, kind, channel = rng.randrange(len(those) + 1), rng.choice(KINDS), rng.choice(CHANNELS)
    flags = rng.choice((0, frames.LAST, frames.LAST | frames.ALONE))
    payload = rng.choice((b"", b"\0", b"\x01\x90", BOMB))
    many = rng.choice((1, 3, BOMBS))
    step = rng.choice((0, 1))
    found = [Frame(kind, flags, (channel + step * each) & 0xFFFFFFFF, payload) for each in range(many)]
    return those[:at] + found + those[at:]


WAYS: Final[tuple[Callable[[Frames, Random], Frames], ...]] = (
    *(cut, swapped, swapped, dropped, repeated, renamed, renamed, changed, stuffed),
)


def misframed(stream: bytes, rng: Random) -> bytes:
    """One to four ways on top of one another."""
    those = parsed(stream)
    for _ in range(rng.choice((1, 1, 2, 4))):
        those = rng.choice(WAYS)(those, rng) or those
    return joined(those, rng, damage=0.02)
