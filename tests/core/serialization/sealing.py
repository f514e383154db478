"""Small sealed streams, taken apart and put together."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable

from raisin_core.serialization.sealed import LAST, Cost, seal, unseal

CHEAP = Cost(log_n=4, r=1, p=1)
PASSWORD = "correct horse"
HEADER = 85
HEAD = 8


def sealed(*pieces: bytes, password: str | bytes = PASSWORD) -> bytes:
    return b"".join(seal(pieces, password, CHEAP))


def chunked(*contents: bytes, password: str | bytes = PASSWORD) -> bytes:
    """A stream with a chunk for each of these, and an empty last one."""
    return sealed(*(piece for content in contents for piece in (content, b"")), password=password)


def opened(stream: bytes, password: str | bytes = PASSWORD, step: int = 1 << 20) -> bytes:
    return b"".join(pieces(io.BytesIO(stream).read, password, step))


def pieces(read: Callable[[int], bytes], password: str | bytes = PASSWORD, step: int = 1 << 20) -> Iterable[bytes]:
    """What is read, piece by piece: all that came before an error has been given."""
    return iter(lambda more=unseal(read, password): more(step), b"")


def parts(stream: bytes) -> tuple[bytes, list[bytes]]:
    """The header, and the chunks with their heads."""
    header, rest, found = stream[:HEADER], stream[HEADER:], []
    while rest:
        end = HEAD + (int.from_bytes(rest[:4], "big") & ~LAST)
        found.append(rest[:end])
        rest = rest[end:]
    return header, found


def with_word(chunk: bytes, word: int) -> bytes:
    """The chunk with another length and flag, and their right checksum."""
    raw = word.to_bytes(4, "big")
    return raw + zlib.crc32(raw).to_bytes(4, "big") + chunk[HEAD:]


def with_header(stream: bytes, place: int, value: bytes) -> bytes:
    """The stream with other bytes in its header, and its right checksum."""
    header = stream[:place] + value + stream[place + len(value) : HEADER - 4]
    return header + zlib.crc32(header).to_bytes(4, "big") + stream[HEADER:]
