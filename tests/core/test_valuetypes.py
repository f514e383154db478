"""The table of classes: what is found from a function, and that looking for it harms nobody."""

from __future__ import annotations

import dataclasses
import enum
import functools
import statistics
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from raisin_core.analysis.valuetypes import MOST, is_value_type, value_types


def module(name: str, source: str) -> dict[str, Any]:
    """A module of the user's own."""
    made = types.ModuleType(name)
    sys.modules[name] = made
    exec(compile(source, f"{name}.py", "exec"), vars(made))
    return vars(made)


HELPERS = """
from __future__ import annotations
import dataclasses, enum, typing

class Mode(enum.Enum):
    FAST = 1

@dataclasses.dataclass
class Inner:
    mode: Mode

@dataclasses.dataclass(frozen=True)
class Outer:
    __slots__ = ("inner",)
    inner: typing.Optional[Inner]

def make(x):
    return Outer(Inner(Mode.FAST))
"""
USER = """
import helpers_of_tests, helpers_of_tests as h
import typing, enum
from helpers_of_tests import make

class Here(typing.NamedTuple):
    x: int

class Plain:
    def method(self):
        return Here(1)

def near(x):
    return x

def through(x):
    return make(x)

def by_attribute(x):
    return helpers_of_tests.make(x)

def inside(x):
    def again(y):
        return [h.make(y) for _ in range(3)]
    return again(x)
"""


@pytest.fixture
def user() -> Iterator[dict[str, Any]]:
    module("helpers_of_tests", HELPERS)
    yield module("user_of_tests", USER)
    del sys.modules["helpers_of_tests"], sys.modules["user_of_tests"]


def names(function: object, kwargs: dict[str, Any] | None = None, samples: tuple[object, ...] = ()) -> set[str]:
    return {kind.__name__ for kind in value_types(function, kwargs, samples)}


def test_classes_of_the_functions_module(user: dict[str, Any]) -> None:
    assert names(user["near"]) == {"Here"}


@pytest.mark.parametrize("name", ["through", "by_attribute", "inside"])
def test_classes_of_the_functions_it_calls(user: dict[str, Any], name: str) -> None:
    assert names(user[name]) == {"Here", "Outer", "Inner", "Mode"}


def test_the_order_is_the_functions_own(user: dict[str, Any]) -> None:
    assert value_types(user["through"]) == value_types(user["through"])


def test_closures_defaults_keywords_samples_and_wrappers(user: dict[str, Any]) -> None:
    helpers = vars(sys.modules["helpers_of_tests"])
    outer = helpers["Outer"]
    nested = {"Outer", "Inner", "Mode"}

    def closed() -> Any:
        return outer

    kept: dict[str, Any] = {}
    exec("def bare(x): return x", {"__name__": "elsewhere_of_tests"}, kept)
    bare = kept["bare"]
    assert names(bare) == set()
    assert names(closed) >= nested
    assert names(bare, {"mode": helpers["Mode"].FAST}) == {"Mode"}
    assert names(bare, samples=([helpers["make"](1)],)) == nested
    assert names(functools.partial(bare, helpers["make"](1))) == nested
    assert names(functools.lru_cache(bare), {"d": {"k": (outer,)}}) == nested
    assert names(user["Plain"]().method) == {"Here"}
    bare.__annotations__ = {"return": list[outer]}
    assert names(bare) == nested
    bare.__annotations__ = {}
    bare.__kwdefaults__ = {"x": outer}
    assert names(bare) == nested


def test_a_librarys_function_is_looked_into() -> None:
    assert value_types(statistics.linear_regression) == (statistics.LinearRegression,)


@pytest.mark.parametrize("kind", [enum.Enum, enum.Flag, tuple, NamedTuple, object, int, type])
def test_others_are_none(kind: Any) -> None:
    assert not (isinstance(kind, type) and is_value_type(kind))


def test_it_is_bounded() -> None:
    kinds = [dataclasses.make_dataclass(f"D{number}", ["x"]) for number in range(60)]
    deep: list[Any] = []
    for _ in range(20_000):
        deep = [deep, deep]
    many: list[list[Any]] = [kinds[:60]] * 10
    assert len(value_types(abs, {"kinds": many, "deep": deep})) == 60
    more = [[dataclasses.make_dataclass(f"E{number}", ["x"]) for number in range(60)] for _ in range(10)]
    assert MOST <= len(value_types(abs, {"kinds": more})) <= MOST + 1


class Odd(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)


class Hidden(metaclass=Odd):
    pass


class Asked:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    __hash__ = None  # type: ignore[assignment]


def test_odd_objects_are_not_asked() -> None:
    unset: Callable[[], Any]
    if not sys.argv:
        later = 1

    def unset() -> Any:
        return later

    @dataclasses.dataclass
    class Found:
        x: int

    got = value_types(unset, {"a": Asked(), "b": Hidden, "c": [Asked()], "d": Found})
    assert Found in got
