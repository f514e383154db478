"""The client's I/O thread: the machine, the link, and those who wait for what comes.

Any thread may `post` an event or a call; the I/O thread takes it, carries out the machine's commands, and hands what
arrives to listeners (one per job). A listener's methods run in the I/O thread: they take a lock, note what came, wake
whoever waits.

Rules of this file: it decides nothing about jobs; it never runs the user's code.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import zmq

from raisin_core import link, peer
from raisin_core.client import commands as c
from raisin_core.client.machine import Client
from raisin_core.client.state import Me
from raisin_core.identity.keys import Keys
from raisin_core.messages import Argument, Chunk, Have, Message, Progress, Result
from raisin_core.transfers import Memory, Said, Transfers

RETRY_SECONDS: Final = 1.0


class Listener(Protocol):
    """Whoever waits for news of a job."""

    def on_result(self, message: Result, payload: bytes) -> None: ...

    def on_arguments(self, message: Argument, payload: bytes) -> None: ...

    def on_accepted(self, news: c.Accepted) -> None: ...

    def on_progress(self, progress: Progress) -> None: ...

    def on_described(self, news: c.Describes) -> None: ...

    def on_printed(self, news: c.Printed) -> None: ...

    def on_failed(self, news: c.Failed) -> None: ...

    def on_blocked(self, news: c.Blocked) -> None: ...


class Keeper(Protocol):
    """Whoever keeps this machine's place in a cluster: see belonging.Belonging."""

    @property
    def version(self) -> int: ...

    @property
    def book(self) -> bytes: ...

    @property
    def addresses(self) -> Sequence[str]: ...

    def refresh(self) -> bool: ...

    @property
    def removed(self) -> str:
        """What to say when this machine does not belong any more."""
        ...

    def adopt(self, book: bytes) -> bool:
        """Take a newer roster from the broker; False if it is one without this machine."""
        ...

    def not_admitted(self, detail: str) -> None:
        """The broker does not let this machine in; it may later."""
        ...


