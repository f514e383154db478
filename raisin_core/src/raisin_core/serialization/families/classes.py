"""Classes that travel by value: made empty on the other side, then filled, part by part.

An empty class has its name, bases, metaclass and slots only, so that whatever refers to it meanwhile (its methods, for
a start) finds it. Then come, in this order, what the reader's own `dataclass` makes anew, what hashing and pickling its
instances needs, its other methods and descriptors, and its data, which may hold instances. A class that is known where
it arrives is filled again, unless it was born there (`tracker`).

Rules of this file: looks at classes through their `__dict__`; runs no code of theirs on the sender's side.
"""

from __future__ import annotations

import abc
import collections.abc
import copyreg
import numbers
import types
import typing
import weakref
from collections.abc import Callable
from typing import Any, Final

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import births, classnames, dataclass_, functions, instances, tracker, wrappers

HEAP: Final = 1 << 9  # flags of types: made at run time
IMMUTABLE: Final = 1 << 8
_FIRST: Final = (
    "__hash__ __eq__ __setstate__ __setattr__ __new__ __getattribute__ __getattr__ __getstate__ __reduce__"
    " __reduce_ex__ __getnewargs__ __getnewargs_ex__ __init__ __setitem__ append extend add update"
)
FIRST: Final = tuple(_FIRST.split())  # in the order in which they are made ready
AT_BIRTH: Final = ("__module__", "__qualname__", "__orig_bases__", "__firstlineno__", "__static_attributes__")
TYPED: Final = type(typing.TypedDict("_Any", {}))  # type: ignore[operator]
LAYOUT: Final = ("__dict__", "__weakref__")
MADE_AGAIN: Final = {"__slotnames__", "_abc_impl", "__dataclass_fields__", "__dataclass_params__"}
PROTOCOL: Final = {
    "__protocol_attrs__",
    "__non_callable_proto_members__",
    "__callable_proto_members_only__",
    "_is_runtime_protocol",
}


VIRTUAL: Final = [
    each for module in (collections.abc, numbers) for each in vars(module).values() if isinstance(each, abc.ABCMeta)
]


class Part:
    """A step that the reader takes when it comes to it in the stream."""

    def __init__(self, step: Callable[..., object], *arguments: object) -> None:
        self.step = step
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.step, self.arguments


def reduce_class(kind: type, pickler: Any) -> Any:
    """A class by name if it can be imported, otherwise by value."""
    if type(kind) in copyreg.dispatch_table or any(kind is each for each in classnames.SINGLETONS):
        return NotImplemented
    found = classnames.public(kind)
    if found is not None:
        return classnames.rebuild_global, found
    if tracker.place(kind) is not None:
        return NotImplemented
    from raisin_core.serialization.families import enums, namedtuples

    for special in (enums.reduce, namedtuples.reduce):
        reduced = special(kind, pickler)
        if reduced is not None:
            return reduced
    return by_value(kind, pickler)


def by_value(kind: type, pickler: Any) -> tuple[Any, ...]:
    """A class that no module gives: what makes it, and the parts that births.fill it."""
    refuse_foreign(kind)
    meta = type(kind)
    birth = {**namespace(kind), **slots(kind)}
    arguments = (maker(meta), meta, kind.__name__, kind.__bases__, birth, tracker.identity(kind))
    pickler.filling.add(id(kind))
    return births.rebuild_class, arguments, parts(kind, attributes(kind), pickler), None, None, births.finish


def refuse_foreign(kind: type) -> None:
    """Raises SerializationError for a type that was not made by Python code."""
    if not kind.__flags__ & HEAP or kind.__flags__ & IMMUTABLE:
        raise SerializationError(f"the type {kind.__module__}.{kind.__qualname__} has no name that others could import")


def namespace(kind: type) -> dict[str, Any]:
    """What a class must know when it is made."""
    birth = {name: kind.__dict__[name] for name in AT_BIRTH if name in kind.__dict__}
    if isinstance(kind.__dict__.get("__dict__"), property):
        birth["__dict__"] = kind.__dict__["__dict__"]
    return {**birth, **_guarded(kind), "__qualname__": kind.__qualname__}


def _guarded(kind: type) -> dict[str, Any]:
    """Attributes that cannot be set later, since the metaclass has a descriptor of the same name."""
    meta: Any = type(kind)
    if meta is type:
        return {}
    metas = [vars(each) for each in meta.__mro__ if tracker.place(each) is None]
    names = {name for each in metas for name, value in each.items() if hasattr(type(value), "__set__")}
    return {name: value for name, value in kind.__dict__.items() if name in names and name not in LAYOUT}


