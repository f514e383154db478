"""Classes of `collections.namedtuple` and `typing.NamedTuple`: fields and defaults travel, the rest is made anew.

Rules of this file: what the module `collections` generated does not travel; all that somebody added does.
"""

from __future__ import annotations

import collections
import sys
import types
from typing import Any

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import births, tracker

GENERATED = ("__slots__", "_fields", "_field_defaults", "_fields_defaults")


def reduce(kind: type, pickler: Any) -> tuple[Any, ...] | None:
    """A namedtuple's class that travels by value; None if the class is none."""
    if not is_namedtuple(kind):
        return None
    from raisin_core.serialization.families import classes

    found = {name: value for name, value in classes.attributes(kind).items() if not _is_generated(name, value)}
    fields: tuple[str, ...] = kind.__dict__["_fields"]
    defaults = kind.__dict__["__new__"].__func__.__defaults__ or ()
    birth = classes.namespace(kind)
    bases = kind.__bases__
    arguments = (kind.__name__, fields, defaults, bases, birth, tracker.identity(kind))
    return rebuild_namedtuple, arguments, classes.parts(kind, found, pickler), None, None, births.finish


def is_namedtuple(kind: type) -> bool:
    """Whether `collections.namedtuple` made this very class."""
    own = kind.__dict__
    return tuple in kind.__bases__ and "_fields" in own and _is_new(own.get("__new__"))


def _is_new(method: Any) -> bool:
    function = getattr(method, "__func__", method)
    return str(getattr(function, "__globals__", {}).get("__name__")).startswith("namedtuple_")


def _is_generated(name: str, value: Any) -> bool:
    function = getattr(value, "__func__", value)
    if name in GENERATED or _is_new(value):
        return True
    return isinstance(function, types.FunctionType) and function.__globals__ is vars(collections)


def rebuild_namedtuple(
    name: str,
    fields: tuple[str, ...],
    defaults: tuple[Any, ...],
    bases: tuple[Any, ...],
    birth: dict[str, Any],
    identity: str,
) -> type:
    """The class of this identity, as this Python's `collections` makes it."""

    found = tracker.known(identity)
    if found is not None:
        return found  # type: ignore[no-any-return]
    if len(bases) > 1 and sys.version_info < (3, 11):
        raise SerializationError(f"{name} is a generic NamedTuple, which Python 3.10 does not know")
    renamed = any(each.startswith("_") for each in fields)
    make: Any = collections.namedtuple
    with births.telling(name):
        kind = make(name, fields, defaults=defaults, rename=renamed)
        if bases != (tuple,):
            kind.__bases__ = bases
        for key, value in births.current(birth).items():
            setattr(kind, key, value)
    return tracker.arrive(identity, kind)  # type: ignore[no-any-return]
