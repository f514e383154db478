"""The language between the agent and a task process: frames on a socket, and three words in shared memory.

A frame is a fixed header (kind, two numbers, length) and a body. To the process, bodies are pickled tuples; from the
process, they are opaque bytes of bounded length, and what the agent must read of them is JSON: the agent never
unpickles.

The words are 64-bit numbers: `CURRENT`, the index being run (start - 1 before the process has taken up a range,
`IDLE` after it has ended); `STOP`, where the range ends, which the agent may lower at any time; `SINCE`, when the
current task began (nanoseconds, monotonic; 0 while none runs). A task runs only if `STOP` is above its index after
`CURRENT` was set to it.

Rules of this file: the standard library only; it runs on both sides, in any interpreter.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Hashable, Iterator, Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

VERSION: Final = 1
MAX_BODY: Final = 8 * 1024 * 1024
MAX_REASON: Final = 300
PAGES: Final = 4

READY, OUTCOME, ENDED, WROTE = 1, 2, 3, 4
SETUP, DEFINE, RUN, BYE = 11, 12, 13, 14

CURRENT: Final = 0
STOP: Final = 1
SINCE: Final = 2
IDLE: Final = -2
MEMORY: Final = 4096

_HEADER: Final = struct.Struct("<BqqI")
_OUTCOME: Final = struct.Struct("<dI")


class FrameError(ValueError):
    """Bytes that are no frame of this version."""


class Frame(NamedTuple):
    """One frame; what `a` and `b` mean depends on the kind."""

    kind: int
    a: int
    b: int
    body: bytes


def pack(kind: int, a: int = 0, b: int = 0, body: bytes = b"") -> bytes:
    """The bytes of a frame."""
    return _HEADER.pack(kind, a, b, len(body)) + body


class Source(Protocol):
    """What frames are read from; `read` gives fewer bytes only at the end."""

    def read(self, size: int = ..., /) -> bytes: ...


def read(file: Source) -> Frame | None:
    """Wait for one frame; None at the end of the file."""
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return None
    kind, a, b, length = _HEADER.unpack(head)
    body = file.read(length)
    return Frame(kind, a, b, body) if len(body) == length else None


class Splitter:
    """Cuts a stream of bytes into frames.

    >>> list(Splitter().feed(pack(READY, 1) + pack(ENDED, 5)[:3]))
    [Frame(kind=1, a=1, b=0, body=b'')]
    """

    def __init__(self, limit: int = MAX_BODY) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with this. Raises FrameError for one above the limit."""
        self._buffer += data
        at = 0
        try:
            while len(self._buffer) - at >= _HEADER.size:
                kind, a, b, length = _HEADER.unpack_from(self._buffer, at)
                if length > self._limit:
                    raise FrameError(f"a frame of {length} bytes")
                end = at + _HEADER.size + length
                if end > len(self._buffer):
                    break
                body = bytes(memoryview(self._buffer)[at + _HEADER.size : end])
                at = end
                yield Frame(kind, a, b, body)
        finally:
            del self._buffer[:at]


def pack_outcome(
    seconds: float,
    failed: Sequence[int],
    unfit: Sequence[tuple[int, str]],
    blobs: Sequence[bytes],
    payload: bytes,
    opaque: bool = False,
) -> bytes:
    """The body of an OUTCOME; equal reasons travel once. `opaque`: a value in it travels as a marked pickle."""
    reasons: dict[str, int] = {}
    told = [(index, reasons.setdefault(reason[:MAX_REASON], len(reasons))) for index, reason in unfit]
    names = [blob.hex() for blob in blobs]
    about = {"failed": failed, "unfit": told, "reasons": list(reasons), "blobs": names, "opaque": opaque}
    text = json.dumps(about).encode()
    return _OUTCOME.pack(seconds, len(text)) + text + payload


def split_outcome(body: bytes) -> tuple[float, bytes, bytes]:
    """Seconds, what there is to know (JSON), and the payload. Raises FrameError."""
    if len(body) < _OUTCOME.size:
        raise FrameError("a short outcome")
    seconds, length = _OUTCOME.unpack_from(body)
    end = _OUTCOME.size + length
    if end > len(body):
        raise FrameError("a short outcome")
    return seconds, body[_OUTCOME.size : end], body[end:]


T = TypeVar("T")


class Recent(Generic[T]):
    """The most recently used few; agent and process keep one each and know what the other has.

    >>> recent = Recent(2); recent.put("a", 1); recent.put("b", 2); recent.get("a"); recent.put("c", 3); recent.get("b")
    1
    """

    def __init__(self, limit: int = PAGES) -> None:
        self._limit = limit
        self._kept: dict[Hashable, T] = {}

    def get(self, key: Hashable) -> T | None:
        if key not in self._kept:
            return None
        self._kept[key] = self._kept.pop(key)
        return self._kept[key]

    def put(self, key: Hashable, value: T) -> None:
        self._kept.pop(key, None)
        self._kept[key] = value
        if len(self._kept) > self._limit:
            del self._kept[next(iter(self._kept))]
