"""Instances of classes with ways of their own: `__new__` with arguments, attributes that nobody may set, proxies.

Pickle calls `__new__` without the arguments that it may want, sets slots by `__setattr__`, which may refuse, and asks a
half-made object for `__setstate__`, which its `__getattr__` may answer with anything. Here the built-in class below
makes such an object and its state is put there. Where a class holds its own instance, as singletons do, `__new__` would
look for attributes that come later. Classes that say how they are pickled keep their way.

Rules of this file: looks at classes, and runs nothing of theirs but a `__new__` that takes no arguments.
"""

from __future__ import annotations

import copyreg
import types
from typing import TYPE_CHECKING, Any, Final

from raisin_core.serialization.families import births, modules, tracker

if TYPE_CHECKING:
    from raisin_core.serialization.pickling import Pickler

OWN, NATIVE, EARLY = range(
    3
)  # how an instance is made: by its class, what is below it, as long as its class is not whole
ARGUMENTS: Final = ("__getnewargs__", "__getnewargs_ex__")
FUNCTION: Final = types.FunctionType


class Filled:
    """The last step of a class: from here on its instances are made as usual."""

    def __init__(self, kind: type, filling: set[int]) -> None:
        self.kind = kind
        self.filling = filling

    def __reduce__(self) -> tuple[Any, ...]:
        self.filling.discard(id(self.kind))
        return births.fill, (self.kind, {})


def reduce_instance(value: Any, pickler: Pickler) -> Any:
    """An instance of such a class."""
    kind: Any = type(value)
    found = _reduced(value, kind, id(kind) in pickler.filling)
    return modules.by_own_name(value, pickler) if found is None else found


def is_odd(kind: Any, pickler: Pickler) -> bool:
    """Whether pickle may not read what it writes of a class that says nothing of it."""
    try:
        if kind.__reduce_ex__ is not object.__reduce_ex__ or kind.__reduce__ is not object.__reduce__:
            return False
        if "__getnewargs__" in kind.__dict__:  # namedtuples above all
            return False
        ways = kind.__new__, kind.__setattr__, kind.__getattribute__, getattr(kind, "__getattr__", None)
        return FUNCTION in map(type, ways) and not hasattr(kind, "__setstate__") and kind not in pickler.dispatch_table
    except Exception:  # noqa: BLE001 - its metaclass does not say
        return False


def _reduced(value: Any, kind: Any, early: bool) -> tuple[Any, ...] | None:
    how, arguments = _making(value, kind)
    if how == OWN and arguments:
        return None  # its own way
    made, _, state = (*object.__reduce_ex__(value, 5), None)[:3]
    own, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    if made is not copyreg.__newobj__ or not {type(own), type(slots)} <= {dict, type(None)}:  # type: ignore[attr-defined]
        return None
    how = EARLY if early and how == OWN else how
    return rebuild_instance, (kind, how, *arguments), (own, slots), None, None, fill_instance


def _making(value: Any, kind: Any) -> tuple[int, tuple[Any, ...]]:
    """How an instance is made, and of what."""
    names = [next((name for name in ("__new__", *ARGUMENTS) if name in each.__dict__), "") for each in kind.__mro__]
    said = [each for each, name in zip(kind.__mro__, names) if name and type(each.__dict__[name]) is FUNCTION]
    base: Any = next(each for each in kind.__mro__ if _makes(each))
    if any(name in each.__dict__ for each in said[:1] for name in ARGUMENTS):
        return OWN, (value,)
    if base is not object:
        return (NATIVE, tuple(base.__getnewargs__(value))) if hasattr(base, "__getnewargs__") else (OWN, (value,))
    return (NATIVE if _wants_more(kind.__new__) else OWN), ()


def way(kind: Any, pickler: Pickler) -> int:
    """How an empty container of a class is made."""
    if _wants_more(kind.__new__):
        return NATIVE
    return EARLY if id(kind) in pickler.filling else OWN


def _wants_more(new: Any) -> bool:
    """Whether `__new__` has to be given more than the class."""
    if type(new) is not FUNCTION:
        return False
    code, named = new.__code__, new.__kwdefaults__ or {}
    optional = len(new.__defaults__ or ())
    return code.co_argcount - optional > 1 or code.co_kwonlyargcount > len(named)


def rebuild_instance(kind: Any, how: int, *arguments: Any) -> Any:
    """An instance without its state."""
    if how == OWN or (how == EARLY and tracker.whole(kind)):
        return kind.__new__(kind, *arguments)
    base = next(each for each in kind.__mro__ if _makes(each))
    return base.__new__(kind, *arguments)


def _makes(kind: type) -> bool:
    return isinstance(kind.__dict__.get("__new__"), types.BuiltinFunctionType)


def fill_instance(value: Any, state: tuple[dict[str, Any] | None, dict[str, Any] | None]) -> None:
    """Its attributes and slots."""
    own, slots = state
    if own:
        object.__getattribute__(value, "__dict__").update(own)
    for name, given in (slots or {}).items():
        object.__setattr__(value, name, given)
