"""Modules as wholes: of installed packages the version counts, of one's own the source and what it imports.

Rules of this file: reads source files, imports and runs nothing.
"""

from __future__ import annotations

import ast
import linecache
import sys
import warnings
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from raisin_core.analysis import syntax
from raisin_core.analysis.origin import Origin, located, origin
from raisin_core.analysis.parts import Part, Parts, entered
from raisin_core.serialization.canonical import SAME_PLACE, own


def whole(parts: Parts, name: str) -> str:
    """What stands for a module, loaded or not; its parts are added.

    >>> whole({}, "json")
    'json'
    """
    home = origin(name)
    if home.kind == "standard":
        return SAME_PLACE.get(name, name)
    if home.kind == "package":
        return package(parts, home)
    key = f"module {name}"
    if key not in parts:
        parts[key] = Part(key, b"")
        parts[key] = _own(parts, name, home.file)
    return key


def package(parts: Parts, home: Origin) -> str:
    """What stands for an installed package: its name; the version is in its part."""
    key = f"package {home.name}"
    name = f"{key} {home.version}".strip()
    parts[key] = Part(name, sha256(name.encode()).digest())
    return key


def _own(parts: Parts, name: str, file: str) -> Part:
    linecache.checkcache(file)
    text = "".join(linecache.getlines(file)) if file.endswith((".py", ".pyw")) else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # these are for whoever compiles it
            shape = syntax.shape(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return entered(f"module {name} (by its file)", text.encode("utf-8", "surrogatepass"), [], file)
    if text:
        inside = name if Path(file).stem == "__init__" else name.rpartition(".")[0]
        edges = [("import", whole(parts, each)) for each in imported(shape.imports, inside)]
        return entered(f"module {name}", shape.data, edges, file)
    return entered(f"module {name} (by its file)", _content(file), [], file)


def _content(file: str) -> bytes:
    try:
        return Path(file).read_bytes() if file else b""
    except OSError:
        return b""


def imported(statements: syntax.Imports, package: str) -> list[str]:
    """The modules that import statements name, each once; `package` is where relative ones start."""
    return list(dict.fromkeys(name for each in statements for name in _names(each, package)))


def _names(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
        return
    above = package.split(".")[: package.count(".") + 2 - statement.level] if statement.level else []
    base = ".".join([*above, *([statement.module] if statement.module else [])])
    if not base:
        return
    yield base
    if origin(base).kind == "local":
        yield from (f"{base}.{alias.name}" for alias in statement.names if located(f"{base}.{alias.name}"))


def namespace(name: str) -> dict[str, Any]:
    """The globals of a loaded module; empty if it is not."""
    found = own(sys.modules.get(name))
    return found if isinstance(found, dict) else {}