class Session:
    """One connection to a broker, kept up by a thread of its own."""

    def __init__(
        self, me: Me, address: str | Sequence[str], broker_key: bytes, keys: Keys, keeper: Keeper | None = None
    ) -> None:
        """Raises ValueError if it is no address, or none of several is."""
        self.pid = os.getpid()
        self.problem: link.HandshakeFailed | None = None
        self.refusal: c.Failed | None = None
        self.greeted = threading.Event()
        self.changed = threading.Condition()
        self.lost_at: float | None = time.monotonic()
        self._machine = Client(me)
        self._listeners: dict[bytes, Listener] = {}
        self._blobs: dict[bytes, bytes] = {}
        self._asked: dict[bytes, list[Callable[[Message], None]]] = {}
        self._transfers = Transfers()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._keeper = keeper
        try:
            self._link = link.Link(self._context, address, broker_key, keys)
        except ValueError:
            self._context.term()
            raise
        self._inbox: deque[c.Event | Callable[[], None]] = deque()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._ending = False
        self._retry_at: float | None = None
        self._hold()
        self._thread = threading.Thread(target=self._main, name="raisin", daemon=True)
        self._thread.start()

    # -- any thread ----------------------------------------------------------------------------------------------

    def post(self, *events: c.Event | Callable[[], None], soon: bool = True) -> None:
        """Hand events to the machine, or calls to the I/O thread, in this order; with `soon` off, they go with what
        comes next, or within a second. (To wake the I/O thread costs more than to send a message.)"""
        self._inbox.extend(events)
        if soon:
            self.wake()

    def wake(self) -> None:
        """Let the I/O thread see what was posted."""
        try:
            self._wake.send(b"\0")
        except OSError:
            return  # it is awake, or the session is over

    def listen(self, job: bytes, listener: Listener) -> None:
        """News of this job go there."""
        self._listeners[job] = listener

    def unlisten(self, job: bytes) -> None:
        """No more news of this job."""
        self._listeners.pop(job, None)

    def add_blobs(self, blobs: dict[bytes, bytes]) -> None:
        """Keep these until the broker has them."""
        self._blobs.update(blobs)

    def fetch_blob(self, digest: bytes, done: Callable[[bytes | None], None]) -> None:
        """Get a blob; `done` is called in the I/O thread, with None if the broker does not have it."""
        self.post(lambda: self._send_all(self._transfers.fetch(digest, Memory(done))))

    def ask(self, about: bytes, message: Message, done: Callable[[Message], None]) -> None:
        """Put a question about a job (or all: empty); `done` gets the answer in the I/O thread (Refused, too)."""
        self.post(lambda: self._asked.setdefault(about, []).append(done), c.Ask(about, message))

    @property
    def address(self) -> str:
        """Where the broker is, or may be."""
        return self._link.address

    @property
    def settled(self) -> bool:
        """Whether the broker has acknowledged all that was submitted."""
        return not self._inbox and self._machine.settled()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and self.pid == os.getpid()

    def close(self, timeout: float = 2.0) -> None:
        """Say goodbye and end the thread; waits for it at most `timeout` seconds."""
        self._ending = True
        self.post(c.Leave())
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def abandon(self) -> None:
        """In a forked child: the sockets are the parent's, so forget them without touching them."""
        self._inbox.clear()
        self._listeners.clear()

    # -- the I/O thread ------------------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            self._loop()
        except Exception as error:  # a mistake of ours: whoever waits must hear of it rather than wait for ever
            self._on_failed(c.Failed(b"", "malformed", f"raisin's own thread failed: {error!r}"))
            raise
        finally:
            self._link.close(linger_ms=200)
            self._context.term()
            self._wake.close()
            self._woken.close()
            with self.changed:
                self.changed.notify_all()

    def _loop(self) -> None:
        poller = zmq.Poller()
        poller.register(self._woken, zmq.POLLIN)
        polled: list[zmq.Socket[bytes]] = []
        running = True
        while running:
            if polled is not (now := self._link.sockets()):
                for old in polled:
                    poller.unregister(old)
                for new in now:
                    poller.register(new, zmq.POLLIN)
                polled = now
            ready = poller.poll(self._patience())
            if any(each == self._woken.fileno() or each is self._woken for each, _ in ready):
                self._drain_wake()
            running = self._turn()
            self._link.flush()

    def _turn(self) -> bool:
        if self._retry_at is not None and time.monotonic() >= self._retry_at:
            self._retry_at = None
            self._link.reset()
        for event in self._link.read():
            self._on_link(event)
        while self._inbox:
            posted = self._inbox.popleft()
            if isinstance(posted, c.Leave):
                self._handle(posted)
                return False
            if callable(posted):
                posted()
            else:
                self._handle(posted)
        self._handle(peer.Tick())
        self._send_all(self._transfers.look(time.monotonic()))
        return True

    def _on_link(self, event: link.LinkEvent) -> None:
        match event:
            case peer.Received():
                if isinstance(event.message, Have):
                    self._on_have(event.message)
                elif isinstance(event.message, Chunk):
                    said, _ = self._transfers.on_chunk(event.message, event.payload)
                    self._send_all(said)
                else:
                    self._handle(peer.Received(event.message, event.payload))
            case peer.Connected():
                self._note(problem=None)
                if self._keeper is not None and self._keeper.refresh():
                    self._hold()
                self._handle(peer.Connected())
            case peer.Disconnected():
                self._lost()
                self._handle(peer.Disconnected())
            case link.BulkLost():
                self._send_all(self._transfers.restart())
            case link.HandshakeFailed():
                self._note(problem=event)
                if event.reason == "refused" and self._keeper is not None:
                    self._keeper.not_admitted(event.detail)
                if event.over:
                    self._retry_at = time.monotonic() + RETRY_SECONDS
            case link.Garbled():
                failed = c.Failed(b"", "version" if event.version >= 0 else "malformed", event.reason)
                self._carry_out(failed)

    def _handle(self, event: c.Event) -> None:
        for command in self._machine.handle(event, time.monotonic()):
            self._carry_out(command)

    def _carry_out(self, command: c.Command) -> None:
        match command:
            case peer.Say():
                self._link.post(command.message, command.payload)
            case c.Deliver():
                self._tell(command.message.job, lambda who: who.on_result(command.message, command.payload))
            case c.Accepted():
                self._tell(command.job, lambda who: who.on_accepted(command))
            case c.Stands():
                self._tell(command.progress.job, lambda who: who.on_progress(command.progress))
            case c.DeliverArguments():
                self._tell(command.message.job, lambda who: who.on_arguments(command.message, command.payload))
            case c.Printed():
                self._tell(command.job, lambda who: who.on_printed(command))
            case c.Describes():
                self._tell(command.job, lambda who: who.on_described(command))
            case c.Failed():
                self._on_failed(command)
            case c.Blocked():
                self._tell(command.job, lambda who: who.on_blocked(command))
            case c.Answer():
                for done in self._asked.pop(command.about, ()):
                    done(command.message)
            case peer.SendBlob():
                self._send_blob(command.digest)
            case c.Greeted():
                self._on_greeted()
            case c.Adopt():
                self._on_roster(command.book)
            case peer.Reconnect():
                self._lost()
                self._link.reset()
            case peer.Exit():
                pass

    def _tell(self, job: bytes, news: Callable[[Listener], None]) -> None:
        listener = self._listeners.get(job)
        if listener is not None:
            news(listener)

    def _on_failed(self, failed: c.Failed) -> None:
        if failed.job:
            self._tell(failed.job, lambda who: who.on_failed(failed))
            return
        if failed.code == "member" and self._keeper is not None:
            failed = c.Failed(b"", "member", self._keeper.removed)
        self.refusal = failed
        self._lost()
        if failed.code == "member":
            self._retry_at = time.monotonic() + RETRY_SECONDS  # the gate tells when we are admitted again
        with self.changed:
            self.changed.notify_all()
        for listener in list(self._listeners.values()):
            listener.on_failed(failed)

    def _on_roster(self, book: bytes) -> None:
        """What follows may be sealed with a key of this roster, so it is taken before anything else is read."""
        if self._keeper is None:
            return
        if not self._keeper.adopt(book):
            self._on_failed(c.Failed(b"", "member", self._keeper.removed))
        self._hold()

    def _hold(self) -> None:
        """The machine tells the broker which roster is known here; the link looks for the broker where it says."""
        if self._keeper is not None:
            self._handle(c.Holds(self._keeper.version, self._keeper.book))
            if self._keeper.addresses:
                self._link.move(self._keeper.addresses)

    def _on_greeted(self) -> None:
        self.lost_at = None
        self.refusal = None
        self.greeted.set()
        with self.changed:
            self.changed.notify_all()
        self._send_all(self._transfers.restart())

    def _lost(self) -> None:
        if self.lost_at is None:
            self.lost_at = time.monotonic()
        self.greeted.clear()

    def _note(self, problem: link.HandshakeFailed | None) -> None:
        with self.changed:
            self.problem = problem
            self.changed.notify_all()

    def _send_blob(self, digest: bytes) -> None:
        data = self._blobs[digest]
        self._send_all(self._transfers.send(digest, len(data), lambda at, length: data[at : at + length]))

    def _on_have(self, message: Have) -> None:
        said, complete = self._transfers.on_have(message)
        self._send_all(said)
        if complete:
            self._blobs.pop(message.digest, None)
            self._handle(peer.BlobThere(message.digest))

    def _send_all(self, said: list[Said]) -> None:
        for message, payload in said:
            self._link.send(message, payload)

    def _patience(self) -> int:
        """Milliseconds until something must be looked at."""
        times = [self._machine.next_deadline(), self._retry_at]
        deadline = min((each for each in times if each is not None), default=None)
        wait = 1.0 if deadline is None else min(1.0, deadline - time.monotonic())
        return max(0, int(wait * 1000 + 0.999))

    def _drain_wake(self) -> None:
        try:
            while self._woken.recv(4096):
                pass
        except OSError:
            pass