def slots(kind: type) -> dict[str, Any]:
    """The layout of its instances, by the names as they are (`__x` is `_C__x`)."""
    if "__slots__" not in kind.__dict__:
        return {}
    own = [name for name, value in kind.__dict__.items() if _is_slot(value, kind)]
    return {"__slots__": tuple(own + [name for name in LAYOUT if _is_layout(kind, name)])}


def _is_slot(value: object, kind: type) -> bool:
    return isinstance(value, types.MemberDescriptorType) and value.__objclass__ is kind


def _is_layout(kind: type, name: str) -> bool:
    value = kind.__dict__.get(name)
    return isinstance(value, types.GetSetDescriptorType) and value.__objclass__ is kind


def maker(meta: type) -> type:
    """The first metaclass that can be imported: its way of making classes is the one that runs again."""
    if meta is TYPED:
        return type  # its own way would want the bases as they were written
    return next(each for each in meta.__mro__ if tracker.place(each) is not None)


def attributes(kind: type) -> dict[str, Any]:
    """All that a class holds itself, but what its making gives anyway."""
    guarded = _guarded(kind)
    found = {
        name: value
        for name, value in kind.__dict__.items()
        if not _is_slot(value, kind)
        and not _is_layout(kind, name)
        and name not in AT_BIRTH
        and name not in MADE_AGAIN
        and name != "__dict__"
        and name not in guarded
    }
    if is_protocol(kind):
        found = {name: value for name, value in found.items() if not _is_made_by_typing(name, value)}
    for name in dataclass_.generated(kind):
        found.pop(name, None)
    return found


def is_protocol(kind: type) -> bool:
    """Whether `typing.Protocol` has made things in this class."""
    return any(each is typing.Protocol for each in kind.__mro__) and "_is_protocol" in kind.__dict__


def _is_made_by_typing(name: str, value: Any) -> bool:
    function = getattr(value, "__func__", value)
    made = name in ("__init__", "__subclasshook__") and getattr(function, "__module__", None) == "typing"
    return made or name in PROTOCOL


def parts(kind: type, found: dict[str, Any], pickler: Any) -> tuple[object, ...]:
    """The steps that births.fill a class with these attributes, in their order."""
    fields = dataclass_.own_fields(kind)
    late = {name for name, value in found.items() if name in fields or not hasattr(type(value), "__get__")}
    steps = []
    if "__dataclass_params__" in kind.__dict__:
        steps.append(Part(dataclass_.rebuild_dataclass, kind, *dataclass_.describe(kind)))
    first = {name: found[name] for name in FIRST if name in found}
    steps += [Part(births.fill, kind, first), *_states(first, pickler)] if first else []
    rest = {name: value for name, value in found.items() if name not in FIRST}
    methods = {name: value for name, value in rest.items() if name not in late}
    data = {name: value for name, value in rest.items() if name in late}
    steps.append(Part(births.fill, kind, methods))
    if "_abc_impl" in kind.__dict__:
        steps.append(Part(births.register, kind, [each() for each in abc._get_dump(kind)[0]]))  # type: ignore[attr-defined]
    if joined(kind):
        steps.append(Part(births.join, kind, joined(kind)))
    steps.append(Part(births.fill, kind, data))
    if is_protocol(kind):
        steps.append(Part(births.rebuild_protocol, kind, bool(kind.__dict__.get("_is_runtime_protocol"))))
    return (*steps, instances.Filled(kind, pickler.filling))


def _states(first: dict[str, Any], pickler: Any) -> list[Part]:
    """What these methods have beside their code, for a time when all are there: it may hold instances of the class."""
    found = [getattr(each, "__func__", each) for each in first.values()]
    mine = [each for each in found if type(each) is types.FunctionType and wrappers.is_plain(each)]
    pickler.__dict__.setdefault("deferred", {}).update({id(each): each for each in mine})
    return [Part(functions.fill_function, each, functions.state(each)) for each in mine]


_joined: Final[weakref.WeakKeyDictionary[type, tuple[Any, list[abc.ABCMeta]]]] = weakref.WeakKeyDictionary()


def joined(kind: type) -> list[abc.ABCMeta]:
    """The abstract classes of the standard library that somebody has registered this class with."""
    if not tracker.is_plain(kind):
        return []  # they cannot say
    token, found = _joined.get(kind, (None, []))
    if token != abc.get_cache_token():  # it changes when anything is registered anywhere
        token, found = abc.get_cache_token(), [each for each in VIRTUAL if _is_registered(kind, each)]
        _joined[kind] = token, found
    return found


def _is_registered(kind: type, other: abc.ABCMeta) -> bool:
    if other in kind.__mro__ or not issubclass(kind, other):
        return False
    return any(each() is kind for each in abc._get_dump(other)[0])


REDUCERS: Final[dict[type, Any]] = {type: reduce_class}
