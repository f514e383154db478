"""Task processes in interpreters of all kinds."""

from __future__ import annotations

import operator
import os
import signal
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from raisin_worker.events import Died, Ready
from tests.support.pythons import interpreter

from .slots import PYTHONS, Slot, function, started
from .test_executor import same


@pytest.mark.parametrize("version", PYTHONS)
def test_other_interpreters_that_have_nothing(tmp_path: Path, version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    for slot in started(tmp_path, python=python):
        assert slot.results(function(operator.neg), [1, 2]) == [-1, -2]
        got = slot.results(function(eval), ["__import__('platform').python_version()", "__import__('msgspec')"])
        assert got[0].startswith(version)
        assert slot.unfit() == [(1, "No module named 'msgspec'")]  # nothing of ours leaks but what is needed
        assert slot.results(function(eval), ["lambda: 1", "1 / 0"])[1].chain[0].type == "ZeroDivisionError"
        assert slot.results(function(scaled(3)), [1, 2]) == [[0, 3], [0, 3, 6]]


def scaled(by: int) -> Callable[[int], list[int]]:
    """A function that travels by value; comprehensions are compiled in other ways since Python 3.12."""
    return lambda upto: [each * by for each in range(upto + 1)]


def test_what_another_python_does_not_understand_is_said(tmp_path: Path) -> None:
    here = f"3.{sys.version_info.minor}"
    python = next((found for version in PYTHONS if version != here and (found := interpreter(version))), None)
    if python is None:
        pytest.skip("no other Python here")
    code = (lambda x: x + 123456).__code__.replace(co_consts=(None, 654321), co_filename="<nowhere>")  # in no text
    made = types.FunctionType(code, {})
    for slot in started(tmp_path, python=python):
        slot.results(function(made), [1])
        ((index, why),) = slot.unfit()
        assert index == 0
        assert "its source is not known there" in why


def test_a_python_that_is_too_old_says_so(tmp_path: Path) -> None:
    python = interpreter("3.8") or interpreter("3.9") or interpreter("3.6")
    if python is None:
        pytest.skip("no old Python here")
    died = Slot(tmp_path, python=python).wait(Died)
    assert died.index == -1
    assert "raisin needs Python 3.10 or newer" in died.detail


@pytest.mark.parametrize("name", ["cloudpickle", "raisin_core"])
def test_packages_that_cannot_talk_with_ours_are_passed_over(tmp_path: Path, name: str) -> None:
    old = tmp_path / "old" / name
    old.mkdir(parents=True)
    (old / "__init__.py").write_text("__version__ = '0.0.1'\n")
    environment = {"PATH": os.defpath, "PYTHONPATH": str(tmp_path / "old")}
    for slot in started(tmp_path, env=environment):
        assert slot.results(function(same), [1, [2]]) == [1, [2]]


def test_files_of_the_directory_do_not_stand_in_for_modules(tmp_path: Path) -> None:
    for name in ("socket", "json", "pickle", "cloudpickle", "raisin_core"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')\n")
    (tmp_path / "helpers.py").write_text("word = 'the right one'\n")
    for slot in started(tmp_path, path=[str(tmp_path), *sys.path], main="script.py"):
        got = slot.results(function(eval), ["__import__('helpers').word", "__import__('sys').argv"])
        assert got == ["the right one", ["script.py"]]


def test_a_missing_interpreter_or_directory(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nothing-here"):
        Slot(tmp_path, python=str(tmp_path / "nothing-here"))
    with pytest.raises(OSError, match="nothing-here"):
        Slot(tmp_path, cwd=tmp_path / "nothing-here")


def test_death_before_anything_ran(tmp_path: Path) -> None:
    slot = Slot(tmp_path)
    slot.wait(Ready)
    os.kill(slot.executor.pid, signal.SIGTERM)
    assert slot.wait(Died) == Died(0, -1, "crash", "killed by SIGTERM")
