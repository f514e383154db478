"""Functions and values whose digests must be the same on every Python, in every process; run by all of them.

`python samples.py` prints a line for each. Only the standard library is needed.
"""

from __future__ import annotations

import array
import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import json
import math
import os.path
import pathlib
import random
import typing
import uuid
from os.path import join

SCALE = 3


def documented(x: int) -> float:
    """Has a docstring."""
    y: float = x * SCALE
    return math.sqrt(y) + len(join("a", os.path.basename("b")))


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@timed
def decorated(x, y=4, *, z: int = 5) -> str:
    w = 3
    return f"{x!r:>{y}} ab{x=}{z:}{{}}{w:.{w}f}" + f"" + f"a{'b'}" + "\N{BULLET}" + rf"\d{x}"  # noqa: F541


@functools.lru_cache(maxsize=8)
def cached(x):
    return documented(x)


@contextlib.contextmanager
def managed():
    with contextlib.suppress(OSError), open(os.devnull) as file:
        yield file, -1, 1e300, 2j, b"\0", ..., None, True


class Color(enum.Enum):
    RED = 1
    GREEN = enum.auto()

    def scaled(self):
        return self.value * SCALE


class Kind(enum.IntFlag):
    A = 1
    B = 2


@dataclasses.dataclass
class Point:
    x: int = 0
    y: float = dataclasses.field(default=2.0)
    tags: list = dataclasses.field(default_factory=list)

    def norm(self):
        return math.hypot(self.x, self.y) * SCALE


@dataclasses.dataclass(frozen=True, order=True)
class Frozen:
    x: int


class Named(typing.NamedTuple):
    a: int
    b: str = "x"


Two = collections.namedtuple("Two", "a b")


class Base:
    shared = [1, 2]

    def go(self, x: int = 3):
        return super().__repr__() + str(x)

    @property
    def twice(self):
        return documented(2)

    @staticmethod
    def pair():
        return Two(1, 2)

    @functools.cached_property
    def slow(self):
        return [SCALE for _ in range(3)]


class Model(Base, typing.Generic[typing.TypeVar("T")]):
    def __init__(self):
        self.weights = [1.0, 2.0]

    def go(self, x=1):
        return super().go(x) + Color.RED.value + Kind.A

    def __call__(self, x):
        return Named(1), Point(x), Frozen(1), json.dumps(x), random.random(), pathlib.Path("x")


def everything(x, /, *rest, **more):
    import json.decoder
    from collections import OrderedDict as ordered

    global LATE
    match x:
        case [1, *_] | {"a": None}:
            pass
        case {"b": _, **others}:
            return others
        case Point(x=0) if rest:
            return more
        case str() as text:
            return text
    try:
        LATE = [a for a in x if a] + [*x] or (lambda q, r=SCALE: q)(1) or {**more} or {b: c + 1 for b, c in x} or {1, 2}
    except (ValueError, TypeError) as error:
        raise json.decoder.JSONDecodeError("", "", 0) from error
    else:
        del LATE
    finally:
        while (n := len(x)) > 3:
            x = x[1:n:2]
        for _ in ordered():
            continue
    assert x, f"{x}"
    return (yield from x) if 0 < len(x) <= 2 else not x[0]


async def waiting(x):
    async with x as y, y:
        async for z in y:
            yield await z, [a async for a in z]


# fmt: off
LAMBDAS = [lambda x: x + 1, lambda x: x + 2, lambda x: x + SCALE, lambda x: [y for y in x if y]]
# fmt: on
TABLE = {"even": even, "point": Point(1), "color": Color.RED, "model": Model, "kinds": Kind.A | Kind.B}


def table(n):
    return TABLE[n], TABLE


def ring():
    first = [1]
    first.append({"back": first})
    return first


MODEL = Model()
FUNCTIONS = [
    *(documented, even, decorated, cached, managed, Color, Kind, Point, Frozen, Named, Two, Model, MODEL.go, MODEL),
    *(everything, waiting, *LAMBDAS, table, functools.partial(documented, 3), abs, math.sqrt, os.path.join, json.dumps),
    *(random.random, collections.OrderedDict, pathlib.Path, decimal.Decimal, str.upper, contextlib.suppress),
]
VALUES = [
    *(1, 1.0, True, "1", b"1", bytearray(b"1"), None, ..., 1j, -0.0, math.nan, math.inf, 10**400, "ä\ud800"),
    *(
        (1, "a"),
        [1, [2, (3,)]],
        {"b": 1, "a": {2}},
        set("abcdefgh"),
        frozenset(["x", "y", (1, 2)]),
        {1, "1", 1.5, None},
    ),
    *(Color.RED, Kind.A, Kind.A | Kind.B, Point(1), Frozen(2), Named(1), Two(1, 2), MODEL, ring(), [Point(1)] * 3),
    *(pathlib.Path("a"), decimal.Decimal("1.10"), fractions.Fraction(1, 3), uuid.UUID(int=5), range(3), slice(1, 2)),
    *(datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.timezone.utc), datetime.time(1)),
    *(datetime.timedelta(1), collections.OrderedDict(a=1), collections.deque([1], 3), collections.Counter("aab")),
    *(collections.defaultdict(list, a=[1]), array.array("d", [1.5]), documented, LAMBDAS[0], len, dict, KeyError("x")),
]

if __name__ == "__main__":
    from raisin_core.analysis.fingerprint import fingerprint
    from raisin_core.serialization.tags import stable, tag

    for function in FUNCTIONS:
        found = fingerprint(function, {"alpha": [1], "beta": even})
        print(getattr(function, "__name__", "?"), found.digest.hex(), [part.name for part in found.parts.values()])
    for number, value in enumerate(VALUES):
        print(number, type(value).__name__, stable(value).hex(), tag(b"key", value).hex())
