"""The known workload: what the clients submit, and what a serial run of it gives.

Rules of this file: every outcome can be computed here, without a cluster, from a job's `Work` and a task's index. The
only trace that a task leaves is its line in the witness file.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from tests.soak import files

WORKERS: Final = ("anna", "ben")
PAGE: Final = 50
PAUSE_SECONDS: Final = 0.02
RAISES_EVERY: Final = 23
PRINTS: Final = 5
SALTS: Final = 40
BIG: Final = 300_000
"""Bytes: more than fit into a page, so these travel as blobs."""

Element = int | tuple[int, bytes]
Outcome = list[object]
"""`["value", plain value, printed]` or `["error", type, text, printed]`; as JSON gives it back."""


class Work(NamedTuple):
    """One job: what its tasks do, how many there are, and what makes its data differ from those of others."""

    kind: str
    tasks: int
    salt: int = 0


ROUND: Final = (Work("cheap", 3000), Work("slow", 60), Work("bulky", 40), Work("raising", 1500), Work("printing", 600))


def work(number: int) -> Work:
    """What the job with this number does: all kinds take turns, with other numbers of tasks each time."""
    kind, tasks, _ = ROUND[number % len(ROUND)]
    return Work(kind, tasks + number % 7, number % SALTS)


def where(of: Work) -> str | list[str]:
    """Who may run it: what is bulky one worker only, so that no other does what its broken transfers leave undone."""
    return [WORKERS[of.salt % len(WORKERS)]] if of.kind == "bulky" else "auto"


def elements(of: Work) -> Iterator[Element]:
    """The arguments, in many pages: a page closes where elements come slowly."""
    for index in range(of.tasks):
        if index % PAGE == 0:
            time.sleep(PAUSE_SECONDS)
        yield (index, data(of, index)) if of.kind == "bulky" else index


def data(of: Work, index: int) -> bytes:
    """What a bulky task is given: much or little, and nothing that could be compressed."""
    return random.Random(of.salt * 1000 + index).randbytes(BIG if index % 20 == 3 else 10)


def task(element: Element, kind: str, label: str, witness: str) -> int | bytes:
    """What runs on the workers."""
    index, given = element if isinstance(element, tuple) else (element, b"")
    files.append(witness, f"{label} {index} {os.getpid()} {time.time():.3f}")
    time.sleep(seconds(kind, index))
    if kind == "printing" and index == PRINTS:
        print(f"task {index} prints")
    return compute(kind, index, given)


def seconds(kind: str, index: int) -> float:
    """How long a task takes, in the slow jobs 0.1 s to 0.5 s."""
    return 0.1 + index * 37 % 41 / 100 if kind == "slow" else 0.001


def compute(kind: str, index: int, given: bytes) -> int | bytes:
    """The work itself; some of it raises, some of it gives much."""
    if kind == "raising" and index % RAISES_EVERY == 7:
        raise ValueError(f"task {index} cannot be done")
    if kind == "bulky":
        return given * (BIG // len(given)) if index % 20 == 9 else zlib.crc32(given)
    number = index
    for _ in range(100):
        number = (number * 6364136223846793005 + 1442695040888963407) % 2**64
    return number


def plain(value: Any) -> Any:
    """A value as it is compared: bytes by their digest."""
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value


def serial(of: Work, index: int) -> Outcome:
    """The outcome of a task, by running it here."""
    printed = f"task {index} prints\n" if of.kind == "printing" and index == PRINTS else ""
    try:
        value = compute(of.kind, index, data(of, index) if of.kind == "bulky" else b"")
    except ValueError as error:
        return ["error", "ValueError", str(error), printed]
    return ["value", plain(value), printed]
