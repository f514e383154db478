"""Small things: wrappers of functions, weak references, views, names, what `typing` makes; in one process."""

from __future__ import annotations

import abc
import collections
import dataclasses
import functools
import gc
import os.path
import pickle
import sys
import types
import typing
import weakref

import pytest

from raisin_core.errors import SerializationError
from tests.core.serialization.elsewhere import copied, dumps


@functools.lru_cache(maxsize=3)
def cached(x):
    return x


@functools.singledispatch
def generic(x):
    return x


Variable = typing.TypeVar("Variable")
Text = typing.NewType("Text", str)


def test_what_can_be_imported_stays_itself():
    for each in (cached, generic, Variable, Text, os.path.normpath, os.fsencode, re_error(), len, math_sin()):
        assert copied(each) is each


def re_error():
    import re

    return re.error


def math_sin():
    import math

    return math.sin


def test_a_property_of_a_subclass_stays_one():
    class Field(property):
        def __init__(self, fget, unit=""):
            super().__init__(fget)
            self.unit = unit

    given = Field(lambda self: 3, "m")
    arrived = copied(given)
    assert type(arrived) is Field
    assert (arrived.unit, arrived.fget(None)) == ("m", 3)
    plain = copied(property(None, None, None, "its text"))
    assert (type(plain), plain.__doc__, plain.fget) == (property, "its text", None)


def test_an_abstract_property_stays_one():
    given = abc.abstractproperty(lambda self: 1)
    assert type(copied(given)) is abc.abstractproperty
    assert copied(given).__isabstractmethod__


def test_class_methods_of_subclasses_keep_their_attributes():
    class Loud(classmethod):
        pass

    def method(cls):
        "its text"
        return cls

    given = Loud(method)
    given.volume = 11
    arrived = copied(given)
    assert type(arrived) is Loud
    assert (arrived.volume, arrived.__doc__, arrived.__func__(int)) == (11, "its text", int)


def test_a_cached_function_comes_with_an_empty_cache_and_its_attributes():
    def square(x):
        "its text"
        return x * x

    given = functools.lru_cache(maxsize=7, typed=True)(square)
    given.mark = 5
    given(3)
    arrived = copied(given)
    assert arrived.cache_info() == (0, 0, 7, 0)
    assert (arrived(4), arrived.mark, arrived.__doc__, arrived.__name__) == (16, 5, "its text", "square")
    assert arrived.cache_parameters() == {"maxsize": 7, "typed": True}


def test_a_read_only_mapping_stays_a_view():
    content = {"a": 1}
    ordered = collections.OrderedDict(b=2)
    arrived = copied([content, types.MappingProxyType(content), types.MappingProxyType(ordered), vars(Exception)])
    arrived[0]["new"] = 2
    assert arrived[1] == {"a": 1, "new": 2}
    assert list(reversed(arrived[2])) == ["b"]
    assert arrived[3].keys() == vars(Exception).keys()


def test_views_take_no_more_along_than_they_show():
    secret = {"key": "secret value"}
    assert b"secret value" not in dumps(secret.keys())
    assert b"key" not in dumps(secret.values())
    for make in (dict, collections.OrderedDict):
        given = make(a=1, b=[2])
        keys, values, items = copied([given.keys(), given.values(), given.items()])
        assert (list(keys), list(values), list(items)) == (["a", "b"], [1, [2]], [("a", 1), ("b", [2])])
        assert type(keys) is type(given.keys())


def test_weak_references_hold_nothing():
    class Thing:
        pass

    thing = Thing()
    alive, dead, alone = copied([(thing, weakref.ref(thing)), weakref.ref(Thing()), weakref.WeakSet([thing])])
    assert alive[1]() is alive[0]
    assert dead() is None
    reference = alive[1]
    del alive
    gc.collect()
    assert reference() is None
    assert list(alone) == []


def test_a_weak_reference_keeps_its_callback():
    class Thing:
        gone: list = []

        def note(self, reference):
            self.gone.append(reference)

    thing, watcher = Thing(), Thing()
    kept, there, _reference = copied([thing, watcher, weakref.ref(thing, watcher.note)])
    del kept
    gc.collect()
    assert len(there.gone) == 1


def test_a_proxy_of_what_is_gone_is_refused():
    class Thing:
        pass

    proxy = weakref.proxy(Thing())
    gc.collect()
    with pytest.raises(SerializationError, match="weak proxy"):
        dumps(proxy)


def test_constants_are_known_by_identity():
    constants = [dataclasses.MISSING, dataclasses.KW_ONLY, ..., NotImplemented, None]
    assert all(one is other for one, other in zip(copied(constants), constants))
    kinds = [type(each) for each in constants] + [type({}.keys()), type(iter([])), types.CodeType, types.CellType]
    assert all(one is other for one, other in zip(copied(kinds), kinds))


def test_fields_of_a_dataclass_travel():
    @dataclasses.dataclass
    class Data:
        a: int
        b: list = dataclasses.field(default_factory=list, metadata={"unit": "m"})

    first, second = copied(dataclasses.fields(Data))
    assert first.default is dataclasses.MISSING
    assert (second.default_factory, second.metadata["unit"], second._field_type) == (list, "m", dataclasses._FIELD)


def test_type_variables_are_the_same_variable():
    local = typing.TypeVar("local")
    new = typing.NewType("new", int)
    assert copied([local, typing.List[local]])[1].__parameters__ == (local,)  # noqa: UP006
    assert copied(local) is local
    assert copied(new) is new


@pytest.mark.parametrize(
    "given",
    [
        typing.Any,
        typing.Optional[int],  # noqa: UP045
        typing.Callable[..., int],
        typing.ClassVar[int],
        typing.Annotated[int, "m"],
        typing.Literal["a"],
        typing.ForwardRef("Later", is_class=True),
        typing.Concatenate[int, ...] if sys.version_info >= (3, 11) else typing.Any,
        collections.abc.Callable[[int], str],
        list[int],
        int | None,
        slice(1, None, 2),
        functools.partial(print, 1, end=""),
    ],
)
def test_what_typing_and_others_make_stays_equal(given):
    arrived = copied(given)
    if isinstance(given, functools.partial):
        assert (arrived.func, arrived.args, arrived.keywords) == (given.func, given.args, given.keywords)
    else:
        assert arrived == given
        assert type(arrived) is type(given)


def test_what_cannot_travel_is_refused_and_not_copied_half():
    import contextvars
    import re

    finalizer = weakref.finalize(Variable, print)
    finalizer.detach()
    for each in (contextvars.ContextVar("x"), re.match("a", "a"), sys._getframe(), finalizer):
        with pytest.raises((TypeError, pickle.PicklingError)):  # a SerializationError is a TypeError
            dumps(each)
