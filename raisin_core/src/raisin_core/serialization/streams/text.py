"""The printable form: base64 in chunks that say their lengths, so that it can be streamed and tells where it ends.

    text    = "</>text 1</>" chunk* "AAAA"
    chunk   = base64(length, 3 bytes) base64(bytes)         at most 786,432 bytes

Rules of this file: pure; the standard library only.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from raisin_core.errors import Tampered
from raisin_core.serialization.streams.frames import Piece

TAG: Final = "</>text 1</>"
END: Final = "AAAA"
SMALL: Final = 10_000  # characters
CHUNK: Final = 786_432  # bytes, divisible by 3; with their length in 3 bytes
_BEGIN, _END = len(TAG), -len(END)


def encoded(data: Piece) -> str:
    """One chunk.

    >>> encoded(b"abc")
    'AAADYWJj'
    """
    length = binascii.b2a_base64(len(data).to_bytes(3, "big"), newline=False)
    return (length + binascii.b2a_base64(data, newline=False)).decode("ascii")


def small(data: bytes) -> str:
    """The printable form of a short stream."""
    chunk = binascii.b2a_base64(len(data).to_bytes(3, "big") + data, newline=False)
    return f"{TAG}{chunk.decode('ascii')}{END}"


def small_read(data: str) -> bytes | None:
    """What `small` was given; None where the text is something else, or longer."""
    if len(data) > SMALL or not (data.startswith(TAG) and data.endswith(END)):
        return None
    try:
        found = binascii.a2b_base64(data[_BEGIN:_END])
    except (binascii.Error, ValueError):
        return None
    whole = len(data) == _BEGIN + (len(found) + 2) // 3 * 4 - _END  # decoding stops at the first padding
    return found[3:] if whole and int.from_bytes(found[:3], "big") == len(found) - 3 else None


def written(pieces: Iterable[Piece]) -> Iterator[str]:
    """The printable form of a stream, in parts; an empty piece sends on what there is."""
    yield TAG
    waiting = bytearray()
    for piece in pieces:
        if not len(piece):
            if waiting:
                yield encoded(waiting)
                waiting = bytearray()
            continue
        view = memoryview(piece)
        while len(view) + len(waiting) >= CHUNK:
            if waiting or len(view) < CHUNK:
                taken = CHUNK - len(waiting)
                waiting += view[:taken]
                yield encoded(waiting)
                waiting = bytearray()
            else:
                taken = CHUNK
                yield encoded(view[:taken])
            view = view[taken:]
        waiting += view
    if waiting:
        yield encoded(waiting)
    yield END


def reader(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """From the reading of text (after its tag) to that of what it stands for; both give no bytes at the end.

    Raises Tampered where the text is not base64.
    """
    waiting = memoryview(b"")
    ended = False

    def some(count: int) -> bytes:
        nonlocal waiting, ended
        if not waiting and not ended:
            length = int.from_bytes(_decoded(read(4)), "big")
            ended = not length
            if length > CHUNK:
                raise Tampered(f"this text was damaged: it says that {length} bytes follow")
            waiting = memoryview(_decoded(read((length + 2) // 3 * 4)))
            if len(waiting) != length:
                raise Tampered(f"this text was damaged: {length} bytes were to follow, there are {len(waiting)}")
        data, waiting = waiting[:count], waiting[count:]
        return bytes(data)

    return some


def _decoded(text: bytes) -> bytes:
    try:
        data = binascii.a2b_base64(text)
    except binascii.Error as error:
        raise Tampered(f"this text was damaged: {error}") from None
    if (len(data) + 2) // 3 * 4 != len(text):
        raise Tampered("this text was damaged: it holds what is no base64")
    return data
