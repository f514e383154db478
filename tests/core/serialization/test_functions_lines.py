"""Where definitions and statements end, against what Python's own parser says."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import textwrap
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.serialization.families.lines import Lines
from raisin_core.serialization.families.scopes import functions, parsed, scopes_of

PARTS = (  # with @ where the indentation goes
    '@text = """\ndef not_here(): "\n"""',
    "@call(\n1, [2,\n  3])",
    "@x = 'a\\'b' + \"#\" # it's\n# comment (",
    "@y = 1 + \\\n2",
    "@z = '''\n    ''' + f\"{x['a']!r}\"",
    r"@s = r'\'' + b'\\'",
    "@if x:\n@    pass\n@else:\n@    y = {1: '}'}",
    "\n\n",
    "@t = x; u = y",
    "@return x",
)


def block(parts: list[str], name: str, decorated: bool, indent: str) -> str:
    head = f"@def {name}(a,\n  b='):'):\n".replace("@", indent)
    body = "".join(part.replace("@", indent + "    ") + "\n" for part in (*parts, "@pass"))
    return (f"{indent}@call(\n'@')\n" if decorated else "") + head + body


@st.composite
def files(draw: st.DrawFn) -> str:
    """Functions with odd layouts, also inside classes."""
    made = []
    for number in range(draw(st.integers(1, 4))):
        parts = draw(st.lists(st.sampled_from(PARTS), max_size=4))
        inside = draw(st.booleans())
        made.append(f"class C{number}:\n" if inside else "")
        made.append(block(parts, f"f{number}", draw(st.booleans()), "   " if inside else ""))
        made.append(draw(st.sampled_from(("", "# end\n", "\n\n", "other = (\n1)\n"))))
    return "".join(made)


def check(text: str) -> None:
    lines = Lines(text)
    physical = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            piece = lines.definition(first)
            assert piece is not None
            wanted = "\n".join(physical[first - 1 : node.end_lineno])
            assert piece.line == first
            assert piece.text.startswith(wanted)
            assert all(line.strip()[:1] in ("", "#") for line in piece.text[len(wanted) :].split("\n")[1:])
        elif isinstance(node, (ast.Return, ast.Assign, ast.Expr)) and ";" not in physical[node.lineno - 1]:
            for line in range(node.lineno, (node.end_lineno or 0) + 1):
                statement = lines.statement(line)
                assert statement is not None
                assert statement.line <= node.lineno
                assert statement.line + statement.text.count("\n") > (node.end_lineno or 0)
                assert statement.text.startswith(physical[statement.line - 1])


@given(files())
@settings(max_examples=60, deadline=None)
def test_made_up_files(text: str) -> None:
    check(text)


@pytest.mark.parametrize("module", [argparse, dataclasses, inspect, textwrap])
def test_the_standard_library(module: ModuleType) -> None:
    check(inspect.getsource(module))


@given(st.text(alphabet="def f():\n \t'\"\\#([{}])@\r\f", max_size=60), st.integers(-2, 12))
@settings(max_examples=150, deadline=None)
def test_any_text_at_all(text: str, line: int) -> None:
    lines = Lines(text)
    lines.definition(line)
    piece = lines.statement(line)
    if piece is not None:
        assert piece.line <= line


def test_a_piece_knows_its_lines() -> None:
    lines = Lines("def f():\n    g = lambda: (\n 1)\n", first=10)
    assert lines.definition(10) == (10, "def f():\n    g = lambda: (\n 1)\n")
    assert lines.statement(12) == (11, "    g = lambda: (\n 1)\n")
    assert lines.definition(1) is lines.statement(9) is lines.statement(20) is None


@pytest.mark.parametrize(
    "line",
    [
        "x = lambda: 1",
        "if (lambda: 1)(): pass",
        "if (lambda: 1)():",
        "elif (lambda: 1)():",
        "else: x = lambda: 1",
        "for x in map(lambda: 1, y):",
        "while (lambda: 1)():",
        "with f(lambda: 1) as x:",
        "async with f(lambda: 1) as x:",
        "try: x = lambda: 1",
        "except f(lambda: 1):",
        "except(f(lambda: 1)) as e:",
        "finally: x = lambda: 1",
        "match f(lambda: 1):",
        "@f(lambda: 1)",
        "def f(x=lambda: 1):",
        "class A(f(lambda: 1)):",
        "return lambda: 1",
        "yield lambda: 1",
        "await f(lambda: 1)",
        "raise f(lambda: 1)",
        "del f(lambda: 1)[0]",
        "assert lambda: 1",
        "x = [lambda: 1 for x in y]; z = 2",
        "    case x if (lambda: 1)():",
    ],
)
@pytest.mark.parametrize("indent", ["", "    ", "\t"])
def test_lambdas_of_any_statement(line: str, indent: str) -> None:
    tree = parsed(indent + line + "\n", 7)
    assert [node.lineno for node in functions(tree, "<lambda>", 7)] == [7]


def test_the_scopes_of_a_name() -> None:
    assert scopes_of("f") == []
    assert scopes_of("A.f.<locals>.<lambda>") == [("A", True), ("f", False)]
    assert scopes_of("f.<locals>.<lambda>.<locals>.g") == [("f", False), ("<lambda>", False)]
    assert scopes_of("f.<locals>.<listcomp>.<lambda>") == [("f", False)]
