"""The digests of `samples` in other processes: other hash seeds, other places, other Pythons."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support.pythons import interpreter

SAMPLES = Path(__file__).with_name("samples.py")
CORE = Path(__file__).parents[2] / "raisin_core" / "src"


@cache
def lines(python: str, seed: str, file: Path = SAMPLES, isolated: bool = False) -> list[str]:
    """What an interpreter says; an isolated one has the standard library and raisin_core only."""
    environ = {**os.environ, "PYTHONPATH": str(CORE), "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, *(["-S"] if isolated else []), str(file)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_other_hash_seeds():
    first = lines(sys.executable, "1")
    assert first == lines(sys.executable, "2") == lines(sys.executable, "3")
    assert len(first) > 80
    assert len({line.split()[1] for line in first}) > 60
    assert not [line for line in first if "bytecode" in line or "by its" in line]


def test_another_place(tmp_path: Path):
    """Moved, and with comments and lines in between."""
    text = (
        SAMPLES.read_text(encoding="utf-8").replace("\ndef ", "\n\n# a comment\ndef ").replace("SCALE = 3", "SCALE=3")
    )
    moved = tmp_path / "samples.py"
    moved.write_text(text, encoding="utf-8")

    def digests(file: Path) -> list[list[str]]:
        return [line.split(" [")[0].split() for line in lines(sys.executable, "1", file)]

    assert digests(moved) == digests(SAMPLES)


@pytest.mark.slow  # who is equal to this one is equal to the others
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_other_pythons_that_have_nothing(version: str):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    assert lines(python, "7", isolated=True) == lines(sys.executable, "1")
