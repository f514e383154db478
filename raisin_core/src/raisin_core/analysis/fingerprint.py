"""A function's fingerprint: a digest of all that decides what it does, as far as that is the user's own.

What counts of a function is its syntax tree, and what it refers to: its closure, its defaults, and those globals that
the code really loads. Functions, classes and modules of the user's own are entered, and so on from there; of installed
packages the name and version count, of the standard library only which thing of it a name stands for. Data count by
value (`canonical`). A module imported inside a function counts as a whole, with the modules that it imports.

Comments, formatting, docstrings, line numbers and the places of files do not count, so with source a digest is the same
on every Python. Without source the bytecode counts, which holds for one version of Python: the part's name says so.
Values that have no digest (a lock in a module of one's own) count by their type, and their part says so, too.

Rules of this file: runs nothing of the user's but what pickling would, writes nothing; the standard library and
cloudpickle only.
"""

from __future__ import annotations

import functools
import itertools
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from raisin_core.analysis import bytecode, classes, modules, source, syntax
from raisin_core.analysis.origin import Origin, origin
from raisin_core.analysis.parts import Fingerprint, Part, Parts, entered
from raisin_core.serialization.canonical import PROTOCOL, Canonical, framed, full_name, is_code, own

Enter = Callable[[str, Any], None]  # makes the part of this key from a thing
BY_PICKLE, BY_TYPE = " (by its pickle)", " (by its type)"
Edge = tuple[str, str]  # a name in the code, and what it stands for


def fingerprint(function: object, kwargs: Mapping[str, Any]) -> Fingerprint:
    """The fingerprint of any callable with its constant keyword arguments. Fails for none.

    >>> fingerprint(abs, {"a": 1}) == fingerprint(abs, {"a": 1})
    True
    """
    walk = Walk()
    root = walk.value("callable", function)
    for name, value in kwargs.items():
        walk.data(f"keyword {name}", value)
    walk.finish()
    digests = [framed([key.encode(), part.digest]) for key, part in sorted(walk.parts.items())]
    return Fingerprint(sha256(framed([root.encode(), *digests])).digest(), walk.parts)


