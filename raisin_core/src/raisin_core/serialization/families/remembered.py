"""The bytes of functions that were written before, as long as nothing that went into them has changed.

A function is looked at again each time: its code, attributes, defaults, closure, the globals it uses, and the same of
the functions among these. Everything there has to be the very object that was written, and immutable (or go by name);
a function with a list in its globals, or with a local module, whose source travels, is never remembered. The first
writing only marks a function, the second remembers it, since most are written once.

    data = cached(function)
    if data is None:
        data = ...
        remember(function, data)

Rules of this file: the standard library and cloudpickle only, and cloudpickle only where something is remembered.
"""

from __future__ import annotations

import operator
import sys
import types
import weakref
from itertools import repeat
from typing import Any, Final, NamedTuple

from raisin_core.serialization.families.functions import SPACE, global_names
from raisin_core.serialization.modules import members

LARGEST: Final = 1 << 18  # bytes of one function
MOST: Final = 1000  # functions
FUNCTIONS: Final = 50  # that one function may depend on
MISSING: Final = object()
ATOMS: Final = (type(None), bool, int, float, complex, str, bytes, type(...), range)
ATTRIBUTES: Final = (
    *("__code__", "__defaults__", "__kwdefaults__", "__dict__", "__annotations__"),
    *("__name__", "__qualname__", "__module__", "__doc__"),
)
attributes: Final = operator.attrgetter(*ATTRIBUTES)
same: Final = operator.is_


class Watched(NamedTuple):
    """What has to be as it was. Functions are held weakly, since they hold their globals and so one another."""

    function: weakref.ref[types.FunctionType]
    attributes: tuple[object, ...]
    names: list[str]
    globals: list[object]
    functions: list[tuple[str, weakref.ref[Any]]]  # other globals
    cells: list[object]  # their contents, or weak references to functions
    dicts: list[tuple[dict[str, Any], list[str], list[object]]]  # keyword defaults, attributes, annotations


class Entry(NamedTuple):
    data: bytes
    watched: list[Watched]
    modules: int  # how many are imported, where the function uses a package; else 0


_entries: dict[int, Entry] = {}
_marked: dict[int, weakref.ref[types.FunctionType]] = {}


def cached(value: object) -> bytes | None:
    """The bytes that were remembered for this very function, if they still hold."""
    entry = _entries.get(id(value))
    if entry is None:
        return None
    if entry.watched[0].function() is not value or entry.modules not in (0, len(sys.modules)):
        _entries.pop(id(value), None)
        return None
    for watched in entry.watched:
        if not _holds(watched):
            _entries.pop(id(value), None)
            return None
    return entry.data


def _holds(watched: Watched) -> bool:
    function, before, names, values, functions, cells, dicts = watched
    now = function()
    if now is None or not all(map(same, attributes(now), before)):
        return False
    namespace = now.__globals__
    if not all(map(same, map(namespace.get, names, repeat(MISSING)), values)):
        return False
    for name, reference in functions:
        if namespace.get(name) is not reference():
            return False
    if cells and not all(map(_holds_content, now.__closure__ or (), cells)):
        return False
    for each, keys, kept in dicts:
        if (each or keys) and (list(each) != keys or not all(map(same, each.values(), kept))):
            return False
    return True


def _holds_content(cell: types.CellType, before: object) -> bool:
    try:
        content = cell.cell_contents
    except ValueError:  # emptied
        return False
    return content is (before() if type(before) is weakref.ref else before)


def remember(value: object, data: bytes) -> None:
    """Keep these bytes for `cached`, from the second time on, if the value is a function that can be watched."""
    if type(value) is not types.FunctionType or len(data) > LARGEST:
        return
    key = id(value)
    marked = _marked.get(key)
    if marked is None or marked() is not value:
        _marked[key] = weakref.ref(value, lambda _: _forget(key))
        return
    watched: dict[int, Watched] = {}
    if (_by_name(value) and _is_local(value)) or not _watch(value, watched):
        return
    packages = any(_is_package(each) for one in watched.values() for each in (*one.globals, *one.cells))
    while len(_entries) >= MOST:
        _entries.pop(next(iter(_entries)), None)
    _entries[key] = Entry(data, list(watched.values()), len(sys.modules) if packages else 0)


def _forget(key: int) -> None:
    _marked.pop(key, None)
    _entries.pop(key, None)


def _is_package(value: object) -> bool:
    return isinstance(value, types.ModuleType) and getattr(value, "__path__", None) is not None


def _watch(function: types.FunctionType, watched: dict[int, Watched]) -> bool:
    """Adds the function, and those it depends on; False if something cannot be watched."""
    if id(function) in watched:
        return True
    if len(watched) == FUNCTIONS:
        return False
    namespace = function.__globals__
    names = {name: namespace.get(name, MISSING) for name in (*global_names(function.__code__), *SPACE)}
    functions = {name: names.pop(name) for name in list(names) if _is_value(names[name])}
    try:
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:
        return False
    dicts = [function.__kwdefaults__ or {}, function.__dict__, function.__annotations__]
    watched[id(function)] = Watched(
        weakref.ref(function),
        attributes(function),
        list(names),
        list(names.values()),
        [(name, weakref.ref(each)) for name, each in functions.items()],
        [weakref.ref(each) if _is_value(each) else each for each in cells],
        [(each, list(each), list(each.values())) for each in dicts],
    )
    others = [*functions.values(), *(each for each in cells if _is_value(each))]
    parts = [*names.values(), *(each for each in cells if not _is_value(each)), *(function.__defaults__ or ())]
    parts += [part for each in dicts for part in each.values()]
    return all(map(_is_fixed, parts)) and all(_watch(each, watched) for each in others)


def _is_value(value: object) -> bool:
    """Whether it is a function that travels by value."""
    return type(value) is types.FunctionType and not _by_name(value)


def _is_fixed(value: object) -> bool:
    """Whether the bytes of a value stay the same as long as it is this object."""
    kind = type(value)
    if kind in ATOMS or value is MISSING:
        return True
    if kind is tuple or kind is frozenset:
        return all(map(_is_fixed, value))  # type: ignore[call-overload]
    if kind is types.BuiltinFunctionType:
        return value.__self__ is None or isinstance(value.__self__, types.ModuleType)  # type: ignore[attr-defined]
    return isinstance(value, (types.ModuleType, types.FunctionType, type)) and _by_name(value) and not _is_local(value)


def _is_local(value: Any) -> bool:
    """Whether it is a local module, or in one: its source travels, and may change."""
    module = value if isinstance(value, types.ModuleType) else sys.modules.get(value.__module__)
    return module is not None and members.is_local(module)


def _by_name(value: Any) -> bool:
    from cloudpickle import cloudpickle

    return bool(cloudpickle._should_pickle_by_reference(value))
