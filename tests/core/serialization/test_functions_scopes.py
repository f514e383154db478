"""A function compiled alone, in scopes made for it, is the function that was compiled with its whole file."""

from __future__ import annotations

import argparse
import asyncio.base_events
import contextlib
import dataclasses
import inspect
import statistics
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.errors import CodeError
from raisin_core.serialization.families import code as codes
from raisin_core.serialization.families.texts import Text

NAMES = ("a", "b", "__private", "_C__private", "G", "self")
BODIES = (
    "{0} = {1}",
    "return {0}, {1}",
    "yield {0}",
    "[{0} for {0} in {1}]",
    "{{{0}: (lambda {1}: {0}) for {1} in {0}}}",
    "nonlocal {0}; {0} = 1",
    "global {0}; {0} = 1",
    "super().{0}({1})",
    "__class__.{0}",
    "import {0}.other as {1}",
    "{0}: int = {1}",
    "if ({0} := {1}): del {1}",
    "with {0} as {1}: pass",
    "try: {0}\nexcept {1} as {0}: pass",
    "match {0}:\n    case [{1}, *_]: pass",
    "def {0}({1}, *, k=1): return {0}, {1}, k",
    "@{0}\nasync def {1}(): await {0}",
    "class {0}({1}): __private = {0}",
    "class C:\n    def {0}(self): return self.__private, super(), {1}",
    "f'{{{0}!r:{{{1}}}}}'",
    "x = {0}, lambda {1}: {0}, lambda: {1}, lambda: {0}",
)


@st.composite
def suites(draw: st.DrawFn, depth: int = 3) -> str:
    """Statements in functions in classes in functions, with few names, so that they meet."""
    lines = []
    for _ in range(draw(st.integers(1, 3))):
        first, second = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
        if depth and draw(st.booleans()):
            head = draw(
                st.sampled_from(
                    (f"def {first}({second}=1):", f"class {first}:", f"async def {first}(self):", "class C:")
                )
            )
            inner = draw(suites(depth - 1))
            lines.append(head + "\n" + "".join(f"    {line}\n" for line in inner.splitlines()))
        else:
            lines.append(draw(st.sampled_from(BODIES)).format(first, second))
    return "\n".join(lines) + "\n"


def check(text: str, file: str) -> int:
    """How many functions were the same; all were, or were refused by the writer."""
    whole = Text(text)
    top = compile(text, file, "exec", dont_inherit=True)
    count = 0
    for code in codes.inner(top):
        if not code.co_flags & inspect.CO_OPTIMIZED or (code.co_name[0] == "<" and code.co_name != "<lambda>"):
            continue  # classes and comprehensions
        source = codes.source_in(whole, code)
        assert source is not None
        try:
            again = codes.compiled(source, codes.About(code.co_name, file, code.co_firstlineno, "3.9"))
        except CodeError:
            # A global function made in a class does not say so; Python 3.12 loses variables that a comprehension hides.
            assert "global" in text or " for " in text
            continue
        compare(code, again)
        count += 1
    return count


def compare(code: types.CodeType, again: types.CodeType) -> None:
    assert (again.co_firstlineno, again.co_filename) == (code.co_firstlineno, code.co_filename)
    assert (again.co_freevars, again.co_cellvars) == (code.co_freevars, code.co_cellvars)
    count = code.co_argcount + code.co_kwonlyargcount
    assert again.co_varnames[:count] == code.co_varnames[:count]
    # since 3.12 also those of comprehensions, of which private ones may have another name than before: nobody sees it
    assert [each.rpartition("__")[2] for each in again.co_varnames] == [
        each.rpartition("__")[2] for each in code.co_varnames
    ]
    assert again.co_names == code.co_names or sorted(again.co_names) == sorted(code.co_names)
    if sys.version_info >= (3, 11):
        assert again.co_qualname.replace("<listcomp>.", "") == code.co_qualname.replace("<listcomp>.", "").replace(
            "<dictcomp>.", ""
        )


@given(suites())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_made_up_scopes(text: str) -> None:
    with contextlib.suppress(SyntaxError):
        compile(text, "made_up.py", "exec", dont_inherit=True)
        check(text, "made_up.py")


@pytest.mark.parametrize("module", [argparse, asyncio.base_events, dataclasses, inspect, statistics])
def test_the_standard_library(module: types.ModuleType) -> None:
    file = module.__file__ or ""
    assert check(Path(file).read_text(encoding="utf-8"), file) > 30


def test_a_piece_that_ends_too_early_is_none() -> None:
    """Should the end of a definition ever be missed, it is not another function that travels."""
    text = "def f(x):\n    y = x\n    return y\n"
    space: dict[str, Any] = {}
    exec(text, space)
    assert codes.source_in(Text(text), space["f"].__code__) is not None
    assert codes.source_in(Text(text[: text.index("    return")]), space["f"].__code__) is None


def test_private_names_before_python_3_11(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code does not say its qualified name there; what is inside does, or the private names."""
    monkeypatch.setattr(sys, "version_info", (3, 10))
    space: dict[str, Any] = {}
    exec(
        "class _C:\n def f(self): return self.__x\n def g(self): return self.x\n def h(self, *, __x): return __x\n",
        space,
    )
    kind = space["_C"]
    named = [codes.possible_names(each.__code__) for each in (kind.f, kind.g, kind.h)]
    assert named == [["C.f", "f"], ["g"], ["C.h", "h"]]
    exec("def outside(): return a.__x, b._C__x, c._D__y\n", space)
    assert codes.possible_names(space["outside"].__code__) == ["C.outside", "D.outside", "outside"]
