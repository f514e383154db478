"""Broker, workers and clients under a seeded network and crashing hosts: see the package's docstring.

make simulate SEED=12              one seed, with its story if it fails
make simulate SEEDS=100000         many, on all cores; or SEEDS=first:last
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from raisin_core.messages import MESSAGES
from tests.simulation.many import IN_A_FILE, main, outcome
from tests.simulation.rare import RARE
from tests.simulation.run import simulate
from tests.simulation.story import TEXT

QUICK = range(6)
SEEDS = 300
CHUNK = 30
WATCHED_BY_TWO = 1
ROOT = Path(__file__).resolve().parents[2]


@cache
def chunk(number: int) -> tuple[Counter[str], list[str]]:
    """Run some of CI's seeds: the rare states they went through, and what was wrong."""
    done = [outcome(seed) for seed in range(number * CHUNK, (number + 1) * CHUNK)]
    return sum((each.rare for each in done), Counter()), [
        f"seed {each.seed}: {each.wrong}" for each in done if each.wrong
    ]


@pytest.mark.parametrize("seed", QUICK, ids="seed{}".format)
def test_everything_comes_out_right(seed: int) -> None:
    simulate(seed)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(SEEDS // CHUNK))
def test_everything_comes_out_right_in_many_seeds(number: int) -> None:
    _, wrong = chunk(number)
    assert not wrong, wrong[0]


@pytest.mark.slow
def test_rare_states_are_reached() -> None:
    seen = sum((chunk(number)[0] for number in range(SEEDS // CHUNK)), Counter[str]())
    assert not RARE - seen.keys()


@pytest.mark.parametrize("seed", [WATCHED_BY_TWO, pytest.param(IN_A_FILE, marks=pytest.mark.slow)])
def test_a_seed_is_one_course_of_events(seed: int, tmp_path: Path) -> None:
    """The same in this process, and in another one whose sets and dicts are in another order."""
    path = tmp_path / "broker.db" if seed == IN_A_FILE else None
    digest = simulate(seed, path).digest
    file = f"Path({str(path)!r})" if path else None
    code = f"from tests.simulation.test_simulation import *; print(simulate({seed}, {file}).digest)"
    for hash_seed in ("1", "2"):
        (tmp_path / "broker.db").unlink(missing_ok=True)
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() == digest, done.stderr


def test_another_seed_is_another_course_of_events() -> None:
    assert simulate(1).digest != simulate(2).digest


def test_the_command_runs_one_seed_or_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["4"]) == 0
    assert main(["--seeds", "4:6", "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert "seed 4 is fine" in said
    assert "2 of 2 seeds, 0 failed" in said


def test_the_story_has_words_for_every_message() -> None:
    silent = {message for message in MESSAGES if message.bulk or message.__name__ in ("Beat", "BeatBack")}
    assert TEXT.keys() == set(MESSAGES) - silent
