"""The text of one function back in scopes like those it stood in, compiled.

`A.<locals>.B.f` becomes a function A with a class B with f in it; the free variables of f are variables of one more
function around all of that. So the compiler finds closures, private names, `__class__` and qualified names as before.

Rules of this file: parses and compiles, runs nothing; the standard library only.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import types
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from raisin_core.serialization.families.code import Source

AROUND: Final = "<variables>"
PREFIX: Final = f"{AROUND}.<locals>."
# What makes a whole of the first line of a compound statement, or of a later branch of one.
BEFORE: Final = {"elif": "if 0: pass", "else": "if 0: pass", "except": "try: pass", "finally": "try: pass"}
AFTER: Final = ("", "{} pass", "{}def f(): pass", "{}finally: pass", "{} case _: pass")
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def candidates(source: Source, name: str, file: str, line: int) -> Iterator[types.CodeType]:
    """The code objects of all functions of this name that begin on this line of the text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has warned when it was compiled for the first time
        tree = parsed(source.text, source.line)
        nodes = functions(tree, name, line)
        for node in nodes if source.number < 0 else nodes[source.number : source.number + 1]:
            yield compiled(node, source, file)


def parsed(text: str, line: int) -> ast.Module:
    """The tree of a definition, or of one logical line, with the line numbers it had. Raises SyntaxError."""
    indent = text[: len(text) - len(text.lstrip(" \t\f"))]
    found = re.match(r"\s*(\w*)", text)
    word = found[1] if found else ""
    lead = [BEFORE[word]] if word in BEFORE else []
    top = ["match 0:" if word == "case" else "if 1:"] if indent else []
    before = "\n".join([*top, *(indent + each for each in lead), ""])
    shift = line - 1 - len(top) - len(lead)
    failed: SyntaxError | None = None
    for after in AFTER:
        try:
            tree = ast.parse(before + text + after.format(indent))
        except SyntaxError as error:
            error.lineno = (error.lineno or 0) + shift
            failed = failed or error
            continue
        return ast.increment_lineno(tree, shift)
    assert failed is not None
    raise failed


def functions(tree: ast.Module, name: str, line: int) -> list[Function]:
    """The definition that a text is, or its lambdas on this line (all, if none is said to be there)."""
    if name != "<lambda>":
        every = (each for each in ast.walk(tree) if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)))
        found = next((each for each in every if each.name == name), None)
        return [] if found is None else [found]
    lambdas = [each for each in ast.walk(tree) if isinstance(each, ast.Lambda)]
    return [each for each in lambdas if each.lineno == line] or list(lambdas)


def compiled(node: Function, source: Source, file: str) -> types.CodeType:
    """The code object of one function."""
    free, name = source.shape[5], getattr(node, "name", "<lambda>")
    scopes = scopes_of(source.name)
    bare(node)
    body: list[ast.stmt] = [ast.Expr(node) if isinstance(node, ast.Lambda) else node]
    for outer, is_class in reversed(scopes):
        body = [_class(outer, body) if is_class else _function(outer, body)]
    names = [*(outer for outer, _ in scopes), name]
    if free:
        body = [_function(AROUND, [*_variables(free, names[0]), *body])]
    tree = ast.fix_missing_locations(ast.Module(body=body, type_ignores=[]))
    code = compile(tree, file, "exec", source.future, dont_inherit=True)
    for each in [AROUND, *names] if free else names:
        (code,) = (inner for inner in code.co_consts if isinstance(inner, types.CodeType) and inner.co_name == each)
    return _cut(code) if free else code


def bare(node: Function) -> None:
    """Leaves what is part of a function's code: no defaults, annotations, type parameters, and of its decorators only
    one thing in the place of the first, since code begins at its line.
    """
    arguments = node.args
    arguments.defaults, arguments.kw_defaults = [], [None] * len(arguments.kwonlyargs)
    if isinstance(node, ast.Lambda):
        return
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    for each in every:
        if each is not None:
            each.annotation = None
    node.returns = None
    node.decorator_list = [ast.copy_location(ast.Constant(None), each) for each in node.decorator_list[:1]]
    _typeless(node)


