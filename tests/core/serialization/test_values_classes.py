"""The job's own enums, namedtuples and dataclasses: fields travel, nothing of the class runs."""

import dataclasses
import enum
import threading
from collections import namedtuple
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import pytest

from raisin_core.errors import StreamError
from raisin_core.serialization.values import NotAValue, decode, encode
from tests.core.serialization.alike import there_and_back

T = TypeVar("T")


class Colour(enum.Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796
    BLUE = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Flags(enum.Flag):
    A = 1
    B = 2


class Point(NamedTuple):
    x: int
    y: Any = None


Old = namedtuple("Old", "a b")
Three = namedtuple("Three", "a b c")


class Tagged(Old):
    """With a dictionary beside its fields."""


@dataclasses.dataclass
class Row:
    number: int
    parts: list[Any] = dataclasses.field(default_factory=list)
    shared: ClassVar[int] = 5


@dataclasses.dataclass(frozen=True)
class Key:
    name: str
    more: tuple[Any, ...] = ()


@dataclasses.dataclass(slots=True)
class Slotted(Generic[T]):
    value: T
    other: Any = None


@dataclasses.dataclass
class Child(Row):
    extra: Any = None

    @cached_property
    def total(self):
        return self.number + 1


@dataclasses.dataclass
class Guarded:
    """Whose code must not run when it is read."""

    value: int

    def __post_init__(self):
        raise AssertionError("ran")

    __setattr__ = __new__ = __reduce_ex__ = __getstate__ = __setstate__ = __post_init__


@dataclasses.dataclass
class WithProperty:
    value: int

    def _set(self, value):
        raise AssertionError("ran")

    value = property(lambda self: 1, _set)  # noqa: PIE794


@dataclasses.dataclass
class Mapping(dict):
    value: int


CLASSES = (Colour, Level, Flags, Point, Old, Tagged, Row, Key, Slotted, Child, Guarded, WithProperty, Mapping)


@pytest.mark.parametrize(
    "value",
    [
        *(Colour.RED, Colour.CRIMSON, Colour.BLUE, Level.LOW, Flags.A, Point(1), Point(2, [Point(3)]), Old(1, 2)),
        *(Row(1, [Row(2)]), Key("a", (Key("b"),)), Slotted(1, Slotted("x")), Child(1, [2], 3), Tagged(1, 2)),
        *({Key("a"): 1, Colour.BLUE: 2, Point(1, 2): 3}, {Key("x"), Level.LOW}, [Row(number) for number in range(100)]),
    ],
    ids=repr,
)
def test_own_classes(value):
    found = there_and_back(value, CLASSES)
    assert found == value
    assert type(found) is type(value)


def test_enums_are_the_same_objects():
    assert there_and_back([Colour.CRIMSON, Level.LOW], CLASSES) == [Colour.RED, Level.LOW]
    assert there_and_back(Colour.BLUE, CLASSES) is Colour.BLUE


def test_nothing_of_the_class_runs():
    value = object.__new__(Guarded)
    value.__dict__["value"] = 7
    assert vars(there_and_back(value, CLASSES)) == {"value": 7}


def _with_more():
    value = Row(1)
    value.more = 2
    return value


def _with_less():
    value = Row(1)
    del value.number
    return value


def _tagged():
    value = Tagged(1, 2)
    value.tag = 3
    return value


def _cached():
    value = Child(1)
    assert value.total == 2
    return value


def _pseudo():
    return Flags.A | Flags.B


@pytest.mark.parametrize("make", [_with_more, _with_less, _tagged, _cached, _pseudo, lambda: Mapping(1)])
def test_more_than_fields_is_no_value(make):
    with pytest.raises(NotAValue):
        encode(make(), classes=CLASSES)


def test_properties_are_no_fields():
    with pytest.raises(NotAValue):
        encode(object.__new__(WithProperty), classes=CLASSES)


@pytest.mark.parametrize("value", [Colour.RED, Point(1), Row(1), [Key("a")]])
def test_other_classes_are_no_values(value):
    with pytest.raises(NotAValue):
        encode(value, classes=(Slotted, Level))


def test_the_place_within_a_dataclass_is_named():
    with pytest.raises(NotAValue, match=r"lock at \.parts\[1\]\.extra"):
        encode(Row(1, [2, Child(1, [], threading.Lock())]), classes=CLASSES)


@pytest.mark.parametrize("value", [Colour.RED, Point(1), Row(1), Slotted(1)])
@pytest.mark.parametrize("others", [(), (int,) * 13, (Child,) * 13, (Level,) * 13, (Three,) * 13, (Mapping,) * 13])
def test_a_reader_with_other_classes_refuses(value, others):
    with pytest.raises(StreamError):
        decode(encode(value, classes=CLASSES), classes=others)


def test_members_fields_and_counts_are_checked():
    data = encode(Colour.BLUE, classes=CLASSES)
    with pytest.raises(StreamError, match="no member 'BLUF'"):
        decode(data.replace(b"BLUE", b"BLUF"), classes=CLASSES)
    with pytest.raises(StreamError):
        decode(encode(Point(1), classes=(Point,)), classes=(Three,))
