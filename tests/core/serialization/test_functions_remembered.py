"""Bytes of a function are given again only while nothing that went into them has changed."""

from __future__ import annotations

import gc
import importlib
import math
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import raisin
from raisin_core.serialization.families import remembered
from raisin_core.serialization.families.remembered import cached, remember

TEXT = """
import math, json
FACTOR = 2
NAMES = ("a", ("b", 3), frozenset({1}))
MUTABLE = [1]
def helper(x): return x * FACTOR
def deep(x): return helper(x)
def plain(x, y=1, *, z=2): return math.sin(x) + FACTOR + deep(y) + undefined + len(NAMES)
def uses_list(): return MUTABLE
def uses_package(): return json.decoder
def closure(n, m=()):
    def inner(): return n, m, inner
    return inner
def recursive(): return recursive
def annotated(x: int) -> str: return x
def by_class(): return dict, Own
class Own: pass
"""


@pytest.fixture
def space() -> dict[str, Any]:
    made: dict[str, Any] = {"__name__": "__main__"}
    exec(TEXT, made)
    return made


def kept(function: Any) -> bool:
    remember(function, b"first")
    assert cached(function) is None, "a function that was written once is only marked"
    remember(function, b"again")
    return cached(function) == b"again"


def set_closure(space: dict[str, Any], function: Any) -> None:
    function.__closure__[1].cell_contents = "other"


CHANGES: dict[str, Callable[[dict[str, Any], Any], object]] = {
    "a global": lambda space, f: space.update(FACTOR=3),
    "a tuple": lambda space, f: space.update(NAMES=(*space["NAMES"], "new")),
    "a global that was not there": lambda space, f: space.update(undefined=1),
    "a global that hides a built-in": lambda space, f: space.update(len=sum),
    "a global that goes": lambda space, f: space.pop("FACTOR"),
    "a function used": lambda space, f: space.update(deep=lambda x: x),
    "a function that this one uses": lambda space, f: space.update(helper=lambda x: x),
    "its code": lambda space, f: setattr(space["helper"], "__code__", (lambda x: x + 1).__code__),
    "the name of the module": lambda space, f: space.update(__name__="other"),
    "code": lambda space, f: setattr(f, "__code__", space["helper"].__code__),
    "defaults": lambda space, f: setattr(f, "__defaults__", (2,)),
    "keyword defaults": lambda space, f: f.__kwdefaults__.update(z=4),
    "a new keyword default": lambda space, f: f.__kwdefaults__.update(y=2),
    "an attribute": lambda space, f: setattr(f, "note", 1),
    "an annotation": lambda space, f: f.__annotations__.update(x=int),
    "the name": lambda space, f: setattr(f, "__name__", "g"),
    "the qualified name": lambda space, f: setattr(f, "__qualname__", "g"),
    "the module": lambda space, f: setattr(f, "__module__", "g"),
    "the docstring": lambda space, f: setattr(f, "__doc__", "g"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_seen(change: str, space: dict[str, Any]) -> None:
    function = space["plain"]
    assert kept(function)
    CHANGES[change](space, function)
    assert cached(function) is None
    assert cached(function) is None


def test_a_changed_variable_of_a_closure(space: dict[str, Any]) -> None:
    function = space["closure"](1)
    assert kept(function)
    for cell in function.__closure__:
        if cell.cell_contents == ():
            cell.cell_contents = (1,)
    assert cached(function) is None


def test_an_emptied_variable(space: dict[str, Any]) -> None:
    function = space["closure"](1)
    assert kept(function)
    del function.__closure__[0].cell_contents
    assert cached(function) is None
    assert not kept(function)


@pytest.mark.parametrize("name", ["plain", "recursive", "annotated"])
def test_unchanged_ones_are_kept(name: str, space: dict[str, Any]) -> None:
    function = space[name]
    assert kept(function)
    gc.collect()
    assert cached(function) == b"again"


@pytest.mark.parametrize("name", ["uses_list", "by_class"])
def test_what_may_change_unseen_is_not_kept(name: str, space: dict[str, Any]) -> None:
    assert not kept(space[name])


@pytest.mark.parametrize("value", [1, "x", [], {}, len, math, str, Callable, object(), types.CellType(1), ([],)])
def test_only_functions_are_kept(value: object) -> None:
    assert not kept(value)


@pytest.mark.parametrize("inside", [([1],), (1, ({},)), (object(),), (bytearray(),), (set(),)])
def test_mutable_things_inside(inside: tuple[Any, ...], space: dict[str, Any]) -> None:
    assert not kept(space["closure"](inside))
    function = space["plain"]
    function.__defaults__ = inside
    assert not kept(function)


def test_a_package_of_which_more_was_imported(space: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    function = space["uses_package"]
    assert kept(function)
    monkeypatch.setitem(sys.modules, "json.later", types.ModuleType("json.later"))
    assert cached(function) is None


def test_what_belongs_to_local_modules_is_not_kept(
    space: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "near_by.py").write_text("LIMIT = 3\ndef own(): return LIMIT\nclass Own: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    near_by = importlib.import_module("near_by")
    monkeypatch.setitem(sys.modules, "near_by", near_by)  # so that it goes with this test
    assert not kept(near_by.own), "its source is in the bytes"
    for used in (near_by, near_by.own, near_by.Own):
        space["FACTOR"] = used
        assert not kept(space["plain"])


def test_streams_give_remembered_functions_too(space: dict[str, Any]) -> None:
    function = space["plain"]
    texts = [raisin.dumps(function) for _ in range(3)]
    assert cached(function) is not None
    assert texts[0] == texts[1] == texts[2]
    space["FACTOR"] = 5
    assert raisin.loads(raisin.dumps(function)).__globals__["FACTOR"] == 5


def test_nothing_stays_of_a_function_that_is_gone(space: dict[str, Any]) -> None:
    function = space["closure"](1, "x")
    assert kept(function)
    key = id(function)
    del function
    gc.collect()
    assert key not in remembered._entries
    assert key not in remembered._marked


def test_another_function_at_the_same_place(space: dict[str, Any]) -> None:
    assert kept(space["plain"])
    entry = remembered._entries[id(space["plain"])]
    remembered._entries[id(space["helper"])] = entry
    assert cached(space["helper"]) is None


def test_large_ones_and_too_many_are_not_kept(space: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    function = space["annotated"]
    remember(function, b"x" * (remembered.LARGEST + 1))
    remember(function, b"x" * (remembered.LARGEST + 1))
    assert cached(function) is None
    monkeypatch.setattr(remembered, "MOST", 3)
    several = [space["closure"](number) for number in range(5)]
    assert all(kept(each) for each in several)
    assert len(remembered._entries) <= 3
