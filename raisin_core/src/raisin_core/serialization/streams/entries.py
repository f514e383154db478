"""One object as the bytes of an entry: as values where it is made of nothing else, as a pickle otherwise.

Rules of this file: what a generator yields may change afterwards, so whoever gets pieces that are not copies sends them
before anything else happens.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from raisin_core.errors import SerializationError
from raisin_core.serialization import values
from raisin_core.serialization.arrivals import Channels
from raisin_core.serialization.streams import frames
from raisin_core.serialization.streams.frames import ALONE, CHECKED, CRC, ENTRY, HEAD, LAST, OBJECT, TAG, VALUES, Piece
from raisin_core.serialization.values.encode import pieces

OUT_OF_BAND: Final = 1 << 16  # bytes of a buffer that is not worth a copy
SMALL: Final = 4096  # bytes of values that go as one piece, and are not compressed


class Entry(NamedTuple):
    """What there is to write of one object."""

    kind: bytes
    mark: bytes
    buffers: list[memoryview]
    data: list[Piece]

    def data_size(self) -> int:
        return sum(map(len, self.data))

    def size(self) -> int:
        return self.data_size() + sum(each.nbytes for each in self.buffers)

    def first(self) -> bytes:
        """What comes before buffers and data."""
        head = ENTRY.pack(self.kind, len(self.mark), len(self.buffers), self.data_size()) + self.mark
        return head + b"".join([frames.LENGTH.pack(each.nbytes) for each in self.buffers])


def values_of(value: object, copy_file: bool | int) -> Entry | bytes:
    """The entry of a plain value, or the mark of what is none: type and place of its first part that is no value."""
    buffers: list[memoryview] = []
    try:
        data: Any = pieces(value, buffers=buffers, apart=os.path.isfile if copy_file else None)
        return Entry(VALUES, b"", buffers, data)
    except values.NotAValue as found:
        mark = f"{found.kind.__module__}.{found.kind.__qualname__}\0{found.place}"
        return mark.encode("utf-8", "replace")[:1000]
    except (RecursionError, MemoryError):
        return b"\0"


def entry(value: object, channels: Channels, name: str) -> Entry:
    """The entry of any object. Raises SerializationError."""
    found = values_of(value, channels.copy_file)
    return found if isinstance(found, Entry) else pickled(value, channels, name, found)


def pickled(
    value: object,
    channels: Channels,
    name: str,
    mark: bytes = b"",
    aside: bool = True,
    texts: dict[bytes, str] | None = None,
    chains: bool = True,
) -> Entry:
    """The entry of any object as a pickle; large buffers `aside` of it, sources of modules in `texts` if it is given.
    Without `chains`, exceptions leave their causes behind.

    Raises SerializationError.
    """
    from raisin_core.serialization.pickling import Pickler

    pieces, buffers = _Pieces(), list[memoryview]()
    try:
        pickler = Pickler(pieces, channels, _aside(buffers) if aside else None)
        pickler.texts, pickler.chains = texts, chains
        pickler.dump(value)
    except Exception as error:
        from raisin_core.serialization.culprit import explain

        raise SerializationError(explain(value, name, error)) from error
    return Entry(frames.PICKLE, mark, buffers, pieces)


def function(value: object, channels: Channels, mark: bytes) -> Entry:
    """The entry of a function, which may have been written before. Raises SerializationError."""
    from raisin_core.serialization.families import remembered

    known = remembered.cached(value)
    if known is None:
        found = pickled(value, channels, "object", mark)
        if found.buffers or found.data_size() > remembered.LARGEST:
            return found
        known = b"".join(found.data)
        remembered.remember(value, known)
    return Entry(frames.PICKLE, mark, [], [known])


def whole(found: Entry) -> bytes | None:
    """The whole stream of a small value; None where it takes a writer."""
    if found.buffers or (len(found.data) > 1 and found.data_size() > SMALL):
        return None
    data = b"".join(found.data)
    if len(data) > SMALL:
        return None
    start, inner, crc = _around(len(data))
    return start + CRC.pack(zlib.crc32(data, crc)) + inner + data


def read_whole(data: bytes) -> tuple[Any] | None:
    """The value of a stream as `whole` writes it; None for any other, also a damaged one."""
    size = len(data) - _HEAD
    if not 0 <= size <= SMALL:
        return None
    start, inner, crc = _around(size)
    content = data[_HEAD:]
    if data[:_HEAD] != start + CRC.pack(zlib.crc32(content, crc)) + inner:
        return None
    return (values.decode(content),)


_HEAD: Final = len(TAG) + HEAD.size + ENTRY.size


@lru_cache(maxsize=256)
def _around(size: int) -> tuple[bytes, bytes, int]:
    """What surrounds the CRC in the stream of a small value of so many bytes, and the CRC up to the value."""
    said = frames.SAID.pack(OBJECT, LAST | ALONE | CHECKED, 0, ENTRY.size + size)
    inner = ENTRY.pack(VALUES, 0, 0, size)
    return TAG + said, inner, frames.crc(said, [inner])


class _Pieces(list[Piece]):
    """A file that keeps what is written to it."""

    def write(self, data: Piece) -> None:
        self.append(data)


def _aside(buffers: list[memoryview]) -> Callable[[Any], bool]:
    def put(buffer: Any) -> bool:
        """Whether the buffer stays in the pickle."""
        raw = buffer.raw()
        if raw.nbytes < OUT_OF_BAND:
            return True
        buffers.append(raw)
        return False

    return put
