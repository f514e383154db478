"""Modules, and what is named in them: installed ones by name, the user's own with their source.

A local module travels as its text together with those of the local modules that it imports; its functions and classes
as names in it, so that they stay what they are and `isinstance` works when something comes back. The other side uses
its own module where the source is the same, else makes one (`modules/worlds.py` says under which name). What a module's
globals became after its import does not travel, and neither do files beside it. `__main__` is not a module in this
sense: what is defined there travels by value. Modules made at run time travel as their contents.

Rules of this file: the standard library and cloudpickle only.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import sys
import types
import typing
from typing import TYPE_CHECKING, Any, Final

from raisin_core.errors import SerializationError
from raisin_core.serialization.canonical import own
from raisin_core.serialization.modules import imported, loading, members, worlds
from raisin_core.serialization.modules.members import Member

if TYPE_CHECKING:
    from raisin_core.serialization.pickling import Pickler

MAIN: Final = ("__main__", "__mp_main__")  # as child processes of multiprocessing call it
PROTOCOL: Final = 5
TYPING: Final = ("NewType", "TypeVar", "ParamSpec", "TypeVarTuple", "TypeAliasType")
NAMED: Final = frozenset(  # besides classes, the types of what may be at the top of a module under its own name
    [
        types.FunctionType,
        functools._lru_cache_wrapper,
        *(getattr(typing, name) for name in TYPING if hasattr(typing, name)),
    ]
)
INSIDE: Final = ("__func__", "__wrapped__", "fget", "func")  # of class methods, of what was decorated, of properties
ITS_OWN: Final = ("__builtins__", "__loader__", "__spec__", "__cached__")
EXTENSION: Final = "an extension module of the writer, or one without source: it does not travel, install it here"


def by_reference(value: Any, pickler: Pickler) -> Any:
    """How a function or class at the top of a local module travels: as a name in it. NotImplemented for all others."""
    found = _home(value)
    return (rebuild_attribute, found) if found is not None else NotImplemented


def by_own_name(value: Any, pickler: Pickler) -> Any:
    """How an object of a local class travels that says a name when it is asked how, as constants and members of global
    enumerations do: as that name in its module. What others say is passed on; NotImplemented for those of no say."""
    kind: Any = type(value)
    try:
        if kind.__reduce__ is object.__reduce__ and kind.__reduce_ex__ is object.__reduce_ex__:
            return NotImplemented
        module = sys.modules.get(kind.__module__)
    except Exception:  # noqa: BLE001 - its metaclass does not say
        return NotImplemented
    if not isinstance(module, types.ModuleType) or not _is_shipped(module) or kind in pickler.dispatch_table:
        return NotImplemented
    said = value.__reduce_ex__(PROTOCOL)
    is_there = isinstance(said, str) and _attribute(module, said) is value
    return (rebuild_attribute, (module, said)) if is_there else said


def _home(value: Any) -> tuple[types.ModuleType, str] | None:
    name = _said(value, "__module__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if not isinstance(module, types.ModuleType) or not _is_shipped(module):
        return None
    path = _said(value, "__qualname__") or _said(value, "__name__")
    if not isinstance(path, str):
        return None
    ways = (path, *(f"{path}.{step}" for step in INSIDE))
    return next(((module, way) for way in ways if _attribute(module, way) is value), None)


def _said(value: Any, name: str) -> Any:
    """An attribute of a class, whatever its metaclass says, or of something else."""
    try:
        return type.__getattribute__(value, name) if isinstance(value, type) else getattr(value, name)
    except Exception:  # noqa: BLE001 - nothing, or somebody's own way to say so
        return None


def _is_shipped(module: types.ModuleType) -> bool:
    if own(module).get("__name__") in MAIN:
        return False
    if not members.is_local(module) or _is_by_value(module) or worlds.member_of(module) is None:
        return False
    if imported.is_doubtful(module):  # its text is newer: what is in memory travels
        import cloudpickle

        cloudpickle.register_pickle_by_value(module)
        _from_memory[members.name_of(module)] = module
        return False
    return True


_from_memory: dict[str, types.ModuleType] = {}  # by value, because their files have changed since their import


def _is_by_value(module: types.ModuleType) -> bool:
    """Whether somebody has told cloudpickle so."""
    import cloudpickle

    registered = cloudpickle.list_registry_pickle_by_value()
    name = members.name_of(module)
    if name in registered and name in _from_memory and not imported.is_doubtful(module):  # it was loaded anew
        cloudpickle.unregister_pickle_by_value(_from_memory.pop(name))
        registered = cloudpickle.list_registry_pickle_by_value()
    return bool(registered) and any(name == each or name.startswith(f"{each}.") for each in registered)


def _attribute(value: Any, path: str) -> Any:
    """What is at a path of names; None where nothing is."""
    for name in path.split("."):
        try:
            value = getattr(value, name)
        except Exception:  # noqa: BLE001 - a module may have its own __getattr__
            return None
    return value


def rebuild_attribute(module: types.ModuleType, path: str) -> Any:
    """What a module has at a path of names. Raises AttributeError where that is nothing."""
    value: Any = module
    for name in path.split("."):
        value = getattr(value, name)
    return value


def reduce_module(value: types.ModuleType, pickler: Pickler) -> Any:
    """A module: by name, with its source, or (one that nobody can import) as its contents."""
    name = members.name_of(value)
    if not name or (not _is_shipped(value) and _is_by_value(value)):
        return rebuild_made, (str(own(value).get("__name__")),), _contents(value)
    if name in MAIN or not members.is_local(value):
        return rebuild_by_name, (name, "")
    family = worlds.family(value)
    if family:
        return rebuild_module, (tuple(_written(each, pickler.texts) for each in family),)
    return rebuild_by_name, (name, EXTENSION if "__file__" in own(value) else "")


def _contents(module: types.ModuleType) -> dict[str, Any]:
    return {name: value for name, value in own(module).items() if name not in ITS_OWN}


def rebuild_made(name: str) -> types.ModuleType:
    """A module of this name that nobody can import; its contents come behind."""
    made = types.ModuleType(name)
    made.__dict__["__builtins__"] = builtins
    return made


def _written(member: Member, texts: dict[bytes, str] | None) -> tuple[object, ...]:
    if texts is None:
        return members.plain(member)
    texts[members.digest_of(member)] = member.text
    return members.short(member)


def rebuild_by_name(name: str, note: str) -> types.ModuleType:
    """A module that this interpreter has. Raises ModuleNotFoundError with the note where it has none."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name or not note:
            raise
        raise ModuleNotFoundError(f"No module named {name!r}: {note}", name=name) from error


def rebuild_module(family: tuple[tuple[Any, ...], ...]) -> types.ModuleType:
    """The first of these modules, executed when it was not yet; the others are there for its imports.

    Raises what its import raises: ModuleNotFoundError names what is missing here; SerializationError says that it is
    written for another Python.
    """
    came = tuple(map(worlds.rebuilt, family))
    try:
        return loading.imported(came)
    except ModuleNotFoundError as error:
        text = f"{error} (needed by the module {came[0].name}, which came with the object)"
        raise ModuleNotFoundError(text, name=error.name, path=error.path) from error
    except SyntaxError as error:
        version = ".".join(map(str, sys.version_info[:2]))
        raise SerializationError(f"the module {came[0].name} does not run on Python {version}: {error}") from error


REDUCERS: Final[dict[type, Any]] = {types.ModuleType: reduce_module}
