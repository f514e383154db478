"""How a class that travels by value is born on the other side, and filled.

Neither a metaclass's nor a base's hooks run again where these travel by value too: what they did is in the class, and
in what the class refers to. Those of installed packages run, as for any class that is made there.

Rules of this file: runs on the reader's side; nothing of an original is changed (`tracker`); the names of what is
public here are part of the format.
"""

from __future__ import annotations

import abc
import contextlib
import sys
import threading
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import tracker

TOO_NEW: Final = {"__firstlineno__": (3, 13), "__static_attributes__": (3, 13), "__type_params__": (3, 12)}


def rebuild_class(
    made_by: Any, meta: Any, name: str, bases: tuple[Any, ...], birth: dict[str, Any], identity: str
) -> type:
    """The class of this identity, empty if it was not known. Raises SerializationError if it cannot be made here."""
    found = tracker.known(identity)
    if found is not None:
        return found  # type: ignore[no-any-return]
    body = made_by.__prepare__(name, bases)
    for key, value in current(birth).items():
        body[key] = value
    with quiet(bases), telling(name):
        if made_by is meta:
            kind = meta(name, bases, body)
        else:
            kind = made_by.__new__(meta, name, bases, body)
            made_by.__init__(kind, name, bases, body)
    return tracker.arrive(identity, kind)  # type: ignore[no-any-return]


def current(found: Mapping[str, Any]) -> dict[str, Any]:
    """Without what this Python would take for attributes of the author's (a protocol for members, for instance)."""
    return {name: value for name, value in found.items() if sys.version_info >= TOO_NEW.get(name, (3,))}


@contextlib.contextmanager
def telling(name: str) -> Iterator[None]:
    """Whatever its body raises is a SerializationError that names the class."""
    try:
        yield
    except SerializationError:
        raise
    except Exception as error:
        version = ".".join(map(str, sys.version_info[:2]))
        text = f"the class {name} cannot be made in this Python {version}: {type(error).__name__}: {error}"
        raise SerializationError(text) from error


_making: Final = threading.RLock()


@contextlib.contextmanager
def quiet(bases: tuple[type, ...]) -> Iterator[None]:
    """In its body this thread can make a subclass of these without an `__init_subclass__` that travelled by value."""
    if not any(_hooks(bases)):
        yield
        return
    with _making:
        hooks = list(_hooks(bases))  # as they are while nobody else changes them
        try:
            for each, hook in hooks:
                setter(each)(each, "__init_subclass__", classmethod(_gate(each, hook, threading.get_ident())))
            yield
        finally:
            for each, hook in hooks:
                setter(each)(each, "__init_subclass__", hook)


def _hooks(bases: tuple[type, ...]) -> Iterator[tuple[type, Any]]:
    for each in {id(each): each for base in bases for each in base.__mro__}.values():
        if "__init_subclass__" in each.__dict__ and tracker.arrived(each):
            yield each, each.__dict__["__init_subclass__"]


def _gate(base: Any, hook: Any, thread: int) -> Callable[..., None]:
    def __init_subclass__(cls: type, /, **options: Any) -> None:
        if threading.get_ident() == thread:
            super(base, cls).__init_subclass__()
        else:
            hook.__get__(None, cls)(**options)

    return __init_subclass__


def setter(kind: type) -> Callable[[Any, str, Any], None]:
    """How to set an attribute of a class without the code of its metaclass."""
    meta: Any = type(kind)
    for each in meta.__mro__:
        found = each.__dict__.get("__setattr__")
        if isinstance(found, types.WrapperDescriptorType):
            return found
    return type.__setattr__


def fill(kind: type, found: Mapping[str, Any]) -> tuple[str, ...]:
    """Give a class that has arrived these attributes; their names."""
    if not tracker.arrived(kind):
        return ()
    put = setter(kind)
    for name, value in current(found).items():
        put(kind, name, value)
        if type(value) is property and hasattr(value, "__set_name__"):  # from 3.13 on a property knows its name
            value.__set_name__(kind, name)
    return tuple(found)


def register(kind: Any, subclasses: list[type | None]) -> None:
    """Tell an abstract base class which classes count as its subclasses."""
    if tracker.arrived(kind):
        for each in subclasses:
            if each is not None:
                abc.ABCMeta.register(kind, each)


def join(kind: Any, others: list[abc.ABCMeta]) -> None:
    """Register a class with these abstract base classes."""
    if tracker.arrived(kind):
        for each in others:
            each.register(kind)


def rebuild_protocol(kind: Any, runtime: bool) -> None:
    """Let this Python's `typing` look at the members that a protocol has now."""
    attributes_of = getattr(typing, "_get_protocol_attrs", None)
    if not tracker.arrived(kind) or not kind.__dict__.get("_is_protocol"):
        return
    if sys.version_info >= (3, 12) and attributes_of is not None:
        kind.__protocol_attrs__ = attributes_of(kind)
    if runtime:
        typing.runtime_checkable(kind)


def finish(kind: type, steps: tuple[Any, ...]) -> None:
    """All steps were taken while they were read. What the sender has deleted since last time goes here, too; typed
    dictionaries get what this Python expects of them."""
    for name in tracker.follow(kind, {name for each in steps if isinstance(each, tuple) for name in each}):
        if name in kind.__dict__:
            type.__delattr__(kind, name)
    if "__required_keys__" in kind.__dict__ and sys.version_info >= (3, 13) and tracker.arrived(kind):
        every = kind.__dict__["__required_keys__"] | kind.__dict__["__optional_keys__"]
        fill(kind, {"__readonly_keys__": frozenset(), "__mutable_keys__": every} | _own_keys(kind))


def _own_keys(kind: type) -> dict[str, Any]:
    return {name: kind.__dict__[name] for name in ("__readonly_keys__", "__mutable_keys__") if name in kind.__dict__}
