"""Weak references: what they refer to travels along, and lives on the other side as long as something there holds it.

Rules of this file: a reference that is dead arrives dead.
"""

from __future__ import annotations

import weakref
from typing import Any, Final

from raisin_core.errors import SerializationError


class _Gone:
    """What dead references refer to."""


def reduce_ref(value: Any, pickler: Any) -> Any:
    """A weak reference, with its callback."""
    target = value()
    callback = value.__callback__
    if target is None:
        return rebuild_dead, ()
    return rebuild_ref, (target, callback)


def rebuild_ref(target: Any, callback: Any) -> Any:
    """A weak reference to this."""
    return weakref.ref(target, callback) if callback is not None else weakref.ref(target)


def rebuild_dead() -> Any:
    """A weak reference to nothing."""
    return weakref.ref(_Gone())


def reduce_method(value: Any, pickler: Any) -> Any:
    """A weak reference to a bound method."""
    target = value()
    return (weakref.WeakMethod, (target,)) if target is not None else (rebuild_dead, ())


def reduce_proxy(value: Any, pickler: Any) -> Any:
    """A weak proxy. Raises SerializationError if it is dead, or stands for something that hides what it is."""
    try:
        target = value.__init__.__self__
    except (ReferenceError, AttributeError):
        raise SerializationError("a weak proxy whose object is gone or hides itself cannot travel") from None
    return weakref.proxy, (target,)


def reduce_dictionary(value: Any, pickler: Any) -> Any:
    """A WeakKeyDictionary or WeakValueDictionary, with the entries that are alive."""
    return type(value), (), None, None, iter(list(value.items()))


def reduce_set(value: Any, pickler: Any) -> Any:
    """A WeakSet, with the elements that are alive."""
    return rebuild_set, (), list(value), None, None, _add


def rebuild_set() -> weakref.WeakSet[Any]:
    """An empty one."""
    return weakref.WeakSet()


def _add(value: weakref.WeakSet[Any], elements: list[Any]) -> None:
    value.update(elements)


def reduce_finalizer(value: Any, pickler: Any) -> Any:
    """A finalizer is known to its process only; copied it would do nothing. Raises SerializationError."""
    raise SerializationError("a weakref.finalize belongs to the object of this process that it waits for")


REDUCERS: Final[dict[type, Any]] = {
    weakref.ref: reduce_ref,
    weakref.WeakMethod: reduce_method,
    weakref.ProxyType: reduce_proxy,
    weakref.CallableProxyType: reduce_proxy,
    weakref.WeakKeyDictionary: reduce_dictionary,
    weakref.WeakValueDictionary: reduce_dictionary,
    weakref.WeakSet: reduce_set,
    weakref.finalize: reduce_finalizer,
}
