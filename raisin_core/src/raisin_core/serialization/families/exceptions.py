"""Exceptions as they are: arguments, attributes, notes, cause and context; their tracebacks stay here.

Pickle would call the class with `args` again, which goes wrong where its `__init__` takes anything else, and would
leave causes behind. Here the built-in class below it makes the object, and what was in it is put there. Classes with
their own way to be pickled keep it.

Rules of this file: the standard library only; runs neither `__init__` nor `__new__` nor `__setattr__` of an exception.
"""

from __future__ import annotations

import copyreg
import types
from typing import TYPE_CHECKING, Any, Final

from raisin_core.serialization.families import modules

if TYPE_CHECKING:
    from raisin_core.serialization.pickling import Pickler

PROTOCOL: Final = 5
HEAP: Final = 1 << 9  # flag of types: made at run time
WAYS: Final = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")
LINKS: Final = ("__cause__", "__context__", "__suppress_context__")
NO_LINKS: Final = (None, None, False)


def reduce_exception(value: BaseException, pickler: Pickler) -> Any:
    """An exception with what led to it."""
    kind = type(value)
    found = tuple(getattr(value, name) for name in LINKS) if pickler.chains else NO_LINKS
    if kind in copyreg.dispatch_table:
        return NotImplemented
    if not all(_is_builtin(getattr(kind, name, None)) for name in WAYS):
        return _said(value, found, pickler)
    said = value.__reduce_ex__(PROTOCOL)
    state = value.args, *_state(value, *said[2:]), found
    return rebuild_exception, (kind, said[1]), state, None, None, fill_exception


def _is_builtin(method: object) -> bool:
    return method is None or isinstance(method, types.MethodDescriptorType)


def _state(value: BaseException, said: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Attributes in its dictionary, and those beside: slots, and what the built-in class keeps."""
    attributes = dict(value.__dict__)
    beside = {name: given for name, given in (said or {}).items() if name not in attributes and name != "args"}
    names: list[str] = copyreg._slotnames(type(value))  # type: ignore[attr-defined]
    if isinstance(value, (NameError, AttributeError)):
        names = [*names, "name"]
    beside.update((name, getattr(value, name)) for name in names if hasattr(value, name))
    return attributes, beside


def _said(value: BaseException, found: tuple[Any, ...], pickler: Pickler) -> Any:
    """What an exception says of itself, with its links."""
    said = modules.by_own_name(value, pickler)
    if found == NO_LINKS:
        return said
    if said is NotImplemented:
        said = value.__reduce_ex__(PROTOCOL)
    if not isinstance(said, tuple) or len(said) > 3:
        return said
    made, arguments, state = (*said, None)[:3]
    return made, arguments, (state, found), None, None, fill_said


def rebuild_exception(kind: Any, arguments: tuple[Any, ...]) -> BaseException:
    """An exception of this class, made by the built-in class that it inherits from."""
    base: Any = next(each for each in kind.__mro__ if not each.__flags__ & HEAP)
    made: BaseException = base.__new__(kind, *arguments)
    base.__init__(made, *arguments)
    return made


def fill_exception(value: BaseException, state: tuple[Any, ...]) -> None:
    """Its arguments, attributes and links."""
    arguments, attributes, beside, found = state
    _put(value, "args", arguments)
    value.__dict__.update(attributes)
    for name, given in beside.items():
        object.__setattr__(value, name, given)
    _link(value, found)


def fill_said(value: Any, state: tuple[Any, tuple[Any, ...]]) -> None:
    """What an exception has said of itself, and its links."""
    said, found = state
    if said is not None:
        value.__setstate__(said)
    _link(value, found)


def _link(value: BaseException, found: tuple[Any, ...]) -> None:
    for name, given in zip(LINKS, found):
        _put(value, name, given)


def _put(value: BaseException, name: str, given: object) -> None:
    """Set what every exception has, whatever its class makes of the name."""
    BaseException.__dict__[name].__set__(value, given)


SUBCLASSES: Final[dict[type, Any]] = {BaseException: reduce_exception}
