"""Which class is which: one that was sent twice is one class on the other side, one that comes home is the original.

Names of classes that travel by value are those of cloudpickle's tracker, so that both agree in one process. A class
that arrived takes over what its sender says of it each time; an original is never changed by what comes back.

Rules of this file: the standard library and cloudpickle (imported when it is needed) only.
"""

from __future__ import annotations

import functools
import threading
import uuid
import weakref
from typing import Any, Final

_ARRIVED: Final[dict[int, tuple[weakref.ref[Any], set[str]]]] = {}  # with the names that their senders gave last
_names: Final[dict[int, tuple[weakref.ref[Any], str]]] = {}  # of those that say themselves what they are equal to
_values: Final[weakref.WeakValueDictionary[str, Any]] = weakref.WeakValueDictionary()
_lock: Final = threading.Lock()


def identity(value: Any) -> str:
    """The name under which this class (or type variable) travels, in all processes."""
    from cloudpickle import cloudpickle

    if is_plain(value):
        name: str = cloudpickle._get_or_create_tracker_id(value)
        return name
    with _lock:
        if id(value) not in _names:
            _note(value, uuid.uuid4().hex)
        return _names[id(value)][1]


def is_plain(value: Any) -> bool:
    """Whether it is equal to itself only, so that cloudpickle can find it in a dictionary."""
    kind: Any = type(value)
    return kind.__eq__ is object.__eq__ and kind.__hash__ is object.__hash__


def _note(value: Any, name: str) -> None:
    _names[id(value)] = weakref.ref(value, functools.partial(_forget, _names, id(value))), name
    _values[name] = value


def _forget(table: dict[int, Any], key: int, gone: object) -> None:
    table.pop(key, None)


def known(name: str) -> Any:
    """What has this name here, or None."""
    from cloudpickle import cloudpickle

    found = _values.get(name)
    return cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(name) if found is None else found


def arrive(name: str, value: Any) -> Any:
    """What has this name from now on: `value`, unless another thread was faster."""
    from cloudpickle import cloudpickle

    if is_plain(value):
        value = cloudpickle._lookup_class_or_track(name, value)
    else:
        with _lock:
            if name not in _values:
                _note(value, name)
            value = _values[name]
    if id(value) not in _ARRIVED:
        _ARRIVED[id(value)] = weakref.ref(value, functools.partial(_forget, _ARRIVED, id(value))), set()
    return value


def arrived(value: Any) -> bool:
    """Whether it came from elsewhere, and not from this process."""
    return id(value) in _ARRIVED


def whole(value: Any) -> bool:
    """Whether a class has all that it has: one of this process, or one that arrived before."""
    return not arrived(value) or bool(_ARRIVED[id(value)][1])


def follow(value: Any, names: set[str]) -> set[str]:
    """Note what its sender gives a class now; what it gave before and does no longer."""
    if not arrived(value):
        return set()
    before = _ARRIVED[id(value)][1]
    gone = before - names
    before.clear()
    before.update(names)
    return gone


def place(value: Any, name: str | None = None) -> tuple[Any, str] | None:
    """The module and name by which others can import a class or function, or None if it travels by value."""
    from cloudpickle import cloudpickle

    found: tuple[Any, str] | None = cloudpickle._lookup_module_and_qualname(value, name)
    if found is None or cloudpickle._is_registered_pickle_by_value(found[0]):
        return None
    return found
