"""Instances and their classes at once: singletons, bound methods."""

from __future__ import annotations

import collections
import struct
import weakref

import pytest

import raisin
from tests.core.serialization.elsewhere import Elsewhere


@pytest.fixture(scope="module")
def elsewhere():
    process = Elsewhere()
    yield process
    process.close()


def singletons():
    class Single:
        _one = None

        def __new__(cls):
            if cls._one is None:
                cls._one = super().__new__(cls)
                cls._one.made = 1
            return cls._one

    class Pool(dict):
        pool: dict[str, Pool] = {}

        def __new__(cls, name="a"):
            if name not in cls.pool:
                cls.pool[name] = super().__new__(cls)
            return cls.pool[name]

        def __init__(self, name="a"):
            super().__init__()

    Pool("a")["key"] = Pool("b")
    return Single, Pool


def test_singletons_are_one_there_too(elsewhere):
    def look(single, Single, pool):
        kind = type(pool)
        return Single() is single, single.made, kind("a") is pool, pool["key"] is kind("b"), list(kind.pool)

    Single, Pool = singletons()
    for _ in range(2):  # new there, and known there
        assert elsewhere.call(look, Single(), Single, Pool()) == (True, 1, True, True, ["b", "a"])
    assert raisin.copy(Single()) is Single()
    assert raisin.copy([Single, Single()])[1] is Single()


class Base:
    def __init__(self):
        self.called = self.call
        self.call = "hides the method"

    def call(self):
        return type(self)

    @classmethod
    def made(cls):
        return cls


def methods(base):
    class Local(base):
        def call(self):
            return super().call()

        def own(self):
            return self

    one = Local()
    one.weak = weakref.WeakMethod(one.own)
    return [one, one.own, Local.made, super(Local, one).call]


def check(one, own, made, of_base):
    kind = type(one)
    assert one.own == own
    assert one.weak() == own
    assert own() is one
    assert made == kind.made
    assert of_base.__func__ is not kind.call
    return [each() is kind for each in (one.called, made, of_base)]


def test_bound_methods_are_those_of_their_class(elsewhere):
    given = methods(Base)
    assert check(*raisin.copy(given)) == [True] * 3
    for _ in range(2):
        assert elsewhere.call(check, *given) == [True] * 3


def test_a_bound_method_of_no_name():
    class Local:
        method = lambda self: "old"  # noqa: E731

    one = Local()
    old = one.method
    Local.method = lambda self: "new"
    assert (raisin.copy(old)(), raisin.copy(one.method)()) == ("old", "new")


@pytest.fixture(params=["here", "elsewhere"])
def copied(request, elsewhere):
    return raisin.copy if request.param == "here" else lambda value: elsewhere.call(lambda each: each, value)


def test_new_that_takes_arguments(copied):
    class Point:
        def __new__(cls, x, *, y):
            self = super().__new__(cls)
            self.x, self.y = x, y
            return self

    class Name(str):
        def __new__(cls, first, last):
            self = super().__new__(cls, f"{first} {last}")
            self.first = first
            return self

    class Vector(tuple):
        def __new__(cls, *numbers):
            return super().__new__(cls, numbers)

    class Pair(collections.namedtuple("Pair", "a b")):
        __slots__ = ()

        def __new__(cls, text):
            return super().__new__(cls, *text.split())

    class Items(list):
        def __new__(cls, needed):
            return super().__new__(cls)

    point, name, vector, pair, items = found = copied(
        [Point(1, y=2), Name("a", "b"), Vector(1, 2), Pair("a b"), Items("ab")]
    )
    assert list(map(type, found)) == [Point, Name, Vector, Pair, Items]
    assert (point.x, point.y, name, name.first) == (1, 2, "a b", "a")
    assert (vector, pair, items) == ((1, 2), ("a", "b"), ["a", "b"])


def test_new_that_says_its_arguments_is_asked(copied):
    class Said(str):
        __slots__ = ()

        def __new__(cls, text):
            return super().__new__(cls, text + "!")

        def __getnewargs__(self):
            return (str(self),)

    assert copied(Said("a")).startswith("a!!")


def test_slots_that_nobody_may_set_and_proxies(copied):
    class Fixed:
        __slots__ = ("me", "value")

        def __init__(self, value):
            object.__setattr__(self, "value", value)
            object.__setattr__(self, "me", [self])

        def __setattr__(self, name, value):
            raise AttributeError(name)

    class Proxy:
        def __init__(self, target):
            self.__dict__["target"] = target

        def __getattr__(self, name):
            return getattr(self.target, name)

        def __setattr__(self, name, value):
            setattr(self.target, name, value)

    class Anything:
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return name

    fixed, proxy, anything = copied([Fixed(1), Proxy([1]), Anything()])
    assert (type(fixed), fixed.value, fixed.me[0] is fixed) == (Fixed, 1, True)
    assert (type(proxy), proxy.index(1), vars(proxy)) == (Proxy, 0, {"target": [1]})
    assert (type(anything), anything.any) == (Anything, "any")


def test_layouts_of_bytes(copied):
    found = copied([layout := struct.Struct("<IH"), layout])
    assert found[0] is found[1]
    assert found[0].pack(1, 2) == layout.pack(1, 2)
