"""The job's own enums, namedtuples and dataclasses: a number in the table of `classes`, and fields.

Nothing of a class's own runs to build its objects: no `__init__`, `__new__`, `__post_init__`, `__setattr__`, property.
(Its `__hash__` and `__eq__` do where an object is a key or a member of a set.)
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
from collections.abc import Callable
from typing import Any, Final

from raisin_core.errors import StreamError
from raisin_core.serialization.values.base import DATACLASS, ENUM, NAMEDTUPLE, NotAValue, Read, Write
from raisin_core.serialization.values.decode import Reader
from raisin_core.serialization.values.encode import Writer

WRITERS: Final[dict[type, Write]] = {}


def write(writer: Writer, value: Any) -> None:
    """An object of one of the writer's classes. Raises NotAValue where fields are not all that it has."""
    kind = type(value)
    number = writer.classes[kind].to_bytes(4, "big")
    if issubclass(kind, enum.Enum):
        name = value._name_
        if name is None or kind._member_map_.get(name) is not value:
            raise NotAValue("", kind)
        writer.nest(ENUM, (name,), number)
    elif issubclass(kind, tuple) and namedtuple_fields(kind) == len(value):
        if getattr(value, "__dict__", None):
            raise NotAValue("", kind)
        writer.nest(NAMEDTUPLE, value, number)
    elif dataclasses.is_dataclass(kind) and (setters := _setters(kind)) is not None:
        writer.nest(DATACLASS, _fields(value, kind, setters), number)
    else:
        raise NotAValue("", kind)


def namedtuple_fields(kind: type) -> int:
    """How many fields a namedtuple has; -1 for other tuples."""
    fields = getattr(kind, "_fields", None)
    return len(fields) if isinstance(fields, tuple) and kind.__itemsize__ and hasattr(kind, "_make") else -1


Setters = dict[str, Callable[[Any, Any], None] | None]


@functools.lru_cache(maxsize=1024)
def _setters(kind: type) -> Setters | None:
    """How each field is set: by its slot, or (None) in the object's dictionary; None for a class with more to it."""
    found: Setters = {}
    for field in dataclasses.fields(kind):
        place = next((vars(base)[field.name] for base in kind.__mro__ if field.name in vars(base)), None)
        if isinstance(place, types.MemberDescriptorType):
            found[field.name] = place.__set__
        elif hasattr(type(place), "__set__") or not kind.__dictoffset__:
            return None
        else:
            found[field.name] = None
    slots = {name for base in kind.__mro__ for name in _slots(base)}
    built_in = any(not base.__flags__ & 1 << 9 for base in kind.__mro__[:-1])  # of other than Python's own making
    return None if built_in or slots - found.keys() else found


def _slots(base: type) -> set[str]:
    return {name for name, part in vars(base).items() if isinstance(part, types.MemberDescriptorType)}


def _fields(value: Any, kind: type, setters: Setters) -> list[Any]:
    if len(getattr(value, "__dict__", ())) != sum(setter is None for setter in setters.values()):
        raise NotAValue("", kind)
    try:
        return [value.__dict__[name] if setter is None else _slot(value, name) for name, setter in setters.items()]
    except (KeyError, AttributeError) as error:  # a field that was never set
        raise NotAValue("", kind) from error


def _slot(value: Any, name: str) -> Any:
    return object.__getattribute__(value, name)


def _class(reader: Reader) -> type:
    number = reader.number(4)
    if number >= len(reader.classes):
        raise StreamError(f"class {number} of {len(reader.classes)}")
    return reader.classes[number]


def _read_enum(reader: Reader, end: int) -> Any:
    kind = _class(reader)
    (name,) = reader.exactly(end, str)
    if not issubclass(kind, enum.Enum) or name not in kind._member_map_:
        raise StreamError(f"{kind.__name__} has no member {name[:80]!r}")
    return kind._member_map_[name]


def _read_namedtuple(reader: Reader, end: int) -> Any:
    kind, parts = _class(reader), reader.parts(end)
    if not issubclass(kind, tuple) or namedtuple_fields(kind) != len(parts):
        raise StreamError(f"no {kind.__name__}")
    return tuple.__new__(kind, parts)


def _read_dataclass(reader: Reader, end: int) -> Any:
    kind, parts = _class(reader), reader.parts(end)
    setters = _setters(kind) if dataclasses.is_dataclass(kind) else None
    if setters is None or len(setters) != len(parts):
        raise StreamError(f"no {kind.__name__}")
    made: Any = object.__new__(kind)
    for (name, setter), part in zip(setters.items(), parts):
        if setter is None:
            made.__dict__[name] = part
        else:
            setter(made, part)
    return made


READERS: Final[dict[int, Read]] = {ENUM: _read_enum, NAMEDTUPLE: _read_namedtuple, DATACLASS: _read_dataclass}
