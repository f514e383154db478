"""What the tasks of the first act do: take a source file to pieces.

Rules of this file: a file gives the same report in every process of one interpreter; the standard library only.

Cyclomatic complexity (T. McCabe, "A Complexity Measure", 1976) is 1 and the number of decisions: `if`, `elif`, loops,
`except`, conditional expressions, each further operand of `and` and `or`, loops and conditions of comprehensions, and
`case`s that can fail. A function inside another counts on its own; a lambda belongs to the function around it.
"""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import CodeType
from typing import Final, NamedTuple

KEPT: Final = 10
"""Functions per report, so that the most complex ten of all files can be told."""

DECISIONS: Final = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp)


class Function(NamedTuple):
    """A function or method, its qualified name, and the line of its `def`."""

    complexity: int
    name: str
    line: int


class Report(NamedTuple):
    """A source file in numbers; `problem` says why it cannot be parsed or compiled, if that is so. `top` holds its
    most complex functions; `instructions` are those of its bytecode."""

    file: str
    size: int
    lines: int
    comments: int = 0
    functions: int = 0
    classes: int = 0
    complexity: int = 0
    instructions: int = 0
    top: tuple[Function, ...] = ()
    problem: str = ""


def examine(root: str, file: str) -> Report:
    """Analyse one file; `file` is its path below `root`. Raises OSError if it cannot be read."""
    source = (Path(root) / file).read_bytes()
    size, lines = len(source), source.count(b"\n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd but valid code is not our business
            tree = ast.parse(source)
            code = compile(tree, file, "exec", dont_inherit=True)
            noted = comments(source)
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        return Report(file, size, lines, problem=f"{where}{error.msg}")
    except (ValueError, RecursionError, MemoryError, tokenize.TokenError) as error:
        return Report(file, size, lines, problem=f"{type(error).__name__}: {error}".rstrip(": "))
    found, classes = functions(tree)
    total = sum(each.complexity for each in found)
    return Report(file, size, lines, noted, len(found), classes, total, instructions(code), tuple(top(found)))


def comments(source: bytes) -> int:
    """The number of comments. Raises SyntaxError, tokenize.TokenError."""
    return sum(token.type == tokenize.COMMENT for token in tokenize.tokenize(io.BytesIO(source).readline))


def functions(tree: ast.AST) -> tuple[list[Function], int]:
    """All functions below a node with their complexity, and the number of classes."""
    counts: list[int] = []
    names: list[tuple[str, int]] = []
    classes = 0
    stack: list[tuple[ast.AST, str, int]] = [(tree, "", -1)]
    while stack:
        node, prefix, owner = stack.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                names.append((prefix + child.name, child.lineno))
                stack.append((child, f"{prefix}{child.name}.<locals>.", len(counts)))
                counts.append(1)
            elif isinstance(child, ast.ClassDef):
                classes += 1
                stack.append((child, f"{prefix}{child.name}.", owner))
            else:
                if owner >= 0:
                    counts[owner] += decisions(child)
                stack.append((child, prefix, owner))
    return [Function(count, *name) for count, name in zip(counts, names)], classes


def decisions(node: ast.AST) -> int:
    """How many decisions this node itself makes."""
    if isinstance(node, DECISIONS):
        return 1
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    if isinstance(node, ast.match_case):
        fails = node.guard or not (isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None)
        return int(bool(fails))
    return 0


def instructions(code: CodeType) -> int:
    """The length of a code object and all within it, in units of two bytes."""
    total, stack = 0, [code]
    while stack:
        each = stack.pop()
        total += len(each.co_code) // 2
        stack += [const for const in each.co_consts if isinstance(const, CodeType)]
    return total


def top(found: Sequence[Function]) -> list[Function]:
    """The most complex ones, in an order that does not depend on that of the list."""
    return sorted(found, key=lambda each: (-each.complexity, each.name, each.line))[:KEPT]


def most_complex(reports: Sequence[Report]) -> list[tuple[Function, str]]:
    """The most complex ones of all files, with their files."""
    found = [(function, report.file) for report in reports for function in report.top]
    return sorted(found, key=lambda each: (-each[0].complexity, each[1], each[0].line))[:KEPT]


def library(root: Path, count: int | None = None) -> list[str]:
    """Paths (below `root`, with `/`) of the library's `.py` files without installed packages; `count` of them evenly
    spread, if given."""
    apart = {"site-packages", "dist-packages", "__pycache__"}
    paths = (path.relative_to(root) for path in root.rglob("*.py") if path.is_file())
    files = sorted(path.as_posix() for path in paths if apart.isdisjoint(path.parts))
    if count is None or count >= len(files):
        return files
    return [files[at * len(files) // count] for at in range(count)]
