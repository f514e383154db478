"""Runs seeds: `python -m tests.simulation 12` one, with its story; `--seeds 0:1000` many, on all cores.

Ends at the first seed that fails, unless it is to keep going; exit code 1 if any failed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.simulation.rare import RARE
from tests.simulation.run import simulate

IN_A_FILE = 7


class Outcome(NamedTuple):
    """How a seed went: what was rare in it, and what was wrong, if anything was."""

    seed: int
    rare: Counter[str]
    wrong: str


def outcome(seed: int) -> Outcome:
    """Run one seed. Every tenth has its store in a file."""
    with tempfile.TemporaryDirectory(prefix="rsn-") as place:
        try:
            done = simulate(seed, Path(place) / "broker.db" if seed % 10 == IN_A_FILE else None)
        except Exception as error:  # noqa: BLE001
            # whatever it is, it is this seed's
            return Outcome(seed, Counter(), f"{type(error).__name__}: {error}")
    return Outcome(seed, done.rare, "")


def outcomes(seeds: Sequence[int], jobs: int) -> Iterator[Outcome]:
    """Run many, told in order; whoever stops listening ends them."""
    if jobs == 1:
        yield from map(outcome, seeds)
        return
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))
    try:
        yield from pool.map(outcome, seeds, chunksize=4)
    finally:
        pool.shutdown(cancel_futures=True)


def main(arguments: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Runs seeds of the simulation.")
    parser.add_argument("seed", nargs="?", type=int, help="this one, with its story if it fails")
    parser.add_argument("--seeds", default="300", help="so many, or first:last")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--keep-going", action="store_true", help="do not end at the first failure")
    asked = parser.parse_args(arguments)
    if asked.seed is not None:
        found = outcome(asked.seed)
        print(found.wrong or f"seed {asked.seed} is fine")
        return 1 if found.wrong else 0
    first, _, last = asked.seeds.rpartition(":")
    return run(range(int(first or 0), int(last)), asked.jobs, asked.keep_going)


def run(seeds: Sequence[int], jobs: int, keep_going: bool) -> int:
    """Many seeds, with a line of progress."""
    began, rare, failed = time.monotonic(), Counter[str](), list[Outcome]()
    for number, found in enumerate(outcomes(seeds, jobs), 1):
        rare += found.rare
        if found.wrong:
            failed.append(found)
            print(f"\rseed {found.seed} fails: {found.wrong.splitlines()[0][:150]}")
            print(f"again: make simulate SEED={found.seed}")
            if not keep_going:
                break
        pace = number / (time.monotonic() - began)
        print(f"\r{number} of {len(seeds)} seeds, {len(failed)} failed, {pace:.1f} a second ", end="", flush=True)
    print()
    if len(failed) == 1:
        print(failed[0].wrong)
    missed = sorted(RARE - rare.keys())
    if missed and not failed:
        print("never seen:", "; ".join(missed))
    return 1 if failed else 0
