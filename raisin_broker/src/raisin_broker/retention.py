"""What the broker keeps, how long, and what goes when the disk fills.

Goes: a job that ended (or was abandoned: its client gone, nothing of it running or ever to run) `Keep.seconds` ago; the
oldest such jobs while the store is larger than `Keep.most`. Stays: what runs, what somebody reads or may still have a
handle for, and what holds results of a job that stays.

Rules of this file: pure.
"""

from __future__ import annotations

from typing import Final

import msgspec

from raisin_broker.state import Instant, Job, State
from raisin_broker.submissions import Submissions

LOOK_SECONDS: Final = 60.0


class Keep(msgspec.Struct, frozen=True):
    """For how long ended jobs are kept (seconds), and how large the store may become (bytes; 0: as the disk allows)."""

    seconds: float = 30 * 86400.0
    most: int = 0


class Room(msgspec.Struct, frozen=True):
    """How many bytes the store needs when nothing is left to tidy; `short` says why the disk has no room, if so."""

    used: int
    short: str = ""


class Retention:
    """Forgets jobs, and says when nothing new is to be taken."""

    def __init__(self, state: State, submissions: Submissions, keep: Keep) -> None:
        self.state = state
        self.submissions = submissions
        self.keep = keep
        self._look_at = 0.0

    def look(self, at: Instant) -> None:
        """Once in a while: what is old enough goes."""
        if at.mono < self._look_at:
            return
        self._look_at = at.mono + LOOK_SECONDS
        old = [job for job in self.state.jobs.values() if at.wall - since(job) >= self.keep.seconds]
        for job in self._idle(old) if old else ():
            self.submissions.forget(job)

    def on_room(self, room: Room) -> None:
        """The oldest job goes where there is too much; nothing new is taken while there is no room."""
        over = self.keep.most and room.used > self.keep.most
        idle = self._idle(list(self.state.jobs.values())) if over or room.short else []
        if idle:
            self.submissions.forget(min(idle, key=since))
        if room.short:
            self.state.room = room.short
        elif over and not idle:
            self.state.room = f"the broker keeps {room.used:,} bytes, more than it may ({self.keep.most:,}), all in use"
        elif not over:
            self.state.room = ""

    def deadline(self) -> float | None:
        """When it is to look again."""
        return self._look_at if self.state.jobs else None

    def _idle(self, jobs: list[Job]) -> list[Job]:
        """Those that nobody needs."""
        sources = {source for job in self.state.jobs.values() for source in job.sources}
        return [job for job in jobs if job.id not in sources and self._forgettable(job)]

    def _forgettable(self, job: Job) -> bool:
        if job.watchers or job.followers or job.leases or job.recalling:
            return False
        if job.held and job.opened.instance in self.state.instances:
            return False
        return job.ended or (job.total is None and not job.waits and not job.limbo)


def since(job: Job) -> float:
    """Since when it has been as it is (wall-clock time)."""
    return job.ended_at or job.touched
