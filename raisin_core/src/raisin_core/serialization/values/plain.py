"""Plain values: lists, tuples and dicts of None, bool, int, float, str and bytes, without shared parts, quickly.

msgpack has one kind of array, and no bound to its depth. So a plain value has a *form*, a number: its highest bit is at
the depth of the value (0 for atoms), and lower bits say at which depths arrays are tuples (bit 0 is the value itself).
Arrays in keys of dicts are always tuples. What is deeper, or has lists and tuples at one depth, has the general form.

Rules of this file: a value is looked over level by level in C, never part by part in Python.
"""

from __future__ import annotations

import importlib
import sys
from functools import lru_cache
from gc import get_referents as referents
from itertools import chain, compress
from sys import getrefcount as owners
from typing import Any, Final, Optional, Union

from raisin_core.errors import StreamError
from raisin_core.serialization.values import packing
from raisin_core.serialization.values.base import Limits

try:
    msgspec: Any = importlib.import_module("msgspec")
except ImportError:
    msgspec = None

TEXTS: Final = frozenset({str, bytes})
NUMBERS: Final = frozenset({type(None), bool, int, float})
ATOMS: Final = NUMBERS | TEXTS
CONTAINERS: Final = frozenset({list, tuple, dict})
PLAIN: Final = CONTAINERS | ATOMS
WITH_MARKS: Final = CONTAINERS | TEXTS
DEEPEST: Final = 6  # containers inside one another; so that a form is less than 128
DEPTHS: Final = range(1, DEEPEST + 1)
LONG_TEXT: Final = 1024  # characters; shared ones are written once
MANY: Final = 1000
FEW: Final = 64
COLLECTOR_SEES_ALL: Final = sys.version_info < (3, 13)  # later on, not what an object keeps of its dictionary


def form(value: object, whole: bool) -> int | None:
    """The form of a container; None if it is not plain.

    Of the `whole` of a value only itself must not be shared within; a part must have no second owner at all.
    """
    bits = int(type(value) is tuple)
    if _only_numbers(value):
        return 2 | bits
    level: list[Any] = [value]
    levels, kinds = [level], {type(value)}
    for depth in DEPTHS:
        level = _parts(level, kinds)
        types = list(map(type, level))
        kinds = _kinds(types)
        if not kinds <= CONTAINERS:
            if not kinds <= PLAIN:
                return None
            if kinds.isdisjoint(WITH_MARKS):
                return 1 << depth | bits
            level = _marked(level, types, kinds)
        if level:
            levels.append(level)
            if max(map(owners, level)) > ALONE and not (whole and _all_differ(levels)):
                return None
        if kinds.isdisjoint(CONTAINERS):
            return 1 << depth | bits
        if tuple in kinds:
            if list in kinds:
                return None
            bits |= 1 << depth
    return None


def glance(value: Any) -> int:
    """The form of a container of few parts, where one look tells; 0 where it takes `form`.

    Nothing in it is shared but texts: the caller sees to it that these are short.
    """
    level: list[Any] = [value]
    kinds = {type(value)}
    found = int(type(value) is tuple)
    for depth in DEPTHS:
        level = referents(*level) if COLLECTOR_SEES_ALL else _parts(level, kinds)
        kinds = set(map(type, level))
        if kinds <= ATOMS:
            return found | 1 << depth
        if len(level) > FEW or not kinds <= PLAIN:
            return 0
        level = [part for part in level if type(part) in CONTAINERS]
        if max(map(owners, level)) > ALONE:
            return 0
        if tuple in kinds:
            if list in kinds:
                return 0
            found |= 1 << depth
    return 0


def _only_numbers(value: Any) -> bool:
    """Whether it is a long list of numbers of one type, or a tuple; a quick answer to the most frequent question."""
    if len(value) < MANY or type(value) is dict or type(value[0]) not in NUMBERS:
        return False
    return len(_kinds(list(map(type, value)))) == 1


def _parts(level: list[Any], kinds: set[type]) -> list[Any]:
    """Elements of lists and tuples, values of dicts, and their keys if any is no str; texts have none."""
    if COLLECTOR_SEES_ALL or dict not in kinds:
        return referents(*level)
    dicts = [part for part in level if type(part) is dict]
    lists = level if not dicts else [part for part in level if type(part) is list or type(part) is tuple]
    parts = list(chain.from_iterable(lists))
    if dicts:
        parts += chain.from_iterable(map(dict.values, dicts))
        if set(map(type, chain.from_iterable(dicts))) - {str}:
            parts += chain.from_iterable(dicts)
    return parts


def _kinds(types: list[type]) -> set[type]:
    return {types[0]} if len(types) >= MANY and types.count(types[0]) == len(types) else set(types)


def _marked(level: list[Any], types: list[type], kinds: set[type]) -> list[Any]:
    """What may be shared to some effect: containers and long texts."""
    marked = list(compress(level, map(CONTAINERS.__contains__, types)))
    if not kinds.isdisjoint(TEXTS):
        texts = compress(level, map(TEXTS.__contains__, types))
        if max(map(len, texts)) > LONG_TEXT:
            texts = compress(level, map(TEXTS.__contains__, types))
            marked += [text for text in texts if len(text) > LONG_TEXT]
    return marked


def _all_differ(levels: list[list[Any]]) -> bool:
    return len(set(map(id, chain.from_iterable(levels)))) == sum(map(len, levels))


_parent: Final[list[object]] = [[[], []]]
_level: Final = _parts(_parent, {list})
ALONE: Final = max(map(owners, _level))  # what has its container as its only owner, as `form` meets it


def pack(value: object) -> bytes:
    """The msgpack of a plain value. Raises OverflowError and UnicodeEncodeError for what msgpack cannot say."""
    data: bytes = packing.pack(value) if msgspec is None else msgspec.msgpack.encode(value)
    return data


def unpack(data: memoryview, said: int, limits: Limits) -> Any:
    """A plain value again. Raises StreamError."""
    if msgspec is None or len(data) > limits.count or said.bit_length() > limits.depth:
        return packing.unpack(data, said, limits)
    for decode in _decoders(said):
        try:
            return decode(data)
        except msgspec.ValidationError:  # the other kind of text, or both, or wrong
            continue
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
            raise StreamError(f"no plain value: {error}") from error
    return packing.unpack(data, said, limits)


@lru_cache(maxsize=2 << DEEPEST)
def _decoders(said: int) -> tuple[Any, Any]:
    """What reads values of this form with str, and with bytes: none takes both at once."""
    return _decoder(said, str).decode, _decoder(said, bytes).decode


def _decoder(said: int, text: type) -> Any:
    """A decoder that takes nothing deeper, and no extension."""
    atom: Any = Optional[Union[bool, int, float, text]]  # noqa: UP007, UP045
    part: Any = atom
    key: Any = atom
    for depth in range(said.bit_length() - 1)[::-1]:
        array: Any = tuple[part, ...] if said >> depth & 1 else list[part]
        part = Union[atom, array, dict[key, part]]  # noqa: UP007
        key = Union[atom, tuple[key, ...]] if said >> depth & 1 else atom  # noqa: UP007
    return msgspec.msgpack.Decoder(part)
