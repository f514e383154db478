"""Classes that functions use; see `matrix` (and `texts_classes` for classes on their own)."""

import collections
import dataclasses
import enum
import typing

from matrix import Case  # type: ignore[import-not-found]


class Shape:
    sides = 0

    def __init_subclass__(cls, sides=0):
        cls.sides = sides

    def describe(self):
        return type(self).__name__, self.sides


class Square(Shape, sides=4):
    __slots__ = ("__edge",)

    def __init__(self, edge):
        self.__edge = edge

    def describe(self):
        return *super().describe(), self.__edge


@dataclasses.dataclass(frozen=True, order=True)
class Version:
    major: int
    minor: int = 0
    tags: list = dataclasses.field(default_factory=list, compare=False)

    def next(self):
        return dataclasses.replace(self, minor=self.minor + 1)


class Color(enum.Enum):
    RED = 1, "warm"
    BLUE = 2, "cold"

    def __init__(self, number, feeling):
        self.feeling = feeling


class Right(enum.IntFlag):
    READ = 1
    WRITE = 2


Point = collections.namedtuple("Point", "x y", defaults=[0])


class Pair(typing.NamedTuple):
    a: int
    b: int = 2

    def total(self):
        return self.a + self.b


def square(edge):
    return Square(edge).describe(), isinstance(Square(1), Shape)


def versions(major):
    one = Version(major)
    return repr(one.next()), one < one.next(), {one: 1}[Version(major)], dataclasses.asdict(one)


def colors(name):
    return (
        Color[name].feeling,
        Color((1, "warm")).name,
        [each.name for each in Color],
        repr(Right.READ | Right.WRITE == 3),
    )


def tuples(x):
    return Point(x)._replace(y=5)._asdict(), repr(Point(x)), Pair(x).total(), Pair._field_defaults


CASES = [
    Case("classes with super and slots", square, (3,)),
    Case("frozen dataclass", versions, (3,)),
    Case("enumerations used", colors, ("BLUE",)),
    Case("named tuples used", tuples, (1,)),
]
