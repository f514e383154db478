"""Any message: well-formed, with field values that are random, at an edge, or refer to something that there is.

Rules of this file: pure; the same random numbers give the same messages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any, Final

import msgspec
from msgspec import inspect

from raisin_core import messages as m

TEXTS: Final = ("", "f", "here", "key", "ann", "\x1b[2J", "[bold]x[/]", "<b>&", "\u202eevil", "ä" * 99, "x" * 9999)
NUMBERS: Final = (0, 0, 1, 1, 2, 3, 4, 5, 7, 64, 255, 4096, 2**31, 2**62 - 1, 2**62)
SIGNED: Final = (*NUMBERS, -1, -(2**40), 2**63)
FLOATS: Final = (0.0, 0.1, 1.0, 5.0, -1.0, 1e300, float("inf"), float("-inf"), float("nan"))
BYTES: Final = (b"", b"\0", b"payload", bytes(range(256)), b"x" * 5000)

SAID_TO_BROKER: Final = tuple(kind for kind in m.MESSAGES if kind.way.endswith(">broker") and not kind.bulk)
SAID_TO_CLIENTS: Final = tuple(kind for kind in m.MESSAGES if kind.way in ("broker>peer", "broker>client"))
SAID_TO_WORKERS: Final = tuple(kind for kind in m.MESSAGES if kind.way in ("broker>peer", "broker>worker"))


class Pool:
    """What there is to refer to: ids (16 bytes), digests (32 bytes), leases."""

    def __init__(self, ids: Sequence[bytes], digests: Sequence[bytes], leases: Sequence[m.LeaseId] = ()) -> None:
        self.ids, self.digests, self.leases = list(ids), list(digests), list(leases)


def message(kind: type[m.Message], rng: Random, pool: Pool) -> m.Message:
    """A message of this kind. It survives the wire as it is."""
    made: m.Message = _struct(kind, rng, pool)
    return made


def payload(kind: type[m.Message], rng: Random) -> bytes:
    """What may come with it."""
    return rng.choice(BYTES) if kind.payload else b""


def _struct(kind: type[Any], rng: Random, pool: Pool) -> Any:
    if kind is m.LeaseId and pool.leases and rng.random() < 0.8:
        return rng.choice(pool.leases)
    return kind(**{name: _value(each, rng, pool) for name, each in _fields(kind)})


@cache
def _fields(kind: type[Any]) -> list[tuple[str, inspect.Type]]:
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return [(field.name, field.type) for field in found.fields]


def _value(kind: inspect.Type, rng: Random, pool: Pool) -> Any:
    return _MAKERS[type(kind)](kind, rng, pool)


def _bytes(kind: Any, rng: Random, pool: Pool) -> bytes:
    least, most = kind.min_length or 0, kind.max_length
    known = {16: pool.ids, 32: pool.digests}.get(most if most is not None else -1, [])
    if known and rng.random() < 0.9:
        return rng.choice(known) if least or rng.random() < 0.7 else b""
    found = rng.choice(BYTES) if not least else rng.randbytes(least)
    return found if most is None else found[:most]


def _int(kind: Any, rng: Random, pool: Pool) -> int:
    found = rng.choice(SIGNED if kind.ge is None else NUMBERS)
    return found if kind.le is None else min(found, kind.le)


def _text(kind: Any, rng: Random, pool: Pool) -> str:
    found = rng.choice(TEXTS)
    return found if kind.max_length is None else found[: kind.max_length]


def _list(kind: Any, rng: Random, pool: Pool) -> list[Any]:
    return [_value(kind.item_type, rng, pool) for _ in range(rng.choice((0, 0, 1, 2, 5)))]


def _union(kind: Any, rng: Random, pool: Pool) -> Any:
    return _value(rng.choice(kind.types), rng, pool)


_MAKERS: Final[dict[type, Callable[[Any, Random, Pool], Any]]] = {
    inspect.BytesType: _bytes,
    inspect.IntType: _int,
    inspect.StrType: _text,
    inspect.ListType: _list,
    inspect.UnionType: _union,
    inspect.FloatType: lambda kind, rng, pool: rng.choice(FLOATS),
    inspect.BoolType: lambda kind, rng, pool: rng.random() < 0.5,
    inspect.NoneType: lambda kind, rng, pool: None,
    inspect.LiteralType: lambda kind, rng, pool: rng.choice(kind.values),
    inspect.TupleType: lambda kind, rng, pool: tuple(_value(each, rng, pool) for each in kind.item_types),
    inspect.StructType: lambda kind, rng, pool: _struct(kind.cls, rng, pool),
}


def plain(value: Any) -> Any:
    """A state in values that can be compared, whatever it is made of."""
    if isinstance(value, (str, int, float, bytes, type(None))):
        return repr(value)
    if isinstance(value, dict):
        return [(plain(key), plain(each)) for key, each in value.items()]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, msgspec.Struct):
        return [(name, plain(getattr(value, name))) for name in value.__struct_fields__]
    if isinstance(value, (list, tuple)) or hasattr(value, "__iter__"):
        return [plain(each) for each in value]
    slots = [name for each in type(value).__mro__ for name in getattr(each, "__slots__", ())]
    return [(name, plain(getattr(value, name))) for name in (slots or sorted(vars(value)))]
