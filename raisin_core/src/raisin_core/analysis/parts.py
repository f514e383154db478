"""The parts that a fingerprint is made of, and what two lists of them differ in, in words.

Rules of this file: pure; the standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

from raisin_core.serialization.canonical import framed

SAID: Final = 2  # differences that are told one by one
REST: Final = "rest"


class Part(NamedTuple):
    """Something that decides what a function does: `name` is for people, e.g. `fit (helpers.py:14)`; where it stands is
    said where it is known."""

    name: str
    digest: bytes
    file: str = ""
    line: int = 0


Parts = dict[str, Part]


class Fingerprint(NamedTuple):
    """`digest` (32 bytes) changes when any part does; the first part is the function itself, if it is one's own."""

    digest: bytes
    parts: Parts


def entered(name: str, data: bytes, edges: Iterable[tuple[str, str]], file: str = "", line: int = 0) -> Part:
    """The part of a piece of code: its form, and what the names in it stand for. Places are for people only."""
    said = [
        framed([label.encode("utf-8", "surrogatepass"), to.encode("utf-8", "surrogatepass")]) for label, to in edges
    ]
    place = f" ({os.path.basename(file)}:{line})" if line and _is_file(file) else ""
    return Part(name + place, sha256(framed([data, *said])).digest(), file, line)


def difference(old: Mapping[str, Part], new: Mapping[str, Part]) -> str:
    """What became of the parts, in a short phrase: `helpers.py:14 changed`, `global SCALE changed and 2 more`.

    >>> one, two = {"global n": Part("global n", b"1")}, {"global n": Part("global n", b"2")}
    >>> difference(one, two)
    'global n changed'
    """
    found = [*_changed(old, new), *_appeared(old, new)]
    if not found:
        return "its parts refer to one another differently"
    said, more = ", ".join(found[:SAID]), len(found) - SAID
    return f"{said} and {more} more" if more > 0 else said


def _changed(old: Mapping[str, Part], new: Mapping[str, Part]) -> Iterator[str]:
    first = next(iter(new), None)
    for key, part in sorted(new.items(), key=lambda item: (item[0] != first, not _is_code(item[0]), item[0])):
        if key in old and old[key].digest != part.digest:
            yield _change(key, old[key], part, key == first)


def _change(key: str, old: Part, new: Part, is_function: bool) -> str:
    kind, _, name = key.partition(" ")
    if kind == "package":
        return f"{name} {_version(old, name)} became {_version(new, name)}"
    if is_function and _is_code(key) and _is_file(new.file):
        return f"{os.path.basename(new.file)}:{new.line} changed"
    plain, bracket, place = new.name.partition(" (")
    return f"{plain} changed{bracket}{place}"


def _is_file(name: str) -> bool:
    return bool(name) and not name.startswith("<")  # as `<stdin>` does


def _version(part: Part, name: str) -> str:
    return part.name.removeprefix(f"package {name}").strip() or "(of no version)"


def _appeared(old: Mapping[str, Part], new: Mapping[str, Part]) -> Iterator[str]:
    for key in sorted(set(new) - set(old), key=lambda key: (not _is_code(key), key)):
        yield f"{_verb(key)}s {_plain(new[key])} now"
    for key in sorted(set(old) - set(new), key=lambda key: (not _is_code(key), key)):
        yield f"no longer {_verb(key)}s {_plain(old[key])}"


def _is_code(key: str) -> bool:
    return key.startswith(("function ", "class "))


def _verb(key: str) -> str:
    return "call" if key.startswith("function ") else "use"


def _plain(part: Part) -> str:
    return part.name.partition(" (")[0].removeprefix("package ")