class Walk:
    """Enters one piece of code after another and gathers their parts; every thing is entered once.

    Things are known by their part's key, which is the same wherever the same code is met in the same order.
    """

    def __init__(self) -> None:
        self.parts: Parts = {}
        self._keys: dict[int, str] = {}  # by identity
        self._globals: dict[tuple[int, str], str] = {}
        self._owners: dict[int, str] = {}  # objects whose methods are referred to
        self._alive: list[object] = []  # so that no identity is used twice
        self._todo: deque[tuple[str, Any, Enter]] = deque()  # parts that have a key and no content yet

    def finish(self) -> None:
        """Enter all that is referred to, one after another: code may be linked more deeply than our stack."""
        while self._todo:
            key, thing, enter = self._todo.popleft()
            try:
                enter(key, thing)
            except Exception:  # noqa: BLE001 - whatever users' objects do, there is a fingerprint
                self.parts[key] = _last_resort(self.parts[key].name, thing)

    # -- things ------------------------------------------------------------------------------------------------------

    def value(self, label: str, value: object) -> str:
        """What stands for any value: code is entered, data get a part of this name."""
        return self.refer(value) if is_code(value) else self.data(label, value)

    def data(self, label: str, value: object) -> str:
        """The part of a value."""
        key = self._reserve(label)
        self._todo.append((key, value, self._fill))
        return key

    def refer(self, value: Any) -> str:
        """What stands for a piece of code: the key of its part, or the name of something that is not the user's own."""
        if id(value) in self._keys:
            return self._keys[id(value)]
        if isinstance(value, types.ModuleType):
            return modules.whole(self.parts, value.__name__)
        if isinstance(value, (types.MethodType, types.BuiltinFunctionType)):
            return self._bound(value)
        if isinstance(value, functools.partial):
            return self._later("partial", value, self._partial)
        return self._defined(value)

    def _defined(self, value: Any) -> str:
        """A function or class, or something around one."""
        is_function = isinstance(value, types.FunctionType)
        module = value.__globals__.get("__name__") if is_function else getattr(value, "__module__", None)
        home = origin(str(module or "builtins"))
        if home.kind != "local":
            return self._foreign(home, value)
        if is_function:
            return self._later(f"function {_function_name(value)}", value, self._function)
        if isinstance(value, type):
            return self._later(f"class {_short(value.__qualname__)}", value, self._class)
        return self._later(f"wrapper {type(value).__name__}", value, self._wrapper)

    def _foreign(self, home: Origin, value: Any) -> str:
        """Something installed, or of the standard library; a decorator's function leads to what it holds."""
        if home.kind == "package":
            modules.package(self.parts, home)
        if isinstance(value, types.FunctionType) and value.__closure__:
            return self._later(f"wrapper {_function_name(value)}", value, self._foreign_closure)
        if not isinstance(value, type) and "__wrapped__" in own(value):
            return self._later(f"wrapper {type(value).__name__}", value, self._wrapper)
        return full_name(value)

    def _foreign_closure(self, key: str, function: types.FunctionType) -> None:
        """A decorator's function; data in packages' own closures are their own business."""
        is_standard = origin(str(function.__globals__.get("__name__"))).kind == "standard"
        around_own = origin(str(function.__module__)).kind == "local"  # as `functools.wraps` says
        edges = self._closure(function, data=around_own or is_standard)
        self.parts[key] = entered(key, full_name(function).encode(), edges)

    def _wrapper(self, key: str, value: object) -> None:
        """An object around a function: a cache, an instance of a decorator that is a class."""
        parts = own(value)
        edges = [("type", self.refer(type(value))), ("__wrapped__", self.value("wrapped", parts["__wrapped__"]))]
        others = sorted(name for name in parts if not name.startswith("__"))
        edges += [(name, self.value(f"{name} of {key}", parts[name])) for name in others]
        self.parts[key] = entered(key, b"wrapper", edges)

    def _bound(self, value: types.MethodType | types.BuiltinFunctionType) -> str:
        """A function in C, or a method: its function and its object's state, except for a foreign module's own object
        (`random.random`)."""
        owner, name = value.__self__, str(getattr(value, "__name__", "method"))
        if owner is None or isinstance(owner, types.ModuleType):
            return self._foreign(origin(value.__module__ or "builtins"), value)
        kind = type(owner)
        home = origin(kind.__module__)
        if home.kind != "local" and modules.namespace(kind.__module__).get(name) == value:
            return f"{self._foreign(home, kind)} {name}"
        label = f"self of {_short(getattr(value, '__qualname__', name))}"
        function = self.value(label, value.__func__) if isinstance(value, types.MethodType) else name
        if id(owner) not in self._owners and not is_code(owner):  # an object may hold methods of its own
            self._owners[id(owner)] = self.data(label, owner)
            self._alive.append(owner)
        return f"{function} of {self._owners.get(id(owner)) or self.refer(owner)}"

    def _partial(self, key: str, value: functools.partial[Any]) -> None:
        arguments = [*enumerate(value.args), *sorted(value.keywords.items())]
        edges = [(str(name), self.value(f"argument {name} of {key}", each)) for name, each in arguments]
        self.parts[key] = entered(key, b"partial", [("function", self.value(key, value.func)), *edges])

    # -- functions and classes ---------------------------------------------------------------------------------------

    def _later(self, label: str, thing: object, enter: Enter) -> str:
        key = self._reserve(label, thing)
        self._todo.append((key, thing, enter))
        return key

    def _function(self, key: str, function: types.FunctionType) -> None:
        code, name = function.__code__, _function_name(function)
        shape, note = _shape(function)
        edges = self._loads(function.__globals__, shape.uses, bytecode.global_loads(code))
        edges += self._imports(shape, function.__globals__)
        edges += self._closure(function)
        edges += self._defaults(function, name)
        if "__wrapped__" in vars(function):
            edges.append(("__wrapped__", self.value(f"wrapped by {name}", vars(function)["__wrapped__"])))
        self.parts[key] = entered(name + note, shape.data, edges, code.co_filename, code.co_firstlineno)

    def _closure(self, function: types.FunctionType, data: bool = True) -> list[Edge]:
        edges = []
        for name, cell in sorted(
            zip(function.__code__.co_freevars, function.__closure__ or ()), key=lambda item: item[0]
        ):
            try:
                value = cell.cell_contents
            except ValueError:  # not yet assigned
                continue
            if data or is_code(value):
                edges.append((name, self.value(f"closure {name}", value)))
        return edges

    def _defaults(self, function: types.FunctionType, name: str) -> list[Edge]:
        code, values = function.__code__, function.__defaults__ or ()
        names = code.co_varnames[: code.co_argcount][code.co_argcount - len(values) :]
        found = [*zip(names, values), *sorted((function.__kwdefaults__ or {}).items())]
        return [(each, self.value(f"default {each} of {name}", value)) for each, value in found]

    def _class(self, key: str, kind: type) -> None:
        about, name = classes.look(kind), _short(kind.__qualname__)
        edges = [("base", self.refer(base)) for base in kind.__bases__ if base is not object]
        if origin(type(kind).__module__).kind == "local":
            edges.append(("metaclass", self.refer(type(kind))))
        edges += self._loads(about.namespace, about.shape.uses, about.loads)
        edges += self._imports(about.shape, about.namespace)
        edges += [edge for method in about.methods for edge in self._closure(method)]
        edges += [(each, self.refer(method)) for each, method in about.adopted]
        edges += [(each, self.value(f"{name}.{each}", value)) for each, value in about.data]
        self.parts[key] = entered(name, about.shape.data, edges, about.file, about.line)

    # -- what they refer to ------------------------------------------------------------------------------------------

    def _loads(self, namespace: dict[str, Any], uses: syntax.Uses, loads: set[str]) -> list[Edge]:
        edges = []
        for name, chains in uses.items():
            if name in loads and name in namespace:
                is_module = isinstance(namespace[name], types.ModuleType)
                for chain in sorted(chains) if is_module else [()]:
                    edges.append((".".join((name, *chain)), self._global(namespace, name, chain)))
        return edges

    def _global(self, namespace: dict[str, Any], name: str, chain: tuple[str, ...]) -> str:
        """What a global stands for; of a module of one's own, the attribute that is used."""
        value = namespace[name]
        if isinstance(value, types.ModuleType) and chain and chain[0] in vars(value) and _is_own(value):
            return self._global(vars(value), chain[0], chain[1:])
        if is_code(value):
            return self.refer(value)
        place = id(namespace), name
        if place not in self._globals:
            self._globals[place] = self.data(f"global {name}", value)
            self._alive.append(namespace)
        return self._globals[place]

    def _imports(self, shape: syntax.Shape, namespace: dict[str, Any]) -> list[Edge]:
        package = str(namespace.get("__package__") or "")
        return [("import", modules.whole(self.parts, name)) for name in modules.imported(shape.imports, package)]

    # -- parts -------------------------------------------------------------------------------------------------------

    def _reserve(self, label: str, thing: object = None) -> str:
        """A new part's key: its place is kept, so that whoever comes back here finds it."""
        key = next(each for each in _numbered(label) if each not in self.parts)
        self.parts[key] = Part(label, b"")
        self._alive.append(thing)
        if is_code(thing):
            self._keys[id(thing)] = key
        return key

    def _fill(self, key: str, value: object) -> None:
        canonical = Canonical(lambda each: self.refer(each).encode("utf-8", "surrogatepass"), classes=True)
        digest = sha256(canonical.form(value)).digest()
        self.parts[key] = Part(self.parts[key].name + (BY_PICKLE if canonical.pickled else ""), digest)


