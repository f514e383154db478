"""The story of a job, or of one of its tasks, in words: when, who, what.

Rules of this file: it reads the trace, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from raisin_core import messages as m

LINES: Final = 100
TEXT: Final[dict[type[m.Message], str]] = {
    m.Hello: "hello, I am {role} {instance}; I know to be dead: {replaces}",
    m.Welcome: "welcome, this is run {run}",
    m.WhoAreYou: "who are you?",
    m.Refused: "refused: {reason}",
    m.Goodbye: "goodbye",
    m.Farewell: "farewell",
    m.Roster: "the roster is of version {version}; keys of epochs {epochs} are in use",
    m.Publish: "here is a roster",
    m.Join: "I was invited",
    m.Resign: "I leave for good",
    m.ListMembers: "who is here?",
    m.Members: "these are: {lines}",
    m.Open: "job {job}: here it is",
    m.Page: "job {job}: page {number}, {count} tasks from {first} on; the last: {last}",
    m.Close: "job {job}: it has {total} tasks",
    m.Opened: "job {job}: is safe; pages below {credit} may come",
    m.Stored: "job {job}: pages below {pages} are safe; pages below {credit} may come",
    m.Closed: "job {job}: all of it is safe",
    m.Cancel: "job {job}: cancel it",
    m.Forget: "job {job}: forget it",
    m.Release: "job {job}: take results of everybody",
    m.Follow: "job {job}: reader {reader} wants {after}..{limit} by {order}",
    m.Unfollow: "job {job}: reader {reader} wants no more",
    m.Result: "job {job}: for reader {reader}, page {arrival}: results of {start}..{stop} from {host}; won: {won}",
    m.Progress: "job {job}: {state}, {done} done and {running} running of {total}, {arrivals} pages; {waits}{held}",
    m.Fetch: "job {job}: what are the arguments of {index}?",
    m.Attach: "job {job}: what is it?",
    m.Described: "job {job}: it is a {form}",
    m.ListJobs: "which jobs are there?",
    m.Jobs: "there are {all} jobs",
    m.Explain: "job {job}: why does it not run?",
    m.Explained: "{ready} tasks are ready; {reasons}",
    m.Function: "the function {digest}",
    m.Context: "the context {digest}",
    m.Argument: "job {job}: arguments, page {number}, {count} tasks from {first} on",
    m.Lease: "job {job}: run {start}..{stop}, as lease {lease}",
    m.Trim: "lease {lease}: give back from {stop} on",
    m.Trimmed: "lease {lease}: ends at {stop}",
    m.Results: "job {job}: results of {start}..{stop} of lease {lease}, {seconds} s; failed: {failed}; unfit: {unfit}",
    m.Judged: "job {job}: {start}..{stop} is {verdict}",
    m.Crashed: "job {job}: {kind} in task {index} of lease {lease}",
    m.ListLeases: "list your leases",
    m.Held: "I hold {leases} and have seen up to {seen}",
    m.Drop: "job {job}: pages {pages} are done",
    m.Over: "jobs {jobs} are over",
    m.Draining: "no more leases, please",
    m.Wrote: "job {job}: task {index} wrote",
    m.Printed: "job {job}: task {index} wrote",
}
ABOUT_ALL: Final = (m.Hello, m.Welcome, m.WhoAreYou, m.Farewell, m.Goodbye, m.ListLeases, m.Draining, m.Roster)
ABOUT_THE_JOB: Final = (m.Open, m.Close, m.Closed, m.Cancel, m.Release, m.Forget, m.Attach)


class Line(msgspec.Struct, frozen=True):
    """One line of the trace; `what` is a message, said by or to `who`, or what has happened to `who`."""

    now: float
    who: str
    what: m.Message | str

    def __str__(self) -> str:
        return f"{self.now:9.3f} {self.who:<12} {words(self.what)}"


def words(what: m.Message | str) -> str:
    """What was said; ids are cut to what tells them apart."""
    if isinstance(what, str) or type(what) not in TEXT:
        return what if isinstance(what, str) else type(what).__name__
    return TEXT[type(what)].format(**{name: _value(getattr(what, name)) for name in what.__struct_fields__})


def told(trace: Iterable[Line], job: bytes | None, task: int | None = None) -> str:
    """The end of the story of a job, of one of its tasks, or of everything."""
    concerned = Concerned(job, task)
    return "\n".join([str(line) for line in trace if concerned.by(line.what)][-LINES:])


class Concerned:
    """Which lines of the trace are about a task; it must see them all, in order."""

    def __init__(self, job: bytes | None, task: int | None) -> None:
        self.job, self.task = job, task
        self._leases: set[m.LeaseId] = set()

    def by(self, what: m.Message | str) -> bool:
        """Whether this line is about it, or about nobody's job."""
        if isinstance(what, (m.Beat, m.BeatBack)):
            return False
        if isinstance(what, (str, *ABOUT_ALL)) or self.job is None:
            return True
        if self.job in getattr(what, "jobs", ()):
            return True
        if isinstance(what, m.Held):
            return any(held.job == self.job and self._covers(held.start, held.stop) for held in what.leases)
        if isinstance(what, (m.Trim, m.Trimmed)):
            return what.lease in self._leases
        if getattr(what, "job", None) != self.job:
            return False
        if isinstance(what, m.Lease) and self._covers(what.start, what.stop):
            self._leases.add(what.lease)
        return self.task is None or isinstance(what, ABOUT_THE_JOB) or self._about_task(what)

    def _about_task(self, what: m.Message) -> bool:
        match what:
            case m.Page() | m.Argument():
                return self._covers(what.first, what.first + what.count)
            case m.Lease() | m.Results() | m.Judged() | m.Result():
                return self._covers(what.start, what.stop)
            case m.Crashed():
                return what.index == self.task
        return False

    def _covers(self, start: int, stop: int) -> bool:
        return self.task is None or start <= self.task < stop


def _value(value: Any) -> str:
    match value:
        case bytes():
            return value[:3].hex()
        case m.LeaseId():
            return f"{value.run}.{value.number}"
        case m.HeldLease():
            return f"{_value(value.lease)}:{value.start}..{value.stop}"
        case list():
            return "[" + " ".join(map(_value, value)) + "]"
        case float():
            return f"{value:.3f}"
    return str(value)
