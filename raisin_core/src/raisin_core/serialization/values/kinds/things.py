"""Exact numbers, names and small things of the standard library.

A path is its text; a concrete path of another system becomes the pure one. Nothing looks at a disk.
"""

from __future__ import annotations

import os
import re
import sys
from array import array
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID, SafeUUID

from raisin_core.errors import StreamError
from raisin_core.serialization.values import base
from raisin_core.serialization.values.base import LONG_NUMBER, NotAValue, Read, Write
from raisin_core.serialization.values.decode import Reader
from raisin_core.serialization.values.encode import Writer

NUMERAL: Final = re.compile(r"-?(\d+(\.\d*)?(E[+-]?\d{1,20})?|Infinity|s?NaN\d*)", re.ASCII)
SAFETY: Final = tuple(SafeUUID)
PATHS: Final[tuple[type[PurePath], ...]] = (PurePosixPath, PureWindowsPath, PosixPath, WindowsPath)
HERE: Final = PATHS[:2] + ((PureWindowsPath, WindowsPath) if os.name == "nt" else (PosixPath, PureWindowsPath))
TYPECODES: Final = "bBhHiIlLqQfd"


def _decimal(writer: Writer, value: Decimal) -> None:
    writer.extension(base.DECIMAL, str(value).encode("ascii"))


def _fraction(writer: Writer, value: Fraction) -> None:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > LONG_NUMBER:
        raise NotAValue("", Fraction)
    writer.nest(base.FRACTION, (value.numerator, value.denominator))


def _uuid(writer: Writer, value: UUID) -> None:
    writer.extension(base.UUID, value.bytes, bytes((SAFETY.index(value.is_safe),)))


def _path(writer: Writer, value: PurePath) -> None:
    kind, text = type(value), str(value)
    if kind(text) != value or vars_of(value) or (writer.apart and isinstance(value, Path) and writer.apart(value)):
        raise NotAValue("", kind)
    writer.extension(base.PATH, bytes((PATHS.index(kind),)), text.encode("utf-8", "surrogatepass"))


def vars_of(value: object) -> dict[str, Any]:
    """Attributes that somebody gave to an object whose type declares none."""
    return getattr(value, "__dict__", None) or {}


def _array(writer: Writer, value: array[Any]) -> None:
    if value.typecode not in TYPECODES:
        raise NotAValue("", array)
    start = (value.typecode + ("<" if sys.byteorder == "little" else ">")).encode() + bytes((value.itemsize,))
    writer.nest(base.ARRAY, (writer.data(memoryview(value).cast("B")),), start)


def _namespace(writer: Writer, value: SimpleNamespace) -> None:
    if any(type(name) is not str for name in vars(value)):
        raise NotAValue("", SimpleNamespace)
    writer.nest(base.NAMESPACE, (dict(vars(value)),))


WRITERS: Final[dict[type, Write]] = {
    Decimal: _decimal,
    Fraction: _fraction,
    UUID: _uuid,
    **dict.fromkeys(PATHS, _path),
    array: _array,
    SimpleNamespace: _namespace,
}


def _read_decimal(reader: Reader, end: int) -> Decimal:
    text = str(reader.rest(end), "ascii")
    if NUMERAL.fullmatch(text) is None:
        raise StreamError("no decimal number")
    return Decimal(text)


def _read_fraction(reader: Reader, end: int) -> Fraction:
    numerator, denominator = reader.exactly(end, int, int)
    if denominator <= 0 or max(numerator.bit_length(), denominator.bit_length()) > LONG_NUMBER:
        raise StreamError("no fraction")
    return Fraction(numerator, denominator)


def _read_uuid(reader: Reader, end: int) -> UUID:
    content = bytes(reader.take(16))
    return UUID(bytes=content, is_safe=SAFETY[reader.take(1)[0]])


def _read_path(reader: Reader, end: int) -> PurePath:
    kind = HERE[reader.take(1)[0]]
    return kind(str(reader.rest(end), "utf-8", "surrogatepass"))


def _read_array(reader: Reader, end: int) -> array[Any]:
    typecode, order, size = str(reader.take(1), "ascii"), bytes(reader.take(1)), reader.take(1)[0]
    (said,) = reader.exactly(end, (bytes, int))
    if typecode not in TYPECODES or order not in (b"<", b">"):
        raise StreamError("no such array")
    found: array[Any] = array(typecode)
    if found.itemsize != size:
        raise StreamError(f"an array of {typecode!r} has {size} bytes an item there and {found.itemsize} here")
    found.frombytes(reader.data_of(said))
    if order != (b"<" if sys.byteorder == "little" else b">"):
        found.byteswap()
    return found


def _read_namespace(reader: Reader, end: int) -> SimpleNamespace:
    (attributes,) = reader.exactly(end, dict)
    if any(type(name) is not str for name in attributes):
        raise StreamError("an attribute that is no text")
    return SimpleNamespace(**attributes)


READERS: Final[dict[int, Read]] = {
    base.DECIMAL: _read_decimal,
    base.FRACTION: _read_fraction,
    base.UUID: _read_uuid,
    base.PATH: _read_path,
    base.ARRAY: _read_array,
    base.NAMESPACE: _read_namespace,
}
