"""Where local modules that came in a stream live: under their own names, or beside others of the same names.

A module has its own name where that is free, or taken by the very same source. Where another module has its name, or
that of a module which it needs, it gets a *world*: a private package (`shipped_3f2a1b9c.helpers`), inside of which
imports find its own family first. Modules that came apart but agree share a world, so that a class is one class. The
modules of a package stay together.

Rules of this file: decides, and executes no module; thread safe; the standard library only.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from raisin_core.errors import SerializationError
from raisin_core.serialization.canonical import own
from raisin_core.serialization.modules import members
from raisin_core.serialization.modules.imported import file_text
from raisin_core.serialization.modules.members import Family, Member

PREFIX: Final = "shipped_"
MOST: Final = 512  # families that are remembered
Loaded = tuple[str, object, object]


class World:
    """Modules that do not contradict each other. `name` is empty for the one where they have their own names."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.offers: dict[str, Member] = {}  # modules that came
        self.tops: set[str] = set()  # their packages
        self._seen: dict[str, str] = {}  # texts that these rely on, also of modules that live outside

    def full_name(self, name: str) -> str:
        """How the module is called here that an absolute import of this name inside this world means."""
        return f"{self.name}.{name}" if self.has(name) else name

    def module(self, name: str) -> types.ModuleType | None:
        """It, if it is loaded."""
        return sys.modules.get(self.full_name(name))

    def has(self, name: str) -> bool:
        """Whether an absolute import inside this world means one of its own modules."""
        return bool(self.name) and top(name) in self.tops

    def find(self, name: str) -> Member | None:
        """The member that an import of this name inside this world means."""
        if self.name and not self.has(name):
            return PUBLIC.find(name)
        offered = self.offers.get(name)
        return offered if offered and (self.name or name not in sys.modules) else members.member(name)

    def agrees(self, inside: Iterable[Member], outside: Iterable[Member]) -> bool:
        """Whether modules may join: they share some with it, contradict none, and rely on the same ones outside."""
        inside, outside = list(inside), list(outside)
        known = {top(name) for name in self._seen} - self.tops
        return (
            any(each.name in self.offers for each in inside)
            and all(self._seen.get(each.name, each.text) == each.text for each in inside)
            and not any(top(each.name) in self.tops for each in outside)
            and not any(top(each.name) in known for each in inside)
        )

    def join(self, inside: Iterable[Member], outside: Iterable[Member] = ()) -> None:
        for each in inside:
            self.offers = {**self.offers, each.name: each}  # replaced, since others read it meanwhile
            self.tops = self.tops | {top(each.name)}
            self._seen[each.name] = each.text
        self._seen.update({each.name: each.text for each in outside})


PUBLIC: Final = World("")
_worlds: dict[str, World] = {}
_settled: dict[Family, tuple[World, list[Loaded]]] = {}
_texts: dict[bytes, str] = {}  # by digest, of modules that came apart from what needs them
_lock = threading.RLock()


def top(name: str) -> str:
    return name.partition(".")[0]


def of(module: types.ModuleType) -> tuple[World, str]:
    """The world that a loaded module lives in, and its name there."""
    name = members.name_of(module)
    world = _worlds.get(top(name))
    return (world, name.partition(".")[2]) if world else (PUBLIC, name)


def named(name: str) -> World | None:
    """The private world of this name."""
    return _worlds.get(name)


def member_of(module: types.ModuleType) -> Member | None:
    """The member that a loaded local module is; None where its source is not to be had."""
    world, name = of(module)
    return world.find(name)


def family(module: types.ModuleType) -> Family:
    """A loaded local module with all that it needs, itself first; empty where its source is not to be had."""
    world, name = of(module)
    return members.family(name, world.find)


def rebuilt(written: Sequence[Any]) -> Member:
    """The member that was written so. Raises SerializationError where its text did not come and is not here."""
    name, is_package, text, needs, parts = written
    if isinstance(text, bytes):
        text = _texts.get(text) or next((each for each in _texts_here(name) if members.digest(each) == text), None)
        if text is None:
            raise SerializationError(f"the source of the module {name} is not in this stream, and not here either")
    return Member(name, is_package, text, needs, parts)


