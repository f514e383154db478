"""Where code objects and classes stand in their source: syntax trees, found by content and not by line alone.

A file may have changed since it was imported. So its text is compiled, and counts only where that gives the very code
that is there; this also tells several lambdas on one line apart. Where nothing fits, there is no source.

Rules of this file: reads source through `linecache` (files, notebook cells, doctests, `python -c` from 3.13 on); runs
nothing of it, writes nothing.
"""

from __future__ import annotations

import ast
import linecache
import types
import warnings
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

from raisin_core.analysis import bytecode, syntax

FUTURE: Final = 0x1FE0000  # the flags of `from __future__` in a code object's flags
FAR: Final = 10_000_000  # a line that no source has
Node = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


class Found(NamedTuple):
    """A function or class in its source, with its code object as compiled from there."""

    node: Node
    code: types.CodeType
    file: str
    line: int


class Source:
    """One text, parsed and compiled."""

    def __init__(self, text: str, flags: int) -> None:
        self.tree = ast.parse(text)
        self._names = dict(_qualified(self.tree, ""))
        places: dict[tuple[str, int], Node] = {}
        for node in self._names:
            if _place(node) in places:  # lambdas on one line
                node.lineno = FAR + len(places)
                node.end_lineno = FAR + len(places) + 1
            places[_place(node)] = node
        compiled = compile(self.tree, "<source>", "exec", flags, dont_inherit=True)
        pairs = [(places.get((each.co_name, each.co_firstlineno)), each) for each in bytecode.codes(compiled)]
        self.codes = {node: code for node, code in pairs if node is not None}

    @cached_property
    def _signatures(self) -> dict[bytes, list[Node]]:
        found: dict[bytes, list[Node]] = {}
        for node, code in self.codes.items():
            if not isinstance(node, ast.ClassDef):
                found.setdefault(bytecode.signature(code), []).append(node)
        return found

    def function(self, code: types.CodeType) -> Node | None:
        """The function with this code; the one at its line, if there are several."""
        nodes = self._signatures.get(bytecode.signature(code), [])
        return next((node for node in nodes if _place(node)[1] == code.co_firstlineno), nodes[0] if nodes else None)

    def class_(self, name: str, method: Node | None) -> ast.ClassDef | None:
        """The class of this qualified name; the one with the method, if there are several, else the last."""
        nodes = [each for each, found in self._names.items() if found == name and isinstance(each, ast.ClassDef)]
        owners = [node for node in nodes if any(each is method for each in ast.walk(node))]
        return next(reversed(owners or nodes), None)


def _qualified(node: ast.AST, prefix: str) -> Iterator[tuple[Node, str]]:
    """Functions and classes with their qualified names, outer ones first."""
    for child in ast.iter_child_nodes(node):
        inner = prefix
        if isinstance(child, (ast.ClassDef, *syntax.FUNCTIONS)):
            name = prefix + getattr(child, "name", "<lambda>")
            yield child, name
            inner = f"{name}." if isinstance(child, ast.ClassDef) else f"{name}.<locals>."
        yield from _qualified(child, inner)


def _place(node: Node) -> tuple[str, int]:
    decorators = getattr(node, "decorator_list", None) or [node]
    return getattr(node, "name", "<lambda>"), decorators[0].lineno


@lru_cache(maxsize=64)
def parsed(text: str, flags: int = 0) -> Source | None:
    """The source of a text, unless it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has warned when it was compiled for the first time
            return Source(text, flags)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def function(function: types.FunctionType) -> Found | None:
    """Where a function stands, if its source is there and still the same."""
    code = function.__code__
    for source in _sources(code.co_filename, function.__globals__, code):
        node = source.function(code)
        if node is not None:
            return Found(node, code, code.co_filename, code.co_firstlineno)
    return None


def class_(kind: type, methods: list[types.FunctionType], namespace: dict[str, Any]) -> Found | None:
    """Where a class stands: where all its methods do, or by its name in its module's file if it has none."""
    for file, code in _files(methods, namespace).items():
        own = [each.__code__ for each in methods if each.__code__.co_filename == file]
        for source in _sources(file, namespace, code):
            nodes = [source.function(each) for each in own]
            node = source.class_(kind.__qualname__, nodes[0] if nodes else None) if None not in nodes else None
            if node is not None:
                return Found(node, source.codes[node], file, _place(node)[1])
    return None


def _files(methods: list[types.FunctionType], namespace: dict[str, Any]) -> dict[str, types.CodeType | None]:
    """Files where a class may stand, with one of its code objects there."""
    found: dict[str, types.CodeType | None] = {each.__code__.co_filename: each.__code__ for each in methods}
    file = namespace.get("__file__")
    return found if not isinstance(file, str) or file in found else {**found, file: None}


def _sources(file: str, namespace: dict[str, Any], code: types.CodeType | None) -> Iterator[Source]:
    """The text as it is now, then as it was when it was first read."""
    flags = code.co_flags & FUTURE if code is not None else 0
    from_code = getattr(linecache, "_getlines_from_code", None)  # `python -c` from 3.13 on
    before = linecache.getlines(file, namespace)
    linecache.checkcache(file)
    now = linecache.getlines(file, namespace)
    if not now and from_code is not None and code is not None:
        now = from_code(code)
    for text in dict.fromkeys(("".join(now), "".join(before))):
        source = parsed(text, flags) if text else None
        if source is not None:
            yield source
