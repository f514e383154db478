"""The worker's loop: the only place where it touches sockets, task processes and clock.

It waits until the broker or a task process says something, hands every event to the machine, and carries out its
commands in their order. What comes out of task processes is opaque to it.

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

import msgspec
import zmq

from raisin_core import home, link, logs, peer
from raisin_core import transfers as t
from raisin_core.errors import DirectoryBusy
from raisin_core.identity import keys
from raisin_core.identity.roster import line_to_add
from raisin_core.identity.sealing import Context, NullSealer
from raisin_core.messages import Chunk, Have, Refused, Welcome
from raisin_worker import commands as c
from raisin_worker.events import Died, Outcome, SlotEvent
from raisin_worker.executor import Executor
from raisin_worker.machine import Me, Worker

LIVES: Final = 8
RETRY_SECONDS: Final = 1.0
PATIENCE: Final = 3.0
"""Seconds that a broker may take to answer before anybody is told; both may just have been started."""


class Settings(msgspec.Struct, frozen=True):
    """What a worker is told at its start. `contexts`: it runs tasks in the submitting clients' own interpreter,
    directory and environment (embedded cluster: all are one user's on one machine)."""

    broker: str
    broker_key: bytes
    directory: Path
    slots: int
    python: str = sys.executable
    contexts: bool = False
    verbose: bool = False


class FileSink:
    """A blob on its way into the blob directory; it appears whole or not at all."""

    def __init__(self, path: Path, agent: Agent, digest: bytes) -> None:
        self._path, self._agent, self._digest = path, agent, digest
        self._part = path.with_name(f".{path.name}.part")
        self._file = open(self._part, "wb")  # noqa: SIM115 - closed in finish

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def finish(self, good: bool) -> None:
        self._file.close()
        if good:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)
        self._agent.handle(c.BlobHere(self._digest, good))


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
        self.keys, self.new_keys = keys.load_or_make(directory / "worker.key")
        self._blobs, self._scratch = (_emptied(directory / name) for name in ("blobs", "scratch"))
        self.machine = Worker(self._me(directory))
        self._sealer = NullSealer()
        self._executors: dict[int, Executor] = {}
        self._transfers = t.Transfers()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._link = link.Link(self._context, settings.broker, settings.broker_key, self.keys)
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._exit: peer.Exit | None = None
        self._retry_at: float | None = None
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
                self._wait()
                self._turn()
            return self._exit.reason
        finally:
            self.close()

    def handle(self, event: c.Event) -> None:
        """Hand an event to the machine and carry out what it says."""
        for command in self.machine.handle(event, time.monotonic()):
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

    def _turn(self) -> None:
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
            self._link.reset()
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
                self._since = time.monotonic()
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
        else:
            self.handle(peer.Received(event.message, event.payload))
            if isinstance(event.message, Welcome):
                self._send_all(self._transfers.restart())
            if isinstance(event.message, Refused) and event.message.code == "member":
                self._retry_at = time.monotonic() + RETRY_SECONDS  # the gate tells when we are admitted again

    def _on_handshake_failed(self, event: link.HandshakeFailed) -> None:
        if event.reason == "refused":
            line = line_to_add(self.keys.public.decode(), home.host_name(), "worker")
            self._note(f"the broker does not admit this worker yet; add to its roster.toml:\n{line}")
        elif event.reason != "silent" or time.monotonic() - self._since > PATIENCE:
            self._note(event.detail)
        if event.over:
            self._retry_at = time.monotonic() + RETRY_SECONDS

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
                self._link.post(command.message, command.payload)
            case c.Run():
                self._run(command)
            case c.Define():
                context = Context("function", b"", 0, 0)
                self._executors[command.slot].define(command.digest, self._sealer.open(command.payload, context))
            case c.StartSlot():
                self._start_slot(command)
            case c.TrimSlot():
                stop = self._executors[command.slot].trim(command.stop)
                self.handle(c.SlotTrimmed(command.slot, command.lease, stop))
            case c.FetchBlob():
                self._fetch_blob(command.digest)
            case peer.SendBlob():
                self._send_blob(command.digest)
            case peer.Reconnect():
                self.log.warning("the broker is silent; connecting anew")
                self._link.reset()
            case peer.Exit():
                self._exit = command

    def _run(self, command: c.Run) -> None:
        pieces = []
        for page in command.pages:
            message = page.message
            context = Context("arguments", command.job, message.first, message.count)
            pieces.append((message.first, message.count, self._sealer.open(page.payload, context)))
        executor = self._executors[command.slot]
        executor.run(command.job, command.function, command.start, command.stop, pieces, command.task_timeout)

    def _start_slot(self, command: c.StartSlot) -> None:
        old = self._executors.pop(command.slot, None)
        if old is not None:
            old.kill()
        given: dict[str, Any] = json.loads(command.payload) if command.payload and self.settings.contexts else {}
        cwd = given.get("cwd")
        try:
            self._executors[command.slot] = Executor(
                command.slot,
                given.get("python") or self.settings.python,
                Path(cwd) if cwd and Path(cwd).is_dir() else self._scratch,
                given.get("env"),
                given.get("path"),
                given.get("main"),
                self._blobs,
                self._scratch,
            )
        except OSError as error:
            self.log.error("a task process does not start: %s", error)
            self.handle(Died(command.slot, -1, "crash", str(error)))

    def _on_slot(self, slot: int, executor: Executor, event: SlotEvent) -> None:
        if self._executors.get(slot) is not executor:
            return  # replaced meanwhile: what it said belongs to a lease that is over
        if isinstance(event, Died):
            self.log.warning("task process %d: %s", slot, event.detail)
            del self._executors[slot]
        elif isinstance(event, Outcome):
            event = self._sealed(event)
        self.handle(event)

    def _sealed(self, event: Outcome) -> Outcome:
        payload = self._sealer.seal(event.payload, Context("results", b"", event.start, event.stop - event.start))
        return msgspec.structs.replace(event, payload=payload)

    def _fetch_blob(self, digest: bytes) -> None:
        path = self._blobs / digest.hex()
        if path.exists():
            self.handle(c.BlobHere(digest))
        else:
            self._send_all(self._transfers.fetch(digest, FileSink(path, self, digest)))

    def _send_blob(self, digest: bytes) -> None:
        path = self._blobs / digest.hex()

        def read(offset: int, length: int) -> bytes:
            with open(path, "rb") as file:
                file.seek(offset)
                return file.read(length)

        self._send_all(self._transfers.send(digest, path.stat().st_size, read))

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
