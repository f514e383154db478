"""What the broker keeps, how long, and what goes when the disk fills.

Goes: a job that ended (or was abandoned: its client gone, nothing of it running or ever to run) `Keep.seconds` ago; the
oldest such jobs while the store is larger than `Keep.most`. Stays: what runs, what somebody reads or may still have a
handle for, and what holds results of a job that stays. After a restart clients have a while to come back.

Rules of this file: pure. A job with results for others goes with the youngest of them, so that nobody reads what is
half gone (they may hold each other's results); nothing more goes before the last that went is durably gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

import msgspec

from raisin_broker.state import Instant, Job, State
from raisin_broker.submissions import Submissions

LOOK_SECONDS: Final = 60.0
RETURN_SECONDS: Final = 30.0  # a client hears the silence after 15 s, and connects anew
MOST_AT_ONCE: Final = 1024

Group = tuple[float, list[Job]]


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
        self._back_by: float | None = None  # the first look knows when this run began
        self._returning = True
        self._at_once = 1
        self._batch = 0

    def look(self, at: Instant) -> None:
        """Once in a while: what is old enough goes."""
        if self._back_by is None:
            self._back_by = at.mono + (RETURN_SECONDS if self.state.jobs else 0.0)
        self._returning = at.mono < self._back_by
        if self.state.lost:
            self.state.lost = {instance: by for instance, by in self.state.lost.items() if at.mono < by}
        if at.mono < self._look_at:
            return
        self._look_at = at.mono + min(LOOK_SECONDS, max(1.0, self.keep.seconds / 2))
        self._forget(job for job in list(self.state.jobs.values()) if job.unwanted and self._is_left(job, at.wall))
        until = at.wall - self.keep.seconds
        if any(since(job) <= until for job in self.state.jobs.values()):
            self._forget(job for youngest, group in self._idle() if youngest <= until for job in group)

    def on_room(self, room: Room) -> None:
        """The oldest jobs go where there is too much; nothing new is taken while there is no room.

        A full disk alone costs no job that was to be kept: another program may have filled it.
        """
        over = 0 < self.keep.most < room.used
        if not over:
            self._at_once = 1
        going = not self.submissions.out.durable(self._batch)  # so it is not known yet how much is left
        if over and not going:
            going = self._make_room(room)
        self.state.room = room.short or (self._too_much(room, going) if over else "")

    def deadline(self) -> float | None:
        """When it is to look again."""
        return self._look_at if self.state.jobs else None

    def _make_room(self, room: Room) -> bool:
        """The oldest go: few at first, then more, but not more than the average says; whether there were any."""
        needed = (room.used - self.keep.most) * len(self.state.jobs) // room.used
        due = max(1, min(self._at_once, needed))
        self._at_once = min(2 * self._at_once, MOST_AT_ONCE)
        oldest: list[Job] = []
        for _, group in self._idle():
            if len(oldest) >= due:
                break
            oldest += group
        self._forget(iter(oldest))
        return bool(oldest)

    def _too_much(self, room: Room, going: bool) -> str:
        """Why nothing is taken; empty as long as room is being made and was not waited for before."""
        if going and not self.state.room:
            return ""
        what = "and some of it is being deleted" if going else "all in use"
        return f"the broker keeps {room.used:,} bytes, more than it may ({self.keep.most:,}), {what}"

    def _forget(self, jobs: Iterator[Job]) -> None:
        for job in jobs:
            self._batch = self.submissions.out.gathering
            self.submissions.forget(job)

    def _idle(self) -> list[Group]:
        """Jobs that nobody needs, the oldest first: a job with those that only hold results for it, and since when it
        has been idle."""
        found: list[Group] = []
        seen: set[bytes] = set()
        ranked = [(since(job) if self._forgettable(job) else math.inf, job) for job in self.state.jobs.values()]
        for at, job in sorted(ranked, key=itemgetter(0), reverse=True):
            group = list(self._with_sources(job, seen))
            if group and at < math.inf:
                found.append((at, group))
        return found[::-1]

    def _with_sources(self, job: Job, seen: set[bytes]) -> Iterator[Job]:
        """A job and all that hold results for it, unless they were seen before."""
        stack = [job.id]
        while stack:
            name = stack.pop()
            if name not in seen and name in self.state.jobs:
                seen.add(name)
                yield self.state.jobs[name]
                stack += self.state.jobs[name].sources

    def _is_left(self, job: Job, now: float) -> bool:
        """Whether nobody reads an unwanted job any more, nor is coming back to it."""
        return job.ended and not job.watchers and now - max(job.ended_at, job.touched) >= RETURN_SECONDS

    def _forgettable(self, job: Job) -> bool:
        if job.watchers or job.followers or job.leases or job.recalling:
            return False
        if job.held and not job.unwanted and (self._returning or self._may_ask(job.opened.instance)):
            return False
        return job.ended or not (job.limbo or self._can_go_on(job))

    def _may_ask(self, instance: bytes) -> bool:
        """Whether a client is here, or may only have lost its connection."""
        return instance in self.state.instances or instance in self.state.lost

    def _can_go_on(self, job: Job) -> bool:
        """Whether more of it could run although its client is gone: that alone brings the context of its tasks, if
        they need one."""
        return job.waits and (not job.context or job.context in self.state.contexts)


def since(job: Job) -> float:
    """Since when it has been as it is (wall-clock time)."""
    return job.ended_at or job.touched
