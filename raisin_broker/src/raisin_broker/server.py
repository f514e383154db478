"""The broker's loop: the only place where it touches sockets, store, roster and clock.

A turn: wait until something arrives or a deadline comes; let the gate answer; hand every message that has arrived to
the machine;
end the turn (work is given out, records are staged and committed in one transaction); carry blobs; look at the roster.
Commands are carried out in the order the machine gave them, so nothing is said before it may be.

Rules of this file: no decision about jobs, leases or sessions is made here.
"""

from __future__ import annotations

import os
import signal
import socket as net
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import zmq

from raisin_broker import charter, gate
from raisin_broker.belonging import RosterChanged
from raisin_broker.bulk import Bulk
from raisin_broker.housekeeping import Housekeeper
from raisin_broker.limits import Rate, Shares
from raisin_broker.machine import (
    Arrived,
    Broker,
    CommitFailed,
    Committed,
    Event,
    Garbled,
    Remembered,
    StopAsked,
    TurnEnded,
    Unreachable,
)
from raisin_broker.outbox import Ask, Command, Commit, Recall, Send, Stage, Stop
from raisin_broker.peers import Timing
from raisin_broker.retention import Keep
from raisin_broker.state import Instant, Member
from raisin_broker.store.base import Durability
from raisin_broker.store.sql import SqlStore
from raisin_broker.store.sweeping import Uploads
from raisin_broker.wording import remembered, worded
from raisin_core import envelope, home, logs
from raisin_core.errors import DirectoryBusy, StoreError
from raisin_core.identity import keys
from raisin_core.identity.roster import RosterFile, line_to_add
from raisin_core.interfaces import own_addresses

DRAIN_LIMIT: Final = 1000
ROSTER_SECONDS: Final = 0.5


class Settings(msgspec.Struct, frozen=True):
    """Where a broker keeps its things and listens, how patient it is, what its commits survive, how long it keeps."""

    directory: Path
    listen: str = gate.DEFAULT_LISTEN
    timing: Timing = Timing()
    verbose: bool = False
    durability: Durability = "process"
    keep: Keep = Keep()


