"""What an object is made of, each part with the step that leads to it: `[3]`, `.name`, `, its variable lock`.

Rules of this file: looks, and runs nothing of the object's own; every part is the very object that is there.
"""

from __future__ import annotations

import functools
import gc
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from raisin_core.serialization.canonical import own

Show = Callable[[object], str]
MOST: Final = 5_000_000  # elements of one container

OPAQUE: Final = (types.ModuleType, types.FrameType, types.CodeType)


def parts(value: object, show: Show) -> Iterator[tuple[str, object]]:
    """The parts of any object. `show` gives the text of a dict's key."""
    if isinstance(value, dict):
        for key, part in islice(list(dict.items(value)), MOST):
            yield f"[{show(key)}]", part
            yield f", its key {show(key)}", key
    elif isinstance(value, (list, tuple, deque)):
        for index, part in enumerate(islice(_elements(value), MOST)):
            yield f"[{index}]", part
    elif isinstance(value, (set, frozenset)):
        for part in islice(list(value), MOST):
            yield f", its element {show(part)}", part
    elif isinstance(value, types.FunctionType):
        yield from _of_function(value)
    elif isinstance(value, type):
        yield from _of_class(value)
    elif isinstance(value, types.CellType):
        yield from _of_cell("", value)
    elif isinstance(value, weakref.ref):
        yield "()", weakref.ref.__call__(value)
    elif isinstance(value, BaseException):
        yield from ((f".{name}", BaseException.__dict__[name].__get__(value)) for name in OF_EXCEPTIONS)
    elif type(value) in FIELDS:
        yield from ((f".{name}", getattr(value, name)) for name in FIELDS[type(value)])
    elif not isinstance(value, OPAQUE):
        yield from _hidden(value)
    yield from _attributes(value)


OF_EXCEPTIONS: Final = ("args", "__cause__", "__context__")
FIELDS: Final[dict[type, tuple[str, ...]]] = {
    types.MethodType: ("__self__", "__func__"),
    types.BuiltinMethodType: ("__self__",),
    types.MethodWrapperType: ("__self__",),
    functools.partial: ("func", "args", "keywords"),
    functools.partialmethod: ("func", "args", "keywords"),
    property: ("fget", "fset", "fdel"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    slice: ("start", "stop", "step"),
}


def _elements(value: Any) -> Iterator[object]:
    """As they are there, whatever a subclass says."""
    kind: Any = next(each for each in (list, tuple, deque) if isinstance(value, each))
    elements: Iterator[object] = kind.__iter__(value)
    return elements


def _of_function(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        yield from _of_cell(f", its variable {name}", cell)
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield f", its global {name}", function.__globals__[name]
    for index, default in enumerate(function.__defaults__ or ()):
        yield f", its default {index}", default
    for name, default in (function.__kwdefaults__ or {}).items():
        yield f", its default {name}", default


def _of_cell(step: str, cell: types.CellType) -> Iterator[tuple[str, object]]:
    try:
        yield step, cell.cell_contents
    except ValueError:  # an empty cell
        return


def _names(code: types.CodeType) -> list[str]:
    """The names that a function, and those inside it, may look up."""
    names = list(code.co_names)
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            names += _names(each)
    return list(dict.fromkeys(names))


def _of_class(kind: type) -> Iterator[tuple[str, object]]:
    for name, part in list(vars(kind).items()):
        if not isinstance(part, (types.GetSetDescriptorType, types.MemberDescriptorType)):
            yield f".{name}", part
    for base in kind.__bases__:
        yield f", its base {base.__name__}", base


def _hidden(value: object) -> Iterator[tuple[str, object]]:
    """What an object made in C holds: iterators, caches, views."""
    if type(value).__module__ in ("builtins", "itertools", "functools", "collections", "operator", "weakref"):
        for part in gc.get_referents(value):
            if not isinstance(part, (type, *OPAQUE)):
                yield ", inside", part


def _attributes(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, (type, *OPAQUE)):
        return
    for name, part in list(own(value).items()):
        yield f".{name}", part
    for kind in type(value).__mro__:
        for name, slot in list(vars(kind).items()):
            if isinstance(slot, types.MemberDescriptorType) and kind.__module__ != "builtins":
                try:
                    yield f".{name}", slot.__get__(value)
                except Exception:  # noqa: BLE001 - empty
                    continue
    yield ".__class__", type(value)
