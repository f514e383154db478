"""What wraps functions: properties, class methods, cached and generic functions of `functools`.

Caches travel empty. A generic function (`singledispatch`) travels with all that is registered with it.

Rules of this file: their subclasses stay what they are.
"""

from __future__ import annotations

import functools
import sys
import threading
import types
from typing import Any, Final

from raisin_core.serialization.families import classnames, tracker

LRU: Final = type(functools.lru_cache(len))
DISPATCHER: Final = next(
    each
    for each in functools.singledispatch.__code__.co_consts
    if isinstance(each, types.CodeType) and each.co_name == "wrapper"
)
DISPATCH: Final = frozenset(["register", "dispatch", "registry", "_clear_cache", "__wrapped__"])


def reduce_property(value: Any, pickler: Any) -> Any:
    """A property, or one of a subclass with what it has beside."""
    arguments = (type(value), value.fget, value.fset, value.fdel, value.__doc__)
    return (rebuild_property, arguments, state) if (state := _own(value)) else (rebuild_property, arguments)


def _own(value: Any) -> dict[str, Any]:
    return dict(getattr(value, "__dict__", None) or {})


def rebuild_property(kind: Any, fget: Any, fset: Any, fdel: Any, doc: Any) -> Any:
    """A property, made without the code of its subclass."""
    made = kind.__new__(kind) if kind.__new__ is not property.__new__ else property.__new__(kind)
    property.__init__(made, fget, fset, fdel, doc)
    return made


def reduce_method(value: Any, pickler: Any) -> Any:
    """A class method or static method, or one of a subclass."""
    base = classmethod if isinstance(value, classmethod) else staticmethod
    function = value.__func__
    state = {name: given for name, given in _own(value).items() if getattr(function, name, None) is not given}
    state.pop("__wrapped__", None)
    return (rebuild_method, (base, type(value), function), *([state] if state else []))


def rebuild_method(base: Any, kind: Any, function: Any) -> Any:
    """A class method or static method, made without the code of its subclass."""
    made = base.__new__(kind)
    base.__init__(made, function)
    return made


def reduce_cached_property(value: Any, pickler: Any) -> Any:
    """A cached property without its lock, which only some versions have."""
    state = {name: given for name, given in value.__dict__.items() if name != "lock"}
    return rebuild_cached_property, (type(value),), state, None, None, _set_cached_property


def rebuild_cached_property(kind: Any) -> Any:
    """A cached property before it knows its function."""
    made = kind.__new__(kind)
    if sys.version_info < (3, 12):
        made.lock = threading.RLock()
    return made


def _set_cached_property(value: Any, state: dict[str, Any]) -> None:
    value.__dict__.update(state)


def reduce_generic_method(value: Any, pickler: Any) -> Any:
    """A `singledispatchmethod`, without its cache."""
    state = {name: given for name, given in value.__dict__.items() if not name.startswith("_")}
    return rebuild_generic_method, (type(value),), state, None, None, _set_generic_method


def rebuild_generic_method(kind: Any) -> Any:
    """A generic method before it knows its functions."""
    return kind.__new__(kind)


def _set_generic_method(value: Any, state: dict[str, Any]) -> None:
    functools.singledispatchmethod.__init__(value, state["func"])
    value.__dict__.update(state)


def reduce_lru_cache(value: Any, pickler: Any) -> Any:
    """A cached function that cannot be imported; its cache stays here."""
    if tracker.place(value) is not None:
        return NotImplemented
    options = value.cache_parameters()
    state = {name: given for name, given in value.__dict__.items() if name not in ("__wrapped__", "cache_parameters")}
    return rebuild_lru_cache, (value.__wrapped__, options["maxsize"], options["typed"]), state


def rebuild_lru_cache(function: Any, maxsize: int | None, typed: bool) -> Any:
    """The function with an empty cache."""
    return functools.lru_cache(maxsize, typed)(function)


def reduce_dispatcher(value: types.FunctionType) -> tuple[Any, ...] | None:
    """A generic function that cannot be imported; None if the function is none."""
    if value.__code__ is not DISPATCHER or tracker.place(value) is not None:
        return None
    registry = dict(value.registry)  # type: ignore[attr-defined]
    default = registry[object]
    extra = {name: given for name, given in value.__dict__.items() if name not in DISPATCH}
    called = (value.__name__, value.__qualname__, value.__module__, value.__doc__)
    first = getattr(value, "__wrapped__", default)
    return rebuild_dispatcher, (first,), (called, extra, list(registry.items())), None, None, _register


def before(others: Any) -> Any:
    """The reducer of functions that looks for renamed and generic ones first and leaves the rest to `others`."""

    def reduce_function(value: types.FunctionType, pickler: Any) -> Any:
        place = classnames.public(value)
        if place is not None:
            return classnames.rebuild_global, place
        found = reduce_dispatcher(value) or others(value, pickler)
        if id(value) in pickler.__dict__.get("deferred", ()) and found is not NotImplemented:
            return (*found[:2], bare(value), *found[3:])
        return found

    return reduce_function


def is_plain(value: types.FunctionType) -> bool:
    """Whether a function travels by value, as itself."""
    return value.__code__ is not DISPATCHER and classnames.public(value) is None and tracker.place(value) is None


def bare(value: types.FunctionType) -> tuple[Any, ...]:
    """A function's state without what may hold instances of its class (see `functions.state`)."""
    called = (value.__name__, value.__qualname__, value.__module__, value.__doc__)
    return called, (None, None, {}), {}, (), None, None, None


def rebuild_dispatcher(function: Any) -> Any:
    """A generic function with its default only."""
    return functools.singledispatch(function)


def _register(value: Any, state: tuple[tuple[str, ...], dict[str, Any], list[tuple[Any, Any]]]) -> None:
    (value.__name__, value.__qualname__, value.__module__, value.__doc__), extra, registry = state
    value.__dict__.update(extra)
    for kind, function in registry:
        if value.registry.get(kind) is not function:
            value.register(kind, function)


REDUCERS: Final[dict[type, Any]] = {LRU: reduce_lru_cache}
SUBCLASSES: Final[dict[type, Any]] = {
    property: reduce_property,
    classmethod: reduce_method,
    staticmethod: reduce_method,
    functools.cached_property: reduce_cached_property,
    functools.singledispatchmethod: reduce_generic_method,
}
