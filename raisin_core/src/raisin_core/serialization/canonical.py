"""One form in bytes for every value: the same in every process, for every hash seed, on every Python.

What counts: the type and the content. `1`, `1.0`, `True` and `"1"` differ, and so do `0.0` and `-0.0`; every nan is the
same. The order of lists, tuples and dicts counts, that of sets and of an object's attributes does not. Paths are text.
Objects are the name of their class and what pickle would take along, but whether equal parts are one object does not
count. Functions and classes that are values are left to `code`.

Rules of this file: the standard library and cloudpickle only; of users' code only what pickling runs.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import hashlib
import pickle
import struct
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any, Final

Code = Callable[[object], bytes]

LONG: Final = 4096  # bytes; what is longer inside a value is replaced by its digest
PROTOCOL: Final = 5
SAME_PLACE: Final = {"posix": "os", "nt": "os", "posixpath": "os", "ntpath": "os"}
FUNCTIONS: Final = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial)
NEW_OBJECT: Final = (copyreg.__newobj__, copyreg.__newobj_ex__)  # type: ignore[attr-defined]


def _float(value: float) -> bytes:
    return b"f" + struct.pack(">d", value) if value == value else b"fnan"


ATOMS: Final[dict[type, Callable[[Any], bytes]]] = {
    int: lambda value: b"i%x" % value,
    float: _float,
    str: lambda value: b"s" + value.encode("utf-8", "surrogatepass"),
    bool: lambda value: b"T" if value else b"F",
    type(None): lambda value: b"N",
    bytes: lambda value: b"b" + value,
    bytearray: lambda value: b"y" + value,
    complex: lambda value: b"z" + _float(value.real) + b"," + _float(value.imag),
    type(...): lambda value: b"E",
    type(NotImplemented): lambda value: b"U",
}
REDUCERS: Final[dict[str, Callable[[Any], Any]]] = {  # whose own way differs between versions of Python
    "fractions.Fraction": lambda value: (type(value), (value.numerator, value.denominator)),
}
_BUILT_IN: Final[dict[type, bytes]] = {tuple: b"t", list: b"l", dict: b"d", set: b"S", frozenset: b"Z"}


def framed(parts: Iterable[bytes]) -> bytes:
    """The parts behind one another, each with its length, so that they cannot be mistaken."""
    return b"".join([b"%d:%b" % (len(part), part) for part in parts])


def short(data: bytes) -> bytes:
    return data if len(data) <= LONG else b"#" + hashlib.sha256(data).digest()


def flat(value: tuple[Any, ...] | list[Any]) -> bytes:
    """The form of a tuple or list of atoms, quickly. Raises KeyError where there is anything else inside."""
    return short(_BUILT_IN[type(value)] + framed([ATOMS[type(item)](item) for item in value]))


def full_name(thing: object) -> str:
    """Module and name of a class or function; modules of the standard library by their public package."""
    module = str(getattr(thing, "__module__", None) or "")
    name = str(getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None) or type(thing).__qualname__)
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names and top != "__main__":
        module = SAME_PLACE.get(top, top.lstrip("_"))
    return f"{module}.{name}" if module else name


def is_code(value: object) -> bool:
    """Whether a value is code, or something around code (a partial, a cache), rather than data."""
    return isinstance(value, (*FUNCTIONS, type, types.ModuleType)) or (callable(value) and "__wrapped__" in own(value))


def own(value: object) -> Mapping[str, Any]:
    """An object's own attributes, without asking it."""
    try:
        found: Mapping[str, Any] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found


