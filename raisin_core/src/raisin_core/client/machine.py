"""The client as a machine: what the program wants and what the broker says come in, commands go out.

Whatever was not acknowledged is sent again, byte for byte, when a new session begins; readers go on where they were,
and jobs are watched as before. A connection on which nobody answers is thrown away.
Pages are sent as far as the broker's credit goes, a page with blobs only when these are with the broker.

Rules of this file: pure. The session carries out commands in their order.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from raisin_core import messages as m
from raisin_core import peer
from raisin_core.client import commands as c
from raisin_core.messages import Message
from raisin_core.peer import Line
from raisin_core.ranges import Ranges

FIRST_CREDIT: Final = 16
LAST_WORDS: Final = 256


class Me(msgspec.Struct, frozen=True):
    """What a client says of itself."""

    instance: bytes
    host: str
    pid: int
    environment: str = ""
    context: bytes = b""
    context_payload: bytes = b""


class Reader(msgspec.Struct):
    """Where a reader is; `seen` are the arrivals that it was given."""

    order: m.Order
    after: int
    limit: int
    seen: Ranges = msgspec.field(default_factory=Ranges)


class Job(msgspec.Struct):
    """A job on its way to the broker, which was `told` of it in this session. `pages` are those that are not
    acknowledged, from number `stored` on."""

    open: c.Submit | None
    opened: bool = False
    told: bool = False
    pages: deque[c.AddPage] = msgspec.field(default_factory=deque)
    stored: int = 0
    sent: int = 0
    credit: int = FIRST_CREDIT
    total: int | None = None
    closed: bool = False
    close_sent: bool = False
    cancelled: bool = False
    attached: bool = False
    ended: bool = False
    readers: dict[int, Reader] = msgspec.field(default_factory=dict)
    fetching: dict[int, None] = msgspec.field(default_factory=dict)

    @property
    def added(self) -> int:
        return self.stored + len(self.pages)


class Client:
    """The client's machine."""

    def __init__(self, me: Me) -> None:
        self.me = me
        self.jobs: dict[bytes, Job] = {}
        self.out: list[c.Command] = []
        self.line = Line()
        self._waits: dict[bytes, None] = {}
        self._forgotten: dict[bytes, bool] = {}
        self._there: set[bytes] = set()

    def handle(self, event: c.Event, now: float) -> list[c.Command]:
        """Take one event at `now` (seconds, monotonic); the commands are to be carried out in their order."""
        match event:
            case peer.Received():
                self.line.hear(now)
                self._on_received(event.message, event.payload, now)
            case c.Read():
                self._on_read(event)
            case c.AddPage():
                self._on_add_page(event)
            case c.Submit():
                self._on_submit(event)
            case c.CloseJob():
                if (job := self.jobs.get(event.job)) is not None:
                    job.total = event.total
                    self._send_pages(job)
            case c.ForgetJob():
                self._on_forget(event)
            case c.StopReading():
                self._on_stop_reading(event)
            case c.CancelJob():
                self._on_cancel(event)
            case c.FetchArguments():
                self._on_fetch(event)
            case c.AttachTo():
                self._forgotten.pop(event.job, None)
                self.jobs.setdefault(event.job, Job(None, opened=True, told=True, closed=True, attached=True))
                self._say(m.Attach(event.job))
            case peer.BlobThere():
                self._on_blob_there(event)
            case peer.Connected():
                self.line.connect(now)
                self._hello(now)
            case peer.Disconnected():
                self.line.drop()
            case c.Leave():
                self._say(m.Goodbye())
                self.out.append(peer.Exit())
            case peer.Tick():
                pass
        self._on_time(now)
        commands, self.out = self.out, []
        if any(isinstance(command, peer.Say) for command in commands):
            self.line.spoke(now)
        return commands

    def next_deadline(self) -> float | None:
        """When a Tick is needed at the latest."""
        return self.line.deadline()

    def settled(self) -> bool:
        """Whether the broker has acknowledged all that was submitted; to an ended job nothing is added."""
        jobs = (job for job in self.jobs.values() if not job.ended)
        return all(job.opened and not job.pages and (job.total is None or job.closed) for job in jobs)

    def check(self) -> None:
        """Invariants. Raises AssertionError."""
        for job in self.jobs.values():
            assert job.stored <= job.sent <= job.added, f"sent {job.sent} of {job.stored}..{job.added}"
            assert not job.closed or not job.pages, "closed before all pages were stored"

    # -- the program ---------------------------------------------------------------------------------------------

    def _on_submit(self, event: c.Submit) -> None:
        job = self.jobs[event.message.job] = Job(event)
        self._want_blobs(event.message.blobs)
        self._send_open(event.message.job, job)

    def _on_add_page(self, event: c.AddPage) -> None:
        if (job := self.jobs.get(event.message.job)) is not None:
            job.pages.append(event)
            if event.message.last:
                job.total = event.message.first + event.message.count
            self._send_pages(job)

    def _on_read(self, event: c.Read) -> None:
        if (job := self.jobs.get(event.job)) is None:
            return
        reader = job.readers.setdefault(event.reader, Reader(event.order, event.after, event.limit))
        reader.after, reader.limit = event.after, max(reader.limit, event.limit)
        if job.told:
            self._say(m.Follow(event.job, event.reader, event.order, event.after, reader.limit))

    def _on_stop_reading(self, event: c.StopReading) -> None:
        job = self.jobs.get(event.job)
        if job is not None and job.readers.pop(event.reader, None) is not None:
            self._say(m.Unfollow(event.job, event.reader))

    def _on_cancel(self, event: c.CancelJob) -> None:
        job = self.jobs.get(event.job)
        if job is not None and not job.cancelled:
            job.cancelled = True
            if job.told:
                self._say(m.Cancel(event.job))

    def _on_forget(self, event: c.ForgetJob) -> None:
        job = self.jobs.pop(event.job, None)
        if job is None or event.keep:
            return
        self._forgotten[event.job] = job.cancelled
        if len(self._forgotten) > LAST_WORDS:
            del self._forgotten[next(iter(self._forgotten))]
        if job.told:
            self._say(m.Forget(event.job))

    def _on_fetch(self, event: c.FetchArguments) -> None:
        if (job := self.jobs.get(event.job)) is not None:
            job.fetching[event.index] = None
            self._say(m.Fetch(event.job, event.index))

    def _on_blob_there(self, event: peer.BlobThere) -> None:
        self._waits.pop(event.digest, None)
        self._there.add(event.digest)
        for key, job in self.jobs.items():
            self._send_open(key, job)
            self._send_pages(job)

    # -- the broker ----------------------------------------------------------------------------------------------

    def _hello(self, now: float) -> None:
        me = self.me
        hello = m.Hello(me.instance, "client", me.host, me.pid, me.environment, 0, me.context)
        self.out.append(self.line.greet(hello, me.context_payload, now))

    def _on_received(self, message: Message, payload: bytes, now: float) -> None:
        match message:
            case m.Result():
                self._on_result(message, payload)
            case m.Stored():
                self._on_stored(message)
            case m.Opened():
                self._on_opened(message)
            case m.Closed():
                self._on_closed(message)
            case m.Progress():
                if (job := self.jobs.get(message.job)) is not None:
                    job.ended = message.state in m.ENDED
                self.out.append(c.Stands(message))
            case m.Argument():
                self._on_argument(message, payload)
            case m.Printed():
                self.out.append(c.Printed(message.job, message.index, message.host, payload))
            case m.Described():
                self.out.append(c.Describes(message.job, message.form, message.name, message.shape))
            case m.Welcome():
                self._on_welcome(message)
            case m.WhoAreYou():
                if self.line.must_greet(now):
                    self._hello(now)
            case m.Refused():
                self._on_refused(message)
            case m.Farewell():
                self.line.end()
            case _:
                pass  # BeatBack: any traffic is a heartbeat

    def _on_welcome(self, message: m.Welcome) -> None:
        """A new session: say again all that is not acknowledged, and go on watching and reading where we were."""
        self.line.stand(message)
        self.out.append(c.Greeted(message.run))
        for key, job in self.jobs.items():
            job.sent, job.close_sent, job.told = job.stored, False, job.opened
            if job.attached or (job.opened and not job.ended):
                self._say(m.Attach(key))
            if job.told:
                self._go_on(key, job)
            self._send_open(key, job)
            self._send_pages(job)

        for key, cancelled in self._forgotten.items():  # nobody answers that, so it may not have arrived
            if cancelled:
                self._say(m.Cancel(key))
            self._say(m.Forget(key))

    def _go_on(self, key: bytes, job: Job) -> None:
        """The broker knows the job: say what else is wanted of it."""
        if job.cancelled:
            self._say(m.Cancel(key))
        for number, reader in job.readers.items():
            self._follow(key, number, reader)
        for index in job.fetching:
            self._say(m.Fetch(key, index))

    def _follow(self, key: bytes, number: int, reader: Reader) -> None:
        after = reader.after
        if reader.order == "arrival" and after + 1 in reader.seen:
            after = reader.seen.missing(after + 1, 2**62)[0][0] - 1
        self._say(m.Follow(key, number, reader.order, after, reader.limit))

    def _on_opened(self, message: m.Opened) -> None:
        if (job := self.jobs.get(message.job)) is not None:
            job.opened = True
            self._more_credit(message.job, job, message.credit)

    def _on_stored(self, message: m.Stored) -> None:
        job = self.jobs.get(message.job)
        if job is None:
            return
        job.opened = True
        while job.pages and job.stored < message.pages:
            job.pages.popleft()
            job.stored += 1
        job.sent = max(job.sent, job.stored)
        self._more_credit(message.job, job, message.credit)

    def _on_closed(self, message: m.Closed) -> None:
        """The job, all its pages and its end are durable."""
        if (job := self.jobs.get(message.job)) is not None and not job.closed:
            job.opened = job.closed = True
            job.stored = job.sent = job.added
            job.pages.clear()
            self.out.append(c.Accepted(message.job, job.stored, True))

    def _more_credit(self, key: bytes, job: Job, credit: int) -> None:
        job.credit = max(job.credit, credit)
        self._send_pages(job)
        self.out.append(c.Accepted(key, job.stored, job.closed))

    def _on_result(self, message: m.Result, payload: bytes) -> None:
        job = self.jobs.get(message.job)
        reader = job.readers.get(message.reader) if job else None
        if reader is not None and message.arrival not in reader.seen:
            reader.seen.add(message.arrival, message.arrival + 1)
            self.out.append(c.Deliver(message, payload))

    def _on_argument(self, message: m.Argument, payload: bytes) -> None:
        if (job := self.jobs.get(message.job)) is not None:
            for index in [i for i in job.fetching if message.first <= i < message.first + message.count]:
                del job.fetching[index]
        self.out.append(c.DeliverArguments(message, payload))

    def _on_refused(self, message: m.Refused) -> None:
        if message.code == "replaced":
            return
        if message.fatal:
            self.line.end()
        if message.about in self.jobs or message.fatal:
            self.out.append(c.Failed(message.about, message.code, message.reason))

    # -- sending -------------------------------------------------------------------------------------------------

    def _send_open(self, key: bytes, job: Job) -> None:
        if job.open is None or job.told or self.line.welcome is None or self._missing(job.open.message.blobs):
            return
        job.told = True
        self._say(job.open.message, job.open.payload)
        self._go_on(key, job)

    def _send_pages(self, job: Job) -> None:
        """Send what the credit allows, in order; then the end."""
        if not job.told or job.ended or self.line.welcome is None:
            return
        while job.sent < min(job.added, job.credit):
            page = job.pages[job.sent - job.stored]
            self._want_blobs(page.message.blobs)
            if self._missing(page.message.blobs):
                return
            self._say(page.message, page.payload)
            job.sent += 1
            job.close_sent = job.close_sent or page.message.last
        if job.total is not None and job.sent == job.added and not job.close_sent and not job.closed:
            assert job.open is not None
            job.close_sent = True
            self._say(m.Close(job.open.message.job, job.total))

    def _want_blobs(self, blobs: list[bytes]) -> None:
        for digest in blobs:
            if digest not in self._there and digest not in self._waits:
                self._waits[digest] = None
                self.out.append(peer.SendBlob(digest))

    def _missing(self, blobs: list[bytes]) -> bool:
        return any(digest not in self._there for digest in blobs)

    # -- time ----------------------------------------------------------------------------------------------------

    def _on_time(self, now: float) -> None:
        asked = self.line.look(now)
        if asked == "silent":
            self.out.append(peer.Reconnect())
        elif asked == "beat":
            self._say(m.Beat())

    def _say(self, message: Message, payload: bytes = b"") -> None:
        if self.line.welcome is not None:
            self.out.append(peer.Say(message, payload))
