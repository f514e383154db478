"""Names by which types and the like are imported, where they differ from what the object itself says.

Rules of this file: only names that mean the same in all Pythons that raisin supports.
"""

from __future__ import annotations

import _collections_abc
import importlib
import types
from typing import Any, Final

SINGLETONS: Final = (type(None), type(Ellipsis), type(NotImplemented))  # pickle knows these


def _unnamed() -> dict[Any, tuple[str, str]]:
    """Builtin types that say they are in `builtins` and are not, with a place where they are."""
    import builtins

    found: dict[Any, tuple[str, str]] = {}
    for place, module in (("_collections_abc", _collections_abc), ("types", types)):
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == "builtins" and not hasattr(builtins, value.__name__):
                found[value] = (place, name)
    return {value: place for value, place in found.items() if value not in SINGLETONS}


UNNAMED: Final = _unnamed()
MODULES: Final = {
    "pathlib._local": "pathlib",
    "zipfile._path": "zipfile",
    "importlib.resources._functional": "importlib.resources",
}
MOVED: Final = {  # what some Pythons call it, what all do
    "enum:EnumType": "enum:EnumMeta",
    "re:PatternError": "re:error",
    "signal:itimer_error": "signal:ItimerError",
    "_thread:lock": "threading:Lock",
    "_asyncio:current_task": "asyncio:current_task",
    "genericpath:islink": "posixpath:islink",
    "genericpath:lexists": "posixpath:lexists",
    "genericpath:isjunction": "posixpath:isjunction",
    "posix:_path_normpath": "posixpath:normpath",
    "posix:_path_splitroot_ex": "posixpath:splitroot",
    "nt:_path_normpath": "ntpath:normpath",
    "nt:_path_splitroot_ex": "ntpath:splitroot",
    "os:_fscodec.<locals>.fsencode": "os:fsencode",
    "os:_fscodec.<locals>.fsdecode": "os:fsdecode",
    "importlib._common:files": "importlib.resources:files",
    "importlib._common:as_file": "importlib.resources:as_file",
    "importlib.resources._common:files": "importlib.resources:files",
    "importlib.resources._common:as_file": "importlib.resources:as_file",
    "importlib.resources.abc:ResourceReader": "importlib.abc:ResourceReader",
    "importlib.resources.abc:Traversable": "importlib.abc:Traversable",
    "importlib.resources.abc:TraversableResources": "importlib.abc:TraversableResources",
}


def public(value: Any) -> tuple[str, str] | None:
    """Module and name by which any Python imports a class or function, if that is not what it says itself."""
    if type(value) is type and value in UNNAMED:
        return UNNAMED[value]
    module, name = getattr(value, "__module__", None) or "", getattr(value, "__qualname__", "")
    if module in MODULES:
        return MODULES[module], name
    moved = MOVED.get(f"{module}:{name}")
    if moved is None or module == "__main__":
        return None
    place, _, name = moved.partition(":")
    return place, name


def reduce_builtin(value: Any, pickler: Any) -> Any:
    """A builtin function, by the name that all Pythons know."""
    found = public(value) if isinstance(value.__self__, types.ModuleType) else None
    return NotImplemented if found is None else (rebuild_global, found)


def rebuild_global(module: str, name: str) -> Any:
    """What a module has under a (dotted) name."""
    value: Any = importlib.import_module(module)
    for each in name.split("."):
        value = getattr(value, each)
    return value


REDUCERS: Final[dict[type, Any]] = {types.BuiltinFunctionType: reduce_builtin}