def scopes_of(name: str) -> list[tuple[str, bool]]:
    """The scopes around a qualified name, outermost first, each with whether it is a class.

    >>> scopes_of("A.<locals>.B.f")
    [('A', False), ('B', True)]
    """
    parts = name.split(".")
    pairs = zip(parts, [*parts[1:], ""])
    found = [(part, after != "<locals>") for part, after in pairs if part != "<locals>"][:-1]
    return [(part, is_class) for part, is_class in found if not (is_class and part.startswith("<"))]


def _variables(free: tuple[str, ...], first: str) -> Iterator[ast.stmt]:
    """They are bound there; the name of the first scope is not, so that qualified names begin with it."""
    yield ast.Assign([ast.Name(name, ast.Store()) for name in free], ast.Constant(None))
    if first not in free and first.isidentifier():
        yield ast.Global([first])


def _cut(code: types.CodeType) -> types.CodeType:
    """Qualified names without the scope of the variables, where they have it."""
    changes: dict[str, Any] = {"co_consts": tuple(_cut_constant(each) for each in code.co_consts)}
    if sys.version_info >= (3, 11):
        changes["co_qualname"] = _cut_constant(code.co_qualname)
    return code.replace(**changes)


def _cut_constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return _cut(value)
    return value[len(PREFIX) :] if isinstance(value, str) and value.startswith(PREFIX) else value


def _function(name: str, body: list[ast.stmt]) -> ast.stmt:
    arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return _typeless(ast.FunctionDef(name=name, args=arguments, body=body, decorator_list=[]))


def _class(name: str, body: list[ast.stmt]) -> ast.stmt:
    return _typeless(ast.ClassDef(name=name, bases=[], keywords=[], body=body, decorator_list=[]))


def _typeless(node: ast.stmt) -> ast.stmt:
    if "type_params" in node._fields:
        node.type_params = []  # type: ignore[attr-defined]
    return node


def number_of(code: types.CodeType, source: Source) -> int | None:
    """Which of the lambdas on its line a code object is; -1 where there is one only, None if it cannot be told."""
    every = list(candidates(source, code.co_name, code.co_filename, code.co_firstlineno))
    fitting = [number for number, each in enumerate(every) if same(each, code)]
    fitting = fitting or [number for number, each in enumerate(every) if _places(each) & _places(code)]
    return None if not fitting else fitting[0] if len(every) > 1 else -1


def _places(code: types.CodeType) -> set[object]:
    """The stretches of text that instructions came from, but for those that stand for a whole line.

    They tell lambdas apart also where the compiler does more for a whole file, of which it has the imports.
    """
    positions: Any = getattr(code, "co_positions", tuple)  # from Python 3.11 on
    places: Iterable[Any] = positions()
    return {place for place in places if None not in place and place[2:] != (0, 0)}


def same(one: types.CodeType, other: types.CodeType) -> bool:
    """Whether two code objects of this Python do the same, wherever they stand."""
    constants = zip(one.co_consts, other.co_consts)
    return _fields(one) == _fields(other) and all(_alike(mine, others) for mine, others in constants)


def _fields(code: types.CodeType) -> tuple[object, ...]:
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, len(code.co_consts))
    flags = code.co_flags & ~(inspect.CO_NESTED | inspect.CO_ITERABLE_COROUTINE)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return code.co_name, code.co_code, names, counts, flags


def _alike(one: object, other: object) -> bool:
    if isinstance(one, types.CodeType) and isinstance(other, types.CodeType):
        return same(one, other)
    if isinstance(one, frozenset) and isinstance(other, frozenset):  # of any order
        return sorted(map(repr, one)) == sorted(map(repr, other))
    return type(one) is type(other) and repr(one) == repr(other)
