"""Which enums, namedtuples and dataclasses a function's results may be made of: the job's table of classes.

Results of others hold no names of classes, only numbers in this table. So it has what can be found from the function:
in the globals that it and the user's own functions it reaches name, in their modules, closures, defaults and
annotations, in the fields of such classes, in keyword arguments, and in samples of what it is called with. A class that
is not found costs no result: what holds it travels as a marked pickle.

Rules of this file: bounded, and fails for no function; runs nothing of the user's but what looking at a class may run
(metaclasses); the standard library only.
"""

from __future__ import annotations

import enum
import functools
import re
import sys
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from raisin_core.analysis import bytecode
from raisin_core.analysis.origin import origin
from raisin_core.serialization.canonical import own
from raisin_core.serialization.values.kinds.classes import namedtuple_fields

MOST: Final = 256  # classes
STEPS: Final = 10_000  # things looked at
SOME: Final = 64  # elements of a container that are looked at

_NAME: Final = re.compile(r"[^\W\d]\w*")
_CONTAINERS: Final = (list, tuple, set, frozenset, deque)


def value_types(
    function: object, kwargs: Mapping[str, Any] | None = None, samples: Iterable[object] = ()
) -> tuple[type, ...]:
    """The classes, in an order that depends on the function alone.

    >>> import statistics
    >>> [kind.__name__ for kind in value_types(statistics.linear_regression)]
    ['LinearRegression']
    """
    walk = _Walk()
    walk.todo.extend((function, *(kwargs or {}).values(), *samples))
    walk.entered = {id(function)}
    for _ in range(STEPS):
        if not walk.todo or len(walk.found) >= MOST:
            break
        thing = walk.todo.popleft()
        try:
            walk.look(thing)
        except Exception:  # noqa: BLE001 - whatever users' objects do, the function can be called
            continue
    return tuple(walk.found)


def value_types_here() -> tuple[type, ...]:
    """The classes that the program itself has, by name, in `__main__`."""
    main = own(sys.modules.get("__main__"))
    return value_types(None, samples=[each for each in main.values() if isinstance(each, type) and is_value_type(each)])


def is_value_type(kind: type) -> bool:
    """Whether objects of this class may be values: an enum with members, a namedtuple, a dataclass."""
    if issubclass(kind, enum.Enum):
        return bool(kind._member_map_)
    return (issubclass(kind, tuple) and namedtuple_fields(kind) >= 0) or any(
        "__dataclass_fields__" in own(base) for base in kind.__mro__
    )


class _Walk:
    """Looks at one thing after another, at each once."""

    def __init__(self) -> None:
        self.found: dict[type, None] = {}
        self.todo: deque[Any] = deque()
        self.entered: set[int] = set()  # functions that are looked into, whosever they are
        self._seen: dict[int, object] = {}  # by identity; kept alive, so that none is used twice

    def look(self, thing: Any) -> None:
        if id(thing) not in self._seen:
            self._seen[id(thing)] = thing
            self.todo.extend(self._next(thing))

    def _next(self, thing: Any) -> Iterator[Any]:
        if isinstance(thing, type):
            return self._class(thing)
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        if isinstance(thing, types.MethodType):
            return iter((thing.__func__, thing.__self__))
        if isinstance(thing, functools.partial):
            return iter((thing.func, *thing.args, *thing.keywords.values()))
        if "__wrapped__" in own(thing):
            return iter((own(thing)["__wrapped__"],))
        return self._data(thing)

    def _class(self, kind: type) -> Iterator[Any]:
        is_value = is_value_type(kind)
        if is_value:
            self.found[kind] = None
        namespace = own(sys.modules.get(kind.__module__))
        for base in kind.__mro__ if is_value else ():
            yield from _annotated(own(base).get("__annotations__"), namespace)
        if _is_own(kind.__module__):
            yield from (_unbound(each) for each in own(kind).values() if not isinstance(each, (str, int, type(None))))

    def _function(self, function: types.FunctionType) -> Iterator[Any]:
        namespace = function.__globals__
        module = str(namespace.get("__name__"))
        yield own(function).get("__wrapped__")
        yield from _closed(function.__closure__ or ())
        yield from (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        yield from _annotated(function.__annotations__, namespace)
        if id(function) not in self.entered and not _is_own(module):
            return
        yield from _named(function.__code__, namespace)
        for each in tuple(namespace.values()):
            if isinstance(each, type) and each.__module__ == module and is_value_type(each):
                yield each

    def _data(self, value: Any) -> Iterator[Any]:
        yield type(value)
        if isinstance(value, dict):
            some = list(dict.items(value))[:SOME] if type(value) is dict else []
            yield from (part for pair in some for part in pair)
        elif type(value) in _CONTAINERS or (isinstance(value, tuple) and is_value_type(type(value))):
            yield from list(value)[:SOME]
        elif _is_own(type(value).__module__):
            yield own(type(value)).get("__call__")
            yield from list(own(value).values())[:SOME]


def _closed(cells: Iterable[types.CellType]) -> Iterator[Any]:
    for cell in cells:
        try:
            yield cell.cell_contents
        except ValueError:  # not yet assigned
            continue


def _named(code: types.CodeType, namespace: Mapping[str, Any]) -> Iterator[Any]:
    """What the names in code stand for; of a module, the attributes that are named as well."""
    names = {name for each in bytecode.codes(code) for name in each.co_names}
    for name in sorted(names & namespace.keys()):
        thing = namespace[name]
        if isinstance(thing, types.ModuleType):
            yield from (vars(thing)[each] for each in sorted(names & vars(thing).keys()))
        else:
            yield thing


def _annotated(annotations: Any, namespace: Mapping[str, Any]) -> Iterator[Any]:
    """The types in annotations; of those that are texts, what their names stand for."""
    for each in annotations.values() if type(annotations) is dict else ():
        if isinstance(each, str):
            names = _NAME.findall(each)
            yield from (namespace[name] for name in names if isinstance(namespace.get(name), type))
        else:
            yield from _inside(each, 8)


def _inside(annotation: Any, depth: int) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for each in getattr(annotation, "__args__", ()) if depth else ():
        yield from _inside(each, depth - 1)


def _unbound(member: Any) -> Any:
    """The function of a member of a class."""
    if isinstance(member, (staticmethod, classmethod)):
        return member.__func__
    return member.fget if isinstance(member, property) else member


def _is_own(module: Any) -> bool:
    if not isinstance(module, str) or module.startswith("namedtuple_"):  # which is in no file
        return False
    return origin(module).kind == "local"
