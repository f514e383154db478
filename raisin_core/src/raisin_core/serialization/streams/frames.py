"""The frames that a stream is made of.

    stream  = "</>raisin 1</>" frame*           the tag may say more after the version, for people
    frame   = kind flags channel length crc payload
    entry   = kind mark-length buffer-count data-length, mark, length of each buffer, buffers, data

A channel's payloads, one after the other, are its bytes: of the object (`O`, channel 0) and of items (`I`) they are
entries, of a file (`C`) its content. `Z` ends a stream that has items; an object that says that it is alone ends it.

Rules of this file: pure; the layout of bytes and nothing else.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Final, NamedTuple

from raisin_core.errors import Tampered, UnknownFormat

VERSION: Final = 1
OPEN: Final = b"</>"
TAG: Final = b"</>raisin 1</>"
LONGEST_TAG: Final = 100  # bytes
LARGEST: Final = 1 << 20  # bytes of one payload, also when decompressed

OBJECT: Final = b"O"
ITEMS: Final = b"I"
CONTENT: Final = b"C"
END: Final = b"Z"
KINDS: Final = frozenset((OBJECT, ITEMS, CONTENT, END))

LAST: Final = 0x80  # of its channel
ALONE: Final = 0x40  # nothing follows: the stream ends with this frame
CHECKED: Final = 0x20  # the crc is also of the payload: sealed streams need none, large buffers would take too long
CODEC: Final = 0x0F
FLAGS: Final = LAST | ALONE | CHECKED | CODEC

HEAD: Final = Struct(">cBIII")
SAID: Final = Struct(">cBII")  # a head without the crc
CRC: Final = Struct(">I")
ENTRY: Final = Struct(">cHIQ")
LENGTH: Final = Struct(">Q")

VALUES: Final = b"V"
PICKLE: Final = b"P"
RUN: Final = b"R"  # several items, as the list of them

Piece = bytes | bytearray | memoryview


class Head(NamedTuple):
    """What a frame says before its payload."""

    kind: bytes
    flags: int
    channel: int
    length: int
    crc: int


def head(data: bytes) -> Head:
    """Read a frame's head. Raises Tampered where it cannot be one."""
    found = Head(*HEAD.unpack(data))
    if found.kind not in KINDS or found.length > LARGEST:
        raise Tampered(f"this stream was damaged: a frame of kind {found.kind!r} with {found.length} bytes")
    last, ends = found.flags & LAST, found.flags & ALONE
    if found.flags & ~FLAGS or not (found.length or last) or (ends and (not last or found.kind in (ITEMS, CONTENT))):
        raise Tampered(f"this stream was damaged: a frame of kind {found.kind!r} cannot have flags {found.flags:#x}")
    if found.kind == END and (found.length or found.channel or not ends):
        raise Tampered("this stream was damaged: its end is none")
    return found


def crc(start: bytes, pieces: Iterable[Piece]) -> int:
    """The CRC-32 of what a head says, and of these bytes."""
    found = zlib.crc32(start)
    for piece in pieces:
        found = zlib.crc32(piece, found)
    return found


def check(found: Head, payload: Piece) -> None:
    """Raises Tampered where a frame is not as it was written, as far as that was noted."""
    start = SAID.pack(*found[:4])
    if found.crc != crc(start, [payload] if found.flags & CHECKED else []):
        raise Tampered("this stream was damaged: the check of a frame fails")


def packed(kind: bytes, flags: int, channel: int, payload: list[Piece]) -> Iterator[Piece]:
    """One frame, in pieces."""
    start = SAID.pack(kind, flags, channel, sum(map(len, payload)))
    yield start + CRC.pack(crc(start, payload if flags & CHECKED else ()))
    yield from payload


def grouped(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """The same bytes in groups of at most LARGEST; large pieces are cut, not copied."""
    group: list[Piece] = []
    room = LARGEST
    for piece in pieces:
        if len(piece) <= room:
            group.append(piece)
            room -= len(piece)
            continue
        view = memoryview(piece)
        while len(view) > room:
            yield [*group, view[:room]]
            view, group, room = view[room:], [], LARGEST
        group, room = [view], LARGEST - len(view)
    if group:
        yield group


def version(words: str) -> None:
    """Check what a tag says after "raisin". Raises UnknownFormat for a version that this raisin does not know."""
    number = words.split(" ")[0]
    if number != str(VERSION):
        raise UnknownFormat(
            f"this stream has raisin's format {number[:20]!a}; this raisin reads {VERSION}. Upgrade raisin to read it"
        )
