"""What the demo's tasks compute, on sources whose answers are known."""

from __future__ import annotations

import ast
import math
import subprocess
import sys
from pathlib import Path

import pytest

from raisin_cli.demo import analysis, sweep
from raisin_cli.demo.analysis import Function, Report, examine, functions

ONE_FUNCTION = [
    ("pass", 1),
    ("if x: pass", 2),
    ("if x: pass\nelse: pass", 2),
    ("if x: pass\nelif y: pass\nelse: pass", 3),
    ("for i in x: pass\nelse: pass", 2),
    ("while x: pass", 2),
    ("try: pass\nexcept A: pass\nexcept B: pass\nelse: pass\nfinally: pass", 3),
    ("return a and b", 2),
    ("return a and b and c or d", 4),
    ("return a if b else c", 2),
    ("return [i for i in x]", 2),
    ("return {i for i in x if i if not i for j in i}", 5),
    ("return lambda: a if b else c", 2),
    ("with x: assert y", 1),
    ("match x:\n    case 1: pass\n    case 2 | 3: pass\n    case _: pass", 3),
    ("match x:\n    case [a]: pass\n    case y if y: pass", 3),
    ("if a:\n    for i in b:\n        if c and d: pass", 5),
]


@pytest.mark.parametrize(("body", "complexity"), ONE_FUNCTION)
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_complexity(kind: str, body: str, complexity: int) -> None:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    assert functions(ast.parse(f"{kind} f():\n{lines}")) == ([Function(complexity, "f", 1)], 0)


def test_functions_count_on_their_own() -> None:
    source = """\
if this:
    pass
class C:
    class D:
        def m(self):
            def inner():
                return 1 if 2 else 3
            for i in inner: pass
    if that:
        async def n(self): pass
"""
    found, classes = functions(ast.parse(source))
    assert sorted(found) == [(1, "C.n", 10), (2, "C.D.m", 5), (2, "C.D.m.<locals>.inner", 6)]
    assert classes == 2


def write(root: Path, content: bytes) -> Report:
    (root / "it.py").write_bytes(content)
    return examine(str(root), "it.py")


def test_a_report(tmp_path: Path) -> None:
    report = write(tmp_path, b"# one\ndef f(x):  # two\n    return x or 1\n\nclass C:\n    s = '# none'\n")
    assert report[:6] == ("it.py", 68, 6, 2, 1, 1)
    assert (report.complexity, report.top, report.problem) == (2, (Function(2, "f", 2),), "")
    assert report.instructions > 10


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"x = 1\nprint 2\n", "line 2: "),
        (b"# coding: no-such\n", "unknown encoding"),
        (b"\xff\n", "(unicode error)"),
        (b"def f():\nreturn\n", "line 2: expected an indented block"),
        (b"x = (\n", "'(' was never closed"),
        (b"a\0b\n", "null bytes"),
        (b"return 1\n", "'return' outside function"),
        (b"-" * 100_000 + b"1\n", ""),
    ],
)
def test_what_cannot_be_parsed_is_said(tmp_path: Path, content: bytes, problem: str) -> None:
    report = write(tmp_path, content)
    assert report.problem
    assert problem in report.problem
    assert (report.size, report.lines) == (len(content), content.count(b"\n"))
    assert report[3:8] == (0, 0, 0, 0, 0)


def test_odd_code_gives_no_warning(tmp_path: Path) -> None:
    assert write(tmp_path, b'x = "\\d" is 1\n').problem == ""


def test_the_most_complex_of_all_files() -> None:
    def report(file: str, *top: Function) -> Report:
        return Report(file, 0, 0, top=top)

    same = Function(3, "f", 1)
    many = [Function(9, f"g{line:02}", line) for line in range(9)]
    found = analysis.most_complex([report("b", same), report("c", *many), report("a", same)])
    assert found == [*((each, "c") for each in many), (same, "a")]


def test_the_library(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "p/__init__.py", "p/site-packages/no.py", "__pycache__/no.py", "no.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert analysis.library(tmp_path) == ["a.py", "b.py", "p/__init__.py"]
    assert analysis.library(tmp_path, 2) == ["a.py", "b.py"]
    assert analysis.library(tmp_path, 9) == ["a.py", "b.py", "p/__init__.py"]


def test_another_process_reports_the_same() -> None:
    """Otherwise the demo could not compare."""
    files = [Path(ast.__file__), Path(math.__spec__.origin or ast.__file__).with_name("no"), Path(subprocess.__file__)]
    root, names = str(files[0].parent), [files[0].name, files[2].name]
    code = f"from raisin_cli.demo.analysis import examine; print([examine({root!r}, name) for name in {names!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == repr([examine(root, name) for name in names])


def test_the_exponent_of_known_rhythms() -> None:
    """With a = b it is the logistic map's: ln 2 at r = 4; ln |2 - r| at the fixed point below r = 3."""
    assert sweep.exponent(2.9, 2.9) == pytest.approx(math.log(0.9), abs=1e-3)
    assert sweep.exponent(3.9999999, 3.9999999) == pytest.approx(math.log(2), abs=0.02)
    assert sweep.exponent(1 + math.sqrt(5), 1 + math.sqrt(5)) < -5  # the superstable rhythm of two


def test_axes() -> None:
    b, a = sweep.axes()
    assert (b[0], b[-1], len(b)) == (3.9, 2.8, sweep.ROWS)
    assert (a[0], a[-1], len(a)) == (3.0, 4.0, sweep.COLUMNS)
    assert sweep.ROWS % 2 == 0
