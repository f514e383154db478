from __future__ import annotations

import functools
import socket
import sys
import threading

import pytest

from raisin_core.errors import SerializationError
from raisin_core.serialization import values


class Bag:
    """Has attributes."""

    def __init__(self, **content):
        self.__dict__.update(content)

    def method(self):
        return self


class Slotted:
    __slots__ = ("empty", "full")

    def __init__(self, full):
        self.full = full


def generator():
    yield


def said(value: object) -> str:
    """The text of the error for a value called x."""
    with pytest.raises(SerializationError) as caught:
        values.dumps(value, "x")
    assert isinstance(caught.value.__cause__, Exception), "the pickler's own exception is kept"
    return str(caught.value)


GENERATOR = generator()
PATHS = {
    "itself": (GENERATOR, "x (generator)"),
    "a dict": ({"a": {"b": GENERATOR}}, "x['a']['b'] (generator)"),
    "a dict's key": ({GENERATOR: 1}, "key"),
    "a list": ([0, [1, GENERATOR]], "x[1][1] (generator)"),
    "a tuple": ((GENERATOR,), "x[0] (generator)"),
    "a set": ({1, GENERATOR}, "x element (generator)"),
    "an attribute": (Bag(a=Bag(b=[GENERATOR])), "x.a.b[0] (generator)"),
    "a slot": (Slotted(GENERATOR), "x.full (generator)"),
    "a method": (Bag(a=GENERATOR).method, "x.__self__.a (generator)"),
    "a built-in method": (GENERATOR.send, "x.__self__ (generator)"),
    "a partial's argument": (functools.partial(print, 1, GENERATOR), "x.args[1] (generator)"),
    "a partial's keyword": (functools.partial(print, end=GENERATOR), "x.keywords['end'] (generator)"),
}


@pytest.mark.parametrize("name", PATHS)
def test_the_path_to_the_culprit(name):
    value, path = PATHS[name]
    assert path in said(value)


def test_variables_and_defaults_of_functions():
    inner = threading.Lock()

    def function(a, b=GENERATOR):
        return a

    assert "x, its variable inner (lock)" in said(lambda: inner)
    assert "x, its default 0 (generator)" in said(function)


GENERATOR_HERE = generator()


def test_globals_of_functions_that_travel_by_value():
    function = eval("lambda: GENERATOR_HERE", {"GENERATOR_HERE": GENERATOR_HERE, "__name__": "__main__"})
    assert "x, its global GENERATOR_HERE (generator)" in said(function)


def test_an_empty_cell_is_passed_over():
    def outer():
        def function():
            return later, GENERATOR_HERE

        if False:
            later = 1
        return function

    assert "x, its global GENERATOR_HERE (generator)" in said(outer())


def test_tips():
    assert said(GENERATOR).endswith("; pass list(generator), or the generator as the iterable of a map")
    with socket.socket() as connection:
        assert said([connection]).endswith("; connect inside the function")
    assert ";" not in said(sys._getframe())


def test_a_reason_is_one_line_and_never_empty():
    class Silent:
        def __reduce__(self):
            raise ValueError

    class Talkative:
        def __reduce__(self):
            raise ValueError("first\nsecond")

    assert said(Silent()) == "cannot serialize x (Silent): ValueError"
    assert said(Talkative()) == "cannot serialize x (Talkative): first"


def test_parts_that_are_fine_one_by_one():
    """Only together they fail: the whole is named."""

    class Picky:
        def __init__(self):
            self.a, self.b = 1, 2

        def __reduce__(self):
            raise ValueError("not together")

    assert said(Picky()) == "cannot serialize x (Picky): not together"


def test_cycles_and_large_objects_are_bounded():
    cycle = [GENERATOR]
    cycle.insert(0, cycle)
    assert said(cycle)
    assert "x[700]" not in said([0] * 700 + [GENERATOR]), "after so many trials it gives up, and names the whole"
    deep = GENERATOR
    for _ in range(50):
        deep = [deep]
    assert said(deep).startswith("cannot serialize x[0][0]")


def test_objects_that_raise_when_looked_at():
    class Hostile:
        def __getattr__(self, name):
            raise RuntimeError(name)

        def __reduce__(self):
            raise ValueError("no")

    assert said([Hostile()]) == "cannot serialize x[0] (Hostile): no"
