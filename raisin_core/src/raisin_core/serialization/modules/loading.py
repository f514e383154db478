"""Executes local modules that came in a stream: a finder and a loader of Python's own import system.

So their import is as thread safe as any, happens once, and `inspect`, tracebacks and `linecache` know their source. A
module of a private world gets an `__import__` of its own, in its `__builtins__`: absolute imports of names of its world
stay inside. What imports in other ways (`importlib.import_module("name")`) finds what this interpreter has.

Rules of this file: the standard library only.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.machinery
import linecache
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from raisin_core.serialization.modules import members, worlds
from raisin_core.serialization.modules.members import Family, Member
from raisin_core.serialization.modules.worlds import PUBLIC, World


def imported(family: Family) -> types.ModuleType:
    """The first module of a family, executed when it was not yet. Raises what its import raises."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.append(_FINDER)
    world = worlds.settle(family)
    module = _imported(world, family[0].name)
    after = worlds.settle(family)  # another module of its name may have been quicker
    if after is not world:
        module = _imported(after, family[0].name)
    for each in family:
        if each.parts and after.module(each.name) is not None:
            for part in each.parts:
                _imported(after, part)
    return module


def _imported(world: World, name: str) -> types.ModuleType:
    try:
        return importlib.import_module(world.full_name(name))  # waits where another thread executes it
    except ModuleNotFoundError as error:
        _say_without_world(error)
        raise


def _say_without_world(error: ModuleNotFoundError) -> None:
    """What is missing, by the name that people know."""
    first, _, rest = str(error.name).partition(".")
    if worlds.named(first) and rest:
        error.msg, error.name = error.msg.replace(f"{first}.", ""), rest


class Finder:
    """Finds what was offered, after all other finders."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        first, _, rest = name.partition(".")
        world = worlds.named(first)
        if world is not None and not rest:
            return _spec(name, Loader(world, None), None, is_package=True)
        member = (world or PUBLIC).offers.get(rest if world else name)
        if member is None:
            return None
        return _spec(name, Loader(world or PUBLIC, member), file_of(member), member.is_package)


def _spec(name: str, loader: Any, origin: str | None, is_package: bool) -> importlib.machinery.ModuleSpec:
    return importlib.machinery.ModuleSpec(name, loader, origin=origin, is_package=is_package)


_FINDER = Finder()


class Loader:
    """Executes one member; without a member, an empty package. (The base classes for loaders take long to import.)"""

    def __init__(self, world: World, member: Member | None) -> None:
        self.world, self.member = world, member

    def create_module(self, spec: Any) -> None:
        """As usual."""

    def get_source(self, name: str) -> str:
        return self.member.text if self.member else ""

    def is_package(self, name: str) -> bool:
        return self.member is None or self.member.is_package

    def exec_module(self, module: types.ModuleType) -> None:
        if self.member is None:
            return
        file = file_of(self.member)
        lines = self.member.text.splitlines(keepends=True)
        linecache.cache[file] = (len(self.member.text), None, lines, file)
        module.__file__ = file
        if self.world.name:
            module.__dict__["__builtins__"] = {**vars(builtins), "__import__": importer(self.world)}
        exec(compile(self.member.text, file, "exec", dont_inherit=True), module.__dict__)


def file_of(member: Member) -> str:
    """What a module that came says as its file: no file is there."""
    place = member.name.replace(".", "/") + ("/__init__.py" if member.is_package else ".py")
    return f"<raisin {members.digest(member.text).hex()[:8]}>/{place}"


def importer(world: World) -> Callable[..., Any]:
    """The `__import__` of modules in a private world."""

    def __import__(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if level or not world.has(name):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        found = builtins.__import__(world.full_name(name), globals, locals, fromlist or (), 0)
        return found if fromlist else sys.modules[world.full_name(worlds.top(name))]

    return __import__
