"""The text that a loaded module was made from, also when its file has changed since.

A file may be newer than what was imported. Witnesses of what was: the module itself (its functions' code, its plain
constants, its names), the stamp in the cached bytecode (when the source was changed last, and its size), and
`linecache`, which may still hold the older text. A text that fits the module and the stamp is taken; where none does,
that of now, with a warning, and the module is doubtful: what is in memory is to travel rather than its text.

Rules of this file: runs nothing of the module, writes nothing; the standard library only.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
import types
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.util import decode_source
from pathlib import Path
from typing import Any, Final, NamedTuple

from raisin_core.analysis.source import Source, parsed
from raisin_core.serialization.canonical import own

SUFFIXES: Final = (".py", ".pyw")
SLACK: Final = 2.0  # seconds; clocks of file systems are coarse
MOST: Final = 2000  # functions that are compared
Stamp = tuple[int, int]


class Candidate(NamedTuple):
    """A text that may have been imported; its file was changed last at `changed` (seconds) and had `size` bytes."""

    text: str
    changed: float
    size: int

    @property
    def stamp(self) -> Stamp:
        return int(self.changed) & 0xFFFFFFFF, self.size & 0xFFFFFFFF


def imported_text(module: types.ModuleType) -> str | None:
    """The source of a loaded module; None where it has none. Warns (RuntimeWarning) where that cannot be told."""
    file = str(own(module).get("__file__") or "")
    candidates = list(_candidates(file))
    if not candidates:
        return _told_by_loader(module)
    if getattr(own(module).get("__spec__"), "_initializing", False):  # it is being executed right now
        return candidates[0].text
    stamp = _compiled_stamp(module)
    sure = next((each for each in candidates if _is_sure(each, stamp, module, file)), None)
    if sure is not None:
        return sure.text
    _doubtful[str(own(module).get("__name__"))] = own(module).get("__spec__")
    warnings.warn(
        f"{os.path.basename(file)} changed on disk since it was imported: what is in memory travels, and the text "
        "of now with modules that import it; importlib.reload it, or restart",
        RuntimeWarning,
        stacklevel=2,
    )
    return candidates[0].text


_doubtful: dict[str, object] = {}  # by name, as they were loaded then


def is_doubtful(module: types.ModuleType) -> bool:
    """Whether no text was found that this module was surely made from."""
    spec = own(module).get("__spec__")
    return spec is not None and _doubtful.get(str(own(module).get("__name__"))) is spec


def file_text(file: str) -> str | None:
    """The source in a file, whatever its encoding and line ends; None where there is none."""
    if not file.endswith(SUFFIXES):
        return None
    try:
        return decode_source(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _candidates(file: str) -> Iterator[Candidate]:
    """The text of now, then the one that was read before, if it is another."""
    now = file_text(file)
    if now is not None:
        found = os.stat(file)
        yield Candidate(now, found.st_mtime, found.st_size)
    entry: tuple[Any, ...] = tuple(linecache.cache.get(file, ()))
    if len(entry) == 4 and file.endswith(SUFFIXES):
        size, changed, lines, _ = entry
        before = "".join(lines)
        if before.rstrip("\n") != (now or "").rstrip("\n"):  # it ends the last line
            yield Candidate(before, changed or 0.0, size)


def _told_by_loader(module: types.ModuleType) -> str | None:
    """As archives and loaders of other kinds say it."""
    spec: Any = own(module).get("__spec__")
    try:
        text = spec.loader.get_source(spec.name)
    except Exception:  # noqa: BLE001 - another's loader, which may have no source at all
        return None
    return text if isinstance(text, str) else None


def _compiled_stamp(module: types.ModuleType) -> Stamp | None:
    """What the cached bytecode says about the source it was made from; None where it says nothing."""
    cached = getattr(own(module).get("__spec__"), "cached", None)
    try:
        with open(str(cached), "rb") as file:
            head = file.read(16)
    except (OSError, ValueError):
        return None
    if len(head) < 16 or head[4:8] != bytes(4) or sys.dont_write_bytecode:  # made from a hash, or not kept up to date
        return None
    return int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little")


@lru_cache(maxsize=1)
def _process_start() -> float:
    """When this process began, in seconds since the epoch; 0 where the system does not say."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        lines = Path("/proc/stat").read_text().splitlines()
        boot = next(int(line.split()[1]) for line in lines if line.startswith("btime"))
        return boot + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return 0.0


def _is_sure(candidate: Candidate, stamp: Stamp | None, module: types.ModuleType, file: str) -> bool:
    is_old = candidate.changed + SLACK < _process_start()
    if is_old and candidate.stamp == stamp:
        return True
    source, namespace = parsed(candidate.text), own(module)
    if source is None or not _names(source.tree) <= set(namespace):
        return False
    if _is_plainly_loaded(module) and not _has_functions(source, namespace, file):
        return False
    if is_old or candidate.stamp == stamp:
        return True
    constants = [(name, value) for name, value in _constants(source.tree) if name in namespace]
    return stamp is None and all(_is_same(namespace[name], value) for name, value in constants)


def _is_plainly_loaded(module: types.ModuleType) -> bool:
    """Not by something that changes the code, as test runners do."""
    loader = getattr(own(module).get("__spec__"), "loader", None)
    return type(loader).__module__ == "_frozen_importlib_external"


def _has_functions(source: Source, namespace: Mapping[str, Any], file: str) -> bool:
    functions = (each for each in _functions(namespace) if each.__code__.co_filename == file)
    return all(source.function(each.__code__) is not None for each, _ in zip(functions, range(MOST)))


def _functions(namespace: Mapping[str, Any]) -> Iterator[types.FunctionType]:
    """The functions of a module and of its classes."""
    for value in list(namespace.values()):
        if type(value) is types.FunctionType:
            yield value
        elif isinstance(value, type) and value.__module__ == namespace.get("__name__"):
            yield from (each for each in list(vars(value).values()) if type(each) is types.FunctionType)


def _names(tree: ast.AST) -> set[str]:
    """The names that a module certainly has at its end: of functions, classes and plain assignments at its top."""
    found: set[str] = set()
    for statement in getattr(tree, "body", ()):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(statement.name)
        elif isinstance(statement, ast.Assign):
            found.update(target.id for target in statement.targets if isinstance(target, ast.Name))
    return found - _deleted(tree)


def _deleted(tree: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Del)}


def _constants(tree: ast.AST) -> Iterator[tuple[str, object]]:
    """Names whose only assignment in the whole module is one of a literal at its top."""
    names = (each for each in ast.walk(tree) if isinstance(each, ast.Name))
    stored = Counter(each.id for each in names if isinstance(each.ctx, ast.Store))
    for statement in getattr(tree, "body", ()):
        if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Constant):
            continue
        for target in statement.targets:
            if isinstance(target, ast.Name) and stored[target.id] == 1:
                yield target.id, statement.value.value


def _is_same(one: object, other: object) -> bool:
    return type(one) is type(other) and (one is other or one == other)
