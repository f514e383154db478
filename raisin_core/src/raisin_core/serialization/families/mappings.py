"""Views of dictionaries, read-only mappings, and constants of the standard library that are known by identity.

Rules of this file: a read-only mapping stays a view of the same mapping; a view of keys takes no values along.
"""

from __future__ import annotations

import collections
import dataclasses
import gc
import os
import types
from typing import Any, Final

CONSTANTS: Final[dict[str, Any]] = {
    "MISSING": dataclasses.MISSING,
    "KW_ONLY": dataclasses.KW_ONLY,
    "_HAS_DEFAULT_FACTORY": getattr(dataclasses, "_HAS_DEFAULT_FACTORY", None),
    "_FIELD": getattr(dataclasses, "_FIELD", None),
    "_FIELD_CLASSVAR": getattr(dataclasses, "_FIELD_CLASSVAR", None),
    "_FIELD_INITVAR": getattr(dataclasses, "_FIELD_INITVAR", None),
}


def reduce_constant(value: Any, pickler: Any) -> Any:
    """What `dataclasses` compares by identity."""
    for name, each in CONSTANTS.items():
        if each is value:
            return rebuild_constant, (name,)
    return NotImplemented


def rebuild_constant(name: str) -> Any:
    """The one of this Python."""
    return CONSTANTS[name]


def reduce_environment(value: Any, pickler: Any) -> Any:
    """The environment of the process, by its name: a copy of it would say what is true elsewhere."""
    name = next((name for name in ("environ", "environb") if getattr(os, name, None) is value), None)
    return (rebuild_environment, (name,)) if name is not None else NotImplemented


def rebuild_environment(name: str) -> Any:
    """The one of this process."""
    return os.environ if name == "environ" else os.environb


def reduce_proxy(value: Any, pickler: Any) -> Any:
    """A read-only mapping, of the mapping that it shows; that of a class by its class."""
    shown = next(iter(gc.get_referents(value)), None)
    if shown is None or len(shown) != len(value):
        shown = dict(value)
    owner = getattr(value.get("__dict__") or value.get("__weakref__"), "__objclass__", None)
    if owner is not None and getattr(owner, "__dict__", {}).keys() == value.keys():
        return vars, (owner,)
    return types.MappingProxyType, (shown,)


def reduce_keys(value: Any, pickler: Any) -> Any:
    """A view of keys, of a dictionary without values."""
    return rebuild_keys, (list(value), _is_ordered(value))


def rebuild_keys(keys: list[Any], ordered: bool) -> Any:
    """The keys of a dictionary that has no values."""
    return (collections.OrderedDict if ordered else dict).fromkeys(keys).keys()


def reduce_values(value: Any, pickler: Any) -> Any:
    """A view of values, of a dictionary with numbers for keys."""
    return rebuild_values, (list(value), _is_ordered(value))


def rebuild_values(values: list[Any], ordered: bool) -> Any:
    """The values of a dictionary whose keys do not matter."""
    return (collections.OrderedDict if ordered else dict)(enumerate(values)).values()


def reduce_items(value: Any, pickler: Any) -> Any:
    """A view of items."""
    return rebuild_items, (dict(value), _is_ordered(value))


def rebuild_items(content: dict[Any, Any], ordered: bool) -> Any:
    """The items of a dictionary."""
    return (collections.OrderedDict(content) if ordered else content).items()


def _is_ordered(view: Any) -> bool:
    return type(view).__name__.startswith("odict")


_DICTS: Final[tuple[Any, ...]] = ({}, collections.OrderedDict())
REDUCERS: Final[dict[type, Any]] = {
    types.MappingProxyType: reduce_proxy,
    type(os.environ): reduce_environment,
    **{type(each.keys()): reduce_keys for each in _DICTS},
    **{type(each.values()): reduce_values for each in _DICTS},
    **{type(each.items()): reduce_items for each in _DICTS},
    **{type(each): reduce_constant for each in CONSTANTS.values() if each is not None},
}
