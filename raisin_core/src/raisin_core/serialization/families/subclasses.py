"""Instances of what inherits from the standard library's containers, times and numbers: exactly what was in them.

Pickle fills a list by its class's `append` and a dict by its `__setitem__`, which may do anything with what they get,
and calls classes with arguments that their `__init__` may not take; attributes of times, numbers and counters are
left behind. Here the base makes and fills the object. Classes with their own way to be pickled keep it.

Rules of this file: the standard library only; runs neither `__init__` nor other methods of these classes.
"""

from __future__ import annotations

import collections
import copyreg
import datetime
import decimal
import fractions
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from raisin_core.serialization.families import instances, modules

if TYPE_CHECKING:
    from raisin_core.serialization.pickling import Pickler

PROTOCOL: Final = 5
WAYS: Final = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")


def own_way(kind: type, base: type) -> bool:
    """Whether a class says itself how it is pickled."""
    return kind in copyreg.dispatch_table or any(
        getattr(kind, way, None) is not getattr(base, way, None) for way in WAYS
    )


def attributes(value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an object has beside what its base keeps: in its dictionary, and in slots."""
    names: list[str] = copyreg._slotnames(type(value))  # type: ignore[attr-defined]
    slots = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return dict(getattr(value, "__dict__", None) or {}), slots


def reduce_container(value: Any, pickler: Pickler) -> Any:
    """A list or dict of a class of its own: its content as a plain one."""
    kind = type(value)
    base = next(each for each in kind.__mro__ if each in CONTAINERS)
    if own_way(kind, base) or (kind is base and not value.__dict__):
        return modules.by_own_name(value, pickler)
    content, make = CONTENTS[base]
    state = (base, content(value), *attributes(value))
    how = instances.way(kind, pickler)
    return make, (kind, how, *_options(value, base)), state, None, None, fill


def _options(value: Any, base: type) -> tuple[Any, ...]:
    if base is collections.defaultdict:
        return (value.default_factory,)
    return (value.maxlen,) if base is collections.deque else ()


def rebuild_defaultdict(kind: Any, how: int, factory: Any) -> Any:
    """An empty one with this factory."""
    made = instances.rebuild_instance(kind, how)
    collections.defaultdict.__init__(made, factory)
    return made


def rebuild_deque(kind: Any, how: int, maxlen: int | None) -> Any:
    """An empty one of this length."""
    made = instances.rebuild_instance(kind, how)
    collections.deque.__init__(made, (), maxlen)
    return made


def fill(value: Any, state: tuple[Any, ...]) -> None:
    """Content, attributes, slots."""
    base, content, own, slots = state
    if base in (list, collections.deque):
        base.extend(value, content)
    else:
        for key, given in content.items():
            base.__setitem__(value, key, given)
    _set(value, own, slots)


def _set(value: Any, own: dict[str, Any], slots: dict[str, Any]) -> None:
    if own:
        value.__dict__.update(own)
    for name, given in slots.items():
        object.__setattr__(value, name, given)


def reduce_atom(value: Any, pickler: Pickler) -> Any:
    """A set, time or number of a class of its own."""
    kind = type(value)
    base: Any = next(each for each in kind.__mro__ if each in ATOMS)
    own = own_way(kind, base) or (base is random.Random and kind.getstate is not base.getstate)
    said = NotImplemented if own else value.__reduce_ex__(PROTOCOL)
    if not isinstance(said, tuple) or said[0] is not kind or len(said) > 3:
        return modules.by_own_name(value, pickler)
    state = said[2] if base is random.Random else None
    return rebuild_atom, (base, kind, said[1]), (state, *attributes(value)), None, None, fill_atom


def reduce_system(value: Any, pickler: Pickler) -> Any:
    """The system's own source of random numbers, which has no state."""
    return rebuild_atom, (random.Random, random.SystemRandom, ()), (None, *attributes(value)), None, None, fill_atom


def rebuild_atom(base: Any, kind: Any, arguments: tuple[Any, ...]) -> Any:
    """An object of this class, made by its base."""
    made = base.__new__(kind, *arguments)
    if base is set:
        set.__init__(made, *arguments)
    return made


def fill_atom(value: Any, state: tuple[Any, ...]) -> None:
    """What a generator of random numbers has come to; attributes, slots."""
    beside, own, slots = state
    if beside is not None:
        random.Random.setstate(value, beside)
    _set(value, own, slots)


def _dict(value: Any) -> dict[Any, Any]:
    return dict(dict.items(value))


def _ordered(value: Any) -> dict[Any, Any]:
    return {key: dict.__getitem__(value, key) for key in collections.OrderedDict.__iter__(value)}


def _list(value: Any) -> list[Any]:
    return list.__getitem__(value, slice(None))


def _deque(value: Any) -> list[Any]:
    return list(collections.deque.__iter__(value))


CONTENTS: Final[dict[type, tuple[Callable[[Any], Any], Callable[..., Any]]]] = {
    dict: (_dict, instances.rebuild_instance),
    collections.Counter: (_dict, instances.rebuild_instance),
    collections.OrderedDict: (_ordered, instances.rebuild_instance),
    collections.defaultdict: (_dict, rebuild_defaultdict),
    list: (_list, instances.rebuild_instance),
    collections.deque: (_deque, rebuild_deque),
}
CONTAINERS: Final = frozenset(CONTENTS)
ATOMS: Final = frozenset(
    [
        *(set, frozenset, decimal.Decimal, fractions.Fraction, random.Random),
        *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
    ]
)
SUBCLASSES: Final[dict[type, Any]] = {
    **dict.fromkeys(CONTAINERS, reduce_container),
    **dict.fromkeys(ATOMS, reduce_atom),
}
REDUCERS: Final[dict[type, Any]] = {
    **dict.fromkeys(CONTAINERS | ATOMS, modules.by_own_name),
    collections.Counter: reduce_container,  # which has a dictionary of attributes
    random.SystemRandom: reduce_system,
}
