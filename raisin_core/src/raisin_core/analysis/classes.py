"""What there is to say of a class of one's own: its source, or what can be told from the class itself.

Rules of this file: looks at what a class has without asking it (no attribute is looked up through it); runs nothing.
"""

from __future__ import annotations

import enum
import functools
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

from raisin_core.analysis import bytecode, modules, source, syntax
from raisin_core.analysis.origin import origin
from raisin_core.serialization.canonical import own


class Look(NamedTuple):
    """A class: where its names are looked up, its form, the globals it loads, functions and values that belong to it.

    Of a class that stands in its source, `methods` are those of the source (their closures count), `adopted` those that
    were put in later; without source all are adopted.
    """

    namespace: dict[str, Any]
    shape: syntax.Shape
    loads: set[str]
    methods: list[types.FunctionType]
    adopted: list[tuple[str, types.FunctionType]]
    data: list[tuple[str, Any]]
    file: str
    line: int


def look(kind: type) -> Look:
    """Everything about one class but its bases. Functions that others generated for it (`dataclass`) do not count."""
    functions = sorted((item for item in _functions(kind) if _is_local(item[1])), key=lambda item: item[0])
    mine = [each for name, each in functions if each.__qualname__ == f"{kind.__qualname__}.{name}"]
    namespace = next((each.__globals__ for each in mine), modules.namespace(kind.__module__))
    found = source.class_(kind, mine, namespace)
    if found is None:
        return _without_source(kind, namespace, functions)
    methods = [each for each in mine if each.__code__.co_filename == found.file]
    adopted = [(name, each) for name, each in functions if each not in mine]
    loads = bytecode.global_loads(found.code)
    return Look(namespace, syntax.shape(found.node), loads, methods, adopted, _data(kind), found.file, found.line)


def _without_source(kind: type, namespace: dict[str, Any], functions: list[tuple[str, types.FunctionType]]) -> Look:
    """By its own contents; of a namedtuple these are its fields, since its methods are generated."""
    data = _data(kind)
    for name in ("_fields", "_field_defaults") if issubclass(kind, tuple) else ():
        data += [(name, kind.__dict__[name])] if name in kind.__dict__ else []
    return Look(namespace, syntax.Shape(b"", {}, []), set(), [], functions, data, "", 0)


def _is_local(function: types.FunctionType) -> bool:
    module = str(function.__globals__.get("__name__") or "")
    return bool(module) and not module.startswith("namedtuple_") and origin(module).kind == "local"


def _functions(kind: type) -> Iterator[tuple[str, types.FunctionType]]:
    """The functions in a class, also those inside properties, class methods, caches."""
    for name, value in kind.__dict__.items():
        inner: list[Any] = [value]
        if isinstance(value, (classmethod, staticmethod)):
            inner = [value.__func__]
        elif isinstance(value, property):
            inner = [value.fget, value.fset, value.fdel]
        elif isinstance(value, functools.cached_property):
            inner = [value.func]
        for each in map(_unwrapped, inner):
            if isinstance(each, types.FunctionType):
                yield name, each


def _unwrapped(value: Any) -> Any:
    """What caches and the like are around; wrappers in Python have closures and stay."""
    while not isinstance(value, types.FunctionType) and "__wrapped__" in own(value):
        value = own(value)["__wrapped__"]
    return value


def _data(kind: type) -> list[tuple[str, Any]]:
    """Its attributes that are plain data; those of an enumeration are its source."""
    if issubclass(kind, enum.Enum):
        return []
    return [
        (name, value)
        for name, value in sorted(kind.__dict__.items(), key=lambda item: item[0])
        if not name.startswith("_") and not isinstance(value, type) and not hasattr(type(value), "__get__")
    ]
