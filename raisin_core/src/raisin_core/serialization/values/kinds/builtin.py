"""Built-in types that msgpack has no word for."""

from __future__ import annotations

import struct
from typing import Any, Final

from raisin_core.errors import StreamError
from raisin_core.serialization.values.base import (
    BYTEARRAY,
    COMPLEX,
    FROZENSET,
    INTEGER,
    RANGE,
    SET,
    SINGLETON,
    SLICE,
    TUPLE,
    Read,
    Write,
)
from raisin_core.serialization.values.decode import Reader
from raisin_core.serialization.values.encode import Writer

SINGLETONS: Final = (Ellipsis, NotImplemented)


def integer_bytes(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _slice(writer: Writer, value: slice) -> None:
    writer.nest(SLICE, (value.start, value.stop, value.step))


def _range(writer: Writer, value: range) -> None:
    writer.nest(RANGE, (value.start, value.stop, value.step))


def _complex(writer: Writer, value: complex) -> None:
    writer.extension(COMPLEX, struct.pack(">dd", value.real, value.imag))


def _singleton(writer: Writer, value: Any) -> None:
    writer.extension(SINGLETON, bytes((SINGLETONS.index(value),)))


WRITERS: Final[dict[type, Write]] = {
    tuple: lambda writer, value: writer.nest(TUPLE, value),
    set: lambda writer, value: writer.nest(SET, (list(value),)),
    frozenset: lambda writer, value: writer.nest(FROZENSET, (list(value),)),
    bytearray: lambda writer, value: writer.extension(BYTEARRAY, bytes(value)),
    int: lambda writer, value: writer.extension(INTEGER, integer_bytes(value)),
    complex: _complex,
    range: _range,
    slice: _slice,
    type(Ellipsis): _singleton,
    type(NotImplemented): _singleton,
}


def _read_complex(reader: Reader, end: int) -> complex:
    return complex(*struct.unpack(">dd", reader.rest(end)))


def _read_singleton(reader: Reader, end: int) -> Any:
    number = reader.take(1)[0]
    if number >= len(SINGLETONS):
        raise StreamError("no such singleton")
    return SINGLETONS[number]


READERS: Final[dict[int, Read]] = {
    TUPLE: lambda reader, end: tuple(reader.parts(end)),
    SET: lambda reader, end: set(reader.exactly(end, list)[0]),
    FROZENSET: lambda reader, end: frozenset(reader.exactly(end, list)[0]),
    BYTEARRAY: lambda reader, end: bytearray(reader.rest(end)),
    INTEGER: lambda reader, end: int.from_bytes(reader.rest(end), "big", signed=True),
    COMPLEX: _read_complex,
    RANGE: lambda reader, end: range(*reader.exactly(end, int, int, int)),
    SLICE: lambda reader, end: slice(*reader.exactly(end, object, object, object)),
    SINGLETON: _read_singleton,
}
