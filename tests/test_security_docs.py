"""docs/security.md names a test for every attack, and each of these tests is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
DOCUMENT = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
SECTION = DOCUMENT.partition("\n## Attacks and their tests\n")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", SECTION, re.MULTILINE)[1:])
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
REAL = ("attacks/", "closed/", "broker/test_server_membership.py")
"""Where tests have real sockets and programs."""


def those_in(path: Path) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")}


def test_there_are_as_many_rows_as_lines() -> None:
    lines = [line for line in SECTION.splitlines() if line.startswith("|")]
    assert len(ROWS) == len(lines) - 2 > 20, "a row of another form, or an attack that is there twice"


@pytest.mark.parametrize("attack", ROWS)
def test_its_tests_are_there(attack: str) -> None:
    named = NAMED.findall(ROWS[attack])
    assert len(named) == ROWS[attack].count("::"), "a name of another form"
    assert any(file.startswith(REAL) for file, _ in named), "none has real sockets"
    for file, name in named:
        assert name in those_in(TESTS / file), f"{file} has no {name}"


@pytest.mark.parametrize("place", ["attacks", "closed"])
def test_every_file_of_attacks_is_named(place: str) -> None:
    named = {file for row in ROWS.values() for file, _ in NAMED.findall(row)}
    assert {f"{place}/{path.name}" for path in (TESTS / place).glob("test_*.py")} <= named
