"""Which local modules belong together: a module, the packages it is in, and the local modules that their text imports.

Rules of this file: reads sources, imports and runs nothing; the standard library only.
"""

from __future__ import annotations

import ast
import os
import sys
import time
import types
import warnings
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

from raisin_core.analysis import modules, syntax
from raisin_core.analysis.origin import STANDARD, located, origin
from raisin_core.errors import SerializationError
from raisin_core.serialization.canonical import own
from raisin_core.serialization.modules.imported import file_text, imported_text

LIMIT: Final = 10_000_000  # characters of source in one family
SECONDS: Final = 2.0  # after which the file of a module that is not loaded is read again
Family = tuple["Member", ...]


class Member(NamedTuple):
    """One module on its way. `needs` are the names of the local modules that it imports, its package among them;
    `parts` those of them that it uses as attributes of their package, though another module may have imported them.

    A plain tuple in a stream: its fields and their order are part of the format.
    """

    name: str
    is_package: bool
    text: str
    needs: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


def digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def name_of(module: types.ModuleType) -> str:
    """The name by which an import gives this module, which may say another of itself, as `_io` does; empty for none."""
    said = _aliases.get(id(module)) or str(own(module).get("__name__"))
    if sys.modules.get(said) is module:
        return said
    alias = next((name for name, each in list(sys.modules.items()) if each is module), "")
    if alias:
        _aliases[id(module)] = alias
    return alias


_aliases: dict[int, str] = {}


def is_local(module: types.ModuleType) -> bool:
    """Whether a loaded module is the user's own: neither the standard library's nor an installed package's."""
    name = name_of(module)
    seen = _kinds.get(name)
    spec = own(module).get("__spec__")
    if seen is None or seen[0] is not module or seen[1] is not spec:
        seen = _kinds[name] = (module, spec, _is_local(name))
    return seen[2]


_kinds: dict[str, tuple[types.ModuleType, object, bool]] = {}


def _is_local(name: str) -> bool:
    """Parts that a package made by itself, without a file, are its own."""
    while name:
        home = origin(name)
        if home.kind != "local":
            return False
        if home.file:
            return not os.path.realpath(home.file).startswith(STANDARD)
        name = name.rpartition(".")[0]
    return True


def member(name: str) -> Member | None:
    """The member that a local module is, loaded or not; None where its source is not to be had."""
    module = sys.modules.get(name)
    state = own(module).get("__spec__") if module is not None else int(time.monotonic() / SECONDS)
    known = _members.get(name)
    if known is None or known[0] is not module or (known[1] is not state if module else known[1] != state):
        known = _members[name] = (module, state, _received(state) or _member(name, module))
    return known[2]


_members: dict[str, tuple[types.ModuleType | None, object, Member | None]] = {}


def _received(spec: Any) -> Member | None:
    """Of a module that came in a stream, what came."""
    found = getattr(getattr(spec, "loader", None), "member", None)
    return found if isinstance(found, Member) else None


def _member(name: str, module: types.ModuleType | None) -> Member | None:
    file = located(name)
    is_package = "__path__" in own(module) if module is not None else os.path.basename(file).startswith("__init__.")
    if not file and (module is None or (is_package and own(module).get("__spec__") is not None)):
        return Member(name, True, "", _parents(name))  # a package without __init__
    text = file_text(file) if module is None else imported_text(module)
    return Member(name, is_package, text, *_imports(name, is_package, text)) if text is not None else None


def _parents(name: str) -> tuple[str, ...]:
    parent = name.rpartition(".")[0]
    return (parent,) if parent else ()


def _imports(name: str, is_package: bool, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a module needs, and the parts of packages that it uses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # these are for whoever compiles it
            shape = syntax.shape(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _parents(name), ()
    named = modules.imported(shape.imports, name if is_package else name.rpartition(".")[0])
    tops = dict.fromkeys(each.partition(".")[0] for each in named)
    parts = {part: None for top in tops for chain in shape.uses.get(top, ()) for part in _parts_in((top, *chain))}
    found = [each for each in dict.fromkeys([*named, *sorted(parts)]) if each not in (name, "__main__")]
    needs = dict.fromkeys([*_parents(name), *(each for each in found if _is_there(each))])
    return tuple(needs), tuple(each for each in needs if each in parts and each in sys.modules)


def _parts_in(chain: tuple[str, ...]) -> list[str]:
    """The modules that a chain of attributes may name, as `package.part.function` does."""
    return [".".join(chain[:end]) for end in range(2, len(chain) + 1)]


def _is_there(name: str) -> bool:
    """Whether there is a local module of this name, loaded or not, with or without a source."""
    module = sys.modules.get(name)
    if isinstance(module, types.ModuleType):
        return is_local(module)
    home = origin(name)
    return home.kind == "local" and bool(home.file)


def family(name: str, find: Callable[[str], Member | None] = member) -> Family:
    """A module with all that it needs, itself first; empty without its source. `find` gives the member of a name.

    Raises SerializationError where that is too much.
    """
    found: dict[str, Member] = {}
    new = [name]
    while new:
        each = new.pop(0)
        made = None if each in found else find(each)
        if made is not None:
            found[each] = made
            new += made.needs
    if name not in found:
        return ()
    _check_size(name, list(found.values()))
    return tuple(found.values())


@lru_cache(maxsize=4096)
def plain(member: Member) -> tuple[object, ...]:
    """A member as it is written: the same object each time, so that a stream has it once."""
    return tuple(member)


@lru_cache(maxsize=4096)
def short(member: Member) -> tuple[object, ...]:
    """A member as it is written to somebody who has its text: with the digest of the text."""
    return (member.name, member.is_package, digest(member.text), member.needs, member.parts)


@lru_cache(maxsize=4096)
def digest_of(member: Member) -> bytes:
    return digest(member.text)


def _check_size(name: str, members: list[Member]) -> None:
    size = sum(len(each.text) for each in members)
    if size > LIMIT:
        largest = max(members, key=lambda each: len(each.text))
        raise SerializationError(
            f"cannot serialize the module {name}: with the {len(members) - 1} local modules that it imports it has "
            f"{size / 1e6:.0f} MB of source ({largest.name} most of it), and {LIMIT / 1e6:.0f} MB travel at most; "
            "install them as a package on the hosts"
        )
