"""Hunts mutants: each in a process of its own, on a copy of the source, seed after seed until one fails.

python -m tests.mutants            all of them
python -m tests.mutants limbo      those whose meaning has this word
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Final, NamedTuple

from tests.mutants import broker, client, worker
from tests.mutants.mutant import ROOT, Mutant, copy_sources, put_in

SEEDS: Final = 300
PATIENCE: Final = 120.0  # a seed that takes so long will never end: that is how the mutant is found
NOTHING: Final = "nothing"
PROGRAMS: Final = {"broker": broker.MUTANTS, "worker": worker.MUTANTS, "client": client.MUTANTS}
ALL: Final = tuple((program, mutant) for program, mutants in PROGRAMS.items() for mutant in mutants)


class Found(NamedTuple):
    """Which seed found a mutant (-1: none did), after how many seconds, and by what."""

    seed: int
    seconds: float
    by: str


def hunt(mutant: Mutant, seeds: int = SEEDS) -> Found:
    """Run seeds against a mutant. Raises Gone."""
    with tempfile.TemporaryDirectory(prefix="rsn-") as name:
        place = Path(name)
        copies = copy_sources(place)
        put_in(mutant, place)
        path = os.pathsep.join(map(str, (*copies, ROOT)))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", f"from tests.mutants.hunt import seek; seek({name!r}, {seeds})"]
        began = time.monotonic()
        said, hung = _output(command, environment)
    return _found(said, hung, time.monotonic() - began)


def seek(place: str, seeds: int) -> None:
    """In the process with the broken machines: say each seed that is begun, and what was wrong in the last."""
    import raisin_broker
    from tests.simulation.many import outcome

    assert raisin_broker.__file__.startswith(place), f"not the copy: {raisin_broker.__file__}"
    for seed in range(seeds):
        print(seed, flush=True)
        if wrong := outcome(seed).wrong:
            print(wrong.splitlines()[0].removeprefix("AssertionError: ") or "something")
            return
    print(NOTHING)


def _output(command: Sequence[str], environment: dict[str, str]) -> tuple[list[str], bool]:
    """What it says, and whether it had to be ended because it said nothing for long."""
    said: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while True:
            watchdog = threading.Timer(PATIENCE, process.kill)
            watchdog.start()
            line = process.stdout.readline()
            hung = not watchdog.is_alive()
            watchdog.cancel()
            if not line:
                return said, hung
            said.append(line.rstrip("\n"))


def _found(said: Sequence[str], hung: bool, seconds: float) -> Found:
    """The last line but one is the seed, the last what was wrong in it."""
    if not said or said[-1] == NOTHING:
        return Found(-1, seconds, NOTHING)
    if said[-1].isdigit():
        return Found(int(said[-1]), seconds, "it never ends" if hung else "its process dies")
    return Found(int(said[-2]), seconds, said[-1])


def main(words: Sequence[str]) -> int:
    """The command: a table, and 1 if a mutant lives on."""
    wanted = [(program, mutant) for program, mutant in ALL if all(word in mutant.what for word in words)]
    alive, began = 0, time.monotonic()
    print(f"{'mutant':<68} {'seed':>4} {'s':>6}  found by")
    with ThreadPoolExecutor(2) as pool:
        hunts = {pool.submit(hunt, mutant): f"{program} {mutant.what}" for program, mutant in wanted}
        for done in as_completed(hunts):
            who, found = hunts[done], done.result()
            alive += found.seed < 0
            print(f"{who:<68} {found.seed:>4} {found.seconds:>6.1f}  {found.by[:90]}", flush=True)
    print(f"{len(wanted) - alive} of {len(wanted)} found in {time.monotonic() - began:.0f} s")
    return 1 if alive or not wanted else 0
