"""What counts as the same value, and what does not."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import itertools
import math
import operator
import pathlib
import threading
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.errors import SerializationError
from raisin_core.serialization.tags import SIZE, stable, tag, tags

KEY = b"k" * 32


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Number(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 0


class Plain:
    def __init__(self, **content):
        self.__dict__.update(content)


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


class Words(set[str]):
    pass


class Stubborn:
    def __reduce__(self):
        raise TypeError("will not")


Pair = collections.namedtuple("Pair", "a b")

# No two of these are the same, and each is made anew by its function.
DIFFERENT = [
    *(lambda: 1, lambda: 1.0, lambda: True, lambda: "1", lambda: b"1", lambda: bytearray(b"1"), lambda: 1 + 0j),
    *(lambda: 0, lambda: 0.0, lambda: -0.0, lambda: False, lambda: "", lambda: b"", lambda: None, lambda: ...),
    *(lambda: -1, lambda: 10**5000, lambda: 10**5000 + 1, lambda: math.inf, lambda: -math.inf, lambda: math.nan),
    *(tuple, list, dict, set, frozenset, lambda: ((),), lambda: [[]]),
    *(lambda: (1, 2), lambda: [1, 2], lambda: {1, 2}, lambda: frozenset([1, 2]), lambda: {1: 2}, lambda: (1, (2,))),
    *(lambda: ("ab", "c"), lambda: ("a", "bc"), lambda: ("abc",), lambda: ("a", "b", "c"), lambda: ["a", None]),
    *(lambda: {"a": 1, "b": 2}, lambda: {"b": 2, "a": 1}, lambda: {"a": [1, [2]]}, lambda: "\ud800", lambda: "ä"),
    *(lambda: Colour.RED, lambda: Colour.BLUE, lambda: Number.ONE, lambda: Point(1), lambda: Point(1.0)),
    *(lambda: Plain(), lambda: Plain(a=1), lambda: Plain(a=2), lambda: Slotted(1), lambda: Slotted(2)),
    *(lambda: Pair(1, 2), lambda: Words({"a", "b"}), lambda: collections.OrderedDict(a=1), lambda: Words({"a"})),
    *(lambda: collections.Counter("aab"), lambda: collections.deque([1], 3), lambda: collections.deque([1])),
    *(lambda: pathlib.Path("a", "b"), lambda: pathlib.PurePath("a"), lambda: "a/b", lambda: decimal.Decimal("1.0")),
    *(lambda: decimal.Decimal("1.00"), lambda: fractions.Fraction(1, 3), lambda: uuid.UUID(int=1), lambda: range(3)),
    *(lambda: datetime.datetime(2026, 1, 2), lambda: datetime.date(2026, 1, 2), lambda: datetime.timedelta(1)),
    *(lambda: datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), lambda: array.array("i", [1])),
    *(lambda: slice(1, 2), lambda: list[int], lambda: abs, lambda: len, lambda: operator.itemgetter(1), lambda: int),
    *(lambda: functools.partial(max, 1), lambda: functools.partial(max, 2), lambda: functools.partial(min, 1)),
    *(lambda: Point, lambda: Plain, lambda: math, lambda: "x" * 5000, lambda: "x" * 5001, lambda: list(range(9999))),
]


def test_different_values_differ_and_the_same_are_the_same():
    values = [make() for make in DIFFERENT]
    keyed = tags(KEY, values)
    found = {keyed[at : at + SIZE] for at in range(0, len(keyed), SIZE)}
    assert len(found) == len({stable(value) for value in values}) == len(values)
    assert keyed == tags(KEY, (make() for make in DIFFERENT)) == b"".join(tag(KEY, make()) for make in DIFFERENT)
    assert [stable(make()) for make in DIFFERENT] == [stable(value) for value in values]


@pytest.mark.parametrize("inside", [lambda value: [value, {}], lambda value: (value,), lambda value: Plain(a=value)])
def test_also_inside_others(inside):
    assert len({tag(KEY, inside(make())) for make in DIFFERENT}) == len(DIFFERENT)


def test_the_key_counts():
    assert tag(KEY, 1) != tag(b"", 1) != tag(b"other", 1)
    assert tag(b"k" * 64, 1) != tag(KEY, 1)
    assert tag(KEY, 1) == hashlib.blake2b(b"i1", key=KEY, digest_size=16).digest()
    with pytest.raises(ValueError, match="at most 64 bytes, this one has 65"):
        tags(b"k" * 65, [])


def test_whether_parts_are_one_object_does_not_count():
    one = [1, {}]
    text = "some text"
    assert stable([one, one]) == stable([[1, {}], [1, {}]])
    assert stable((text, text, Plain(a=text))) == stable(("some text", "some " + text[5:], Plain(a="".join(text))))
    for _ in range(60):  # as a tree this has 2**60 leaves
        one = [one, one]
    assert len(stable(one)) == 32


def test_attributes_come_in_any_order_and_so_do_sets():
    assert stable(Plain(a=1, b=2)) == stable(Plain(b=2, a=1))
    assert stable(set("abcdefgh")) == stable(set("hgfedcba"))
    assert stable(Words("abcdefgh")) == stable(Words("hgfedcba"))


def test_cycles_end():
    def ring(*content):
        first: list[Any] = list(content)
        first.append({"back": first})
        return first

    assert stable(ring(1)) == stable(ring(1)) != stable(ring(2))
    assert stable([[7], ring(1)]) == stable([[7], ring(1)]) != stable([[7], ring(1, 1)])
    nodes = [Plain(number=number) for number in range(60)]
    for node in nodes:  # everyone knows everyone: there are more paths than one can walk
        node.others = nodes
    assert stable(nodes) == stable(nodes)
    nodes[30].number = -1
    assert stable(nodes) != stable(nodes[:30])


def test_functions_are_what_they_do():
    def adder(n):
        return lambda x: x + n

    assert stable(adder(1)) == stable(adder(1)) != stable(adder(2))
    assert tag(KEY, [adder(1)]) != tag(KEY, [adder(2)])


def test_what_cannot_be_digested_is_named():
    lock = threading.Lock()
    with pytest.raises(SerializationError, match=r"element 2\['a'\]\[0\] \(a lock\)"):
        tags(KEY, [1, (2,), {"a": [lock]}])
    with pytest.raises(SerializationError, match=r"argument\.a \(a lock\)"):
        tag(KEY, Plain(a=lock))
    with pytest.raises(SerializationError, match=r"thing \(a Stubborn\): will not"):
        stable(Stubborn(), name="thing")
    with pytest.raises(SerializationError, match="recursion"):
        stable(nested(100_000))


def nested(depth):
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_deep_values():
    assert stable(nested(100)) == stable(nested(100)) != stable(nested(101))
    assert stable(nested(400)) == stable(nested(400)) != stable(nested(401))


def test_what_only_cloudpickle_takes():
    assert stable(memoryview(b"ab")) == stable(memoryview(b"ab")) != stable(memoryview(b"ac"))


# -- numpy, and something that looks like it -------------------------------------------------------------------------


def test_arrays():
    numpy = pytest.importorskip("numpy")
    base = numpy.arange(6.0).reshape(2, 3)
    assert stable(base) == stable(numpy.asfortranarray(base)) == stable(base.copy()) == stable(base[::1])
    others = [base.astype("f4"), base.reshape(3, 2), base + 1, base.tolist(), numpy.array([None, 1]), base[0, 1]]
    others += [1.0, numpy.float32(1), numpy.array(["a"]), numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])]
    others += [numpy.ma.masked_array(base, base > 2), numpy.ma.masked_array(base, base > 3), base.astype(">f8")]
    assert len({stable(each) for each in [base, *others]}) == len(others) + 1
    assert stable(numpy.float64(1.5)) == stable(numpy.float64(1.5)) != stable(1.5)


# -- values of all kinds ---------------------------------------------------------------------------------------------

ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=3), st.binary(max_size=3)
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=2), inner, max_size=3),
        st.frozensets(ATOMS, max_size=3),
        st.builds(Point, inner, inner),
    ),
    max_leaves=6,
)


def plain(value: Any) -> Any:
    """A form that is equal only for what we call the same: with types, and signs of zeros."""
    if isinstance(value, (list, tuple)):
        return type(value), [plain(each) for each in value]
    if isinstance(value, dict):
        return dict, [(key, plain(each)) for key, each in value.items()]
    if isinstance(value, frozenset):
        return frozenset, sorted(repr(plain(each)) for each in value)
    if isinstance(value, Point):
        return Point, plain(value.x), plain(value.y)
    return type(value), repr(value)


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, min_size=2, max_size=5))
def test_tags_are_equal_just_for_the_same_values(values):
    for one, other in itertools.combinations(values, 2):
        assert (tag(KEY, one) == tag(KEY, other)) == (plain(one) == plain(other))
        assert (stable(one) == stable(other)) == (plain(one) == plain(other))
    assert tags(KEY, values) == b"".join(tag(KEY, value) for value in values)
