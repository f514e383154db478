"""Which jobs there are, and how each of their tasks behaves: drawn once, so that the right result is known."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from raisin_core import digests
from raisin_core.messages import Open, Options, Page
from tests.simulation.world import World

ALWAYS: Final = 10**6
SHARED: Final = 60  # so many arguments there are under a key
SHARE: Final = {"raises": 0.15, "crashes": 0.08, "unfit": 0.15, "slow": 0.08}

Ending = Literal["ok", "raised", "unfit", "crash", "timeout"]


class Behaviour(NamedTuple):
    """What a task does: its first `raises` runs raise, its first `crashes` runs end the process; on hosts in `unfit` it
    cannot run; `slow` ones outlast the job's timeout."""

    seconds: float
    raises: int = 0
    crashes: int = 0
    unfit: frozenset[str] = frozenset()
    slow: bool = False

    @property
    def harmless(self) -> bool:
        return not (self.raises or self.crashes or self.unfit or self.slow)


class JobPlan:
    """One job: what is submitted, and what must come out. `lost`: a power cut took something of it;
    `expelled`: its submitter was removed from the roster."""

    def __init__(self, world: World, hosts: Sequence[str], mischief: Sequence[str], deadline: float) -> None:
        self.id = world.bytes16()
        self.hosts = tuple(hosts)
        pick = world.random
        retries = pick.choice((0, 0, 1, 2))
        self.timeout = 4.0 if "slow" in mischief and pick.random() < 0.5 else 0.0
        where = [pick.choice(self.hosts)] if pick.random() < 0.1 else []
        chunk = pick.choice((0, 0, 0, 1, 7))
        pickles = pick.sample(hosts, pick.randint(0, len(hosts))) if pick.random() < 0.25 else None
        self.options = Options(retries, deadline, self.timeout, chunk, where, pick.random() < 0.5, pickles)
        self.account = ""
        if where:
            self.hosts = tuple(where)
        largest = pick.choice((1, 3, 3, 25))
        sizes = [pick.randint(1, largest) for _ in range(pick.randint(1, 12 if largest == 25 else 40))]
        self.pages = [[pick.randrange(10**6) for _ in range(size)] for size in sizes]
        self.arguments = [argument for page in self.pages for argument in page]
        pace = pick.choice((0.001, 0.05, 0.5, 3.0))
        self.tasks = [self._behaviour(world, pace, mischief) for _ in self.arguments]
        often = pick.choice((0.0, 0.05, 1.0))  # results that can only travel as pickles
        self.opaque = [pick.random() < often for _ in self.arguments]
        self.blobby = pick.random() < 0.2
        self.never_closed = pick.random() < 0.07
        self.runs: Counter[int] = Counter()
        self.accidents: Counter[int] = Counter()
        self.cancelled = self.observed = self.lost = self.expelled = False
        self.resume, self.force = "", False
        if pick.random() < 0.4:
            self._record(pick.choice(("nightly", "nightly", "weekly")), pick.random() < 0.15)

    def _record(self, key: str, force: bool) -> None:
        """Results are recorded under a key; its jobs share some arguments, and what crashes succeeds in the end."""
        self.resume, self.force = key, force
        self.pages = [[argument % SHARED for argument in page] for page in self.pages]
        self.arguments = [argument for page in self.pages for argument in page]
        self.tasks = [
            Behaviour(task.seconds, task.raises, task.crashes if task.crashes < 3 else 0) for task in self.tasks
        ]

    def again(self, world: World) -> JobPlan:
        """The same as another job."""
        other = copy.copy(self)
        other.id = world.bytes16()
        other.force = False
        other.runs, other.accidents = Counter(), Counter()
        return other

    @property
    def total(self) -> int:
        return len(self.arguments)

    def opening(self) -> tuple[Open, bytes]:
        """What makes the job."""
        payload = b"function of " + self.id
        function = digests.content(payload)
        opening = Open(self.id, "map", "simulated", function, self.options, blobs=self.blobs("f"))
        if self.resume:
            name = digests.content(b"the function of a key")
            opening = msgspec.structs.replace(opening, resume=self.resume, fingerprint=name, force=self.force)
        return opening, payload

    def page(self, number: int, says_last: bool) -> tuple[Page, bytes]:
        """One page of arguments; the last may say that it is."""
        first = sum(len(page) for page in self.pages[:number])
        blobs = self.blobs(f"p{number}") if number % 3 == 0 else []
        payload = msgspec.msgpack.encode((first, self.pages[number]))
        last = says_last and number + 1 == len(self.pages)
        tags = b"".join(digests.content(b"%d" % each)[:16] for each in self.pages[number]) if self.resume else b""
        return Page(self.id, number, first, len(self.pages[number]), blobs, last, tags), payload

    def blobs(self, name: str) -> list[bytes]:
        """The blobs that something of this job needs."""
        return [digests.content(self.id + name.encode())] if self.blobby else []

    def run(self, index: int, argument: int, host: str) -> tuple[Ending, Any]:
        """Execute a task: how it ends, and its result."""
        task = self.tasks[index]
        assert argument == self.arguments[index], f"task {index} was given another one's argument"
        if host in task.unfit:
            return "unfit", None
        self.runs[index] += 1
        if self.runs[index] <= task.crashes:
            return "crash", None
        if task.slow:
            return "timeout", None
        if self.runs[index] <= task.raises:
            return "raised", index
        return "ok", self._value(index)

    def _value(self, index: int) -> list[int]:
        """The right result: with a key, another task with the same argument may have computed it."""
        argument = self.arguments[index]
        return [argument if self.resume else index, 2 * argument + 1]

    def complaint(self, index: int, got: Any, attempts: int) -> str:
        """What is wrong with this result of a task; nothing if it is right."""
        task, retries = self.tasks[index], self.options.retries
        tries = 1
        if self.resume and list(got) == ["ok", self._value(index)]:
            return ""
        if task.crashes == ALWAYS:
            right, tries = ["crashed", 3], 3
        elif task.slow:
            right, tries = ["timeout", retries + 1], retries + 1
        elif task.raises == ALWAYS:
            right, tries = ["raised", index], retries + 1
        elif task.unfit and (task.unfit >= set(self.hosts) or got[0] == "unfit"):
            right, tries = ["unfit", got[1]], attempts  # whether that had to be is seen when it is recorded
        else:
            right, tries = ["ok", self._value(index)], attempts
        if list(got) != right or attempts != tries:
            return f"task {index} gave {got} after {attempts} attempts instead of {right} after {tries} ({task})"
        return ""

    def _behaviour(self, world: World, pace: float, mischief: Sequence[str]) -> Behaviour:
        pick = world.random
        seconds = world.some(pace / 5, pace * 2)
        kind = pick.choice(mischief) if mischief else ""
        if not kind or pick.random() > SHARE[kind]:
            return Behaviour(seconds)
        if kind == "raises":
            often = pick.randint(0, self.options.retries)
            return Behaviour(seconds, raises=often or ALWAYS)
        if kind == "crashes":
            return Behaviour(seconds, crashes=pick.choice((1, 1, 2, ALWAYS)))
        if kind == "unfit":
            some = frozenset(host for host in self.hosts if pick.random() < 0.6)
            return Behaviour(seconds, unfit=some)
        return Behaviour(seconds, slow=self.timeout > 0)
