"""Broker, workers and clients under a seeded network and crashing hosts: see the package's docstring.

pytest tests/simulation -k seed12                    one of the usual seeds
RAISIN_SEEDS=100:2000 pytest tests/simulation        others: `first:last`, or single ones with commas
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.run import simulate

USUAL = range(20)
QUICK = 6
IN_A_FILE = 7
WATCHED_BY_TWO = 1
ROOT = Path(__file__).resolve().parents[2]


def seeds() -> list[int]:
    """The usual ones, or those that were asked for."""
    asked = os.environ.get("RAISIN_SEEDS", "")
    if ":" in asked:
        first, last = asked.split(":")
        return list(range(int(first), int(last)))
    return [int(seed) for seed in asked.split(",")] if asked else list(USUAL)


def simulated(seed: int, directory: Path) -> str:
    """Every tenth seed has its store in a file."""
    return simulate(seed, directory / "broker.db" if seed % 10 == IN_A_FILE else None)


@pytest.mark.parametrize(
    "seed",
    [pytest.param(seed, marks=[pytest.mark.slow] if seed >= QUICK else [], id=f"seed{seed}") for seed in seeds()],
)
def test_everything_comes_out_right(seed: int, tmp_path: Path) -> None:
    simulated(seed, tmp_path)


@pytest.mark.parametrize("seed", [WATCHED_BY_TWO, pytest.param(IN_A_FILE, marks=pytest.mark.slow)])
def test_a_seed_is_one_course_of_events(seed: int, tmp_path: Path) -> None:
    """The same in this process, and in another one whose sets and dicts are in another order."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    digest = simulated(seed, first)
    code = f"from tests.simulation.test_simulation import *; print(simulated({seed}, Path({str(second)!r})))"
    for hash_seed in ("1", "2"):
        (second / "broker.db").unlink(missing_ok=True)
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() == digest, done.stderr


def test_another_seed_is_another_course_of_events(tmp_path: Path) -> None:
    assert simulate(1) != simulate(2)
