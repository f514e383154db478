"""Is it true? Counts, and a sample of both acts computed again here, one after the other.

Rules of this file: it gives complaints; none means that all is well.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from raisin_cli.demo.ledger import Ledger

SAMPLE: Final = 100
SEED: Final = 1882
SHOWN: Final = 5


class Checked(NamedTuple):
    """How many were computed again, and what differs."""

    computed: int
    complaints: list[str]


def sample(work: Callable[[str], Any], tasks: Sequence[str], ledger: Ledger) -> Checked:
    """Compute some of the tasks here, and compare."""
    chosen = random.Random(SEED).sample(list(tasks), min(SAMPLE, len(tasks)))
    wrong = []
    for task in chosen:
        here = work(task)
        if task in ledger.values and ledger.values[task] != here:
            wrong.append(f"{task}: the cluster says {ledger.values[task]!r}, this process {here!r}")
    return Checked(len(chosen), wrong)


def counts(tasks: Sequence[str], ledger: Ledger) -> list[str]:
    """Complaints about tasks that failed, have no result, or were counted twice."""
    known = set(tasks)
    complaints = [f"{task} failed: {error}" for task, error in ledger.failures.items() if task in known]
    complaints += [f"{task}: no result" for task in tasks if not ledger.counts[task]]
    complaints += [f"{task}: counted {ledger.counts[task]} times" for task in tasks if ledger.counts[task] > 1]
    return complaints


def text(complaints: Sequence[str]) -> str:
    """The first few, for people."""
    more = [f"... and {len(complaints) - SHOWN} more"] if len(complaints) > SHOWN else []
    return "\n".join([*complaints[:SHOWN], *more])
