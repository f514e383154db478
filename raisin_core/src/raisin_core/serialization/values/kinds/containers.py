"""Containers of `collections`. One that was given attributes of its own is no value."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from itertools import chain
from typing import Any, Final

from raisin_core.errors import StreamError
from raisin_core.serialization.values.base import COUNTER, DEFAULT, DEQUE, ORDERED, NotAValue, Read, Write
from raisin_core.serialization.values.decode import Reader
from raisin_core.serialization.values.encode import Writer

FACTORIES: Final = (None, list, dict, set, int, float, str, bool, tuple, bytes, frozenset, complex, bytearray)


def _pairs(writer: Writer, code: int, value: dict[Any, Any], start: bytes = b"") -> None:
    if getattr(value, "__dict__", None):
        raise NotAValue("", type(value))
    writer.nest(code, chain.from_iterable(value.items()), start)


def _default(writer: Writer, value: defaultdict[Any, Any]) -> None:
    if value.default_factory not in FACTORIES:
        raise NotAValue("", type(value))
    number = next(n for n, factory in enumerate(FACTORIES) if factory is value.default_factory)
    _pairs(writer, DEFAULT, value, bytes((number,)))


WRITERS: Final[dict[type, Write]] = {
    OrderedDict: lambda writer, value: _pairs(writer, ORDERED, value),
    Counter: lambda writer, value: _pairs(writer, COUNTER, value),
    defaultdict: _default,
    deque: lambda writer, value: writer.nest(DEQUE, chain((value.maxlen,), value)),
}


def _filled(reader: Reader, end: int, found: dict[Any, Any]) -> dict[Any, Any]:
    while reader.position < end:
        key = reader.read()
        if reader.position >= end:
            raise StreamError("a key without a value")
        dict.__setitem__(found, key, reader.read())
    return found


def _read_ordered(reader: Reader, end: int) -> OrderedDict[Any, Any]:
    return OrderedDict(_filled(reader, end, {}))


def _read_default(reader: Reader, end: int) -> defaultdict[Any, Any]:
    factory: Any = FACTORIES[reader.take(1)[0]]
    found: defaultdict[Any, Any] = defaultdict(factory)
    _filled(reader, end, found)
    return found


def _read_deque(reader: Reader, end: int) -> deque[Any]:
    longest = reader.read()
    if longest is not None and type(longest) is not int:
        raise StreamError("no such deque")
    return deque(reader.parts(end), longest)


READERS: Final[dict[int, Read]] = {
    ORDERED: _read_ordered,
    COUNTER: lambda reader, end: _filled(reader, end, Counter()),
    DEFAULT: _read_default,
    DEQUE: _read_deque,
}
