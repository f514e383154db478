"""What goes wrong, where and when: drawn from a seed beforehand.

The kinds of faults are dealt like cards, so that each comes up before one comes twice. Faults overlap, but not two on
the same thing (a host's processes, its line, the disk). All have ended when the time is over.

Rules of this file: pure; the same seed, seconds and lid give the same faults.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.soak.cluster import BROKER, CLIENTS, HOSTS, PEERS, WORKERS

PAUSE_SECONDS: Final = (0.5, 4.5)
FIRST_AT: Final = 3.0
FEW_LIDS: Final = 4
AFTER: Final = 3.0


class Kind(NamedTuple):
    """A kind of fault: whom it may hit, how long it lasts (seconds), and what of the target it needs for itself."""

    name: str
    targets: tuple[str, ...]
    lasts: tuple[float, float]
    uses: tuple[str, ...]


class Fault(NamedTuple):
    """From `at` on, for `lasts` seconds (0 where it is over at once); `dice` decides the rest."""

    at: float
    kind: str
    target: str
    lasts: float
    dice: int

    @property
    def until(self) -> float:
        return self.at + self.lasts


def kinds(lid: float, lids: tuple[str, ...]) -> list[Kind]:
    """All kinds; a closed lid lasts `lid` seconds, on one of these hosts."""
    at_once = (0.0, 0.0)
    return [
        Kind("lid", lids, (lid, lid), ("processes",)),
        Kind("kill", (BROKER,), at_once, ("processes",)),
        Kind("kill", WORKERS, at_once, ("processes",)),
        Kind("kill", CLIENTS, at_once, ("processes",)),
        Kind("kill task", WORKERS, at_once, ("processes",)),
        Kind("freeze", HOSTS, (2.0, 8.0), ("processes",)),
        Kind("unplug", HOSTS, (1.0, 10.0), ("line",)),
        Kind("bad line", PEERS, (5.0, 15.0), ("line",)),
        Kind("half-open", PEERS, (3.0, 12.0), ("line",)),
        Kind("address", WORKERS, at_once, ("line",)),
        Kind("disk full", (BROKER,), (3.0, 8.0), ("disk",)),
        Kind("read-only", (BROKER,), (2.0, 5.0), ("disk", "processes")),
        Kind("unwritable", (BROKER,), (2.0, 6.0), ("disk", "processes")),
    ]


def plan(seed: int, seconds: float, lid: float = 40.0, lids: tuple[str, ...] = HOSTS) -> list[Fault]:
    """The faults of a soak, in the order in which they begin."""
    dice = random.Random(seed)
    cards = _cards(dice, kinds(lid, lids), one_lid=seconds < FEW_LIDS * lid)
    busy: dict[tuple[str, str], float] = {}
    waiting: list[Kind] = []
    found = []
    at = FIRST_AT
    while at < seconds:
        if len(waiting) < 3:
            waiting.append(next(cards))
        drawn = next((each for kind in waiting if (each := _draw(dice, kind, at, seconds, busy))), None)
        if drawn is not None:
            fault, kind = drawn
            found.append(fault)
            waiting.remove(kind)
            for use in kind.uses:
                busy[use, fault.target] = fault.until + AFTER
        elif len(waiting) == 3:
            waiting.pop(0)  # it may not fit any more; others do
        at += dice.uniform(*PAUSE_SECONDS) if drawn else 0.1
    return found


def _cards(dice: random.Random, deck: list[Kind], one_lid: bool) -> Iterator[Kind]:
    """All kinds in random order, again and again; the lid first, since it may fit only then."""
    lid, *rest = deck
    yield lid
    while True:
        dice.shuffle(rest)
        yield from rest
        if not one_lid:
            yield lid


def _draw(
    dice: random.Random, kind: Kind, at: float, seconds: float, busy: dict[tuple[str, str], float]
) -> tuple[Fault, Kind] | None:
    """A fault of this kind now, if a target is free and it ends in time."""
    lasts = dice.uniform(*kind.lasts)
    free = [host for host in kind.targets if all(busy.get((use, host), 0.0) <= at for use in kind.uses)]
    if not free or at + lasts > seconds:
        return None
    return Fault(at, kind.name, dice.choice(free), lasts, dice.randrange(2**32)), kind