class Canonical:
    """Writes values; one writer may be used for several.

    `code` says what stands for functions, classes and modules. With `classes`, it is asked for the classes of objects,
    too; otherwise their names suffice. `pickled` tells whether anything had to be left to cloudpickle.
    """

    def __init__(self, code: Code, classes: bool = False) -> None:
        self._code, self._classes = code, classes
        self._closed: dict[int, bytes] = {}  # by identity: forms that refer to nothing outside
        self._numbers: dict[int, int] = {}
        self._alive: list[object] = []  # so that no identity is used twice
        self._here = self._lowest = 0
        self.pickled = False

    def form(self, value: object) -> bytes:
        """The form of a whole value; what is nested too deeply for Python's stack is left to cloudpickle."""
        try:
            return self(value)
        except RecursionError:
            return self._cloudpickled(value)

    def __call__(self, value: object) -> bytes:
        """The form of any value. Raises what its pickling raises."""
        atom = ATOMS.get(type(value))
        if atom is not None:
            return short(atom(value)) if type(value) in (str, bytes, bytearray) and len(value) > LONG else atom(value)  # type: ignore[arg-type]
        try:
            if isinstance(value, (tuple, list)):
                return flat(value)
        except KeyError:
            pass
        return self._composite(value)

    def _composite(self, value: object) -> bytes:
        """A value with parts. Cycles are told by how many objects ago the one referred to was met."""
        closed = self._closed.get(id(value))
        if closed is not None:
            return closed
        number = self._numbers.get(id(value))
        if number is not None:
            self._lowest = min(self._lowest, number)
            return b"^%d" % (self._here - number)
        number = self._numbers[id(value)] = len(self._alive)
        self._alive.append(value)
        (here, lowest), self._here, self._lowest = (self._here, self._lowest), number, number
        data = short(self._write(value))
        if self._lowest >= number:
            self._closed[id(value)] = data
        self._here, self._lowest = here, min(lowest, self._lowest)
        return data

    def _write(self, value: Any) -> bytes:
        kind = type(value)
        if kind in (tuple, list):
            return _BUILT_IN[kind] + framed(map(self, value))
        if kind is dict:
            return b"d" + framed(self(part) for item in value.items() for part in item)
        if isinstance(value, (set, frozenset)):
            return self._set(value)
        if isinstance(value, enum.Enum):
            return b"e" + framed([self._class(kind), self(value._value_)])
        if isinstance(value, PurePath):
            return b"P" + self(str(value))
        if is_code(value):
            return b"c" + self._code(value)
        if isinstance(value, pickle.PickleBuffer):
            return b"b" + bytes(value.raw())
        if kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "dtype") and hasattr(value, "tobytes"):
            return self._numpy(value)
        return self._object(value)

    def _class(self, kind: type) -> bytes:
        return self._code(kind) if self._classes else full_name(kind).encode("utf-8", "surrogatepass")

    def _set(self, value: Any) -> bytes:
        members = framed(sorted(map(self, sorted(value, key=_rank))))
        if type(value) in _BUILT_IN:
            return _BUILT_IN[type(value)] + members
        return b"o" + framed([self._class(type(value)), members, self(getattr(value, "__dict__", None) or None)])

    def _numpy(self, value: Any) -> bytes:
        """Arrays and scalars by element type, shape and content; the same for every memory layout."""
        if type(value).__name__ not in ("ndarray", value.dtype.type.__name__):
            return self._object(value)  # a subclass with more to say, e.g. a masked array
        kind = repr(value.dtype.descr) if value.dtype.names else value.dtype.str
        content = self(value.ravel().tolist()) if value.dtype.hasobject else hashlib.sha256(value.tobytes()).digest()
        return b"n" + framed([type(value).__name__.encode(), kind.encode(), self(tuple(value.shape)), content])

    def _object(self, value: Any) -> bytes:
        """What pickle would take along; where it cannot, what cloudpickle can."""
        kind = type(value)
        try:
            reducer = REDUCERS.get(full_name(kind)) or copyreg.dispatch_table.get(kind)
            reduced = reducer(value) if reducer is not None else value.__reduce_ex__(PROTOCOL)
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - any failure of the object's own method
            return self._cloudpickled(value)
        if isinstance(reduced, str):
            return b"g" + framed([full_name(kind).encode(), reduced.encode()])
        maker, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        self._alive.append(reduced)
        parts = [b"" if maker in NEW_OBJECT else self._maker(maker, kind)]
        parts += [self._maker(part, kind) for part in arguments]
        rest = [None if each is None else list(each) for each in (items, pairs)]
        return b"o" + framed([framed(parts), self(_state(state)), *map(self, rest)])

    def _maker(self, part: object, kind: type) -> bytes:
        return b"k" + self._class(kind) if part is kind else self(part)

    def _cloudpickled(self, value: object) -> bytes:
        import cloudpickle

        self.pickled = True
        return b"p" + bytes(cloudpickle.dumps(value, protocol=PROTOCOL))


def _rank(value: object) -> tuple[str, int]:
    """An order in which the functions of a set are met, so that `code` meets them alike in every process."""
    if isinstance(value, types.FunctionType):
        return value.__qualname__, value.__code__.co_firstlineno
    return "", 0


def _state(state: Any) -> Any:
    """An object's attributes, by name; slots with the others."""
    if isinstance(state, tuple) and len(state) == 2 and all(isinstance(each, (dict, type(None))) for each in state):
        state = {**(state[0] or {}), **(state[1] or {})}
    if not isinstance(state, dict):
        return state
    if not all(isinstance(name, str) for name in state):
        return state or None
    return dict(sorted(state.items())) or None
