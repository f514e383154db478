"""Source code as bytes that do not depend on comments, formatting, docstrings, places, or the version of Python.

The walk over the syntax tree is our own, since `ast.dump` differs between versions. Left out: positions, docstrings and
other statements that do nothing, absent fields. Annotations count where something may read them (in the bodies of
classes, and on functions with decorators) and nowhere else.

Rules of this file: pure; the standard library only.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from raisin_core.serialization.canonical import ATOMS, framed

LEFT_OUT: Final = {"ctx", "kind", "type_comment", "type_ignores"}
ANNOTATIONS: Final = {"annotation", "returns"}
BODIES: Final = {"body", "orelse", "finalbody"}
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

Uses = dict[str, set[tuple[str, ...]]]
Imports = list[ast.Import | ast.ImportFrom]


class Shape(NamedTuple):
    """A piece of code: its form; the names that it loads, with the chains of attributes used of each (`()`: the thing
    itself); the import statements in it."""

    data: bytes
    uses: Uses
    imports: Imports


def shape(node: ast.AST) -> Shape:
    """The shape of a function, class or module.

    A function's own defaults are left out, since their values count; its decorators ran when it was defined, so they
    count as they are written, and what they refer to does not. Raises RecursionError where it is nested too deeply.
    """
    if not isinstance(node, FUNCTIONS):
        walk = _Walk(node)
        return Shape(b"".join(walk.out), walk.uses, walk.imports)
    args = copy.copy(node.args)
    optional = (len(args.defaults), *(each is not None for each in args.kw_defaults))
    args.defaults, args.kw_defaults = [], []
    whole = copy.copy(node)
    whole.args = args
    inside = copy.copy(whole)
    if not isinstance(inside, ast.Lambda):
        inside.decorator_list = []
    walk = _Walk(inside)
    return Shape(repr(optional).encode() + b"".join(_Walk(whole).out), walk.uses, walk.imports)


class _Walk:
    """Writes a tree and notes what it refers to."""

    def __init__(self, root: ast.AST) -> None:
        self.out: list[bytes] = []
        self.uses: Uses = {}
        self.imports: Imports = []
        self._noted: set[int] = set()
        self._scope: ast.AST = root  # the function or class where we are
        self._node(root)

    def _node(self, node: ast.AST) -> None:
        self._note(node)
        scope = self._scope
        if isinstance(node, (ast.ClassDef, *FUNCTIONS)):
            self._scope = node
        elif isinstance(node, ast.AnnAssign) and node.value is not None and not self._is_read(node):
            node = ast.Assign(targets=[node.target], value=node.value)
        self.out.append(b"(" + type(node).__name__.encode())
        if isinstance(node, ast.Constant):
            self._value(node.value)
        else:
            for name, value in self._fields(node):
                self.out.append(b" " + name.encode() + b"=")
                self._value(value)
        self.out.append(b")")
        self._scope = scope

    def _value(self, value: Any) -> None:
        if isinstance(value, ast.AST):
            self._node(value)
        elif isinstance(value, list):
            self.out.append(b"[")
            for each in value:
                self._value(each)
            self.out.append(b"]")
        else:
            self.out.append(framed([ATOMS[type(value)](value)]))

    def _fields(self, node: ast.AST) -> Iterator[tuple[str, Any]]:
        """What counts of a node, in an order of our own."""
        for name in sorted(node._fields):
            value = getattr(node, name, None)
            if name in LEFT_OUT or (name in ANNOTATIONS and not self._is_read(node)):
                continue
            if name in BODIES and isinstance(value, list):
                value = [each for each in value if not _does_nothing(each)]
            elif isinstance(node, ast.JoinedStr):
                value = _joined(node)
            elif name == "format_spec" and isinstance(value, ast.JoinedStr) and not _joined(value):
                continue
            if value is not None and value != []:
                yield name, value

    def _is_read(self, node: ast.AST) -> bool:
        """Whether something may read the annotation of a node: of a class's field, or of a decorated function."""
        if isinstance(node, ast.AnnAssign):
            return isinstance(self._scope, ast.ClassDef)
        return bool(getattr(self._scope, "decorator_list", None))

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self.imports.append(node)
        if not isinstance(node, (ast.Name, ast.Attribute)) or id(node) in self._noted:
            return
        inner: ast.AST = node
        chain: list[str] = []
        while isinstance(inner, ast.Attribute):
            chain.insert(0, inner.attr)
            inner = inner.value
            self._noted.add(id(inner))
        if isinstance(inner, ast.Name) and (chain or isinstance(inner.ctx, ast.Load)):
            self.uses.setdefault(inner.id, set()).add(tuple(chain))


def _does_nothing(statement: ast.AST) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass)


def _joined(node: ast.JoinedStr) -> list[ast.expr]:
    """The parts of an f-string, its text in as few pieces as possible: versions differ in how they cut it."""
    parts: list[ast.expr] = []
    for part in node.values:
        last = parts[-1] if parts else None
        if isinstance(part, ast.Constant) and isinstance(last, ast.Constant):
            parts[-1] = ast.Constant(str(last.value) + str(part.value))
        elif not (isinstance(part, ast.Constant) and part.value == ""):
            parts.append(part)
    return parts
