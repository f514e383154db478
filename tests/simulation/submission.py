"""A program that uses the client: it feeds a job page by page, reads what comes, may cancel, checks every result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from raisin_core import messages as m
from raisin_core.client import commands as c
from tests.simulation.ledger import Wrong
from tests.simulation.plan import JobPlan
from tests.simulation.world import World

PAGES_AHEAD: Final = 4
READERS: Final[list[list[m.Order]]] = [[], ["arrival"], ["window"], ["arrival", "window"], ["window", "window"]]


class Post(Protocol):
    """Hands events to the machine of the process that the program runs in."""

    def __call__(self, *events: c.Event) -> None: ...


def _unheard(*_: c.Event) -> None:
    """There is no process to hand events to."""


class Reader:
    """What one reader was given. In order, `next` is the first task that it waits for; by arrival, it counts pages.
    It has asked for what lies below `limit`."""

    def __init__(self, number: int, order: m.Order, window: int) -> None:
        self.number, self.order, self.window = number, order, window
        self.next = 0
        self.got: set[int] = set()
        self.pages = self.limit = 0

    def asked(self, job: bytes) -> c.Read:
        """From where to where to read now."""
        after = self.next if self.order == "window" else 0
        self.limit = self.next + self.window
        return c.Read(job, self.number, self.order, after, self.limit)

    def complete(self, progress: m.Progress) -> bool:
        """Whether nothing more will come."""
        if self.order == "arrival":
            return self.pages >= progress.arrivals
        return progress.state != "done" or self.next >= progress.total


class Submission:
    """One job as its program sees it. An observer is a program that has only heard of it."""

    observes = False

    def __init__(self, world: World, plan: JobPlan) -> None:
        pick = world.random
        self.world, self.plan = world, plan
        self.progress: m.Progress | None = None
        self.acknowledged = self.orphan = self.unknown = False
        self._numbers = 0
        self._gap = world.some(0.001, 1.0)
        self._says_last = world.chance(0.5)
        self._close_after = world.some(0.01, 30.0) if world.chance(0.4) else 0.0
        self._cancel_after = world.some(0.05, 60.0) if world.chance(0.2) else None
        self._pause = world.some(0.001, 2.0)
        self._orders = pick.choice(READERS)
        self._leaves = world.chance(0.1)
        self._refuses = world.chance(0.2)
        self._forgets, self.dropped, self.abandoned = world.chance(0.5), False, False
        self._take_up(_unheard)

    def _take_up(self, post: Post) -> None:
        self._post = post
        self._added = self._stored = 0
        self._fed = False
        self.readers: list[Reader] = []

    def start(self, post: Post) -> None:
        """Submit the job."""
        self.progress, self.acknowledged, self.orphan = None, False, False
        self._take_up(post)
        post(c.Submit(*self.plan.opening()))
        self._read()
        self._later(self._gap, self._feed)
        if self._cancel_after is not None:
            self._later(self._cancel_after, self.cancel)

    def resume(self, post: Post) -> None:
        """Another process takes the job up; if it was not closed, nobody can do that now. What was never acknowledged
        is submitted again."""
        if not self.acknowledged and not self.observes:
            self.start(post)
            return
        self._take_up(post)
        self.orphan = True
        post(c.AttachTo(self.plan.id))
        self._read()
        if not self.observes:
            self._later(self.world.some(1.0, 30.0), self._give_up)

    @property
    def may_run_again(self) -> bool:
        """Whether its program may submit it anew when it is started again."""
        return bool(self.plan.resume) and not (self.observes or self.plan.observed or self.plan.cancelled)

    def halt(self) -> None:
        """The process is dead: its program does nothing more, and nobody is left to say that a handle is gone."""
        self._post = _unheard
        self.dropped = False

    def _drop(self) -> None:
        """The handle goes: at once when everything is there, or with a job that nobody waits for any more."""
        ended = self.progress is not None and self.progress.state in m.ENDED
        if self.over and ended and self._forgets and not self.plan.observed:
            self._forgets, self.dropped = False, True
            self._post(c.ForgetJob(self.plan.id))

    def cancel(self) -> None:
        """Stop it for good."""
        if not self.over:
            self.plan.cancelled = True
            self._post(c.CancelJob(self.plan.id))
            if self._forgets and not self.plan.observed and not self.orphan:
                self._leave()  # like a `map` that is closed

    def _leave(self) -> None:
        """Nobody waits for what comes of it."""
        self.abandoned = self.dropped = True
        self._post(c.ForgetJob(self.plan.id))

    @property
    def over(self) -> bool:
        """Whether the program has all that it will get."""
        if self.unknown or self.abandoned:
            return True
        progress = self.progress
        if self.left_open:
            return True
        if progress is None or progress.state not in m.ENDED:
            return False
        return all(reader.complete(progress) for reader in self.readers)

    @property
    def left_open(self) -> bool:
        """Whether it was told that no more will come of a job that it took up."""
        return self.orphan and self.progress is not None and self.progress.abandoned

    def has_all(self, tasks: int) -> bool:
        """Whether these many tasks are all it submitted, and it has all their results: so ends what is never closed."""
        fed = self.observes or self.orphan or self._stored == len(self.plan.pages)
        return fed and all(len(reader.got) == tasks for reader in self.readers)

    def check(self) -> None:
        """What must hold once it is over. Raises Wrong."""
        if self.unknown or self.abandoned or self.progress is None:
            return
        state, total = self.progress.state, self.plan.total
        given_up = self.plan.cancelled or self.plan.lost or self.plan.expelled
        if state == "cancelled" and not (given_up or self.plan.resume):  # (another one continues it)
            raise Wrong("cancelled by nobody", self.plan.id)
        if state == "late" and not self.plan.options.deadline:
            raise Wrong("late without a deadline", self.plan.id)
        for reader in self.readers if state == "done" else ():
            if missing := sorted(set(range(total)) - reader.got):
                raise Wrong(f"reader {reader.number} misses {missing}", self.plan.id, missing[0])

    # -- feeding and reading -------------------------------------------------------------------------------------

    def _feed(self) -> None:
        if self.abandoned or (self.progress is not None and self.progress.state in m.ENDED):
            return
        if self._added == len(self.plan.pages):
            if not self._fed and not self._says_last and not self.plan.never_closed:
                self._fed = True
                self._later(self._close_after, lambda: self._post(c.CloseJob(self.plan.id, self.plan.total)))
        elif self._added - self._stored < PAGES_AHEAD:
            self._post(c.AddPage(*self.plan.page(self._added, self._says_last and not self.plan.never_closed)))
            self._added += 1
            self._later(self._gap, self._feed)

    def _read(self) -> None:
        for order in self._orders:
            self._numbers += 1
            reader = Reader(self._numbers, order, self.world.random.choice((1, 2, 5, 1000)))
            self.readers.append(reader)
            self._post(reader.asked(self.plan.id))

    def _give_up(self) -> None:
        if self.progress is None or self.progress.total < 0:
            self.cancel()

    def _later(self, delay: float, call: Callable[[], None]) -> None:
        """Unless another process has taken over by then."""
        post = self._post
        self.world.after(delay, lambda: call() if self._post is post else None)

    # -- news ----------------------------------------------------------------------------------------------------

    def on_result(self, message: m.Result, payload: bytes) -> None:
        reader = next((each for each in self.readers if each.number == message.reader), None)
        if reader is None:
            raise Wrong(f"a result for reader {message.reader}, who is not there", self.plan.id)
        if (message.arrival if reader.order == "arrival" else message.start + 1) > reader.limit:
            raise Wrong(
                f"reader {reader.number} asked only up to {reader.limit}: {message}", self.plan.id, message.start
            )
        attempts = dict(message.retried)
        for index, got in self._opened(message, payload):
            if index in reader.got and not self.plan.lost:
                raise Wrong(f"task {index} came twice to reader {reader.number}", self.plan.id, index)
            reader.got.add(index)
            if complaint := self.plan.complaint(index, got, attempts.get(index, 1)):
                raise Wrong(complaint, self.plan.id, index)
        reader.pages += 1
        before = reader.next
        if reader.order == "arrival":
            reader.next = reader.pages
        while reader.order == "window" and reader.next in reader.got:
            reader.next += 1
        if reader.next != before:
            self._later(self._pause, lambda: self._post(reader.asked(self.plan.id)))
        self._later(self._pause, self._drop)

    def _opened(self, message: m.Result, payload: bytes) -> list[tuple[int, list[object]]]:
        if message.ruling:
            ruling = msgspec.msgpack.decode(payload, type=m.Ruling)
            return [(message.start, [ruling.kind, len(ruling.trials)])]
        first, items = msgspec.msgpack.decode(payload)
        origin = message.origin or m.Origin(message.job, message.start, message.stop, message.start)
        if (first, first + len(items)) != (origin.start, origin.stop):
            raise Wrong("another page's payload", self.plan.id)
        first += message.start - origin.first
        ranges = message.won or [(message.start, message.stop)]
        return [(index, items[index - first]) for start, stop in ranges for index in range(start, stop)]

    def on_progress(self, progress: m.Progress) -> None:
        old = self.progress
        if (
            old is not None
            and not self.plan.lost
            and old.state in m.ENDED
            and (old.state, old.arrivals) != (progress.state, progress.arrivals)
        ):
            raise Wrong(f"{progress} after {old}", self.plan.id)
        self.progress = progress
        if progress.held and not self.abandoned:
            self._later(self._pause, self._release)
        self._later(self._pause, self._drop)

    def _release(self) -> None:
        """What it can only read as a pickle is welcome; or it is not, and that is the end."""
        if self._refuses and not self.observes:
            self.cancel()
        else:
            self._post(c.ReleaseJob(self.plan.id))

    def on_accepted(self, news: c.Accepted) -> None:
        self.acknowledged = True
        if not self.orphan:
            was, self._stored = self._stored, news.pages
            if was != self._stored:
                self._later(self._gap, self._feed)
            if news.closed and self._leaves and not self.plan.observed and not self.over:
                self._later(self._pause, self._leave)

    def on_failed(self, news: c.Failed) -> None:
        gone = news.code == "unknown job" and self.orphan and not self.acknowledged
        if not (gone or self.plan.lost):  # after a power cut it completes, or whoever trusted in it is told
            raise Wrong(f"{news} although acknowledged: {self.acknowledged}", self.plan.id)
        self.unknown = True


class Observer(Submission):
    """It attaches to another program's job, which may not be there (yet)."""

    observes = True

    def start(self, post: Post) -> None:
        self.resume(post)
