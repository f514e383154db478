"""Feeds readers with damaged bytes until the time is over, or something crashes, hangs, or reads what it should not.

    python -m tests.fuzz [--seconds 600] [--seed 1] [TARGET ...]
    python -m tests.fuzz --seed 1 --only 4711 values         one case again, here

Every process of a target is bounded in memory (2 GiB) and says which case it works on; a case that takes 20 s hangs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
from multiprocessing.sharedctypes import Synchronized
from random import Random
from typing import Any, Final

from raisin_core.errors import InstallationError, SerializationError
from tests.fuzz.targets import TARGETS

MEMORY: Final = 2 << 30  # bytes
HANG: Final = 20  # s


def case(target: str, samples: list[bytes], seed: int, number: int) -> str | None:
    """Run one case; what is wrong with it, if anything."""
    rng = Random(f"{target} {seed} {number}")
    sample = rng.choice(samples)
    data = TARGETS[target].mutate(sample, rng)
    if data == sample:
        return None
    try:
        found = TARGETS[target].read(data)
    except (SerializationError, InstallationError, EOFError, *TARGETS[target].raises):
        return None
    except Exception:  # noqa: BLE001 - what raisin should have caught
        return f"raised what it should not: {traceback.format_exc()}\nfrom {data[:300]!r}"
    right = TARGETS[target].right(found, data)
    return None if right else f"read {found!r:.300} from {data[:300]!r}"


def work(target: str, seed: int, end: float, number: Any) -> None:
    """One process: case after case."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    samples = TARGETS[target].samples()
    while time.monotonic() < end:
        number.value += 1
        signal.alarm(HANG)  # ends the process
        wrong = case(target, samples, seed, number.value)
        signal.alarm(0)
        if wrong:
            sys.exit(f"{target}, seed {seed}, case {number.value}: {wrong}")


def run(target: str, seed: int, seconds: float) -> tuple[int, bool]:
    """How many cases were tried, and whether all went well."""
    number: Synchronized[int] = multiprocessing.Value("q", 0)
    process = multiprocessing.Process(target=work, args=(target, seed, time.monotonic() + seconds, number))
    process.start()
    process.join()
    code = process.exitcode or 0
    if code < 0:
        why = "hung" if code == -signal.SIGALRM else f"was ended by {signal.Signals(-code).name}"
        print(f"{target}, seed {seed}, case {number.value}: the process {why}", file=sys.stderr)
    return number.value, code == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--only", type=int, help="the number of one case")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    options = parser.parse_args()
    wanted = options.targets or list(TARGETS)
    if options.only is not None:
        wrong = case(wanted[0], TARGETS[wanted[0]].samples(), options.seed, options.only)
        print(wrong or "nothing is wrong with it")
        return bool(wrong)
    well = True
    for target in wanted:
        count, good = run(target, options.seed, options.seconds / len(wanted))
        well &= good
        print(f"{target}: {count:,} cases, {'all right' if good else 'WRONG'} (seed {options.seed})", flush=True)
    return not well


if __name__ == "__main__":
    sys.exit(main())
