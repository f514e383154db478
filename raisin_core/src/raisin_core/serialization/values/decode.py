"""Bytes to values: `decode`. The form is described in docs/values.md.

Rules of this file: the bytes are anybody's. Lengths are compared with what is there before anything is made; numbers
lead into tables here, never to names that the bytes say; whatever goes wrong is a StreamError.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Final

from raisin_core.errors import InstallationError, StreamError
from raisin_core.serialization.values import plain
from raisin_core.serialization.values.base import KINDS, PLAIN, REFERENCE, ROOMS, TEXT, Limits, Read
from raisin_core.serialization.values.encode import GENERAL, SHORT, WITH_BUFFERS
from raisin_core.serialization.values.packing import Unpacker

Data = bytes | bytearray | memoryview
READERS: Final[dict[int, Read]] = {}
UNFINISHED: Final = object()
PLAIN_FORMS: Final = range(1, 2 << plain.DEEPEST)


def decode(data: Data, *, classes: Sequence[type] = (), buffers: Sequence[Data] = (), limits: Limits = Limits()) -> Any:
    """The value that `encode` wrote, with the same `classes` and `buffers`.

    Nothing that the bytes name is imported or called. A writable buffer becomes the memory of its array, others are
    copied. Raises StreamError for whatever `encode` does not write, InstallationError where the value needs a package
    that is missing here.
    """
    size = len(data)
    if size > limits.bytes or (buffers and size + sum(map(len, buffers)) > limits.bytes):
        raise StreamError(f"more than {limits.bytes} bytes")
    view = memoryview(data)
    if size and (first := view[0]) in PLAIN_FORMS:
        return plain.unpack(view[1:], first, limits)
    try:
        return _general(view, classes, buffers, limits)
    except (StreamError, InstallationError):
        raise
    except Exception as error:  # of types that take no such content
        raise StreamError(f"no value: {type(error).__name__}: {error}") from error


def _general(view: memoryview, classes: Sequence[type], buffers: Sequence[Data], limits: Limits) -> Any:
    form, number = bytes(view[:1]), int.from_bytes(view[1:5], "big")
    if form not in (GENERAL, WITH_BUFFERS) or len(view) < 6:
        raise StreamError("these bytes are no value")
    rest, first = view[5:], number
    if form == WITH_BUFFERS:
        buffers, rest = _split(rest, number)
        first = 0
    reader = Reader(rest, classes, buffers, first, limits)
    value = reader.read()
    if reader.position != len(rest):
        raise StreamError(f"{len(rest) - reader.position} bytes too many")
    return value


def _split(rest: memoryview, count: int) -> tuple[list[Data], memoryview]:
    """The buffers before the value, and the value's bytes."""
    position = 8 * count
    if position > len(rest):
        raise StreamError("it ends early")
    rest = rest.toreadonly()
    buffers: list[Data] = []
    for start in range(0, 8 * count, 8):
        size = int.from_bytes(rest[start : start + 8], "big")
        if size > len(rest) - position:
            raise StreamError("it ends early")
        buffers.append(rest[position : position + size])
        position += size
    return buffers, rest[position:]


class Reader(Unpacker):
    """Reads one value in the general form."""

    def __init__(
        self, data: memoryview, classes: Sequence[type], buffers: Sequence[Data], first: int, limits: Limits
    ) -> None:
        super().__init__(data, limits)
        self.classes = classes
        self._buffers, self._first, self._used = buffers, first, set[int]()
        self._met: list[Any] = []
        self._weights: list[int] = []  # by number: how many parts there are when every reference is followed
        self._grown = 0  # how many parts references have added

    def text(self, size: int) -> str:
        value = super().text(size)
        if size > SHORT:
            self._meet(value)
        return value

    def binary(self, size: int) -> bytes:
        value = super().binary(size)
        if size > SHORT:
            self._meet(value)
        return value

    def array(self, count: int) -> Any:
        self.enter(count)
        found: list[Any] = []
        self._meet(found)
        for _ in range(count):
            found.append(self.read())
        self.depth -= 1
        return found

    def map(self, count: int) -> Any:
        self.enter(2 * count)
        found: dict[Any, Any] = {}
        self._meet(found)
        for _ in range(count):
            key = self.read()
            found[key] = self.read()
        self.depth -= 1
        return found

    def extension(self, size: int) -> Any:
        code = self.take(1)[0]
        end = self.position + size
        if end > len(self.data):
            raise StreamError(f"it ends {end - len(self.data)} bytes early")
        if code == REFERENCE:
            return self._reference(end)
        number, before = self._meet(UNFINISHED), self._grown - self.left
        self.enter(0)
        value = self._met[number] = self._content(code, size, end)
        self._weights[number] = self._grown - self.left - before
        self.depth -= 1
        if self.position != end:
            raise StreamError(f"extension {code} is not as long as it says")
        return value

    def _content(self, code: int, size: int, end: int) -> Any:
        if code == PLAIN:
            form = self.take(1)[0]
            if form not in PLAIN_FORMS:
                raise StreamError(f"no such form: {form}")
            self._grown += size
            return plain.unpack(self.take(size - 1), form, self.limits)
        if code == TEXT:
            return str(self.take(size), "utf-8", "surrogatepass")
        return (READERS.get(code) or _reader(code))(self, end)

    def _reference(self, end: int) -> Any:
        number = self.read()
        if type(number) is not int or not 0 <= number < len(self._met) or self.position != end:
            raise StreamError("a reference to nothing")
        value = self._met[number]
        if value is UNFINISHED:
            raise StreamError("a reference to what it is in")
        self._grown += self._weights[number]
        if self._grown > self.limits.count:  # a few references to references can make a hash take for ever
            raise StreamError(f"more than {self.limits.count} parts")
        return value

    def _meet(self, value: object) -> int:
        """Give the next value its number. What cannot be hashed weighs 1, however large."""
        self._met.append(value)
        self._weights.append(1)
        return len(self._met) - 1

    def parts(self, end: int) -> list[Any]:
        """The values up to `end`."""
        found: list[Any] = []
        while self.position < end:
            found.append(self.read())
        return found

    def exactly(self, end: int, *kinds: type | tuple[type, ...]) -> list[Any]:
        """The values up to `end`, of exactly these types (object: any). Raises StreamError."""
        found = self.parts(end)
        if len(found) != len(kinds):
            raise StreamError(f"{len(found)} parts instead of {len(kinds)}")
        for part, kind in zip(found, kinds):
            if kind is not object and type(part) not in (kind if isinstance(kind, tuple) else (kind,)):
                raise StreamError(f"a {type(part).__name__} where none belongs")
        return found

    def rest(self, end: int) -> memoryview:
        """The bytes up to `end`."""
        return self.take(end - self.position)

    def data_of(self, said: bytes | int) -> Data:
        """Array data, itself or by the number of its buffer, which is used once."""
        if isinstance(said, bytes):
            return said
        number = said + self._first
        if said < 0 or number >= len(self._buffers) or number in self._used:
            raise StreamError(f"no buffer {number}")
        self._used.add(number)
        return self._buffers[number]


def _reader(code: int) -> Read:
    """The reader of an extension met for the first time."""
    room = next((room for room, codes in ROOMS.items() if code in codes), None)
    if room is not None:
        READERS.update(importlib.import_module(KINDS + room).READERS)
    if code not in READERS:
        raise StreamError(f"extension {code} is unknown")
    return READERS[code]
