"""The client as a machine: what the program wants and what the broker says come in, commands go out.

Whatever was not acknowledged is sent again, byte for byte, when a new session begins; readers go on where they were,
and jobs are watched as before. A connection on which nobody answers is thrown away.
Pages are sent as far as the broker's credit goes, a page with blobs only when these are with the broker.

Rules of this file: pure. The session carries out commands in their order.
"""

from __future__ import annotations

from typing import Final

from raisin_core import messages as m
from raisin_core import peer
from raisin_core.client import commands as c
from raisin_core.client.state import Blobs, Job, Me, Reader, question
from raisin_core.messages import Message
from raisin_core.peer import Line
from raisin_core.texts import plain

LAST_WORDS: Final = 256
BUSY_SECONDS: Final = 2.0


class Client:
    """The client's machine."""

    def __init__(self, me: Me) -> None:
        self.me = me
        self.jobs: dict[bytes, Job] = {}
        self.out: list[c.Command] = []
        self.line = Line()
        self._forgotten: dict[bytes, tuple[bool, bool]] = {}
        self._blobs = Blobs()
        self._asked: dict[bytes, Message] = {}
        self._run = 0
        self._holds = c.Holds(0, b"")

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
            case c.ReleaseJob():
                self._on_release(event)
            case c.FetchArguments():
                self._on_fetch(event)
            case c.AttachTo():
                self._forgotten.pop(event.job, None)
                new = Job(None, opened=True, told=True, closed=True, attached=True)
                self.jobs.setdefault(event.job, new).asked = True
                self._say(m.Attach(event.job))
            case c.Ask():
                self._asked[event.about] = event.message
                self._say(event.message)
            case c.Holds():
                self._holds = event
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
        again = (job.again_at for job in self.jobs.values() if job.again_at is not None)
        return min((at for at in (self.line.deadline(), *again) if at is not None), default=None)

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

    def _on_release(self, event: c.ReleaseJob) -> None:
        job = self.jobs.get(event.job)
        if job is not None and not job.released:
            job.released = True
            if job.told:
                self._say(m.Release(event.job))

    def _on_forget(self, event: c.ForgetJob) -> None:
        job = self.jobs.pop(event.job, None)
        if job is None:
            return
        self._forgotten[event.job] = job.cancelled, event.keep
        if len(self._forgotten) > LAST_WORDS:
            del self._forgotten[next(iter(self._forgotten))]
        if job.told:
            self._say(m.Forget(event.job, event.keep))

    def _on_fetch(self, event: c.FetchArguments) -> None:
        if (job := self.jobs.get(event.job)) is not None:
            job.fetching[event.index] = None
            self._say(m.Fetch(event.job, event.index))

    def _on_blob_there(self, event: peer.BlobThere) -> None:
        self._blobs.came(event.digest)
        for key, job in self.jobs.items():
            self._send_open(key, job)
            self._send_pages(job)

    # -- the broker ----------------------------------------------------------------------------------------------

    def _hello(self, now: float) -> None:
        self.out.append(self.line.greet(self.me.hello(self._holds.version), self.me.context_payload, now))

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
                self._on_progress(message)
            case m.Argument():
                self._on_argument(message, payload)
            case m.Printed():
                self.out.append(c.Printed(message.job, message.index, message.host, payload))
            case m.Described():
                self._answered(message.job)
                self.out.append(c.Describes(message.job, message.form, message.name, message.shape, message.resume))
            case m.Jobs() | m.Explained() | m.Members():
                self._answer(question(message), message)
            case m.Roster():
                self.out.append(c.Adopt(payload))
            case m.Welcome():
                self._on_welcome(message)
            case m.WhoAreYou():
                if self.line.must_greet(now):
                    self._hello(now)
            case m.Refused():
                self._on_refused(message, payload, now)
            case m.Farewell():
                self.line.end()
            case _:
                pass  # BeatBack: any traffic is a heartbeat

    def _on_welcome(self, message: m.Welcome) -> None:
        """A new session: say again all that is not acknowledged, and go on watching and reading where we were."""
        self.line.stand(message)
        self.out.append(c.Greeted(message.run))
        anew, self._run = message.run != self._run, message.run  # a new run may know less than the one before
        for key, job in self.jobs.items():
            job.sent, job.close_sent, job.told, job.again_at = job.stored, False, job.opened, None
            if job.attached or job.asked or (job.opened and (anew or not job.ended)):
                self._say(m.Attach(key))
            if job.told:
                self._go_on(key, job)
            self._send_open(key, job)
            self._send_pages(job)
        for asked in self._asked.values():
            self._say(asked)
        if message.roster < self._holds.version:
            self._say(m.Publish(), self._holds.book)
        for key, (cancelled, keep) in self._forgotten.items():  # nobody answers that, so it may not have arrived
            if cancelled:
                self._say(m.Cancel(key))
            self._say(m.Forget(key, keep))

    def _go_on(self, key: bytes, job: Job) -> None:
        """The broker knows the job: say what else is wanted of it."""
        if job.cancelled:
            self._say(m.Cancel(key))
        if job.released:
            self._say(m.Release(key))
        for number, reader in job.readers.items():
            self._follow(key, number, reader)
        for index in job.fetching:
            self._say(m.Fetch(key, index))

    def _follow(self, key: bytes, number: int, reader: Reader) -> None:
        after = reader.after
        if reader.order == "arrival" and after + 1 in reader.seen:
            after = reader.seen.missing(after + 1, 2**62)[0][0] - 1
        self._say(m.Follow(key, number, reader.order, after, reader.limit, reader.newest, reader.run))

    def _on_progress(self, message: m.Progress) -> None:
        job = self.jobs.get(message.job)
        if job is not None:
            job.ended = message.state in m.ENDED
            if job.closed and not job.attached and message.total < 0 and not job.ended:
                self._lost(message.job, "its end")
        self.out.append(c.Stands(message))

    def _answered(self, key: bytes) -> None:
        if (job := self.jobs.get(key)) is not None:
            job.asked = False

    def _on_opened(self, message: m.Opened) -> None:
        if (job := self.jobs.get(message.job)) is not None:
            job.opened = True
            self._more_credit(message.job, job, message.credit)

    def _on_stored(self, message: m.Stored) -> None:
        job = self.jobs.get(message.job)
        if job is None:
            return
        job.opened = True
        if message.pages < job.stored:
            self._lost(message.job, f"{job.stored} pages, of which it has {message.pages}")
            return
        while job.pages and job.stored < message.pages:
            job.pages.popleft()
            job.stored += 1
        job.sent = max(job.sent, job.stored)
        self._more_credit(message.job, job, message.credit)

    def _on_closed(self, message: m.Closed) -> None:
        """The job, all its pages and its end are durable."""
        job = self.jobs.get(message.job)
        if job is not None and not job.closed and job.total is not None:
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
            if message.arrival > reader.newest:
                reader.newest, reader.run = message.arrival, message.run
            self.out.append(c.Deliver(message, payload))

    def _on_argument(self, message: m.Argument, payload: bytes) -> None:
        if (job := self.jobs.get(message.job)) is not None:
            for index in [i for i in job.fetching if message.first <= i < message.first + message.count]:
                del job.fetching[index]
        self.out.append(c.DeliverArguments(message, payload))

    def _on_refused(self, message: m.Refused, payload: bytes, now: float) -> None:
        if message.code in ("replaced", "roster"):
            return
        if message.fatal:
            self.line.end()
        if message.about in self._asked:
            self._answer(message.about, message)
        job = self.jobs.get(message.about)
        if job is not None and self._waits_for_room(job, message, now):
            return
        if job is not None and message.code == "lost":
            self._cannot_be_completed(message.about, job)
        if job is not None or message.fatal:
            self.out.append(c.Failed(message.about, message.code, plain(message.reason, 2000), payload))

    def _waits_for_room(self, job: Job, message: m.Refused, now: float) -> bool:
        """Whether what was refused will be said again: the broker has no room now (and so does not know what followed
        either)."""
        if message.code == "busy":
            job.again_at = now + BUSY_SECONDS
            self.out.append(c.Blocked(message.about, plain(message.reason)))
        return message.code == "busy" or (job.again_at is not None and message.code in ("unknown job", "lost"))

    def _lost(self, key: bytes, what: str) -> None:
        """The broker does not have what it acknowledged: a power cut, or an older copy of its store."""
        reason = f"the broker has lost what it had acknowledged of job {key.hex()[:8]}: {what}"
        self.out.append(c.Failed(key, "lost", reason))
        self._cannot_be_completed(key, self.jobs[key])

    def _cannot_be_completed(self, key: bytes, job: Job) -> None:
        """Some of it is no longer here nor there: nobody is to wait for the rest."""
        if job.open is not None and not job.cancelled:
            job.cancelled = True
            self._say(m.Cancel(key))

    def _answer(self, about: bytes, message: Message) -> None:
        if self._asked.pop(about, None) is not None:
            self.out.append(c.Answer(about, message))

    # -- sending -------------------------------------------------------------------------------------------------

    def _send_open(self, key: bytes, job: Job) -> None:
        if job.open is None or job.told or self.line.welcome is None or self._blobs.missing(job.open.message.blobs):
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
            if self._blobs.missing(page.message.blobs):
                return
            self._say(page.message, page.payload)
            job.sent += 1
            job.close_sent = job.close_sent or page.message.last
        if job.total is not None and job.sent == job.added and not job.close_sent and not job.closed:
            assert job.open is not None
            job.close_sent = True
            self._say(m.Close(job.open.message.job, job.total))

    def _want_blobs(self, blobs: list[bytes]) -> None:
        self.out.extend(map(peer.SendBlob, self._blobs.want(blobs)))

    # -- time ----------------------------------------------------------------------------------------------------

    def _on_time(self, now: float) -> None:
        asked = self.line.look(now)
        if asked == "silent":
            self.out.append(peer.Reconnect())
        elif asked == "beat":
            self._say(m.Beat())
        for key, job in self.jobs.items():
            if job.again_at is not None and now >= job.again_at:
                job.again_at, job.told, job.sent, job.close_sent = None, job.opened, job.stored, False
                self._send_open(key, job)
                self._send_pages(job)

    def _say(self, message: Message, payload: bytes = b"") -> None:
        if self.line.welcome is not None:
            self.out.append(peer.Say(message, payload))
