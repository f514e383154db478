"""Functions that no module of the reader's has: by value, in any Python that raisin supports.

What travels is the code (see `code`), the globals that it uses, its closure and its attributes. Functions of one object
that had their globals in common have them in common again, and so have closures their variables.

Rules of this file: the standard library and cloudpickle only, and cloudpickle on the writing side only.
"""

from __future__ import annotations

import builtins
import itertools
import opcode
import sys
import types
import weakref
from collections.abc import Iterator
from typing import Any, Final

from raisin_core.serialization.families import code as codes

MAIN: Final = "__main__"  # nothing of it is imported elsewhere
SPACE: Final = ("__package__", "__name__", "__path__", "__file__")
GLOBAL: Final = {
    opcode.opmap[name]: name == "LOAD_GLOBAL" and sys.version_info >= (3, 11)
    for name in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")
    if name in opcode.opmap
}


class _Empty:
    """The content of a cell that has none; travels by name."""

    def __reduce__(self) -> str:
        return "EMPTY"


EMPTY: Final = _Empty()


class Variable:
    """Stands for a cell while one object is written: it is made empty, and filled when its function is there."""

    def __init__(self, cell: types.CellType) -> None:
        self.cell = cell  # alive, so that its id stays its own

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild_variable, ()


def reduce_function(function: types.FunctionType, pickler: Any) -> Any:
    """By value, unless a module of this name has the function."""
    if function.__module__ != MAIN and pickler.goes_by_reference(function):
        return NotImplemented
    code, namespace = function.__code__, function.__globals__
    codes.prepare(code, namespace)
    closure = function.__closure__
    variables = None if closure is None else tuple([_variable(cell, pickler) for cell in closure])
    return rebuild_function, (code, _space(function, pickler), variables), state(function), None, None, fill_function


def _space(function: types.FunctionType, pickler: Any) -> dict[str, Any]:
    """The globals as far as they are there before the function is; one for all functions of these globals."""
    space: dict[str, Any] = pickler.globals_ref.setdefault(id(function.__globals__), {})
    if not space:
        space.update((name, function.__globals__[name]) for name in SPACE if name in function.__globals__)
    return space


def _variable(cell: types.CellType, pickler: Any) -> Variable:
    found: Variable = pickler.variables.setdefault(id(cell), Variable(cell))
    return found


def state(function: types.FunctionType) -> tuple[Any, ...]:
    """What a function has beside its code: filled in when it exists, since it may be part of any of it."""
    namespace = function.__globals__
    used = {name: namespace[name] for name in global_names(function.__code__) if name in namespace}
    cells = tuple([_content(cell) for cell in function.__closure__ or ()])
    return (
        (function.__name__, function.__qualname__, function.__module__, function.__doc__),
        (function.__defaults__, function.__kwdefaults__, function.__annotations__),
        used,
        cells,
        function.__dict__ or None,
        submodules(function.__code__, itertools.chain(used.values(), cells)) or None,
        getattr(function, "__type_params__", ()) or None,
    )


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return EMPTY


_globals: dict[int, tuple[weakref.ref[types.CodeType], tuple[str, ...]]] = {}


def global_names(code: types.CodeType) -> tuple[str, ...]:
    """The names that code, and the code inside it, uses as globals (or built-ins)."""
    known = _globals.get(id(code))
    if known is not None and known[0]() is code:
        return known[1]
    names = dict.fromkeys(_used(code))
    for each in codes.inner(code):
        names.update(dict.fromkeys(_used(each)))
    reference = weakref.ref(code, lambda _, key=id(code): _globals.pop(key, None))  # type: ignore[misc]
    _globals[id(code)] = reference, tuple(names)
    return tuple(names)


def _used(code: types.CodeType) -> Iterator[str]:
    names, instructions = code.co_names, code.co_code
    operations = instructions[::2]
    for place in itertools.compress(itertools.count(), map(GLOBAL.__contains__, operations)):
        argument, first, shift = instructions[2 * place + 1], place, 0
        while first and operations[first - 1] == opcode.EXTENDED_ARG:
            first, shift = first - 1, shift + 8
            argument |= instructions[2 * first + 1] << shift
        yield names[argument >> GLOBAL[operations[place]]]


def submodules(code: types.CodeType, values: Iterator[object]) -> list[types.ModuleType]:
    """Modules that code reaches through their packages (`concurrent.futures`): they have to be imported there, too."""
    found = []
    for value in values:
        if isinstance(value, types.ModuleType) and getattr(value, "__path__", None) is not None:
            prefix, names = value.__name__ + ".", codes.every_name(code)
            for name, module in list(sys.modules.items()):
                if module is not None and name.startswith(prefix) and names.issuperset(name[len(prefix) :].split(".")):
                    found.append(module)
    return found


# -- the reading side ---------------------------------------------------------------------------------------------


def rebuild_variable() -> types.CellType:
    """A cell that is filled later."""
    return types.CellType()


def rebuild_function(
    code: types.CodeType, space: dict[str, Any], variables: tuple[types.CellType, ...] | None
) -> types.FunctionType:
    """A function without anything but its code."""
    space.setdefault("__builtins__", builtins.__dict__)
    return types.FunctionType(code, space, None, None, variables)


def fill_function(function: types.FunctionType, state: tuple[Any, ...]) -> None:
    """Its attributes, globals and closure."""
    names, values, used, cells, attributes, _, type_params = state
    function.__name__, function.__qualname__, function.__module__, function.__doc__ = names
    function.__defaults__, function.__kwdefaults__, function.__annotations__ = values
    function.__globals__.update(used)
    for cell, content in zip(function.__closure__ or (), cells):
        if content is not EMPTY:
            cell.cell_contents = content
    if attributes:
        function.__dict__.update(attributes)
    if type_params and hasattr(function, "__type_params__"):
        function.__type_params__ = type_params


REDUCERS: Final[dict[type, Any]] = {types.FunctionType: reduce_function}
