"""An error of serialization names the part that cannot travel, the path to it, and what to do."""

from __future__ import annotations

import collections
import ctypes
import dataclasses
import functools
import multiprocessing
import socket
import sqlite3
import sys
import threading
import traceback
import types
from collections.abc import Iterator
from typing import Any

import pytest

from raisin_core.errors import SerializationError
from raisin_core.serialization import culprit, objects
from tests.core.serialization.pickled import dumps


class Stuck:
    """Cannot be pickled; has no parts."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("it is stuck")

    def method(self) -> None: ...


class Bag:
    """Has attributes."""

    def __init__(self, **content: Any) -> None:
        self.__dict__.update(content)

    def method(self) -> Any:
        return self


class Slotted:
    __slots__ = ("empty", "full")

    def __init__(self, full: Any) -> None:
        self.full = full


@dataclasses.dataclass
class Data:
    field: Any


def said(value: object) -> str:
    """The text of the error for a value called x."""
    with pytest.raises(Exception) as caught:
        dumps(value)
    return culprit.explain(value, "x", caught.value)


STUCK = Stuck()
CYCLE: list[Any] = []
CYCLE += [CYCLE, {"back": CYCLE}, STUCK]
PATHS = {
    "itself": (STUCK, "x"),
    "a dict": ({"a": {"b": STUCK}}, "x['a']['b']"),
    "a dict's key": ({STUCK: 1}, "x, its key <"),
    "a list": ([0, [1, STUCK]], "x[1][1]"),
    "a tuple": ((STUCK,), "x[0]"),
    "a deque": (collections.deque([1, STUCK]), "x[1]"),
    "a default dict": (collections.defaultdict(list, a=STUCK), "x['a']"),
    "a set": ({1, STUCK}, "x, its element <"),
    "an attribute": (Bag(model=Bag(hooks=[1, 2, STUCK])), "x.model.hooks[2]"),
    "a slot": (Slotted(STUCK), "x.full"),
    "a dataclass": ([Data(STUCK)], "x[0].field"),
    "an exception": (ValueError("no", STUCK), "x.args[1]"),
    "a method": (Bag(a=STUCK).method, "x.__self__.a"),
    "a partial's argument": (functools.partial(print, 1, STUCK), "x.args[1]"),
    "a partial's keyword": (functools.partial(print, end=STUCK), "x.keywords['end']"),
    "a cycle": (CYCLE, "x[2]"),
    "the second of two that are alike": ([Bag(), Bag(a=STUCK), Bag()], "x[1].a"),
    "an iterator": (iter([STUCK]), "x, inside[0]"),
    "much": ([[i] for i in range(50_000)] + [[STUCK]], "x[50000][0]"),
    "many": ([0] * 1_000_000 + [STUCK], "x[1000000]"),
}


@pytest.mark.parametrize("name", PATHS)
def test_the_path_to_the_culprit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(culprit, "SECONDS", 100.0)  # a busy machine finds it, too
    value, path = PATHS[name]
    text = said(value)
    assert text.startswith(f"cannot serialize {path}")
    assert text.endswith(" (a Stuck): it is stuck")


def test_variables_defaults_and_globals_of_functions() -> None:
    inner = STUCK

    def default(a: Any, b: Any = STUCK) -> Any:
        return a

    def keyword(*, b: Any = STUCK) -> Any:
        return b

    def nested() -> Any:
        return lambda: [inner for _ in range(3)]

    uses = eval("lambda: STUCK.method()", {"STUCK": STUCK, "__name__": "__main__"})
    assert "x, its variable inner (a Stuck)" in said(lambda: inner)
    assert "x, its variable inner (a Stuck)" in said(nested)
    assert "x, its default 0 (a Stuck)" in said(default)
    assert "x, its default b (a Stuck)" in said(keyword)
    assert "x, its global STUCK (a Stuck)" in said(uses)
    assert "x[0], its global STUCK (a Stuck)" in said([uses])


def test_classes_of_ones_own() -> None:
    kind = type("Kind", (), {"held": [STUCK], "__module__": "__main__"})
    assert "x.held[0] (a Stuck)" in said(kind)
    assert "held[0] (a Stuck)" in said(kind())


def test_an_empty_cell_is_passed_over() -> None:
    def outer() -> Any:
        inner = STUCK

        def function() -> Any:
            return later, inner

        if inner is None:
            later = 1
        return function

    assert "x, its variable inner (a Stuck)" in said(outer())


def test_nothing_is_drawn_from_generators() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(3):
            drawn.append(number)
            yield number

    value = [items(), STUCK]
    assert culprit.explain(value, "x", TypeError("no")).startswith("cannot serialize x[")
    assert not drawn
    assert next(value[0]) == 0


def tips() -> Iterator[tuple[object, str]]:
    yield threading.Thread(), "(a Thread)"
    yield sqlite3.connect(":memory:"), "(a Connection)"
    yield socket.socket(), "(a socket)"
    yield sys._getframe(), "(a frame)"
    yield multiprocessing.Lock(), "(a Lock)"
    yield ctypes.pointer(ctypes.c_int(1)), "(a LP_c_int)"
    try:
        raise ValueError
    except ValueError as error:
        yield error.__traceback__, "(a traceback)"


def test_tips() -> None:
    """What cannot travel has one; what can has none."""
    for value, kind in tips():
        text = said([value])
        assert text.startswith(f"cannot serialize x[0] {kind}: ")
        assert "; " in text, text
        if hasattr(value, "close"):
            value.close()
    for travels in (threading.Lock(), types, traceback, (i for i in ()), sys.stdout, threading.Event()):
        assert culprit.tip(type(travels)) == ""


def test_a_reason_is_one_line_and_never_empty() -> None:
    class Silent:
        def __reduce__(self) -> Any:
            raise ValueError

    class Talkative:
        def __reduce__(self) -> Any:
            raise ValueError("first\nsecond")

    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert said(Silent()) == "cannot serialize x (a Silent): ValueError"
    assert said(Talkative()) == "cannot serialize x (a Talkative): first"
    assert culprit.explain(1, "x", Unspeakable()) == "cannot serialize x (an int): Unspeakable"


def test_parts_that_are_fine_one_by_one() -> None:
    """Only together they fail: the whole is named."""

    class Picky:
        def __init__(self) -> None:
            self.a, self.b = [1], [2]

        def __reduce__(self) -> Any:
            raise ValueError("not together")

    assert said([Picky()]) == "cannot serialize x[0] (a Picky): not together"


def test_a_part_that_is_made_while_pickling() -> None:
    """It is nowhere to be found: the object that made it is named, and no sibling that was fine."""

    class Maker:
        def __reduce__(self) -> Any:
            return print, (Stuck(),)

    assert said([Bag(a=1), Maker(), Bag()]) == "cannot serialize x[1] (a Maker): it is stuck"


def test_paths_are_bounded() -> None:
    deep: Any = STUCK
    for _ in range(90):
        deep = [[deep]]
    text = said({"k" * 1000: deep})
    assert len(text) < 500
    for _ in range(100_000):
        deep = [deep]
    assert said(deep).startswith("cannot serialize x (a list): ")


def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is over, the whole is named."""
    monkeypatch.setattr(culprit, "SECONDS", 0.0)
    assert said([STUCK]) == "cannot serialize x (a list): it is stuck"


