"""Dataclasses: what the decorator generated is made anew by the reader's own `dataclasses`.

Its generated methods, `Field` and the parameters differ between versions of Python, so the fields' descriptions travel.

Rules of this file: a method counts as generated if its code can only come from the decorator; all others travel as they
are; what the decorator makes anew is compared with what is expected.
"""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, Final

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import births, tracker

_METHODS: Final = "__init__ __repr__ __eq__ __lt__ __le__ __gt__ __ge__ __hash__ __setattr__ __delattr__ __replace__"
METHODS: Final = _METHODS.split()
PARAMETERS: Final = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
LATER: Final = ("match_args", "kw_only", "slots", "weakref_slot")  # what the parameters know from 3.12 on
OPTIONS: Final = ("init", "repr", "hash", "compare", "kw_only")
NESTED: Final = 0x10  # a flag of code objects
PLAIN: Final = {"_FIELD": object, "_FIELD_CLASSVAR": typing.ClassVar, "_FIELD_INITVAR": dataclasses.InitVar[Any]}


def own_fields(kind: type) -> dict[str, dataclasses.Field[Any]]:
    """The fields that a dataclass adds to those of its bases or changes."""
    if "__dataclass_params__" not in kind.__dict__:
        return {}
    inherited: dict[str, Any] = {}
    for base in reversed(kind.__mro__[1:]):
        inherited.update(base.__dict__.get("__dataclass_fields__", {}))
    return {name: each for name, each in _fields(kind).items() if inherited.get(name) is not each}


def _fields(kind: type) -> dict[str, Any]:
    found: dict[str, Any] = kind.__dict__["__dataclass_fields__"]
    return found


def generated(kind: type) -> list[str]:
    """Names of the methods of a dataclass that the decorator wrote."""
    if "__dataclass_params__" not in kind.__dict__:
        return []
    return [name for name in METHODS if _is_generated(name, kind.__dict__.get(name))]


def _is_generated(name: str, method: Any) -> bool:
    if name == "__replace__":
        return getattr(method, "__module__", None) == "dataclasses"
    code = getattr(getattr(method, "__wrapped__", method), "__code__", None)
    if code is None or code.co_filename != "<string>" or code.co_name != name:
        return False
    if hasattr(code, "co_qualname"):
        return bool(code.co_qualname == f"__create_fn__.<locals>.{name}")
    return code.co_firstlineno == 2 and bool(code.co_flags & NESTED)  # 3.10: inside a function of one line


def describe(kind: type) -> tuple[dict[str, Any], list[tuple[Any, ...]], list[str], list[tuple[str, str]]]:
    """Parameters, own fields, generated methods, and all fields as they must be in the end."""
    params: Any = kind.__dict__["__dataclass_params__"]
    options = {name: getattr(params, name) for name in PARAMETERS}
    options |= {name: getattr(params, name) for name in LATER if hasattr(params, name)}
    options.setdefault("slots", "__slots__" in kind.__dict__)
    options.setdefault("match_args", "__match_args__" in kind.__dict__)
    options["post_init"] = hasattr(kind, "__post_init__")
    fields = [(name, each.type, _kind_of(each), _options(each)) for name, each in own_fields(kind).items()]
    return options, fields, generated(kind), _outline(kind)


def _kind_of(field: Any) -> str:
    name: str = field._field_type.name
    return name


def _outline(kind: type) -> list[tuple[str, str]]:
    return [(name, _kind_of(each)) for name, each in _fields(kind).items()]


def _options(field: Any) -> dict[str, Any]:
    found = {name: getattr(field, name) for name in OPTIONS}
    for name in ("default", "default_factory"):
        found[name] = getattr(field, name)
    if field.metadata:
        found["metadata"] = dict(field.metadata)
    return {name: value for name, value in found.items() if value is not dataclasses.MISSING}


def rebuild_dataclass(
    kind: Any,
    options: dict[str, Any],
    fields: list[tuple[str, Any, str, dict[str, Any]]],
    methods: list[str],
    outline: list[tuple[str, str]],
) -> None:
    """Make a class that has arrived a dataclass. Raises SerializationError if this Python makes another one of it."""

    if not tracker.arrived(kind) or "__dataclass_params__" in kind.__dict__:
        return
    before = dict(kind.__dict__)
    with births.telling(kind.__name__):
        _decorate(kind, options, fields)
    _settle(kind, before, fields, methods)
    for name in (*PARAMETERS, *LATER):
        if name in options and hasattr(kind.__dataclass_params__, name):
            setattr(kind.__dataclass_params__, name, options[name])
    if _outline(kind) != outline:
        raise SerializationError(f"the fields of the dataclass {kind.__name__} would be others in this Python")


def _decorate(kind: Any, options: dict[str, Any], fields: list[tuple[str, Any, str, dict[str, Any]]]) -> None:
    """The decorator, with fields and annotations as plain as it needs them."""
    type.__setattr__(kind, "__annotations__", {name: _plain(given, sort) for name, given, sort, _ in fields})
    type.__setattr__(kind, "__doc__", kind.__dict__.get("__doc__") or "-")
    if options["post_init"]:
        type.__setattr__(kind, "__post_init__", None)  # it comes later; that there is one counts
    for name, _, _, given in fields:
        type.__setattr__(kind, name, dataclasses.field(**given))
    dataclasses.dataclass(kind, match_args=False, **{name: options[name] for name in PARAMETERS})


def _plain(annotation: Any, sort: str) -> Any:
    """An annotation that says what sort of field it is; texts cannot be looked up here."""
    return PLAIN[sort] if isinstance(annotation, str) else annotation


def _settle(
    kind: Any, before: dict[str, Any], fields: list[tuple[str, Any, str, dict[str, Any]]], methods: list[str]
) -> None:
    """Put back what made room for the decorator; drop what the sender's class does not have."""
    hints = getattr(kind.__dict__.get("__init__"), "__annotations__", {}) if "__init__" in methods else {}
    for name, annotation, _, _ in fields:
        _fields(kind)[name].type = annotation
        if name in hints:
            hints[name] = annotation
    for name in ("__annotations__", "__doc__", *(each[0] for each in fields)):
        if name in before:
            type.__setattr__(kind, name, before[name])
        elif name in ("__annotations__", "__doc__"):
            type.__delattr__(kind, name)
    for name in (*METHODS, "__post_init__"):
        if name in kind.__dict__ and name not in before and name not in methods and name != "__replace__":
            type.__delattr__(kind, name)
