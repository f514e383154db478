"""Rare states: what must have happened in some seed, or the simulation does not look where bugs live.

They are counted by watching from outside: what a machine knew before an event, and what it says after it.
Rules of this file: it only looks.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from raisin_core import messages as m

RARE: Final = frozenset(
    (
        # sessions
        "a suspect session's result wins",
        "a session that was suspect speaks again",
        "a session ends after long silence",
        "a new session of an instance takes over its leases",
        "a newcomer replaces a session with leases",
        "a full queue ends a session with leases",
        "a session ends with results on their way, and they win",
        # leases
        "a lease is adopted after a restart",
        "a lease is adopted by a new session",
        "a lease that its worker lists is taken away",
        "a lease that never arrived is ready again",
        "limbo ends because all have come back",
        "limbo ends by timeout",
        "a result empties limbo",
        "a trim crosses a result",
        "tasks are run behind a trim",
        "a trim comes for a lease that is over",
        "a draining worker gives back what waits",
        # results
        "a result counts nothing",
        "half of a result page counts",
        "a result of a cancelled job",
        "a result of a job that is gone",
        "a verdict is heard twice",
        "results are said again to a new run",
        # attempts
        "the third strike comes after a restart",
        "a retry is remembered over a restart",
        "a crash is told of a lease that is not held",
        "a task fits no host",
        "a task is too slow for good",
        # jobs
        "an opening comes again",
        "a page comes again",
        "a page comes again after a restart",
        "a close comes again",
        "a job is cancelled while leased",
        "a job is cancelled in limbo",
        "a job is late while leased",
        "a job that nobody wants is forgotten at its end",
        "a result page comes twice to a client",
        # results under a key
        "a result was recorded before",
        "a result of a job that goes on counts for another",
        "a job is continued by another",
        "a task waits for another job's",
        "a key begins anew",
        # owners and members
        "a worker is closed to a job that it runs",
        "a job is held while others run some of it",
        "a held job is released",
        "a job is released that is not held",
        "the broker dies and forgets that a job is held",
        "a worker is removed with leases",
        "a job of a removed client ends at once",
        "a job of a removed client ends at a restart",
        "a removed member speaks",
        "a removed member is back under a new key",
        "the roster changes while the broker is down",
        # the disk
        "a commit fails while an acknowledgement waits",
        "a commit fails while a verdict waits",
        "a commit that failed is durable",
        "the broker dies in a commit that is durable",
        "the broker dies in a commit that is not durable",
        "a commit takes longer than a silence",
        # what is lost on its way
        "a lease is lost on its way",
        "an Over is lost on its way",
        "a verdict is lost on its way",
        "a trim is lost on its way",
        "an acknowledgement is lost on its way",
        "a result is lost on its way to its reader",
    )
)

LOST: Final[dict[type[m.Message], str]] = {
    m.Lease: "a lease is lost on its way",
    m.Over: "an Over is lost on its way",
    m.Judged: "a verdict is lost on its way",
    m.Trim: "a trim is lost on its way",
    m.Stored: "an acknowledgement is lost on its way",
    m.Closed: "an acknowledgement is lost on its way",
    m.Result: "a result is lost on its way to its reader",
}


class Seen:
    """How often each rare state was seen."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def saw(self, state: str) -> None:
        assert state in RARE, f"{state!r} is not in the list"
        self.counts[state] += 1

    def lost(self, message: m.Message) -> None:
        """The broker says this to nobody."""
        if (state := LOST.get(type(message))) is not None:
            self.saw(state)