def _last_resort(name: str, thing: object) -> Part:
    """The part of something that nothing is known of: its pickle, else its type."""
    try:
        import cloudpickle

        return Part(name + BY_PICKLE, sha256(cloudpickle.dumps(thing, protocol=PROTOCOL)).digest())
    except Exception:  # noqa: BLE001 - it cannot travel; code that is imported need not
        return Part(name + BY_TYPE, sha256(full_name(type(thing)).encode("utf-8", "surrogatepass")).digest())


def _shape(function: types.FunctionType) -> tuple[syntax.Shape, str]:
    """A function's shape, and a note where there is no source."""
    found = source.function(function)
    try:
        if found is not None:
            return syntax.shape(found.node), ""
    except RecursionError:  # as good as no source
        found = None
    uses: syntax.Uses = {name: {()} for name in sorted(bytecode.global_loads(function.__code__))}
    version = "{}.{}".format(*sys.version_info[:2])
    return syntax.Shape(bytecode.signature(function.__code__), uses, []), f" (bytecode of Python {version})"


def _is_own(module: types.ModuleType) -> bool:
    return origin(module.__name__).kind == "local"


def _function_name(function: types.FunctionType) -> str:
    """The name it was defined with; a wrapper may have taken that of what it is around."""
    name = _short(function.__qualname__)
    return name if name.rpartition(".")[2] == function.__code__.co_name else function.__code__.co_name


def _short(name: str) -> str:
    """A qualified name without the functions around it."""
    return name.rpartition("<locals>.")[2]


def _numbered(label: str) -> Iterator[str]:
    yield label
    yield from (f"{label} ({number})" for number in itertools.count(2))