class Server:
    """A running broker. `address` and `key` are what others need to connect."""

    def __init__(self, settings: Settings) -> None:
        directory = home.private_directory(settings.directory)
        self._lock = home.Lock(directory / "broker.lock")
        if not self._lock.acquire(blocking=False):
            raise DirectoryBusy(f"another broker is running on {directory}; stop it, or choose another with --data")
        self.log = logs.setup("broker", directory, settings.verbose)
        own, _ = keys.load_or_make(directory / "broker.key")
        self.roster = RosterFile(directory / "roster.toml")
        self.key, self.keys = own.public.decode(), own
        self.charter = charter.opened(directory, own, not self.roster.current().members, self._relieve)
        self.store = SqlStore(directory / "raisin.db", durability=settings.durability)
        self.blobs = Uploads(directory / "blobs")
        self._open_sockets(own, settings.listen)
        stored = self.store.start()
        self.machine = Broker(stored, self._now(), settings.timing, settings.keep)
        self.house = Housekeeper(directory, self.store, self.blobs, self.log, settings.keep.most, self._clients)
        self._roster_at = 0.0
        self._told: RosterChanged | None = None
        self._stopping = False
        self._bundles: dict[bytes, envelope.Bundle] = {}
        self._shares, self._noted = Shares(), Rate(burst=20, each_second=0.1)
        self._look_at_roster()
        if self.charter.closed and self.roster.current().members:
            self.log.warning("%s is not used: this broker's cluster has a signed roster", self.roster.path)
        self.log.info("run %d, %d jobs, listening on %s, key %s", stored.run, len(stored.jobs), self.address, self.key)

    def _open_sockets(self, own: keys.Keys, listen: str) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.gate = gate.Gate(self.context, self._doors)
        self.control = self.context.socket(zmq.ROUTER)
        bulk = self.context.socket(zmq.ROUTER)
        for each in (self.control, bulk):
            gate.serve_curve(each, own)
        self.address = gate.bind_pair(self.control, bulk, listen)
        self.bulk = Bulk(bulk, self.blobs, self._admits)
        self._wake, self._woken = net.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until a signal (SIGTERM, SIGINT) or `stop`; then end in good order."""
        self.catch_signals()
        poller = zmq.Poller()
        for each in (self.gate.socket, self.control, self.bulk.socket, self._woken):
            poller.register(each, zmq.POLLIN)
        try:
            while not self._stopping:
                ready = dict(poller.poll(self._patience()))
                if self.gate.socket in ready:
                    self._ask_gate()
                self._turn()
                if self.bulk.socket in ready:
                    self.bulk.handle()
                self._look_at_roster()
                if (room := self.house.look(time.monotonic())) is not None:
                    self._handle(room)
            self._farewell()
        finally:
            self.close()

    def stop(self) -> None:
        """End the loop after this turn; may be called from a signal handler."""
        self._stopping = True

    def close(self) -> None:
        """Close everything; what was committed stays."""
        signal.set_wakeup_fd(-1)
        self.gate.close()
        for each in (self.control, self.bulk.socket):
            each.close(linger=200)
        self.context.term()
        self.house.close()
        self.store.close()
        self._wake.close()
        self._woken.close()
        if self.address.startswith("ipc://"):
            for path in (self.address[6:], self.address[6:] + ".bulk"):
                Path(path).unlink(missing_ok=True)
        self._lock.release()

    def _ask_gate(self) -> None:
        """Without a gate nobody gets in: then it is better to end, and be started again."""
        try:
            self.gate.handle()
        except Exception as error:
            raise gate.GateFailed(f"the gate failed: {error}") from error
        if self.gate.socket.closed:
            raise gate.GateFailed("the gate is closed")
        self._roster_at = 0.0  # whom it has let in must be known when they say Hello
        self._look_at_roster()

    def _turn(self) -> None:
        self._shares.begin()
        for _ in range(DRAIN_LIMIT):
            try:
                frames = self.control.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            if self._arrived(frames):
                break
        self._handle(TurnEnded())
        self._flush()

    def _arrived(self, frames: list[zmq.Frame]) -> bool:
        """Hand over what was received; whether its sender has had its share of this turn."""
        began = time.perf_counter()
        route, last = frames[0].bytes, frames[-1]
        key = str(last.get("User-Id"))
        malformed, persists = 0, self.machine.peers.persists(route)
        if self.gate.broken_off(route):
            return self._shares.note(key, 0.0, 1)
        if last.get("Identity"):  # libzmq names connections; whoever chooses a name means no good
            self._note(key, "barred: it chose its own routing id")
            self.gate.hang_up(route, last)
            return self._shares.note(key, 0.0, 1)
        for found in envelope.decode_frames(frames[1:]):
            if isinstance(found, envelope.Malformed):
                malformed += 1
                self._note(key, found.reason)
                self._handle(Garbled(route, found.reason, found.version))
            else:
                self._handle(Arrived(route, key, *found))
        if malformed and persists:
            self.gate.hang_up(route, last)
        return self._shares.note(key, time.perf_counter() - began, malformed)

    def _note(self, key: str, what: str) -> None:
        """Log what a member does wrong; not all of it, if it is much."""
        if self._noted.admits(key, time.monotonic()):
            self.log.warning("from key %s: %s", key, what)

    def _handle(self, event: Event) -> None:
        for command in self.machine.handle(event, self._now()):
            self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        match command:
            case Send():
                self._send(command)
            case Stage():
                self.store.stage(command.batch, command.records)
            case Commit():
                self._flush()  # nothing that may be said at once waits for the disk
                self._commit(command.batch)
            case Recall():
                found = remembered(command, self.store)
                self._handle(Remembered(command.job, command.number, found))
            case Ask():
                self._handle(self._judged(command))
            case Stop():
                self._stopping = True

    def _judged(self, ask: Ask) -> Event:
        answer = self.charter.answer(ask, time.time())
        if isinstance(answer, RosterChanged):
            self.log.info("roster %d of %s: %d members", answer.version, answer.cluster, len(answer.members))
        return answer

    def _commit(self, batch: int) -> None:
        try:
            try:
                self.store.commit(batch)
            except StoreError as error:
                if not self.house.relieve(error):
                    raise
                self.store.commit(batch)
        except StoreError as error:
            self.log.error("not committed, trying again: %s", error)
            self._handle(CommitFailed(batch, str(error)))
        else:
            self._handle(Committed(batch))

    def _send(self, command: Send) -> None:
        said = worded(command, self.store)
        if said is None:
            self.log.error("a payload is missing from the store: %s", command.payload)
            return
        bundle = self._bundles.setdefault(command.route, envelope.Bundle())
        bundle.add(*said)
        if bundle.full:
            self._flush()

    def _flush(self) -> None:
        """Send what has gathered, one bundle per peer."""
        while self._bundles:
            route, bundle = self._bundles.popitem()
            try:
                self.control.send_multipart([route, *bundle.take()], zmq.NOBLOCK)
            except zmq.ZMQError:
                self._handle(Unreachable(route))

    # -- the world around ----------------------------------------------------------------------------------------

    def _patience(self) -> int:
        """Milliseconds until something must be looked at."""
        deadline = self.machine.next_deadline()
        wait = ROSTER_SECONDS if deadline is None else min(ROSTER_SECONDS, max(0.0, deadline - time.monotonic()))
        return 0 if self.house.busy else int(wait * 1000 + 0.999)

    def _now(self) -> Instant:
        return Instant(time.monotonic(), time.time())

    def _look_at_roster(self) -> None:
        now = time.monotonic()
        if now < self._roster_at:
            return
        self._roster_at = now + ROSTER_SECONDS
        changed = self._as_it_is()
        if changed is not None and changed != self._told:
            self._told = changed
            self._handle(changed)
        if self.roster.problem:
            self.log.error("%s", self.roster.problem)
        for key, address in self.gate.refused():
            if key and self.charter.closed:
                self.log.warning("refused %s (%s): no member of this cluster has this key", key, address)
            elif key:
                self.log.warning("refused %s (%s); to admit it:\n%s", key, address, line_to_add(key, "NAME", "worker"))

    def _as_it_is(self) -> RosterChanged | None:
        """Who belongs, as far as the machine is not told at once: by the book at the start, by roster.toml where there
        is none; by that nobody else founds a cluster."""
        if self.charter.closed:
            return None if self._told is not None else self.charter.as_it_is()
        known = self.roster.current().members
        members = {key.decode(): Member(it.name, it.roles, it.account) for key, it in known.items()}
        return RosterChanged(members) if members else self.charter.as_it_is()

    def _doors(self) -> Mapping[bytes, object]:
        """Whom the gate lets in."""
        if not self.charter.closed and (members := self.roster.current().members):
            return members
        return self.charter.membership.doors

    def _relieve(self, error: OSError) -> bool:
        """Whether there may be room on the disk now."""
        return self.house.relieve(StoreError(str(error)))

    def _admits(self, key: str) -> bool:
        """Whether blobs are for this member, who is answered next."""
        self.blobs.who = key
        return key in self.machine.state.members

    def _clients(self) -> set[str]:
        return {session.key for session in self.machine.state.sessions.values() if session.role == "client"}

    def _farewell(self) -> None:
        self.log.info("stopping")
        self._handle(StopAsked())
        self._handle(TurnEnded())
        self._flush()

    def catch_signals(self) -> None:
        """From now on a signal ends the loop, at once: it wakes the poll through a socket. `run` does this, too."""
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())

    def announce(self) -> str:
        """The line that says where it is; while it serves no cluster, a second one says how to found one here. That
        one is secret: it is for whoever sees the terminal."""
        data = self.roster.path.parent
        line = f"raisin-broker: listening on {self.address}, key {self.key}, data {data}, pid {os.getpid()}"
        if not self.charter.membership.claim:
            return line
        claim = charter.claim_line(data, own_addresses(self.address), self.keys)
        return f"{line}\nto found a cluster with this broker: raisin cluster create NAME --broker {claim}"