def _texts_here(name: str) -> Iterator[str]:
    for world in (PUBLIC, *_worlds.values()):
        if name in world.offers:
            yield world.offers[name].text
    here = _text_here(name)
    if isinstance(here, str):
        yield here


def keep(texts: Mapping[bytes, str]) -> None:
    """Remember sources by their digests, for objects that come without them."""
    with _lock:
        _texts.update((members.digest(text), text) for digest, text in texts.items() if digest not in _texts)


def settle(family: Family) -> World:
    """The world in which the first module of a family is to be used, with all that it needs."""
    with _lock:
        known = _settled.get(family)
        if known is None or not all(_is_still(*each) for each in known[1]):
            world = _placed(family)
            loaded: list[Loaded] = [(each.name, sys.modules.get(each.name), _spec_of(each.name)) for each in family]
            if len(_settled) >= MOST:
                _settled.clear()
            _settled[family] = known = (world, loaded)
        return known[0]


def _is_still(name: str, module: object, spec: object) -> bool:
    return sys.modules.get(name) is module and _spec_of(name) is spec


def _spec_of(name: str) -> object:
    return own(sys.modules.get(name)).get("__spec__")


def _placed(family: Family) -> World:
    private = _reaching(family, {top(each.name) for each in family if not _agrees_here(each)})
    inside = [each for each in family if top(each.name) in private]
    outside = [each for each in family if top(each.name) not in private]
    PUBLIC.join(each for each in outside if _text_here(each.name) is None)
    if not inside:
        return PUBLIC
    world = next((each for each in _worlds.values() if each.agrees(inside, outside)), None) or _made(inside)
    world.join(inside, outside)
    return world if top(family[0].name) in private else PUBLIC


def _reaching(family: Family, tops: set[str]) -> set[str]:
    """The packages that need these, and these."""
    while True:
        more = {top(each.name) for each in family if tops & {top(need) for need in each.needs}}
        if more <= tops:
            return tops
        tops = tops | more


def _made(inside: list[Member]) -> World:
    """A new world, named by what it is made for."""
    data = "\0".join(f"{each.name}\0{each.text}" for each in inside)
    name = PREFIX + members.digest(data).hex()[:8]
    while name in _worlds:
        name = PREFIX + sha256(name.encode()).hexdigest()[:8]
    _worlds[name] = World(name)
    return _worlds[name]


def _agrees_here(member: Member) -> bool:
    return _text_here(member.name) in (None, member.text)


def _text_here(name: str) -> str | bool | None:
    """The source of what an import of this name gives here; None if that is nothing, False if it has no source."""
    if name in sys.modules:
        return _text_loaded(sys.modules[name])
    if name in PUBLIC.offers:
        return PUBLIC.offers[name].text
    spec = _spec(name)
    return None if spec is None else _text_of_spec(spec)


def _text_loaded(module: Any) -> str | bool:
    if not isinstance(module, types.ModuleType):
        return False
    if members.is_local(module):
        found = members.member(members.name_of(module))
        return found.text if found else False
    text = file_text(str(own(module).get("__file__") or ""))
    return text if text is not None else False


def _text_of_spec(spec: Any) -> str | bool:
    if spec.loader is None:
        return ""  # a package without __init__
    try:
        text = spec.loader.get_source(spec.name)
    except Exception:  # noqa: BLE001 - another's loader
        return False
    return text if isinstance(text, str) else False


def _spec(name: str) -> Any:
    """What an import would find, without importing anything."""
    path: Any = None
    spec = None
    for end in range(1, name.count(".") + 2):
        full = ".".join(name.split(".")[:end])
        module = sys.modules.get(full)
        if module is not None:
            spec, path = own(module).get("__spec__"), own(module).get("__path__")
        else:
            spec = _found(full, path)
            path = getattr(spec, "submodule_search_locations", None)
        if spec is None or (path is None and full != name):
            return None
    return spec


def _found(name: str, path: Any) -> Any:
    for finder in list(sys.meta_path):
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # noqa: BLE001 - another's finder, or an odd name
            continue
        if spec is not None:
            return spec
    return None