def test_objects_that_raise_or_lie_when_looked_at() -> None:
    class Hostile:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __repr__(self) -> str:
            raise RuntimeError

        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        def __hash__(self) -> int:
            return 1

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            if name in ("__name__", "__module__", "__mro__", "__qualname__"):
                raise RuntimeError
            return super().__getattribute__(name)

    class Masked(metaclass=Meta): ...

    class Liar(list):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            return iter([1, 2])

        def __reduce_ex__(self, protocol: Any) -> Any:
            return list, ([STUCK],)

    assert said([Hostile()]).startswith("cannot serialize x[0] (a Hostile): ")
    assert said({Hostile(): 1}).startswith("cannot serialize x, its key <")
    assert culprit.explain(Masked(), "x", TypeError("no")) == "cannot serialize x (a Masked): no"
    assert said([Liar([0, STUCK])]) == "cannot serialize x[0][1] (a Stuck): it is stuck"


def test_objects_say_it() -> None:
    """Where whole objects are written; the pickler's own exception is kept."""
    with pytest.raises(SerializationError, match=r"^cannot serialize x\[0\] \(a Stuck\): it is stuck$") as caught:
        objects.dumps([STUCK], "x")
    assert type(caught.value.__cause__) is TypeError


def test_an_object_that_does_not_let_itself_be_asked_hides_no_other() -> None:
    class Mute:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError

    value = {"deep": [[[STUCK]]], "mute": Mute()}
    assert culprit.explain(value, "x", ValueError("no")).startswith("cannot serialize x['deep'][0][0][0] (a Stuck)")
