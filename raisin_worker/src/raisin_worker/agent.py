"""The worker's loop: the only place where it touches sockets, task processes and clock.

It waits until the broker or a task process says something, hands every event to the machine, and carries out its
commands in their order. What comes out of task processes is opaque to it.

With a profile it works for the members of a cluster: what it takes is sealed and signed, and so is what it gives
(`sealing`). Without one it belongs to whoever runs its broker, and nothing is sealed.

Rules of this file: no decision about leases is made here.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final

import zmq

from raisin_core import home, link, logs, peer
from raisin_core import transfers as t
from raisin_core.errors import DirectoryBusy, SealError
from raisin_core.identity import keys
from raisin_core.identity.roster import line_to_add
from raisin_core.messages import Argument, Chunk, Function, Have, Refused, Roster, Welcome
from raisin_worker import commands as c
from raisin_worker.belonging import Addresses, Belonging
from raisin_worker.blobs import Blobs
from raisin_worker.environment import kept
from raisin_worker.events import Died, Outcome, SlotEvent
from raisin_worker.executor import Executor
from raisin_worker.frames import FrameError
from raisin_worker.machine import Me, Worker
from raisin_worker.sealing import Desk
from raisin_worker.settings import Settings as Settings

LIVES: Final = 8
RETRY_SECONDS: Final = 1.0
REMOVED_SECONDS: Final = 30.0
PATIENCE: Final = 3.0
"""Seconds that a broker may take to answer before anybody is told; both may just have been started."""


def _emptied(path: Path) -> Path:
    """A private directory without what a former life left in it."""
    shutil.rmtree(path, ignore_errors=True)
    return home.private_directory(path)


class Agent:
    """A running worker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        directory = home.private_directory(settings.directory)
        self._lock = home.Lock(directory / "worker.lock")
        if not self._lock.acquire(blocking=False):
            raise DirectoryBusy(f"another worker is running with {directory}; stop it, or choose another with --data")
        self.log = logs.setup("worker", directory, settings.verbose)
        self._belonging = None if settings.profile is None else Belonging(settings.profile, self.log)
        blobs, self._scratch = (_emptied(directory / name) for name in ("blobs", "scratch"))
        self._desk: Desk | None = None
        if self._belonging is None:
            self.keys, _ = keys.load_or_make(directory / "worker.key")
            self.machine = Worker(self._me(directory))
            self._blobs = Blobs(blobs, self.log)
            self._addresses = Addresses(lambda: [settings.broker])
        else:
            profile = self._belonging.profile
            self.keys = profile.secrets.curve
            self.machine = Worker(self._me(directory), self._belonging.membership())
            self._blobs = Blobs(blobs, self.log, profile.sealer())
            self._desk = Desk(profile.sealer(), self._blobs)
            self._addresses = Addresses(lambda: profile.addresses)
        self._environment = None if settings.profile is None else kept(os.environ)
        self._executors: dict[int, Executor] = {}
        self._runs: dict[int, c.Run] = {}
        self._transfers = t.Transfers()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._link = self._dial()
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._exit: peer.Exit | None = None
        self._retry_at: float | None = None
        self._not_admitted = 0
        self._problem = ""
        self._since = time.monotonic()
        self._drain = self._hurry = False

    def _me(self, directory: Path) -> Me:
        """Who this is; the lock we hold proves that the instances before us are dead. (Several, because the last ones
        may have died before they could tell the broker whom they replaced.)"""
        instance, path = secrets.token_bytes(16), directory / "instance"
        lives = path.read_bytes() if path.exists() else b""
        before = [lives[at : at + 16] for at in range(0, len(lives) - 15, 16)][-LIVES:]
        home.write_private(path, b"".join([*before, instance]))
        settings = self.settings
        environment = "" if settings.contexts else settings.python
        return Me(
            instance, home.host_name(), os.getpid(), environment, settings.slots, before, eager=not settings.contexts
        )

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> str:
        """Work until a signal or the broker ends it; gives the reason if that is an error, else an empty text."""
        self.catch_signals()
        self.handle(peer.Tick())
        try:
            while self._exit is None:
                self.turn()
            return self._exit.reason
        finally:
            self.close()

    def turn(self) -> None:
        """Wait until something happens (a second at most), and see to it."""
        self._wait()
        self._see_to_it()

    def handle(self, event: c.Event) -> None:
        """Hand an event to the machine and carry out what it says."""
        for command in self.machine.handle(event, time.monotonic(), time.time()):
            self._carry_out(command)

    def close(self) -> None:
        """End the task processes with all they started, and the connection after the last word is said."""
        signal.set_wakeup_fd(-1)
        for executor in self._executors.values():
            executor.kill()
        self._link.flush()
        self._link.close(linger_ms=500)
        self._context.term()
        self._wake.close()
        self._woken.close()
        self._lock.release()

    def _wait(self) -> None:
        polled: list[tuple[Any, int]] = [(each, zmq.POLLIN) for each in (self._woken, *self._link.sockets())]
        for executor in self._executors.values():
            for fd in executor.fds():
                writes = executor.wants_write() and fd == executor.fileno()
                polled.append((fd, zmq.POLLIN | zmq.POLLOUT if writes else zmq.POLLIN))
        zmq.zmq_poll(polled, self._patience())

    def _see_to_it(self) -> None:
        for event in self._link.read():
            self._on_link(event)
        for slot, executor in list(self._executors.items()):
            executor.check_timeout(time.monotonic())
            for told in executor.read():
                self._on_slot(slot, executor, told)
        if self._drain:
            self._drain = False
            self.log.info("draining")
            self.handle(c.Drain(self._hurry))
        if self._retry_at is not None and time.monotonic() >= self._retry_at:
            self._retry_at = None
            self._link.close()
            self._link = self._dial()
        if self._belonging is not None and self._belonging.look(time.monotonic()):
            self.handle(c.Renewed(self._belonging.membership()))
        self.handle(peer.Tick())
        self._send_all(self._transfers.look(time.monotonic()))
        self._link.flush()

    def _patience(self) -> int:
        """Milliseconds until something must be looked at."""
        times = [self.machine.next_deadline(), self._retry_at]
        times += [executor.deadline() for executor in self._executors.values()]
        deadline = min((each for each in times if each is not None), default=None)
        wait = 1.0 if deadline is None else min(1.0, deadline - time.monotonic())
        return max(0, int(wait * 1000 + 0.999))

    # -- the broker ----------------------------------------------------------------------------------------------

    def _on_link(self, event: link.LinkEvent) -> None:
        match event:
            case peer.Received():
                self._on_received(event)
            case peer.Connected():
                self._since, self._not_admitted, self._retry_at = time.monotonic(), 0, None
                self._note("")
                self.handle(peer.Connected())
            case peer.Disconnected():
                self.log.warning("the connection to the broker is lost; trying again")
                self.handle(peer.Disconnected())
            case link.BulkLost():
                self._send_all(self._transfers.restart())
            case link.HandshakeFailed():
                self._on_handshake_failed(event)
            case link.Garbled():
                self.log.error("from the broker: %s", event.reason)

    def _on_received(self, event: peer.Received) -> None:
        if isinstance(event.message, Have):
            said, complete = self._transfers.on_have(event.message)
            self._send_all(said)
            if complete:
                self.handle(peer.BlobThere(event.message.digest))
        elif isinstance(event.message, Chunk):
            said, _ = self._transfers.on_chunk(event.message, event.payload)
            self._send_all(said)
        elif self._desk is not None and isinstance(event.message, (Argument, Function)):
            self.handle(self._desk.open(event.message, event.payload))
        else:
            if isinstance(event.message, Roster) and self._belonging is not None:
                self._adopt(self._belonging, event.payload)
            self.handle(peer.Received(event.message, event.payload))
            if isinstance(event.message, Welcome):
                self._send_all(self._transfers.restart())
            if isinstance(event.message, Refused) and event.message.code == "member":
                self._on_refused()

    def _adopt(self, belonging: Belonging, book: bytes) -> None:
        """At once: what comes next may be sealed with a newer key."""
        if belonging.adopt(book):
            self.log.info("roster %d", belonging.profile.standing.version)
            self.handle(c.Renewed(belonging.membership()))

    # -- connections that do not come about ----------------------------------------------------------------------

    def _dial(self) -> link.Link:
        profile = self.settings.profile
        key = self.settings.broker_key if profile is None else profile.broker_key
        return link.Link(self._context, self._addresses.current, key, self.keys)

    def _on_refused(self) -> None:
        """The gate will tell when we are admitted again."""
        wait = RETRY_SECONDS
        if self._belonging is not None:
            wait = REMOVED_SECONDS
            self._note(
                f"the broker of cluster {self._belonging.profile.name} does not admit this machine: it was removed, or "
                f"the broker does not know the newest roster; trying again every {wait:g} s"
            )
        self._retry_at = time.monotonic() + wait

    def _on_handshake_failed(self, event: link.HandshakeFailed) -> None:
        if event.reason != "refused":
            if event.reason != "silent" or time.monotonic() - self._since > PATIENCE:
                self._note(event.detail)
            self._try_another(event)
        elif self._belonging is None:
            line = line_to_add(self.keys.public.decode(), home.host_name(), "worker")
            self._note(f"the broker does not admit this worker yet; add to its roster.toml:\n{line}")
            self._retry_at = time.monotonic() + RETRY_SECONDS
        else:
            self._on_refused()
            self._not_admitted += 1
            if self._not_admitted == 1:  # whoever sits between could say so once: nothing is ended for that
                self._retry_at = time.monotonic() + RETRY_SECONDS
            else:
                self.handle(c.Removed())

    def _try_another(self, event: link.HandshakeFailed) -> None:
        """Go on to the next address; a pause after each round, and where there is only one."""
        if event.over or (not event.bulk and self._addresses.several() and self._retry_at is None):
            pause = RETRY_SECONDS if event.bulk or self._addresses.go_on() else 0.0
            self._retry_at = time.monotonic() + pause

    def _note(self, problem: str) -> None:
        """Say a problem once, when it begins."""
        if problem and problem != self._problem:
            print(f"raisin-worker: {problem}", file=sys.stderr, flush=True)  # noqa: T201
            self.log.warning("%s", problem)
        self._problem = problem

    # -- commands ------------------------------------------------------------------------------------------------

    def _carry_out(self, command: c.Command) -> None:
        match command:
            case peer.Say():
                said = command.message, command.payload
                self._link.post(*(said if self._desk is None else self._desk.cover(*said)))
            case c.Run():
                self._run(command)
            case c.Define():
                self._executors[command.slot].define(command.digest, command.payload)
            case c.StartSlot():
                self._start_slot(command)
            case c.EndSlot():
                self._end_slot(command.slot)
            case c.Refuse():
                self._refuse(command)
            case c.TrimSlot():
                stop = self._executors[command.slot].trim(command.stop)
                self.handle(c.SlotTrimmed(command.slot, command.lease, stop))
            case c.FetchBlob():
                self._fetch_blob(command.digest, command.name or command.digest)
            case peer.SendBlob():
                self._send_blob(command.digest)
            case peer.Reconnect():
                self.log.warning("the broker is silent; connecting anew")
                self._link.reset()
            case peer.Exit():
                self._exit = command

    def _run(self, command: c.Run) -> None:
        self._runs[command.slot] = command
        pieces = [(page.message.first, page.message.count, page.payload) for page in command.pages]
        executor = self._executors[command.slot]
        executor.run(command.job, command.function, command.start, command.stop, pieces, command.task_timeout)

    def _start_slot(self, command: c.StartSlot) -> None:
        self._end_slot(command.slot)
        given: dict[str, Any] = json.loads(command.payload) if command.payload and self.settings.contexts else {}
        cwd = given.get("cwd")
        try:
            self._executors[command.slot] = Executor(
                command.slot,
                given.get("python") or self.settings.python,
                Path(cwd) if cwd and Path(cwd).is_dir() else self._scratch,
                given.get("env", self._environment),
                given.get("path"),
                given.get("main"),
                self._blobs.directory,
                self._scratch,
            )
        except OSError as error:
            self.log.error("a task process does not start: %s", error)
            self.handle(Died(command.slot, -1, "crash", str(error)))

    def _end_slot(self, slot: int) -> None:
        if (old := self._executors.pop(slot, None)) is not None:
            old.kill()

    def _on_slot(self, slot: int, executor: Executor, event: SlotEvent) -> None:
        if self._executors.get(slot) is not executor:
            return  # replaced meanwhile: what it said belongs to a lease that is over
        if isinstance(event, Outcome) and self._desk is not None:
            event = self._sealed(self._desk, executor, event)
        if isinstance(event, Died):
            self.log.warning("task process %d: %s", slot, event.detail)
            del self._executors[slot]
        self.handle(event)

    def _sealed(self, desk: Desk, executor: Executor, event: Outcome) -> SlotEvent:
        try:
            return desk.seal(self._runs[event.slot], event)
        except (SealError, FrameError, OSError) as error:
            executor.kill()
            return Died(event.slot, -1, "crash", f"its results cannot be sealed: {error}")

    def _refuse(self, command: c.Refuse) -> None:
        self.log.warning("a lease of job %s is not run: %s", command.job.hex()[:8], command.reason)
        assert self._desk is not None
        try:
            for refusal in self._desk.refuse(command):
                self.handle(refusal)
        except SealError as error:
            self.log.error("that cannot even be said: %s", error)

    def _fetch_blob(self, digest: bytes, name: bytes) -> None:
        if self._blobs.has(name):
            self.handle(c.BlobHere(digest, name=name))
        else:
            sink = self._blobs.sink(digest, name, lambda found: self.handle(c.BlobHere(digest, found, name)))
            self._send_all(self._transfers.fetch(digest, sink))

    def _send_blob(self, digest: bytes) -> None:
        blobs = self._blobs
        self._send_all(
            self._transfers.send(digest, blobs.size(digest), lambda offset, length: blobs.read(digest, offset, length))
        )

    def _send_all(self, said: list[t.Said]) -> None:
        for message, payload in said:
            self._link.send(message, payload)

    def catch_signals(self) -> None:
        """From now on a signal drains: it wakes the poll through a socket. A second one ends at once. `run` does this,
        too."""
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        if self._drain or self.machine.draining_since is not None:
            self._hurry = True
        self._drain = True
