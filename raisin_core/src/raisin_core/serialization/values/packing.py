"""msgpack in pure Python, for plain values: byte for byte what msgspec writes.

Rules of this file: the standard library only; declared lengths are compared with what is there before they are used.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from raisin_core.errors import StreamError
from raisin_core.serialization.values.base import MOST, Limits

_Head = tuple[int, int, int, int]
ARRAYS: Final[_Head] = (0x90, 0, 0xDC, 0xDD)
MAPS: Final[_Head] = (0x80, 0, 0xDE, 0xDF)
STRINGS: Final = (0xD9, 0xDA, 0xDB)
BINARIES: Final = (0xC4, 0xC5, 0xC6)


def integer(value: int) -> bytes:
    """Raises OverflowError beyond 64 bits."""
    if -32 <= value < 128:
        return bytes((value & 255,))
    if value >= 0:
        for code, size in ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)):
            if value >> size * 8 == 0:
                return bytes((code,)) + value.to_bytes(size, "big")
    else:
        for code, size in ((0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)):
            if -value <= 1 << size * 8 - 1:
                return bytes((code,)) + value.to_bytes(size, "big", signed=True)
    raise OverflowError("more than 64 bits")


def string(value: str) -> bytes:
    """Raises UnicodeEncodeError for lone surrogates."""
    data = value.encode()
    return (bytes((0xA0 | len(data),)) if len(data) < 32 else _sized(STRINGS, len(data))) + data


def binary(value: bytes) -> bytes:
    return _sized(BINARIES, len(value)) + value


def floating(value: float) -> bytes:
    return b"\xcb" + struct.pack(">d", value)


def head(kind: _Head, count: int) -> bytes:
    """What an array or map begins with. Raises OverflowError beyond 32 bits."""
    if count < 16:
        return bytes((kind[0] | count,))
    if count < 1 << 16:
        return bytes((kind[2],)) + count.to_bytes(2, "big")
    return bytes((kind[3],)) + count.to_bytes(4, "big")


def extension(code: int, size: int) -> bytes:
    """What an extension begins with. Raises OverflowError beyond 32 bits."""
    if size in (1, 2, 4, 8, 16):
        return bytes((0xD3 + size.bit_length(), code))
    return _sized((0xC7, 0xC8, 0xC9), size) + bytes((code,))


def _sized(codes: tuple[int, int, int], size: int) -> bytes:
    if size > MOST:
        raise OverflowError("more than 4 GiB in one piece")
    width = 0 if size < 1 << 8 else 1 if size < 1 << 16 else 2
    return bytes((codes[width],)) + size.to_bytes(1 << width, "big")


ATOMS: Final[dict[type, Callable[[Any], bytes]]] = {
    type(None): lambda value: b"\xc0",
    bool: lambda value: b"\xc3" if value else b"\xc2",
    int: integer,
    float: floating,
    str: string,
    bytes: binary,
}


def pack(value: Any) -> bytes:
    """The msgpack of a plain value. Raises OverflowError and UnicodeEncodeError for what msgpack cannot say."""
    out = bytearray()
    _pack(value, out)
    return bytes(out)


def _pack(value: Any, out: bytearray) -> None:
    atom = ATOMS.get(type(value))
    if atom is not None:
        out += atom(value)
    elif type(value) is dict:
        out += head(MAPS, len(value))
        for key, part in value.items():
            _pack(key, out)
            _pack(part, out)
    else:
        out += head(ARRAYS, len(value))
        for part in value:
            _pack(part, out)


class Unpacker:
    """Reads msgpack from front to back. What an array, a map or an extension becomes is said by a subclass."""

    def __init__(self, data: memoryview, limits: Limits) -> None:
        self.data, self.limits = data, limits
        self.position, self.depth, self.left = 0, 0, limits.count

    def read(self) -> Any:
        """The next value. Raises StreamError."""
        self.left -= 1
        if self.left < 0:
            raise StreamError(f"more than {self.limits.count} parts")
        code = self.take(1)[0]
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 256
        if code < 0xC0:
            return self._short(code)
        return LONGER[code](self, code)

    def take(self, size: int) -> memoryview:
        """That many bytes, as they are."""
        start = self.position
        end = self.position = start + size
        if end > len(self.data):
            raise StreamError(f"it ends {end - len(self.data)} bytes early")
        return self.data[start:end]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self, size: int) -> str:
        return str(self.take(size), "utf-8")

    def binary(self, size: int) -> bytes:
        return bytes(self.take(size))

    def enter(self, parts: int) -> None:
        """Begin a container; each of its parts takes at least one byte."""
        self.depth += 1
        if self.depth > self.limits.depth:
            raise StreamError(f"nested more than {self.limits.depth} deep")
        if parts > len(self.data) - self.position:
            raise StreamError(f"{parts} parts are said to be in {len(self.data) - self.position} bytes")

    def _short(self, code: int) -> Any:
        if code >= 0xA0:
            return self.text(code & 31)
        return self.array(code & 15) if code >= 0x90 else self.map(code & 15)

    def array(self, count: int) -> Any:
        raise StreamError("an array here")

    def map(self, count: int) -> Any:
        raise StreamError("a map here")

    def extension(self, size: int) -> Any:
        raise StreamError("an extension here")


def _unknown(reader: Unpacker, code: int) -> Any:
    raise StreamError(f"byte {code:#x} begins nothing")


LONGER: Final[dict[int, Callable[[Any, int], Any]]] = dict.fromkeys(range(0xC0, 0xE0), _unknown)
LONGER.update(
    {
        0xC0: lambda reader, code: None,
        0xC2: lambda reader, code: False,
        0xC3: lambda reader, code: True,
        0xCA: lambda reader, code: struct.unpack(">f", reader.take(4))[0],
        0xCB: lambda reader, code: struct.unpack(">d", reader.take(8))[0],
        **{0xC4 + n: lambda reader, code: reader.binary(reader.number(1 << code - 0xC4)) for n in range(3)},
        **{0xC7 + n: lambda reader, code: reader.extension(reader.number(1 << code - 0xC7)) for n in range(3)},
        **{0xCC + n: lambda reader, code: reader.number(1 << code - 0xCC) for n in range(4)},
        **{
            0xD0 + n: lambda reader, code: int.from_bytes(reader.take(1 << code - 0xD0), "big", signed=True)
            for n in range(4)
        },
        **{0xD4 + n: lambda reader, code: reader.extension(1 << code - 0xD4) for n in range(5)},
        **{0xD9 + n: lambda reader, code: reader.text(reader.number(1 << code - 0xD9)) for n in range(3)},
        **{0xDC + n: lambda reader, code: reader.array(reader.number(2 << code - 0xDC)) for n in range(2)},
        **{0xDE + n: lambda reader, code: reader.map(reader.number(2 << code - 0xDE)) for n in range(2)},
    }
)


class _Plain(Unpacker):
    """Plain data of a form (see `plain`); `keys` says whether this is within a key."""

    def __init__(self, data: memoryview, form: int, limits: Limits) -> None:
        super().__init__(data, limits)
        self.form, self.keys = form, False

    def enter(self, parts: int) -> None:
        super().enter(parts)
        if self.form >> self.depth == 0:
            raise StreamError("deeper than its form says")

    def array(self, count: int) -> Any:
        self.enter(count)
        parts = [self.read() for _ in range(count)]
        self.depth -= 1
        if self.form >> self.depth & 1:
            return tuple(parts)
        if self.keys:
            raise StreamError("a list in a key")
        return parts

    def map(self, count: int) -> Any:
        self.enter(2 * count)
        found = {}
        for _ in range(count):
            keys, self.keys = self.keys, True
            key = self.read()
            self.keys = keys
            found[key] = self.read()
        self.depth -= 1
        return found


def unpack(data: memoryview, form: int, limits: Limits) -> Any:
    """A plain value again. Raises StreamError."""
    reader = _Plain(data, form, limits)
    try:
        value = reader.read()
    except (ValueError, TypeError, RecursionError) as error:
        raise error if isinstance(error, StreamError) else StreamError(f"no plain value: {error}") from error
    if reader.position != len(data):
        raise StreamError(f"{len(data) - reader.position} bytes too many")
    return value
