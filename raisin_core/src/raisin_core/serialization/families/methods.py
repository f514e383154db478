"""Bound methods: on the other side they are the method that their object's class has there.

A class that is known where it arrives keeps its functions; a method that brought a copy of one would be another one
than the class's, and a weak reference to it would be dead at once.

Rules of this file: looks at classes through their `__dict__`; the function travels along, for objects whose class has
it under no name or is not filled yet.
"""

from __future__ import annotations

import types
from typing import Any, Final


def reduce_method(value: types.MethodType, pickler: Any) -> Any:
    """A bound method; whether its class gives it is said."""
    return rebuild_method, (value.__func__, value.__self__, _of_class(value.__func__, value.__self__) is value.__func__)


def rebuild_method(function: Any, owner: Any, named: bool) -> types.MethodType:
    """The method of this object: its class's own where it has one."""
    found = _of_class(function, owner) if named else None
    return types.MethodType(found if isinstance(found, types.FunctionType) else function, owner)


def _of_class(function: Any, owner: Any) -> Any:
    """What the class of an object (or a class, or its metaclass) has under a function's name; None if nothing."""
    if type(function) is not types.FunctionType:
        return None
    for kind in (*(type.__dict__["__mro__"].__get__(owner) if isinstance(owner, type) else ()), *type(owner).__mro__):
        found = kind.__dict__.get(function.__name__)
        if found is not None:
            return found.__func__ if isinstance(found, classmethod) else found
    return None


REDUCERS: Final[dict[type, Any]] = {types.MethodType: reduce_method}
